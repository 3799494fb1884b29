"""What the tests of the SQLite store have in common."""

from __future__ import annotations

import sqlite3

import pytest


@pytest.fixture
def path(tmp_path):
    """The file of the fixture ``store`` of a module."""
    return tmp_path / "entries.db"


@pytest.fixture
def raw(path, store):
    """A connection of somebody else's to the store's file, once that is there."""
    store.prepare()
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()
