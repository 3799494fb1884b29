"""Session settings: defaults, keys that are no options, formats, messages, and requirements."""

from __future__ import annotations

import sys
from dataclasses import FrozenInstanceError

import pytest
from beaker import crypto
from beaker.container import MemoryNamespaceManager
from beaker.session import Session

from pyramid_beakerish.errors import SettingsError
from pyramid_beakerish.settings import (
    SessionSettings,
    missing_requirements,
    read_session_settings,
    read_settings,
    session_settings,
)
from pyramid_beakerish.stores.memory import MemoryStore

SECRET = "a secret that is long enough to be one"
NEW_SECRET = "python -c 'import secrets; print(secrets.token_urlsafe(32))' makes one."
SIGNED = {"session.secret": SECRET}


def problems(settings):
    """Give the mistakes that strict reading finds."""
    with pytest.raises(SettingsError) as caught:
        read_settings(settings)
    return list(caught.value.problems)


def messages(settings):
    """Give the messages of strict reading, for sessions with a good secret."""
    return list(read_settings({**SIGNED, **settings}).messages)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package that registers entry points, for as long as the test runs."""

    def install(group, name, module):
        folder = tmp_path / "odd-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    return install


@pytest.fixture
def without_aes(monkeypatch):
    """Take away the libraries that Beaker encrypts with."""
    monkeypatch.setattr(crypto, "CRYPTO_MODULES", {})
    for name in ("pyca_cryptography", "pycrypto"):
        monkeypatch.delattr(crypto, name, raising=False)
        monkeypatch.setitem(sys.modules, f"beaker.crypto.{name}", None)


@pytest.fixture
def with_aes(monkeypatch):
    """Register a crypto module under the name test-aes, as an application may."""

    class Aes:
        has_aes = True

    monkeypatch.setattr(crypto, "CRYPTO_MODULES", {"test-aes": Aes, "default": Aes})


def test_defaults():
    """Settings that say nothing give Beaker's defaults, but for those that design changed."""
    assert read_settings(SIGNED).session == SessionSettings(
        secret=(SECRET,), given={"secret": (SECRET,)}
    )
    session = SessionSettings()
    assert (session.type, session.key, session.timeout) == (
        "memory", "beaker.session.id", 14 * 86400,
    )  # fmt: skip
    assert (session.touch_interval, session.lifetime) == (60, None)
    assert (session.secure, session.httponly, session.samesite) == ("auto", True, "Lax")
    assert (session.data_serializer, session.format) == ("msgpack", "beakerish")


def test_settings_are_frozen():
    """Settings cannot be changed after they were read."""
    with pytest.raises(FrozenInstanceError):
        SessionSettings().timeout = 1


def test_blanks_around_a_name():
    """A name that has blanks around it after its prefix is that name, as in pyramid_beaker."""
    assert read_session_settings({"session. timeout ": "30m"})[0].timeout == 1800


def test_data_dir_means_file():
    """Without a type, a data_dir means files."""
    assert session_settings(data_dir="/x")[0].type == "file"
    assert session_settings(data_dir="/x", type="memory")[0].type == "memory"


def test_file_dir_stands_in_for_data_dir():
    """Settings for Beaker's files may name file_dir alone; our store takes it for data_dir."""
    assert session_settings(type="file", file_dir="/f")[0].data_dir == "/f"
    assert session_settings(type="file", file_dir="/f", data_dir="/d")[0].data_dir == "/d"
    assert session_settings(type="file", file_dir="/f", format="beaker")[0].data_dir is None
    assert session_settings(type="sqlite", file_dir="/f")[0].data_dir is None


@pytest.mark.parametrize(
    ("timeout", "interval"), [("10m", 60), ("100", 10), ("14d", 60), ("none", 60)]
)
def test_touch_interval(timeout, interval):
    """A read is recorded every tenth of the timeout, at least every minute."""
    assert session_settings(timeout=timeout)[0].touch_interval == interval
    assert session_settings(timeout=timeout, touch_interval="5s")[0].touch_interval == 5


