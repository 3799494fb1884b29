"""What the tests of the SQL store have in common."""

from __future__ import annotations

from contextlib import contextmanager

from sqlalchemy import create_engine, event, make_url, text

from pyramid_beakerish.settings import StoreSettings
from pyramid_beakerish.stores import open_store
from tests import servers
from tests.servers.mariadb import MariaDBServer
from tests.servers.postgresql import PostgreSQLServer


class FastPostgreSQL(PostgreSQLServer):
    """PostgreSQL that does not wait for the disk, only for the kernel: it may be killed."""

    options = ("-c", "fsync=off")


class FastMariaDB(MariaDBServer):
    """MariaDB that does not wait for the disk, only for the kernel: it may be killed."""

    options = ("--innodb-flush-log-at-trx-commit=2",)


KINDS = [FastPostgreSQL, FastMariaDB]


def sql_store(url, clock, create_table=True, **backend):
    """Make the store of a URL or an engine, as settings would."""
    backend = {name.replace("__", "."): value for name, value in backend.items()}
    settings = StoreSettings(type="sql", url=url, create_table=create_table, backend=backend)
    return open_store(settings, clock)


@contextmanager
def administrator(url):
    """Give a function that executes SQL, each statement at once, and gives its rows if any."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")

    def execute(sql, **parameters):
        with engine.connect() as connection:
            result = connection.execute(text(sql), parameters)
            return result.all() if result.returns_rows else None

    try:
        yield execute
    finally:
        engine.dispose()


def emptied(kind, clock, engine=None):
    """Give the store on this run's server with its table, which is empty."""
    store = sql_store(engine or servers.running(kind).url, clock)
    store.prepare()
    store._database.write([store._table.delete()])
    return store


class SharedEngines:
    """One engine for each kind of server, for tests to which a new connection is a waste."""

    def __init__(self):
        self._engines = {}

    def __call__(self, kind):
        """Give the engine for this run's server."""
        if kind not in self._engines:
            url = servers.running(kind).url
            self._engines[kind] = create_engine(url, isolation_level="AUTOCOMMIT")
        return self._engines[kind]

    def dispose(self):
        """Close all connections."""
        while self._engines:
            self._engines.popitem()[1].dispose()


@contextmanager
def quick_sqlite(folder):
    """Give an engine for a file of SQLite that does not wait for the disk."""
    engine = create_engine(f"sqlite:///{folder}/entries.db")

    @event.listens_for(engine, "connect")
    def do_not_wait(connection, record):
        connection.execute("PRAGMA synchronous = OFF")

    try:
        yield engine
    finally:
        engine.dispose()


def with_port(url, port):
    """Give the URL with another port."""
    return make_url(url).set(port=port)
