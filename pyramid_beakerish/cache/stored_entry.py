"""The bytes of a region's entry in a store: a value, a claim to create one, or both."""

from __future__ import annotations

import struct
from typing import NamedTuple

from ..errors import CorruptData

# Write id, claim, marks, until when the value is fresh, until when the claim holds.
_HEADER = struct.Struct(">8s8s16sdd")


class StoredEntry(NamedTuple):
    """What an entry says.

    ``marks`` are those that the `Marker` gave before the value, or the claim, was begun. No
    ``kept`` bytes are no value.
    """

    write_id: bytes
    claim: bytes
    marks: bytes
    fresh_until: float
    claimed_until: float
    kept: bytes

    def pack(self) -> bytes:
        """Give the bytes of the entry."""
        return _HEADER.pack(*self[:5]) + self.kept


def read_entry(data: bytes) -> StoredEntry:
    """Read what `StoredEntry.pack` wrote; raise `CorruptData` if it is too short for that."""
    if len(data) < _HEADER.size:
        raise CorruptData("a stored cache entry is shorter than its header")
    write_id, claim, marks, fresh_until, claimed_until = _HEADER.unpack_from(data)
    kept = data[_HEADER.size :]
    return StoredEntry(write_id, claim, marks, fresh_until, claimed_until, kept)
