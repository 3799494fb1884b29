"""Entries on memcached servers."""

from __future__ import annotations

from .store import MemcachedStore as MemcachedStore
