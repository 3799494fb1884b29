"""Entries as rows of a table: PostgreSQL, MariaDB, MySQL and SQLite, through SQLAlchemy."""

from __future__ import annotations

from .store import SqlStore as SqlStore
