"""A memory region in front of a shared one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .slot import Slot

if TYPE_CHECKING:
    from .claims import StoreClaim
    from .memory import MemoryEntries
    from .stored import StoreEntries


class LocalEntries:
    """Keeps a store's values in the memory of this process, too, for a few seconds.

    What this process invalidates is gone at once; what others invalidate, after these seconds.

    ``shared``: the entries in the store.
    ``near``: the entries in memory, which are fresh for these seconds.
    """

    def __init__(self, shared: StoreEntries, near: MemoryEntries) -> None:
        self._shared = shared
        self._near = near
        #: Callers may hold on to the entries in memory.
        self.entry = near.entry
        self._forgotten = 0

    @property
    def in_memory(self) -> int:
        """How many values are in memory."""
        return self._near.in_memory

    def open(self) -> None:
        """Open the store."""
        self._shared.open()

    def load(self, key: str, group: str) -> Any:
        """Give the fresh value from memory or from the store, or else its `Slot`."""
        found = self._near.load(key, group)
        if type(found) is not Slot:
            return found
        seen = self._forgotten
        found, fresh_until = self._shared.find(key, group)
        if type(found) is not Slot:
            self._remember(key, group, self._near.encode(found), fresh_until, seen)
        return found

    def slot(self, key: str, group: str) -> Slot:
        """Give the slot of a key, as if its value were not fresh."""
        return self._shared.slot(key, group)

    def acquire(self, key: str, group: str, slot: Slot) -> _LocalClaim | None:
        """Claim the key in the store."""
        seen = self._forgotten
        claim = self._shared.acquire(key, group, slot)
        return None if claim is None else _LocalClaim(self, claim, (key, group, seen))

    def encode(self, value: Any) -> bytes:
        """Give a value as bytes; raise `SerializationError` if that is not possible."""
        return self._shared.encode(value)

    def decode(self, kept: bytes) -> Any:
        """Give a new object made from the bytes."""
        return self._shared.decode(kept)

    def remove(self, key: str) -> None:
        """Remove the value from the store, and from memory even if that fails."""
        try:
            self._shared.remove(key)
        finally:
            self._forgotten += 1
            self._near.remove(key)

    def clear(self, group: str = "") -> None:
        """Forget the values of the group, or of the region, in the store and in memory."""
        try:
            self._shared.clear(group)
        finally:
            self._forgotten += 1
            self._near.clear(group)

    def created(self, kept: bytes, key: str, group: str, seen: int) -> None:
        """Keep in memory what was kept in the store."""
        self._remember(key, group, self.decode(kept), math.inf, seen)

    def _remember(self, key: str, group: str, value: Any, until: float, seen: int) -> None:
        # A value loaded before it was invalidated must not come back by being saved afterwards.
        self._near.save(key, group, value, until)
        if self._forgotten != seen:
            self._near.remove(key)


class _LocalClaim:
    """A claim in the store whose value is kept in memory as well."""

    def __init__(
        self, entries: LocalEntries, claim: StoreClaim, place: tuple[str, str, int]
    ) -> None:
        self._entries = entries
        self._claim = claim
        self._place = place

    def keep(self, kept: bytes) -> bool:
        """Keep the value in the store, and if it was kept there, in memory."""
        done = self._claim.keep(kept)
        if done:
            self._entries.created(kept, *self._place)
        return done

    def release(self) -> None:
        """Release the claim in the store."""
        self._claim.release()
