"""The options that only some back ends read, of Beaker's or of this package's stores."""

from __future__ import annotations

from . import convert
from .option import Option
from .store_types import MEMCACHED, REDIS, SQL_TYPES, SQLALCHEMY

#: Options that only some backends read: those of their ``types``.
BACKEND: dict[str, Option] = {
    "log_file": Option(
        convert=convert.text,
        default=None,
        help="Formerly the log of a backend.",
        obeyed_by="nobody",
        inert="nothing reads it, not even Beaker",
    ),
    "protocol": Option(
        convert=convert.text,
        default=None,
        help="Formerly the protocol of pylibmc.",
        obeyed_by="nobody",
        inert="nothing reads it, not even Beaker",
    ),
    "dbm_dir": Option(
        convert=convert.text,
        default=None,
        help="The folder of dbm files; by default one in data_dir.",
        types=("dbm",),
    ),
    "dbmmodule": Option(
        convert=convert.dotted_object,
        default=None,
        help="The module that opens dbm files.",
        default_text="dbm.gnu, or dbm.dumb if that is missing",
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
        "that lead to Sentinel, a cluster or your own client.",
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

#: Options of backends that only regions have, as Beaker's Session sets them by itself.
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
