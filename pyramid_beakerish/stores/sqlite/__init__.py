"""Entries in one SQLite file."""

from __future__ import annotations

from .store import SqliteStore as SqliteStore
