"""What a memory region keeps: the objects themselves, so many and so long."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from ..stores.forks import renew_after_fork
from .single_flight import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable

#: How many entries one write looks at, to let expired and unused ones go.
LOOKED_AT_PER_WRITE = 20


class MemoryEntry:
    """One kept object; whoever holds the entry may use it until ``expires``.

    It dies by ``expires`` becoming 0, wherever it is held. So a reader takes the value
    first and looks at the time afterwards: what it took was then still alive.
    """

    __slots__ = ("expires", "used", "value")

    def __init__(self, value: object, expires: float) -> None:
        self.value = value
        self.expires = expires
        self.used = 0

    def die(self) -> None:
        """Let go of the object, for every holder of the entry."""
        self.expires = 0.0
        self.value = None


class MemoryEntries:
    """Keeps objects in the memory of this process.

    Nothing is copied: who changes what a region hands out changes it for everybody.

    At most ``max_entries`` are kept. Beyond that the oldest leave that were not used
    since they were last looked at, which is close to the least recently used, and asks of
    a hit only to leave a mark. Each write looks at no more than 20 entries, from the
    oldest; all live equally long, so the expired ones are met first.
    """

    def __init__(self, max_entries: int, expire: float | None, clock: Callable[[], float]) -> None:
        self._max_entries = max_entries
        self._lifetime = math.inf if expire is None else expire
        self._clock = clock
        self._entries: OrderedDict[str, MemoryEntry] = OrderedDict()
        self.forked()
        renew_after_fork(self)

    def forked(self) -> None:
        """Replace, in a child process, a lock that may be held by a thread of the parent."""
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, key: str) -> MemoryEntry | None:
        """Give the entry itself, if there is one, alive or expired."""
        return self._entries.get(key)

    def load(self, key: str) -> Any:
        """Give the object under the key, or `ABSENT`."""
        entry = self._entries.get(key)
        if entry is None:
            return ABSENT
        value = entry.value
        entry.used = 1
        return value if entry.expires > self._clock() else ABSENT

    def encode(self, value: Any) -> Any:
        """Give what is kept of a value: itself."""
        return value

    decode = encode

    def save(self, key: str, value: object) -> None:
        """Keep the object, whatever was there."""
        now = self._clock()
        with self._lock:
            self._drop(key)
            self._make_room(now)
            self._entries[key] = MemoryEntry(value, now + self._lifetime)

    def remove(self, key: str) -> None:
        """Let the object go, if there is one."""
        with self._lock:
            self._drop(key)

    def clear(self) -> None:
        """Let everything go."""
        with self._lock:
            for key in list(self._entries):
                self._drop(key)

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            entry.die()

    def _make_room(self, now: float) -> None:
        for _ in range(min(LOOKED_AT_PER_WRITE, len(self._entries))):
            key = next(iter(self._entries))
            entry = self._entries[key]
            if entry.expires <= now:
                self._drop(key)
            elif not self._full:
                return
            elif entry.used:
                # In one step, as readers take no lock; it is looked at again after all others.
                self._entries.move_to_end(key)
                entry.used = 0
            else:
                self._drop(key)
        if self._full:
            self._drop(next(iter(self._entries)))

    @property
    def _full(self) -> bool:
        return len(self._entries) >= self._max_entries
