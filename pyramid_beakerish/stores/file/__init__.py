"""Entries in files, one for each."""

from __future__ import annotations

from .store import FileStore as FileStore
