"""Settings of SQL stores: where the database is, and what is missing."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from sqlalchemy import create_engine, make_url

from pyramid_beakerish.errors import SettingsError
from pyramid_beakerish.settings import read_settings
from pyramid_beakerish.stores import open_store
from pyramid_beakerish.stores.sql import SqlStore

SECRET = {"session.secret": "only the tests sign with this one"}
TYPES = pytest.mark.parametrize("kind", ["sql", "ext:database", "database", "ext:sqla", "sqla"])
FILE = "sqlite:////tmp/entries.db"


def session(**options):
    """Read session options, with __ for a dot; give the settings and the messages."""
    written = {f"session.{name.replace('__', '.')}": value for name, value in options.items()}
    read = read_settings({**SECRET, **written})
    return read.session, list(read.messages)


def problems(**options):
    """Give the mistakes that are found in session options."""
    with pytest.raises(SettingsError) as caught:
        session(**options)
    return list(caught.value.problems)


@TYPES
def test_types(kind):
    """Each of the names has our store, and needs one way to the database."""
    settings, messages = session(type=kind, url=FILE)
    store = open_store(settings)
    assert isinstance(store, SqlStore)
    assert (settings.format, messages) == ("beakerish", [])
    store.close()
    assert problems(type=kind) == [
        f"session.type = {kind} needs session.url, session.bind or session.sa.url."
    ]


@pytest.mark.parametrize(
    "place",
    [
        {"url": make_url(FILE)},
        {"url": create_engine(FILE)},
        {"bind": create_engine(FILE)},
        {"sa__url": FILE},
        {"sa_opts": {"sa.url": FILE}},
    ],
)
def test_places(place):
    """The database may be a URL or an engine, in each of the places."""
    settings, messages = session(type="sql", **place)
    assert messages == []
    open_store(settings).close()


def test_none_is_sqlalchemys_to_read():
    """Under sa. the word none is a value like others: SQLAlchemy has a meaning for it."""
    settings, _ = session(type="sql", url=FILE, sa__pool_reset_on_return="none")
    assert settings.backend == {"sa.pool_reset_on_return": "none"}


def test_beaker_is_asked_for():
    """With format = beaker the types are Beaker's, and need what it needs."""
    settings, _ = session(type="ext:database", url=FILE, format="beaker", data_serializer="json")
    assert settings.format == "beaker"
    assert problems(type="ext:sqla", url=FILE, format="beaker", data_serializer="json") == [
        "session.type = ext:sqla needs session.bind.",
        "session.type = ext:sqla needs session.table.",
    ]


def test_table_has_no_effect():
    """Beaker's table is not used, and that is said."""
    _, messages = session(type="ext:sqla", bind=create_engine(FILE), table=object())
    assert messages == ["session.table has no effect: entries are in a table of their own."]


EXAMPLES = "postgresql://user:password@host/database, mysql://... or sqlite:////path/to/file"


@pytest.mark.parametrize(
    ("options", "sentences"),
    [
        (
            {"url": "secret"},
            [f"session.url is neither a URL nor an engine of SQLAlchemy: use {EXAMPLES}."],
        ),
        (
            {"bind": object()},
            [f"session.bind is neither a URL nor an engine of SQLAlchemy: use {EXAMPLES}."],
        ),
        (
            {"sa__url": "oracle://scott:tiger@host/x"},
            [
                (
                    "session.sa.url names oracle, for which there is no store: "
                    "use postgresql, mysql, mariadb or sqlite."
                )
            ],
        ),
        (
            {"url": "sqlite://"},
            ["session.url is a database in memory, one for each connection: use type = memory."],
        ),
        (
            {"url": "sqlite:///:memory:"},
            ["session.url is a database in memory, one for each connection: use type = memory."],
        ),
        (
            {"url": create_engine(FILE), "sa__pool_size": "5"},
            [("session.sa.pool_size cannot be obeyed: url is an engine that was made already.")],
        ),
        (
            {"url": FILE, "sa__isolation_level": "SERIALIZABLE"},
            [
                (
                    "session.sa.isolation_level cannot be obeyed: "
                    "each statement is a transaction of its own."
                )
            ],
        ),
    ],
)
def test_mistakes(options, sentences):
    """A database that cannot be used is a mistake at configuration, which shows no secret."""
    assert problems(type="sql", **options) == sentences


def test_an_engine_of_another_database():
    """An engine is judged as the URL that it was made from would be."""
    driver = SimpleNamespace(Cursor=object, version="4", paramstyle="qmark")
    (problem,) = problems(type="sql", url=create_engine("mssql+pyodbc://h", module=driver))
    assert problem.startswith("session.url names mssql, for which there is no store")


@pytest.mark.parametrize(
    "place", ["postgresql://host/x", "mysql://host/x", create_engine("mariadb+pymysql://host/x")]
)
def test_a_table_name_that_is_too_long(place):
    """A name of which a server's identifiers cannot be made is a mistake, but not for SQLite."""
    (problem,) = problems(type="sql", url=place, table_name="t" * 48)
    assert problem == (
        "session.table_name is too long: it may have 47 bytes, as the index is named after it, too."
    )
    for name, of in ("t" * 47, place), ("t" * 48, FILE):
        session(type="sql", url=of, table_name=name, create_table="false")


@pytest.mark.parametrize(
    ("url", "driver", "package"),
    [
        ("postgresql://user:secret@host/x", "psycopg", "psycopg[binary]"),
        ("postgresql+psycopg://host", "psycopg", "psycopg[binary]"),
        ("mysql://host/x", "pymysql", "PyMySQL"),
        ("mariadb://host/x", "pymysql", "PyMySQL"),
    ],
)
def test_missing_driver(url, driver, package, monkeypatch):
    """A driver that is not installed is missed at configuration, with what to install."""
    monkeypatch.setitem(sys.modules, driver, None)
    assert problems(type="sql", url=url) == [
        f"session.url needs the driver {driver}: install pyramid_beakerish[sql] and {package}."
    ]


def test_missing_sqlalchemy(monkeypatch):
    """So is SQLAlchemy itself."""
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    assert problems(type="ext:database", url=FILE) == [
        "session.type = ext:database needs pyramid_beakerish[sql]: install it."
    ]


@pytest.mark.parametrize("driver", ["pg8000", "nothing"])
def test_missing_driver_of_others(driver):
    """A driver that we do not know is missed when the store is made, also if nobody knows it."""
    complaint = rf"^session\.url needs a driver that cannot be imported: .*{driver}"
    with pytest.raises(SettingsError, match=complaint):
        session(type="sql", url=f"postgresql+{driver}://host/x")


def test_region():
    """Regions find the same mistakes."""
    with pytest.raises(SettingsError) as caught:
        read_settings({**SECRET, "cache.regions": "a", "cache.a.type": "sql"})
    assert caught.value.problems == (
        "cache.a.type = sql needs cache.a.url, cache.a.bind or cache.a.sa.url.",
    )
