"""What a region keeps in a store: encoded values, under keys of its own."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import CorruptData
from ..stores.base import new_write_id
from ..stores.system.forks import renew_after_fork
from .claims import CLAIM_TTL, Abandoned, StoreClaim
from .marker import NO_ID, Marker
from .single_flight import ABSENT
from .slot import Slot
from .stored_entry import StoredEntry, read_entry, read_fresh

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..serializers import Serializer
    from ..settings import RegionSettings
    from ..stores.base import Entry, Store


class _State(NamedTuple):
    """What has to be known to claim a key: what is there now, and the marks of a new value."""

    token: Any = None
    entry: StoredEntry | None = None
    marks: bytes = b""
    damage: CorruptData | None = None


class StoreEntries:
    """Keeps encoded values in a store, which is opened when it is first needed.

    Each caller gets an object of its own. All keys begin with ``cache:`` and the length and
    name of the region, so that they never meet those of another region, or of a session.

    Nothing is listed or removed to clear the region: see `Marker`, which is loaded together
    with the value.

    ``opener``: makes the store.
    ``settings``: the region's options.
    ``serializer``: turns values into bytes.
    ``clock``: what tells the time, in seconds.
    """

    #: An entry in a store cannot be held on to.
    entry = None
    in_memory = 0

    def __init__(
        self,
        opener: Callable[[], Store],
        settings: RegionSettings,
        serializer: Serializer,
        clock: Callable[[], float],
    ) -> None:
        self._opener = opener
        self._prefix = f"cache:{len(settings.name)}:{settings.name}:"
        self._expire = math.inf if settings.expire is None else settings.expire
        self._spare = settings.kept_after_expiry
        self._lease = settings.lease
        self._serializer = serializer
        self._clock = clock
        self._opened: Store | None = None
        self._prepared: Store | None = None
        self._abandoned = Abandoned()
        self._marker = Marker(self._prefix + "#all")  # no key begins like this, see `Region.short`
        self.forked()
        renew_after_fork(self)

    def forked(self) -> None:
        """Replace, in a child process, a lock that may be held by a thread of the parent."""
        self._opening = threading.Lock()

    @property
    def _store(self) -> Store:
        return self._prepared or self.open()

    def open(self) -> Store:
        """Open the store, and have it make what it needs, such as a table."""
        with self._opening:
            self._opened = self._opened or self._opener()
        # Not under the lock: threads would wait one after the other for a server that
        # does not answer.
        self._opened.prepare()
        self._prepared = self._opened
        return self._opened

    def load(self, key: str, group: str) -> Any:
        """Give the fresh value under the key, or else its `Slot`."""
        return self.find(key, group)[0]

    def find(self, key: str, group: str) -> tuple[Any, float]:
        """Give the same, and until when it is fresh."""
        now = self._clock()
        there, marks = self._look(key, group)
        fresh = read_fresh(there[0], marks, now) if there is not None and marks else None
        try:
            if fresh is not None:
                return self.decode(fresh[0]), fresh[1]
            return self._slot(there, marks, now), 0.0
        except CorruptData as damage:
            token = None if there is None else there[1]
            return Slot(damage=damage, state=_State(token, None, marks)), 0.0

    def slot(self, key: str, group: str) -> Slot:
        """Give the slot of a key, as if its value were not fresh."""
        there, marks = self._look(key, group)
        return Slot(state=_state(there, marks))

    def acquire(self, key: str, group: str, slot: Slot) -> StoreClaim | None:
        """Claim the key, if it is still as it was found.

        A claim that is already in the slot is taken over: its creator, if still alive,
        may still deliver.
        """
        state: _State = slot.state
        marks = state.marks or self._marker.marks(self._marker.make(self._store), group)
        write_id = new_write_id()
        fresh_until, kept = (state.entry[3], state.entry[5]) if state.entry else (0.0, b"")
        until = self._clock() + self._lease
        entry = StoredEntry(write_id, slot.claim or write_id, marks, fresh_until, until, kept)
        return self._claim(self._prefix + key, state.token, entry)

    def _claim(self, name: str, token: Any, entry: StoredEntry) -> StoreClaim | None:
        with self._abandoned.on_failure(entry.claim):  # it may be there all the same
            if token is None:
                claimed = self._store.create(name, entry.pack(), CLAIM_TTL)
            else:
                claimed = self._store.swap(name, token, entry.pack(), CLAIM_TTL)
        if not claimed:
            return None
        return StoreClaim(
            self._store, name, entry, self._abandoned, self._expire, self._spare, self._clock
        )

    def encode(self, value: Any) -> bytes:
        """Give a value as bytes; raise `SerializationError` if that is not possible."""
        return self._serializer.dumps(value)

    def decode(self, kept: bytes) -> Any:
        """Give a new object made from the bytes."""
        return self._serializer.loads(kept)

    def remove(self, key: str) -> None:
        """Remove the value, if there is one, and every claim to create it."""
        self._store.delete(self._prefix + key)

    def clear(self, group: str = "") -> None:
        """Forget every value of the group, or of the region, even those being created elsewhere."""
        self._marker.change(self._store, group)

    def _look(self, key: str, group: str) -> tuple[Entry | None, bytes]:
        """Give what is under the key, and the marks of a value of the group."""
        name, marker = self._prefix + key, self._marker
        found = self._store.load_many((name, marker.name))
        marked = found.get(marker.name)
        return found.get(name), b"" if marked is None else marker.marks(marked[0], group)

    def _slot(self, there: Entry | None, marks: bytes, now: float) -> Slot:
        state = _state(there, marks)
        entry = state.entry
        if entry is None:
            return Slot(damage=state.damage, state=state)
        useful = entry.kept and entry.fresh_until + self._spare > now
        old = self.decode(entry.kept) if useful else ABSENT
        claim = b"" if entry.claim == NO_ID else entry.claim
        until = 0.0 if claim in self._abandoned else entry.claimed_until
        return Slot(old, entry.fresh_until, claim, until, state=state)


def _state(there: Entry | None, marks: bytes) -> _State:
    if there is None:
        return _State(marks=marks)
    try:
        entry = read_entry(there[0])
    except CorruptData as damage:
        return _State(there[1], None, marks, damage)
    valid = marks and entry.marks.startswith(marks)
    return _State(there[1], entry if valid else None, marks)
