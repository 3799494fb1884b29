"""The database of this package's SQL store: where it is, and what is wrong with it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .sentences import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

    from .options import StoreSettings

#: The databases that the store speaks to, each with the driver for a URL that names none.
DRIVERS = {
    "postgresql": "psycopg",
    "mysql": "pymysql",
    "mariadb": "pymysql",
    "sqlite": "pysqlite",
}
#: What to install for a driver.
PACKAGES = {"psycopg": "psycopg[binary]", "pymysql": "PyMySQL"}
#: In bytes: the index adds 16 to the name, and servers allow 63 or more.
LONGEST_TABLE_NAME = 47
EXAMPLES = "postgresql://user:password@host/database, mysql://... or sqlite:////path/to/file"


def database_of(settings: StoreSettings) -> Any:
    """Give the URL or the engine of the settings, ``None`` where there is none."""
    return _written(settings)[1]


def engine_options(settings: StoreSettings) -> dict[str, Any]:
    """Give the options for SQLAlchemy's ``engine_from_config``, with their prefix ``sa.``."""
    options = {n: value for n, value in settings.backend.items() if n.startswith("sa.")}
    return {**settings.backend.get("sa_opts", {}), **options}


def with_driver(url: URL) -> URL:
    """Give a URL with a driver: the one that it names, or else this package's default."""
    driver = DRIVERS.get(url.drivername)
    return url.set(drivername=f"{url.drivername}+{driver}") if driver else url


def database_mistakes(settings: StoreSettings, prefix: str = "") -> list[str]:
    """Give a sentence for each reason why the settings lead to no database; none is contacted.

    ``prefix`` is that of the keys, such as ``session.``.
    """
    name, place = _written(settings)
    kind = f"{prefix}type = {settings.type}"
    if place is None:
        return [f"{kind} needs {prefix}url, {prefix}bind or {prefix}sa.url."]
    return [f"{prefix}{sentence}" for sentence in _mistakes(settings, name, place)]


def _written(settings: StoreSettings) -> tuple[str, Any]:
    """Give the name of the option that names the database, and its value."""
    places = {
        "url": settings.url,
        "bind": settings.backend.get("bind"),
        "sa.url": engine_options(settings).get("sa.url"),
    }
    return next(((name, value) for name, value in places.items() if value), ("url", None))


def _mistakes(settings: StoreSettings, name: str, place: Any) -> Iterator[str]:
    from sqlalchemy import Engine, make_url
    from sqlalchemy.exc import ArgumentError

    options = engine_options(settings)
    if isinstance(place, Engine):
        yield from _wrong_dialect(name, place.dialect.name)
        yield from _long_table_name(settings, place.dialect.name)
        if options:
            yield f"{min(options)} cannot be obeyed: {name} is an engine that was made already."
        return
    try:
        url = with_driver(make_url(place))
        yield from _wrong_url(name, url)
        yield from _long_table_name(settings, url.get_backend_name())
    except ArgumentError:
        yield f"{name} is neither a URL nor an engine of SQLAlchemy: use {EXAMPLES}."
    if "sa.isolation_level" in options:
        yield "sa.isolation_level cannot be obeyed: each statement is a transaction of its own."


def _wrong_url(name: str, url: URL) -> Iterator[str]:
    dialect = url.get_backend_name()
    yield from _wrong_dialect(name, dialect)
    if dialect == "sqlite" and (url.database or ":memory:") == ":memory:":
        yield f"{name} is a database in memory, one for each connection: use type = memory."
    driver = url.drivername.partition("+")[2]
    if driver in PACKAGES and find_spec(driver) is None:
        yield (
            f"{name} needs the driver {driver}: "
            f"install pyramid_beakerish[sql] and {PACKAGES[driver]}."
        )


def _wrong_dialect(name: str, dialect: str) -> Iterator[str]:
    if dialect not in DRIVERS:
        yield f"{name} names {dialect}, for which there is no store: use {listed(DRIVERS)}."


def _long_table_name(settings: StoreSettings, dialect: str) -> Iterator[str]:
    name = settings.backend.get("table_name") or ""
    if dialect != "sqlite" and len(name.encode()) > LONGEST_TABLE_NAME:
        yield (
            f"table_name is too long: it may have {LONGEST_TABLE_NAME} bytes, as the index is "
            "named after it, too."
        )
