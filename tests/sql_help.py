"""What the tests of the SQL store have in common."""

from __future__ import annotations

from pyramid_beakerish.settings import StoreSettings
from pyramid_beakerish.stores import open_store
from tests.servers.mariadb import MariaDBServer
from tests.servers.postgresql import PostgreSQLServer


class FastPostgreSQL(PostgreSQLServer):
    """PostgreSQL that does not wait for the disk."""

    options = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


class FastMariaDB(MariaDBServer):
    """MariaDB that does not wait for the disk."""

    options = ("--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite")


KINDS = [FastPostgreSQL, FastMariaDB]


def sql_store(url, clock, **options):
    """Make the store of a URL or an engine, as settings would."""
    backend = {name.replace("__", "."): value for name, value in options.items()}
    own = {name: backend.pop(name) for name in list(backend) if name == "create_table"}
    return open_store(StoreSettings(type="sql", url=url, backend=backend, **own), clock)


def emptied(store):
    """Give the store with its table made and empty."""
    store.prepare()
    for key in list(store.keys("")):
        store.delete(key)
    store._database._run(lambda c: c.execute(store._table.delete()))
    return store
