"""The SQL store: the contract, on each database."""

from __future__ import annotations

from tests import servers
from pyramid_beakerish.testing import StoreSuite
from tests.sql_help import FastMariaDB, FastPostgreSQL, emptied, sql_store


class TestOnPostgreSQL(StoreSuite):
    def make_store(self, clock, folder):
        return emptied(sql_store(servers.running(FastPostgreSQL).url, clock))


class TestOnMariaDB(StoreSuite):
    def make_store(self, clock, folder):
        return emptied(sql_store(servers.running(FastMariaDB).url, clock))


class TestOnSQLite(StoreSuite):
    def make_store(self, clock, folder):
        return sql_store(f"sqlite:///{folder}/entries.db", clock)