def test_store_object_is_a_type():
    """A store is taken as it is."""
    store = MemoryStore.from_settings(SessionSettings(), lambda: 0.0)
    assert session_settings(type=store)[0].type is store


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"session.timeot": "30m"},
            "session.timeot = '30m' is no option. Did you mean session.timeout?",
        ),
        (
            {"session.tpye": "file"},
            "session.tpye = 'file' is no option. Did you mean session.type?",
        ),
        (
            {"beaker.session.htponly": "true"},
            "beaker.session.htponly = 'true' is no option. Did you mean beaker.session.httponly?",
        ),
        (
            {"session.secrets": "hunter2"},
            "session.secrets = '***' is no option. Did you mean session.secret?",
        ),
        (
            {"session.domain": "example.com"},
            "session.domain = 'example.com' is no option. Did you mean session.cookie_domain?",
        ),
        (
            {"session.cookie_httponly": "true"},
            "session.cookie_httponly = 'true' is no option. Did you mean session.httponly?",
        ),
        (
            {"session.TimeOut": "30m"},
            "session.TimeOut = '30m' is no option. Did you mean session.timeout?",
        ),
        (
            {"session.TIMEOT": "30m"},
            "session.TIMEOT = '30m' is no option. Did you mean session.timeout?",
        ),
        ({"session.typo": "file"}, "session.typo = 'file' is no option."),
        ({"session.MyPassphrase": "hunter2"}, "session.MyPassphrase = '***' is no option."),
        (
            {"session.type": "cookie", "session.validate_key": SECRET, "session.color": "red"},
            "session.color = 'red' is no option.",
        ),
        ({"session.color": "red"}, "session.color = 'red' is no option."),
        ({"session.": 1}, "session. = 1 is no option."),
        ({"session.color": None}, "session.color = None is no option."),
        ({"session.color": {}}, "session.color = <dict> is no option."),
    ],
)
def test_unknown_key(settings, sentence):
    """A key that is no option is a mistake, with the option that was probably meant."""
    assert problems(settings) == [sentence]
    assert sentence in read_session_settings(settings)[1]
    assert messages({**settings, "beakerish.unknown_settings": "warn"}) == [sentence]
    assert messages({**settings, "beakerish.unknown_settings": "ignore"}) == []
    with pytest.raises(SettingsError):
        read_session_settings({**settings, "beakerish.unknown_settings": "error"})


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("sesion.type", "session.type"),
        ("beaker.sessoin.secret", "beaker.session.secret"),
        ("beakersession.key", "beaker.session.key"),
        ("cahce.regions", "cache.regions"),
        ("cahce.short_term.expire", "cache.short_term.expire"),
        ("beakersh.clock", "beakerish.clock"),
    ],
)
def test_misspelt_prefix(key, meant):
    """An option under a prefix that is nearly one of ours is told, and may be somebody else's."""
    settings = {key: "a secret"}
    assert messages(settings) == [f"{key} has no effect here. Did you mean {meant}?"]
    assert messages({**settings, "beakerish.unknown_settings": "ignore"}) == []


@pytest.mark.parametrize("key", ["sessions.colour", "sqlalchemy.type", "type", "sesion", "sesion."])
def test_other_prefixes_are_others(key):
    """A key is told only if both its prefix and its option look like ours."""
    assert messages({key: "x"}) == []


def test_wrong_unknown_settings():
    """What becomes of unknown settings is told in one of three words."""
    settings = {"beakerish.unknown_settings": "shout", "session.color": "red"}
    assert problems(settings) == [
        "beakerish.unknown_settings = 'shout' is not allowed: use error, warn or ignore.",
        "session.color = 'red' is no option.",
    ]


def test_session_settings_without_prefix():
    """Options that are given directly are named without a prefix."""
    session, said = session_settings(timeout="60", secret=SECRET, color="red", auto=True)
    assert session.timeout == 60
    assert said == (
        "color = 'red' is no option.",
        "auto has no effect: every change is saved without being asked for.",
    )
    with pytest.raises(SettingsError, match=r"^secure = 'x' is not a boolean: use true, false"):
        session_settings(secure="x")


