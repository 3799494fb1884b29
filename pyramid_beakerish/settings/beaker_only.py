"""The options that Beaker has and this package's own sessions and stores do not.

They are accepted, so that settings written for Beaker go on working. Beaker's own sessions
(``session.format = beaker``) obey them; elsewhere the reason why they have no effect is told.
"""

from __future__ import annotations

from typing import Any

from . import convert
from .convert import Converter
from .option import Option
from .options import REGION_OPTIONS, SESSION_OPTIONS
from .pyramid_only import SIGNED_COOKIE_OPTIONS
from .store_types import MEMCACHED, REDIS, SQL_TYPES, SQLALCHEMY

CRYPTO_TYPES = ("default", "cryptography", "pycryptodome", "pycrypto")


def _crypto_type(value: str) -> str:
    from beaker import crypto  # imports pycryptodome, where it is installed

    if value not in CRYPTO_TYPES and value not in crypto.CRYPTO_MODULES:
        raise ValueError(value)
    return value


def _session_class(value: Any) -> Any:
    from beaker.session import Session  # imports every client library that is installed

    found = convert.resolve(value)
    if not issubclass(found, Session):
        raise TypeError(found)
    return found


crypto_type = Converter("a crypto module", "default, cryptography or pycryptodome", _crypto_type)
session_class = Converter(
    "a subclass of beaker.session.Session", "such a class or package.module:name", _session_class
)

#: Options of Beaker's sessions.
SESSION: dict[str, Option] = {
    "auto": Option(
        convert=convert.boolean,
        default=False,
        help="Whether Beaker saves a session that was merely read.",
        obeyed_by="beaker",
        inert="every change is saved without being asked for",
    ),
    "invalidate_corrupt": Option(
        convert=convert.boolean,
        default=None,
        default_text="true, except for what cannot be decrypted",
        help="Whether a session of Beaker's that cannot be read becomes a new one, not an error.",
        obeyed_by="beaker",
        inert="a session that cannot be read always becomes a new one",
    ),
    "webtest_varname": Option(
        convert=convert.text,
        default=None,
        help="The name under which the WSGI middleware shows the session to WebTest.",
        obeyed_by="nobody",
        inert="only the WSGI middleware reads it",
    ),
    "encrypt_key": Option(
        convert=convert.secrets,
        default=None,
        help="What encrypts stored sessions, one key a line, newest first; needs cryptography.",
        secret=True,
    ),
    "validate_key": Option(
        convert=convert.secrets,
        default=None,
        help="What signs a session in a cookie where there is no secret, as in Beaker; there it "
        "signs encrypted sessions, too.",
        own_types=("cookie",),
        needed_by=("cookie",),
        alternatives={"cookie": ("secret", "encrypt_key")},
        inert="a record that stays on the server needs no signature, and one that is encrypted "
        "has it; only what Beaker has stored is read with this key",
        secret=True,
    ),
    "encrypt_nonce_bits": Option(
        convert=convert.nonce_bits,
        default=128,
        help="How many random bits Beaker salts the encryption key with.",
        obeyed_by="beaker",
        inert="only what Beaker has encrypted is read by it",
    ),
    "crypto_type": Option(
        convert=crypto_type,
        default="default",
        help="The library that Beaker encrypts with.",
        obeyed_by="beaker",
        inert="only what Beaker has encrypted is read by it",
    ),
    "session_class": Option(
        convert=session_class,
        default=None,
        help="A Session class of one's own, derived from Beaker's.",
        obeyed_by="beaker",
    ),
    "namespace_class": Option(
        convert=convert.dotted_callable,
        default=None,
        help="A NamespaceManager of one's own, in the place of a type.",
        obeyed_by="beaker",
    ),
}

