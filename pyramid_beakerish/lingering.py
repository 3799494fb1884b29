"""A store that keeps what has expired for as long again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .stores import open_store
from .stores.base import Entry, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .settings import StoreSettings


class LingeringStore(Store):
    """Passes every call on to a store, and lets entries live twice as long.

    A session's record has its own deadline, so the session ends all the same; but what it held
    can still be told.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @classmethod
    def from_settings(cls, settings: StoreSettings, clock: Callable[[], float]) -> LingeringStore:
        """Make the store that the settings describe, and let its entries linger."""
        return cls(open_store(settings, clock))

    def prepare(self) -> None:
        """See `Store`."""
        self._store.prepare()

    def load(self, key: str) -> Entry | None:
        """See `Store`."""
        return self._store.load(key)

    def create(self, key: str, value: bytes, ttl: float | None) -> bool:
        """See `Store`."""
        return self._store.create(key, value, _twice(ttl))

    def swap(self, key: str, token: Any, value: bytes, ttl: float | None) -> bool:
        """See `Store`."""
        return self._store.swap(key, token, value, _twice(ttl))

    def set(self, key: str, value: bytes, ttl: float | None) -> None:
        """See `Store`."""
        self._store.set(key, value, _twice(ttl))

    def delete(self, key: str, token: Any = None) -> bool:
        """See `Store`."""
        return self._store.delete(key, token)

    def keys(self, prefix: str) -> Iterator[str] | None:
        """See `Store`."""
        return self._store.keys(prefix)

    def sweep(self) -> int:
        """See `Store`."""
        return self._store.sweep()

    def close(self) -> None:
        """See `Store`."""
        self._store.close()


def _twice(ttl: float | None) -> float | None:
    return None if ttl is None else 2 * ttl
