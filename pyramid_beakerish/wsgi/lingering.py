"""A store that keeps expired entries for as long again as they lived."""

from __future__ import annotations

from typing import Any

from ..stores.around import StoreAround


class LingeringStore(StoreAround):
    """Passes every call on to a store, and lets entries live twice as long.

    A session's record has a deadline of its own, so the session ends in time all the same; but what
    it held can still be read.
    """

    def create(self, key: str, value: bytes, ttl: float | None) -> bool:
        """See `Store`."""
        return super().create(key, value, _twice(ttl))

    def swap(self, key: str, token: Any, value: bytes, ttl: float | None) -> bool:
        """See `Store`."""
        return super().swap(key, token, value, _twice(ttl))

    def set(self, key: str, value: bytes, ttl: float | None) -> None:
        """See `Store`."""
        super().set(key, value, _twice(ttl))


def _twice(ttl: float | None) -> float | None:
    return None if ttl is None else 2 * ttl