def test_given_options():
    """The given options are listed converted, without the two that pyramid_beaker takes out."""
    session, _ = read_session_settings(
        {
            "session.auto": "true",
            "session.key": "foo",
            "session.cookie_on_exception": "false",
            "session.constant_csrf_token": "x",
            "session.url": None,
        }
    )
    assert session.given == {"auto": True, "key": "foo"}
    assert len(session.given) == 2
    assert session.cookie_on_exception is False
    assert session.constant_csrf_token == "x"


def test_no_repr_shows_a_value():
    """The repr of settings and of their parts names options and no values."""
    session, _ = session_settings(secret=SECRET, url="redis://:pw@h", type="ext:redis")
    assert repr(session) == "<SessionSettings <options: secret, type, url>>"
    assert repr(session.given) == "<options: secret, type, url>"
    assert repr(session.backend) == "<options: none>"
    assert SECRET not in repr(read_settings(SIGNED))


SQL_TYPES = "sql, ext:database, database, ext:sqla or sqla"
BY_URL = (
    "ext:redis, redis, ext:mongodb, ext:memcached, memcached, sql, ext:database, database, "
    "ext:sqla, sqla or sqlite"
)
LOCKED_BY_BEAKER = "ext:memcached, memcached, ext:database, database, ext:sqla or sqla"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"auto": "true"}, "every change is saved without being asked for"),
        ({"invalidate_corrupt": "1"}, "a session that cannot be read always becomes a new one"),
        ({"webtest_varname": "s"}, "only the WSGI middleware reads it"),
        ({"crypto_type": "default"}, "it is used only to read what Beaker has encrypted"),
        ({"encrypt_nonce_bits": "48"}, "it is used only to read what Beaker has encrypted"),
        ({"log_file": "x"}, "nothing reads it, not even Beaker"),
        ({"protocol": "binary"}, "nothing reads it, not even Beaker"),
        ({"fsync": "true"}, "only session.type = file or sqlite reads it"),
        ({"url": "redis://u:pw@h"}, f"only session.type = {BY_URL} reads it"),
        ({"lock_dir": "/x"}, "only session.type = dbm, file or sqlite reads it"),
        (
            {"lock_dir": "/x", "format": "beaker"},
            f"only session.type = dbm, file, sqlite, {LOCKED_BY_BEAKER} reads it",
        ),
        (
            {"table_name": "t"},
            f"only session.type = {SQL_TYPES} reads it",
        ),
        ({"sa.pool_size": "5"}, f"only session.type = {SQL_TYPES} reads it"),
        ({"create_table": "no"}, f"only session.type = {SQL_TYPES} reads it"),
        ({"file_dir": "/x"}, "only session.type = file without data_dir reads it"),
        (
            {"file_dir": "/x", "data_dir": "/y", "previous": "none"},
            "only session.type = file without data_dir reads it",
        ),
        ({"pickle_classes": "a:B"}, "neither data_serializer nor previous uses pickles"),
        ({"rotation_grace": "5s"}, "it is used only with renew_id_every"),
        (
            {"on_store_error": "anonymous", "type": "cookie", "previous": "none"},
            "a session in a cookie is in no store",
        ),
        (
            {"key": "k", "use_cookies": "false"},
            "use_cookies = false: there is no cookie",
        ),
        (
            {"lifetime": "1d", "format": "beaker"},
            "Beaker keeps the sessions and has no such option",
        ),
    ],
)
def test_option_without_effect(settings, message):
    """An option that is accepted and has no effect is told, with the reason."""
    name = next(iter(settings))
    written = {f"session.{name}": value for name, value in settings.items()}
    assert messages(written) == [f"session.{name} has no effect: {message}."]


@pytest.mark.parametrize(
    "options",
    [
        {"type": "file", "lock_dir": "/x", "file_dir": "/x", "previous": "none"},
        {"type": "file", "data_dir": "/x", "file_dir": "/x"},
        {"data_serializer": "pickle", "pickle_classes": "a:B", "previous": "none"},
        {"pickle_classes": "a:B", "previous.type": "memory"},
        {"namespace_class": "beaker.container:MemoryNamespaceManager", "table_name": "t"},
        {"type": "signed_cookie", "salt": "x"},
        {"secret": "x" * 32},
    ],
    ids=str,
)
def test_option_with_an_effect(options):
    """Of an option that is obeyed nothing is said."""
    written = {f"session.{name}": value for name, value in options.items()}
    said = read_session_settings({**SIGNED, **written})[1]
    assert [line for line in said if "Beaker keeps the sessions: " not in line] == []


