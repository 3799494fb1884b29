"""A store that takes note of what it is asked, and of how long the answers take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from .base import Entry, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..settings import StoreSettings


class Command(NamedTuple):
    """A call to a store: the method, what kind of entry it is about, and the seconds it took.

    ``failure`` names the error that it raised.
    """

    method: str
    kind: str
    seconds: float
    failure: str | None


class TimedStore(Store):
    """Passes every call on to a store, and adds a `Command` to ``commands`` for each.

    >>> from pyramid_beakerish.stores.memory import MemoryStore
    >>> store = TimedStore(MemoryStore(), commands=[])
    >>> store.load("session:cafe")
    >>> [(command.method, command.kind) for command in store.commands]
    [('load', 'session')]
    """

    def __init__(self, store: Store, commands: list[Command]) -> None:
        self._store = store
        self.commands = commands

    @classmethod
    def from_settings(cls, settings: StoreSettings, clock: Callable[[], float]) -> TimedStore:
        """Make the store that the settings describe, and time it."""
        from . import open_store

        return cls(open_store(settings, clock), [])

    def load(self, key: str) -> Entry | None:
        """See `Store`."""
        entry: Entry | None = self._timed("load", key)
        return entry

    def load_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        """See `Store`."""
        wanted = list(keys)
        found: dict[str, Entry] = self._timed("load_many", wanted)
        return found

    def create(self, key: str, value: bytes, ttl: float | None) -> bool:
        """See `Store`."""
        return bool(self._timed("create", key, value, ttl))

    def swap(self, key: str, token: Any, value: bytes, ttl: float | None) -> bool:
        """See `Store`."""
        return bool(self._timed("swap", key, token, value, ttl))

    def set(self, key: str, value: bytes, ttl: float | None) -> None:
        """See `Store`."""
        self._timed("set", key, value, ttl)

    def delete(self, key: str, token: Any = None) -> bool:
        """See `Store`."""
        return bool(self._timed("delete", key, token))

    def keys(self, prefix: str) -> Iterator[str] | None:
        """See `Store`; what is listed afterwards is not timed."""
        keys: Iterator[str] | None = self._timed("keys", prefix)
        return keys

    def _timed(self, method: str, key: str | list[str], *arguments: Any) -> Any:
        failure = None
        began = time.perf_counter()
        try:
            return getattr(self._store, method)(key, *arguments)
        except Exception as error:
            failure = type(error).__name__
            raise
        finally:
            seconds = time.perf_counter() - began
            self.commands.append(Command(method, _kind(key), seconds, failure))


def _kind(key: str | list[str]) -> str:
    """Tell what an entry is for, and not whose it is."""
    names = [key] if isinstance(key, str) else key
    return ", ".join(sorted({name.partition(":")[0] for name in names}))
