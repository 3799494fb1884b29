"""A store around another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .base import Entry, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..settings import StoreSettings
    from .facts import StoreFacts


S = TypeVar("S", bound="StoreAround")


class StoreAround(Store):
    """Passes every call on to a store; a subclass overrides what it does differently."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.write_id_is_token = store.write_id_is_token

    @classmethod
    def from_settings(cls: type[S], settings: StoreSettings, clock: Callable[[], float]) -> S:
        """Make the store that the settings describe, and this one around it."""
        from . import open_store

        return cls(open_store(settings, clock))

    def prepare(self) -> None:
        """See `Store`."""
        self._store.prepare()

    def install(self) -> None:
        """See `Store`."""
        self._store.install()

    def load(self, key: str) -> Entry | None:
        """See `Store`."""
        entry: Entry | None = self._pass_on("load", key)
        return entry

    def load_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        """See `Store`."""
        found: dict[str, Entry] = self._pass_on("load_many", list(keys))
        return found

    def create(self, key: str, value: bytes, ttl: float | None) -> bool:
        """See `Store`."""
        return bool(self._pass_on("create", key, value, ttl))

    def swap(self, key: str, token: Any, value: bytes, ttl: float | None) -> bool:
        """See `Store`."""
        return bool(self._pass_on("swap", key, token, value, ttl))

    def set(self, key: str, value: bytes, ttl: float | None) -> None:
        """See `Store`."""
        self._pass_on("set", key, value, ttl)

    def delete(self, key: str, token: Any = None) -> bool:
        """See `Store`."""
        return bool(self._pass_on("delete", key, token))

    def keys(self, prefix: str) -> Iterator[str] | None:
        """See `Store`."""
        keys: Iterator[str] | None = self._pass_on("keys", prefix)
        return keys

    def sweep(self) -> int:
        """See `Store`."""
        return self._store.sweep()

    def inspect(self) -> StoreFacts:
        """See `Store`."""
        return self._store.inspect()

    def close(self) -> None:
        """See `Store`."""
        self._store.close()

    def _pass_on(self, method: str, *arguments: Any) -> Any:
        """Call the other store's method, one that is about entries."""
        return getattr(self._store, method)(*arguments)