def test_options_of_somebody_elses_back_end():
    """What a back end that is not known here is given may well be read by it."""
    settings = {
        "session.type": "ext:rediscluster",
        "session.urls": "redis://h",
        "session.file_dir": "x",
    }
    assert messages({**settings, "session.previous": "none"}) == []


def test_a_password_in_quotes():
    """Quotes may be part of a password, as of a secret, and are kept."""
    options = {"type": "ext:rediscluster", "urls": "redis://h", "password": "'p'"}
    settings = {f"session.{name}": value for name, value in options.items()}
    assert read_session_settings(settings)[0].backend["password"] == "'p'"


def test_beakers_options_are_obeyed_where_beaker_serves():
    """Where Beaker keeps the sessions its options have an effect, so nothing is said."""
    settings = {"session.format": "beaker", "session.auto": "true", "session.rotate_on": "x"}
    assert messages(settings) == []
    assert messages({**settings, "session.session_class": "beaker.session:Session"}) == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [f"session.secret is missing, so cookies are not signed: {NEW_SECRET}"]),
        ({"session.use_cookies": "false"}, []),
        (
            {"session.secret": f"{SECRET}\nshort"},
            [
                f"session.secret is shorter than 32 characters and may be guessed: {NEW_SECRET}",
            ],
        ),
        (
            {"session.format": "beaker", "session.secret": f"{SECRET}\n{SECRET}x"},
            ["session.secret has several lines, and Beaker uses only the first."],
        ),
        (
            {"session.type": "cookie", "session.validate_key": "short"},
            [
                (
                    "session.validate_key is shorter than 32 characters and may be guessed: "
                    f"{NEW_SECRET}"
                ),
            ],
        ),
    ],
)
def test_messages_about_secrets(settings, expected):
    """A secret that is missing or weak is told; a good one is not."""
    assert list(read_session_settings(settings)[1]) == expected


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            {"session_class": "beaker.session:Session"},
            "session.session_class is an option of Beaker's own sessions",
        ),
        (
            {"session_class": "beaker.session:Session", "type": "sqla"},
            "session.session_class is an option of Beaker's own sessions",
        ),
        (
            {"namespace_class": MemoryNamespaceManager, "type": "anything"},
            "session.namespace_class is an option of Beaker's own sessions",
        ),
    ],
)
def test_beaker_serves(settings, reason):
    """What only Beaker can do is done by Beaker, with one sentence why."""
    written = {f"session.{name}": value for name, value in settings.items()}
    session, said = read_session_settings(written)
    assert (session.format, session.beaker_reason) == ("beaker", reason)
    assert said[0] == f"Beaker keeps the sessions: {reason}."
    with pytest.raises(SettingsError) as caught:
        read_session_settings({**written, "session.format": "beakerish"})
    assert caught.value.problems == (f"session.format = 'beakerish' cannot be obeyed: {reason}.",)


def test_beaker_on_request():
    """Where Beaker was asked for there is no reason to tell, and Beaker's defaults hold."""
    session, _ = session_settings(format="beaker", secret=SECRET)
    assert (session.format, session.beaker_reason) == ("beaker", None)
    assert (session.timeout, session.httponly) == (None, True)
    assert session.data_serializer == "pickle"


def test_session_class_object():
    """A session class may be given itself, and takes options that nobody here knows."""

    class Own(Session):
        pass

    session, said = session_settings(session_class=Own, secret=SECRET, flavour="sour", timeot=1)
    assert session.given["session_class"] is Own
    assert session.backend == {"flavour": "sour", "timeot": 1}
    assert said == (
        "timeot = 1 is handed on to the backend. Did you mean timeout?",
        "Beaker keeps the sessions: session_class is an option of Beaker's own sessions.",
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"data_serializer": "msgpack"},
            (
                "session.data_serializer = 'msgpack' is unknown to Beaker, which keeps these "
                "sessions: use json, pickle or an object with dumps and loads."
            ),
        ),
        (
            {"save_accessed_time": "false", "timeout": "60"},
            (
                "session.save_accessed_time = 'false' cannot go with session.timeout where Beaker "
                "keeps the sessions: leave one of them out."
            ),
        ),
    ],
)
def test_what_beaker_cannot_do(settings, sentence):
    """What Beaker would refuse at first use is refused at configuration."""
    written = {f"session.{name}": value for name, value in settings.items()}
    assert problems({"session.format": "beaker", **written}) == [sentence]
    assert messages(written) == []


