"""Entries on a Redis or Valkey server, on one that Sentinel names, or in a cluster."""

from __future__ import annotations

from .store import RedisStore as RedisStore
