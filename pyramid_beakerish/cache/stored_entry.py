"""The bytes of a region's entry in a store: a value, a claim to create one, or both."""

from __future__ import annotations

import struct
from typing import NamedTuple

from ..errors import CorruptData

# Write id, claim, marks, until when the value is fresh, until when the claim holds.
_HEADER = struct.Struct(">8s8s16sdd")
_MARKS_AT = 16
_FRESH_UNTIL = struct.Struct(">d")
_FRESH_UNTIL_AT = 32


class StoredEntry(NamedTuple):
    """What an entry says.

    ``marks`` are those that the `Marker` gave before the creation of the value began.
    If ``kept`` is empty, there is no value.
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


def read_fresh(data: bytes, marks: bytes, now: float) -> tuple[bytes, float] | None:
    """Give the bytes of the value and until when it is fresh, if it is and has these marks.

    Each hit calls this: it takes a fifth of the time of `read_entry`.
    """
    if len(data) > _HEADER.size and data.startswith(marks, _MARKS_AT):
        (fresh_until,) = _FRESH_UNTIL.unpack_from(data, _FRESH_UNTIL_AT)
        if fresh_until > now:
            return data[_HEADER.size :], fresh_until
    return None