def test_store_object_under_beaker():
    """Beaker cannot use a store of ours."""
    store = MemoryStore.from_settings(SessionSettings(), lambda: 0.0)
    assert problems({"session.type": store, "session.format": "beaker"}) == [
        "session.type = <MemoryStore> is unknown to Beaker, which is to keep these sessions."
    ]


TYPES = (
    "use cookie, database, dbm, ext:database, ext:memcached, ext:mongodb, ext:redis, "
    "ext:rediscluster, ext:sqla, file, memcached, memory, redis, signed_cookie, sql, sqla "
    "or sqlite."
)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("memry", f"'memry' is no type: {TYPES} Did you mean memory?"),
        ("rediss", f"'rediss' is no type: {TYPES} Did you mean redis?"),
        ("zzz", f"'zzz' is no type: {TYPES}"),
        (
            "ext:google",
            (
                "'ext:google' cannot be served: the API that it called no longer exists. "
                "Use another type."
            ),
        ),
        ("redis://:pw@host", f"'***' is no type: {TYPES} Did you mean session.url?"),
        (7, "7 is neither the name of a type nor a store."),
    ],
)
def test_wrong_type(value, sentence):
    """A type that nobody serves is a mistake, also when read leniently."""
    assert problems({"session.type": value}) == [f"session.type = {sentence}"]
    with pytest.raises(SettingsError):
        session_settings(type=value)


def test_types_of_other_packages(install):
    """Under a type that another package registers with Beaker, unknown options are its own."""
    install("beaker.backends", "odd", "beaker.container:MemoryNamespaceManager")
    session = read_settings({"session.type": "odd", "session.colour": "red"}).session
    assert session.format == "beakerish"
    assert session.backend == {"colour": "red"}


def test_types_of_other_packages_on_request(install):
    """A type that another package registers with Beaker can be Beaker's whole affair."""
    install("beaker.backends", "odd", "beaker.container:MemoryNamespaceManager")
    written = {"session.type": "odd", "session.colour": "red", "session.format": "beaker"}
    session = read_settings(written).session
    assert (session.format, session.beaker_reason) == ("beaker", None)
    assert session.backend == {"colour": "red"}


def test_stores_of_other_packages(install):
    """Under a store type that another package registers here, unknown options are its own."""
    install("pyramid_beakerish.stores", "odd", "pyramid_beakerish.stores.memory:MemoryStore")
    session = read_settings({"session.type": "odd", "session.colour": "red"}).session
    assert session.format == "beakerish"
    assert session.backend == {"colour": "red"}


