"""What a memory region keeps: the objects themselves, a limited number for a limited time."""

from __future__ import annotations

import copy
import math
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from ..errors import SerializationError
from ..stores.system.forks import renew_after_fork
from .single_flight import ABSENT
from .slot import Slot

if TYPE_CHECKING:
    from collections.abc import Callable

#: How many entries one write looks at, to let expired and unused ones go.
LOOKED_AT_PER_WRITE = 20

_EMPTY = Slot()


class MemoryEntry:
    """One kept object; whoever holds the entry may use it until ``expires``.

    When it dies, ``expires`` becomes 0 for every holder. So a reader takes the value
    first and looks at ``expires`` afterwards: if that is still to come, the value was alive.
    """

    __slots__ = ("expires", "group", "used", "value")

    #: Unlike a `KnownKey` it does not tell its key.
    key = None

    def __init__(self, value: object, expires: float, group: str) -> None:
        self.value = value
        self.expires = expires
        self.group = group
        self.used = 0

    def die(self) -> None:
        """Let go of the object, for every holder of the entry."""
        self.expires = 0.0
        self.value = None


class KnownKey:
    """The key of a call, where no entry can be held on to.

    It looks like an entry that has expired. Spelling the key again would take 1 us of
    the 9 that a hit in an SQLite file takes.
    """

    __slots__ = ("key",)

    value, expires = None, -math.inf

    def __init__(self, key: str) -> None:
        self.key = key


class MemoryClaim:
    """The right to keep the value of a key; threads take turns before they ask for it."""

    def __init__(self, entries: MemoryEntries, key: str, group: str) -> None:
        self._entries = entries
        self._key = key
        self._group = group

    def keep(self, kept: object) -> bool:
        """Keep the object."""
        self._entries.save(self._key, self._group, kept)
        return True

    def release(self) -> None:
        """Do nothing: what was there still is."""


class MemoryEntries:
    """Keeps objects in the memory of this process.

    Nothing is copied: to change an object that a region hands out is to change it for everybody.

    At most ``max_entries`` are kept. Beyond that, the oldest entries leave that were
    not used since they were last looked at. These are nearly the least recently used,
    and a hit has only to leave a mark. Each write looks at no more than 20 entries,
    oldest first; all live equally long, so the expired ones come first.

    ``max_entries``: how many are kept.
    ``expire``: how long they are fresh, in seconds.
    ``clock``: what tells the time, in seconds.
    ``spare``: how long they are kept after that, in seconds.
    """

    def __init__(
        self,
        max_entries: int,
        expire: float | None,
        clock: Callable[[], float],
        spare: float = 0.0,
    ) -> None:
        self._max_entries = max_entries
        self._lifetime = math.inf if expire is None else expire
        self._clock = clock
        self._spare = spare
        self._entries: OrderedDict[str, MemoryEntry] = OrderedDict()
        self.forked()
        renew_after_fork(self)

    def forked(self) -> None:
        """Replace, in a child process, a lock that may be held by a thread of the parent."""
        self._lock = threading.Lock()

    @property
    def in_memory(self) -> int:
        """How many entries there are, including expired ones that are still to leave."""
        return len(self._entries)

    def open(self) -> None:
        """Do nothing: there is nothing to open."""

    def entry(self, key: str) -> MemoryEntry | None:
        """Give the entry itself, if there is one, alive or expired."""
        return self._entries.get(key)

    def load(self, key: str, group: str) -> Any:
        """Give the fresh object under the key, or else its `Slot`."""
        entry = self._entries.get(key)
        if entry is None:
            return _EMPTY
        value = entry.value
        entry.used = 1
        expires, now = entry.expires, self._clock()
        if expires > now:
            return value
        return Slot(value, expires) if expires + self._spare > now else _EMPTY

    def slot(self, key: str, group: str) -> Slot:
        """Give the slot of a key, as if its value were not fresh."""
        return _EMPTY

    def acquire(self, key: str, group: str, slot: Slot) -> MemoryClaim:
        """Claim the key: nobody outside this process can have done so."""
        return MemoryClaim(self, key, group)

    def encode(self, value: Any) -> Any:
        """Give what is kept of a value: itself."""
        return value

    def decode(self, kept: Any) -> Any:
        """Give what is handed out: the kept object itself."""
        return kept

    def save(self, key: str, group: str, value: object, until: float = math.inf) -> None:
        """Keep the object, whatever was there; it is fresh as usual, but not beyond ``until``."""
        now = self._clock()
        with self._lock:
            self._drop(key)
            self._make_room(now)
            self._entries[key] = MemoryEntry(value, min(now + self._lifetime, until), group)

    def remove(self, key: str) -> None:
        """Let go of the object, if there is one."""
        with self._lock:
            self._drop(key)

    def clear(self, group: str = "") -> None:
        """Let go of everything in the group, or of everything if ``group`` is empty."""
        with self._lock:
            for key, entry in list(self._entries.items()):
                if group in ("", entry.group):
                    self._drop(key)

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            entry.die()

    def _make_room(self, now: float) -> None:
        for _ in range(min(LOOKED_AT_PER_WRITE, len(self._entries))):
            key = next(iter(self._entries))
            entry = self._entries[key]
            if entry.expires + self._spare <= now:
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


class CopiedEntries(MemoryEntries):
    """Keeps a copy of each object, and gives each caller another copy."""

    #: A caller that held an entry would hand out the original.
    entry = None  # type: ignore[assignment]

    def load(self, key: str, group: str) -> Any:
        """Give a copy of the fresh object, or else the `Slot`."""
        found = super().load(key, group)
        if type(found) is not Slot:
            return self.decode(found)
        return found if found.old is ABSENT else found._replace(old=self.decode(found.old))

    def encode(self, value: Any) -> Any:
        """Give a copy to keep; raise `SerializationError` if there can be none."""
        try:
            return copy.deepcopy(value)
        except Exception as error:  # an object that cannot be copied raises whatever it likes
            raise SerializationError(f"it cannot be copied ({type(error).__name__})") from error

    def decode(self, kept: Any) -> Any:
        """Give a copy to hand out."""
        return copy.deepcopy(kept)
