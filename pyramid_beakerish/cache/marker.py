"""The entry by which all values of a region, or of one function in it, are invalidated at once."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ..stores.base import WRITE_ID_SIZE, new_write_id

if TYPE_CHECKING:
    from ..stores.base import Store

ID_SIZE = WRITE_ID_SIZE
NO_ID = bytes(ID_SIZE)

_TABLE = 2 * ID_SIZE
_ROW = 2 * ID_SIZE


class Marker:
    """Holds an id for the region, and one for each function that was ever invalidated.

    Each value carries its marks: the ids that were here before its creation began. With
    other marks, or those of a lost marker, a value does not count: so none has to be
    listed or removed to be invalidated, on whatever host it was made.

    ``name``: the key of the marker's entry.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._tags: dict[str, bytes] = {}
        # The bytes found last, the table in them, and the marks of groups (each saves 0.1 us).
        self._last: tuple[bytes, dict[bytes, bytes], dict[str, bytes]] = (b"", {}, {})

    def marks(self, found: bytes, group: str) -> bytes:
        """Give the marks that a value of the group, or of no group, must carry.

        ``found``: the bytes of the marker's entry.
        ``group``: what a function's values have in common, or "".
        """
        data, table, known = self._last
        if found != data:
            _, table, known = self._last = found, _table(found), {}
        if group not in known:
            region = found[ID_SIZE:_TABLE].ljust(ID_SIZE, b"\0")
            known[group] = region + table.get(self._tag(group), NO_ID) if group else region
        return known[group]

    def make(self, store: Store) -> bytes:
        """Make the marker's entry unless it is there, and give its bytes."""
        made = new_write_id() + new_write_id()
        while not store.create(self.name, made, None):
            found = store.load(self.name)
            if found is not None:
                return found[0]
        return made

    def change(self, store: Store, group: str) -> None:
        """Give the group, or the whole region, a new id."""
        if not group:
            store.set(self.name, new_write_id() + new_write_id(), None)
            return
        changed = False
        while not changed:
            found = store.load(self.name)
            # Without a marker no value is valid anyway.
            changed = found is None or store.swap(
                self.name, found[1], self._with_new_id(found[0], group), None
            )

    def _with_new_id(self, data: bytes, group: str) -> bytes:
        table = {**_table(data), self._tag(group): new_write_id()}
        rows = b"".join(tag + each for tag, each in table.items())
        return new_write_id() + data[ID_SIZE:_TABLE].ljust(ID_SIZE, b"\0") + rows

    def _tag(self, group: str) -> bytes:
        tag = self._tags.get(group)
        if tag is None:
            digest = hashlib.sha256(group.encode("utf-8", "surrogatepass")).digest()
            tag = self._tags[group] = digest[:ID_SIZE]
        return tag


def _table(data: bytes) -> dict[bytes, bytes]:
    rows = range(_TABLE, len(data) - _ROW + 1, _ROW)
    return {data[at : at + ID_SIZE]: data[at + ID_SIZE : at + _ROW] for at in rows}