@pytest.mark.parametrize(
    ("settings", "sentences"),
    [
        (
            {"type": "file"},
            ["session.type = file needs session.data_dir."],
        ),
        (
            {"type": "file", "format": "beaker", "file_dir": "/x"},
            [
                (
                    "session.type = file needs session.data_dir, "
                    "or session.file_dir and session.lock_dir."
                )
            ],
        ),
        (
            {"type": "dbm"},
            ["session.type = dbm needs session.data_dir, or session.dbm_dir and session.lock_dir."],
        ),
        (
            {"type": "cookie"},
            [
                (
                    "session.type = cookie needs session.validate_key, session.secret or "
                    "session.encrypt_key."
                )
            ],
        ),
        (
            {"type": "ext:redis"},
            [
                (
                    "session.type = ext:redis needs session.url, session.redis.sentinels, "
                    "session.redis.startup_nodes or session.redis.client_factory."
                )
            ],
        ),
        (
            {"type": "ext:redis", "format": "beaker"},
            ["session.type = ext:redis needs session.url."],
        ),
        ({"type": "redis", "redis.startup_nodes": "localhost"}, []),
        ({"type": "ext:rediscluster"}, ["session.type = ext:rediscluster needs session.urls."]),
        (
            {"type": "ext:sqla", "format": "beaker"},
            [
                "session.type = ext:sqla needs session.bind.",
                "session.type = ext:sqla needs session.table.",
            ],
        ),
        (
            {"type": "ext:database", "format": "beaker"},
            ["session.type = ext:database needs session.url, or session.sa.url."],
        ),
        ({"type": "ext:database", "format": "beaker", "sa.url": "sqlite://"}, []),
        ({"type": "ext:database", "format": "beaker", "sa_opts": {"sa.url": "sqlite://"}}, []),
        ({"type": "ext:mongodb", "url": object()}, []),
        ({"type": "dbm", "dbm_dir": "/x", "lock_dir": "/y"}, []),
        ({"type": "memory"}, []),
        ({"type": "sqlite"}, ["session.type = sqlite needs session.url or session.data_dir."]),
        ({"type": "sqlite", "data_dir": "/x"}, []),
        ({"type": "sqlite", "url": "sqlite:////x/y.db"}, []),
        (
            {"type": "sqlite", "url": object()},
            [
                "session.url names no file: use a path, or sqlite:/// and a path.",
            ],
        ),
        (
            {"type": "sqlite", "url": "redis://:secret@host"},
            [
                "session.url names no file: use a path, or sqlite:/// and a path.",
            ],
        ),
        ({"namespace_class": MemoryNamespaceManager, "type": "file"}, []),
    ],
)
def test_what_a_type_needs(settings, sentences, tmp_path, monkeypatch):
    """What a type needs and lacks is a mistake when read strictly, and asked later otherwise."""
    for library in ("sqlalchemy", "pymongo"):
        (tmp_path / f"{library}.py").touch()
        monkeypatch.delitem(sys.modules, library, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    written = {f"session.{name}": value for name, value in settings.items()}
    session, _ = read_session_settings(written)
    assert missing_requirements(session) == sentences
    if sentences:
        assert problems(written) == sentences
    else:
        read_settings(written)


@pytest.mark.parametrize(
    ("settings", "libraries", "needed"),
    [
        ({"type": "redis", "url": "redis://h"}, ["redis"], "pyramid_beakerish[redis]"),
        ({"type": "ext:redis", "url": "u", "format": "beaker"}, ["redis"], "redis"),
        (
            {"type": "ext:memcached", "url": "u", "format": "beaker"},
            ["memcache", "cmemcache", "bmemcached"],
            "memcache or cmemcache or bmemcached",
        ),
        (
            {
                "type": "ext:memcached",
                "url": "u",
                "format": "beaker",
                "memcache_module": "bmemcached",
            },
            ["bmemcached"],
            "bmemcached",
        ),
    ],
)
def test_client_library(settings, libraries, needed, monkeypatch):
    """A client library that is not installed is missed at configuration."""
    for library in libraries:
        monkeypatch.setitem(sys.modules, library, None)
    written = {f"session.{name}": value for name, value in settings.items()}
    assert problems(written) == [f"session.type = {settings['type']} needs {needed}: install it."]


def test_encryption_without_library(without_aes):
    """Beaker would store clear text where it has no AES library; here that is a mistake."""
    settings = {
        "session.format": "beaker",
        "session.encrypt_key": SECRET,
        "session.validate_key": SECRET,
    }
    assert problems(settings) == ["session.encrypt_key needs an AES library: install cryptography."]
    assert problems({**settings, "session.crypto_type": "cryptography"}) == [
        "session.crypto_type = cryptography needs that library: install it."
    ]
    session, _ = read_session_settings(settings)
    assert missing_requirements(session)


def test_encryption(with_aes):
    """Encryption by Beaker needs a validate_key beside the encrypt_key."""
    settings = {
        "session.format": "beaker",
        "session.encrypt_key": SECRET,
        "session.crypto_type": "test-aes",
    }
    assert problems(settings) == ["session.encrypt_key needs session.validate_key."]
    settings["session.validate_key"] = SECRET
    assert read_settings(settings).session.format == "beaker"
    assert read_settings({"session.type": "cookie", "session.validate_key": SECRET}).session
