"""Entries in the memory of this process."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Any

from .base import PAUSE, WRITE_ID_SIZE, Entry, Store
from .facts import StoreFacts
from .system.forks import renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..settings import StoreSettings

log = logging.getLogger(__name__)

#: How many entries a write examines for expiry.
EXAMINED_PER_WRITE = 10

#: How many entries a sweep examines at once.
BATCH = 500


class MemoryStore(Store):
    """Keeps entries in this process only: the fastest store, empty after a restart.

    When more than ``max_entries`` (100,000) are there, the least recently used ones
    leave before their time, and one warning is logged. ``clock`` gives seconds since the
    epoch (`time.time`).

    >>> store = MemoryStore()
    >>> store.create("greeting", b"12345678hello", ttl=60)
    True
    >>> store.load("greeting")
    (b'12345678hello', b'12345678')
    """

    write_id_is_token = True

    # A load takes no lock and makes no object: each step on the OrderedDict is atomic, and
    # the entry was made when it was written. Writers exclude each other by the lock.

    def __init__(self, clock: Callable[[], float] = time.time, max_entries: int = 100_000) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._entries: OrderedDict[str, tuple[Entry, float]] = OrderedDict()
        self._touch = self._entries.move_to_end
        self._lock = threading.Lock()
        self._unexamined: Iterator[str] | None = None  # what a pass has not come to yet
        self._next_expiry = math.inf
        self._full = False
        self._forked = False
        renew_after_fork(self)

    @classmethod
    def from_settings(cls, settings: StoreSettings, clock: Callable[[], float]) -> MemoryStore:
        """Make the store that the settings describe: ``max_entries`` bounds it."""
        return cls(clock, settings.max_entries)

    def load(self, key: str) -> Entry | None:
        """Give the value under the key and its write id, or ``None``."""
        if self._forked:
            self._warn_of_fork()
        try:
            entry, expires = self._entries[key]
            if expires <= self._clock():
                return None
            self._touch(key)
        except KeyError:  # never there, or removed by another thread a moment ago
            return None
        return entry

    def create(self, key: str, value: bytes, ttl: float | None) -> bool:
        """Store the value only if the key is absent; tell whether it was stored."""
        now = self._begin_write()
        with self._lock:
            absent = self._live_token(key, now) is None
            if absent:
                self._put(key, value, ttl, now)
        return absent

    def swap(self, key: str, token: Any, value: bytes, ttl: float | None) -> bool:
        """Store the value only if the entry is still the one that ``load`` gave."""
        now = self._clock()
        expires = math.inf if ttl is None else now + ttl
        with self._lock:
            found = self._entries.get(key)
            if found is None or found[1] <= now or found[0][1] != token:
                return False
            # Not by `_put`: no entry is added, and one call less matters in what every
            # request does that writes to a session (0.3 us of 11).
            self._entries[key] = ((value, value[:WRITE_ID_SIZE]), expires)
            if expires < self._next_expiry:
                self._next_expiry = expires
            if self._unexamined is not None or self._next_expiry <= now:
                self._examine_some(now)
        return True

    def set(self, key: str, value: bytes, ttl: float | None) -> None:
        """Store the value, whatever was there."""
        now = self._begin_write()
        with self._lock:
            self._put(key, value, ttl, now)

    def delete(self, key: str, token: Any = None) -> bool:
        """Remove the entry, with a token only if it is unchanged; tell whether it was removed."""
        now = self._begin_write()
        with self._lock:
            current = self._live_token(key, now)
            removed = current is not None and token in (None, current)
            if removed:
                del self._entries[key]
        return removed

    def keys(self, prefix: str) -> Iterator[str]:
        """List the keys that begin with the prefix and are there at this moment."""
        now = self._clock()
        found = ((key, self._entries.get(key)) for key in self._keys() if key.startswith(prefix))
        return (key for key, entry in found if entry is not None and entry[1] > now)

    def sweep(self) -> int:
        """Remove what has expired, a few at a time, so that nobody waits long; tell how much."""
        now, removed, keys = self._clock(), 0, self._keys()
        while some := list(islice(keys, BATCH)):
            with self._lock:
                removed += sum(self._examine(key, now) for key in some)
            if len(some) == BATCH:
                time.sleep(PAUSE)
        return removed

    def inspect(self) -> StoreFacts:
        """Tell how many entries there can be, and that only this process sees them."""
        return StoreFacts(reach="process", persistent=False, most_entries=self._max_entries)

    def forked(self) -> None:
        """Get ready to serve a child process, which shares nothing with its parent any more."""
        self._lock = threading.Lock()
        self._forked = bool(self._entries)

    def _warn_of_fork(self) -> None:
        self._forked = False
        log.warning(
            "A memory store was used before a fork and again after it: sessions are not shared "
            "between processes. Use the type file, sqlite or redis where several processes serve."
        )

    def _begin_write(self) -> float:
        if self._forked:
            self._warn_of_fork()
        return self._clock()

    def _live_token(self, key: str, now: float) -> bytes | None:
        found = self._entries.get(key)
        if found is None or found[1] <= now:
            return None
        token: bytes = found[0][1]
        return token

    def _put(self, key: str, value: bytes, ttl: float | None, now: float) -> None:
        expires = math.inf if ttl is None else now + ttl
        self._entries[key] = ((value, value[:WRITE_ID_SIZE]), expires)
        self._touch(key)
        if expires < self._next_expiry:
            self._next_expiry = expires
        if self._unexamined is not None or self._next_expiry <= now:
            self._examine_some(now)
        if len(self._entries) > self._max_entries:
            self._drop_least_recently_used(now)

    def _examine_some(self, now: float) -> None:
        """Go on with a pass over all entries, which begins only once something can have expired."""
        if self._unexamined is None:
            self._next_expiry = math.inf
            self._unexamined = self._keys()
        examined = list(islice(self._unexamined, EXAMINED_PER_WRITE))
        for key in examined:
            self._examine(key, now)
        if len(examined) < EXAMINED_PER_WRITE:
            self._unexamined = None

    def _examine(self, key: str, now: float) -> bool:
        """Remove the entry if it has expired; tell whether it was removed."""
        found = self._entries.get(key)
        if found is None:
            return False
        if found[1] <= now:
            del self._entries[key]
            return True
        self._next_expiry = min(self._next_expiry, found[1])
        return False

    def _drop_least_recently_used(self, now: float) -> None:
        _, (_, expires) = self._entries.popitem(last=False)
        if expires > now and not self._full:
            self._full = True
            log.warning(
                "The memory store is full (max_entries = %d): from now on the least recently used "
                "entries are removed before they expire, which for sessions means that users are "
                "logged out. Raise max_entries, or use the type file, sqlite or redis.",
                self._max_entries,
            )

    def _keys(self) -> Iterator[str]:
        # Only the keys: for a million entries that takes 15 ms, in which nothing else
        # runs, and 400 with their values. By the plain dict's view, as loads in other
        # threads reorder the OrderedDict meanwhile.
        return iter(list(dict.keys(self._entries)))