#: Options that belong to one backend or some; the table says to which types.
BACKEND: dict[str, Option] = {
    "log_file": Option(
        convert=convert.text,
        default=None,
        help="Once the log of a backend.",
        obeyed_by="nobody",
        inert="nothing reads it, in Beaker neither",
    ),
    "protocol": Option(
        convert=convert.text,
        default=None,
        help="Once the protocol of pylibmc.",
        obeyed_by="nobody",
        inert="nothing reads it, in Beaker neither",
    ),
    "dbm_dir": Option(
        convert=convert.text,
        default=None,
        help="The folder of dbm files; without it one in data_dir.",
        types=("dbm",),
    ),
    "dbmmodule": Option(
        convert=convert.dotted_object,
        default=None,
        help="The module that opens dbm files.",
        default_text="dbm.gnu, or dbm.dumb where there is none",
        types=("dbm",),
    ),
    "file_dir": Option(
        convert=convert.text,
        default=None,
        help="Beaker's folder of files; without data_dir the store of this package uses it.",
        types=("file",),
    ),
    "memcache_module": Option(
        convert=convert.one_of("auto", "memcache", "cmemcache", "bmemcached"),
        default="auto",
        help="The client library that Beaker speaks to memcached with.",
        types=MEMCACHED,
        obeyed_by="beaker",
        inert="the store of this package speaks to memcached with pymemcache",
    ),
    "urls": Option(
        convert=convert.text_or_object,
        default=None,
        help="The nodes of a Redis cluster with commas between them, or a client object.",
        types=("ext:rediscluster",),
        needed_by=("ext:rediscluster",),
        secret=True,
    ),
    "username": Option(
        convert=convert.text,
        default=None,
        help="The user of a Redis cluster.",
        types=("ext:rediscluster",),
    ),
    "password": Option(
        convert=convert.password,
        default=None,
        help="The password of a Redis cluster.",
        types=("ext:rediscluster",),
        secret=True,
    ),
    "table_name": Option(
        convert=convert.text,
        default="beaker_cache",
        default_text="beakerish; beaker_cache for Beaker's own",
        help="The table that holds the data: here it is <table_name>_entries, beside Beaker's.",
        types=SQL_TYPES,
    ),
    "schema_name": Option(
        convert=convert.text,
        default=None,
        help="The database schema that holds the table.",
        types=SQL_TYPES,
    ),
    "sa_opts": Option(
        convert=convert.engine_options,
        default=None,
        help="A dictionary of engine options, as under sa.*",
        types=SQL_TYPES,
        secret=True,
    ),
    "sa.*": Option(
        convert=convert.anything,
        default=None,
        help="An option of SQLAlchemy's engine_from_config, such as sa.pool_size.",
        types=SQL_TYPES,
        secret=True,
    ),
    "redis.*": Option(
        convert=convert.anything,
        default=None,
        help="An option of redis-py's connections, such as redis.socket_timeout, or one of those "
        "that lead to Sentinel, a cluster or a client of one's own.",
        types=REDIS,
        obeyed_by="beakerish",
        secret=True,
    ),
    "bind": Option(
        convert=convert.anything,
        default=None,
        help="The SQLAlchemy engine to use.",
        types=("sql", *SQLALCHEMY),
        needed_by=SQLALCHEMY,
    ),
    "table": Option(
        convert=convert.anything,
        default=None,
        help="The SQLAlchemy table to use.",
        types=SQLALCHEMY,
        needed_by=SQLALCHEMY,
        obeyed_by="beaker",
        inert="entries are in a table of their own",
    ),
}

#: Options of backends that Beaker's Session sets by itself, so that only regions have them.
REGION: dict[str, Option] = {
    "timeout": Option(
        convert=convert.duration("leave it out for no limit"),
        default=None,
        help="How long Redis keeps what Beaker stores without an expiry of its own.",
        types=("ext:redis", "ext:rediscluster"),
    ),
    "digest_filenames": Option(
        convert=convert.boolean,
        default=True,
        help="Whether Beaker hashes the names of its files.",
        types=("dbm", "file"),
    ),
}

#: The earlier configuration, whose options are those of sessions (`settings.previous`).
PREVIOUS: dict[str, Option] = {
    "previous.*": Option(
        convert=convert.anything,
        default=None,
        help="An option of the configuration that was in use before, such as previous.type.",
        obeyed_by="shell",
        secret=True,
    ),
}

#: Every option there is, by scope: what this package has stands before what Beaker has.
ALL_SESSION_OPTIONS = {
    **SESSION_OPTIONS,
    **PREVIOUS,
    **SIGNED_COOKIE_OPTIONS,
    **SESSION,
    **BACKEND,
}
ALL_REGION_OPTIONS = {**REGION_OPTIONS, **BACKEND, **REGION}


#: Under these an option of a client library may have any name.
OPEN_ENDED = ("sa.", "redis.", "previous.")


def find_option(table: dict[str, Option], name: str) -> Option | None:
    """Give the option of that name, ``sa.*`` for every name that begins with ``sa.``."""
    prefix = next((prefix for prefix in OPEN_ENDED if name.startswith(prefix)), None)
    return table.get(name if prefix is None else f"{prefix}*")
