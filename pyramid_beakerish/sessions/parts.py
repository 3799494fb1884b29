"""The values of a session of many keys, in parts that are decoded only when needed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from msgpack import unpackb

from ..serializers import pack

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

#: How many keys each part has, except the last one. Most sessions have fewer, and no parts.
KEYS_IN_A_PART = 64


class Parts(Mapping[str, bytes]):
    """Encoded values by their keys, in the order in which the keys were added; immutable.

    Each part is a dictionary in msgpack. A key is looked for among the bytes of the parts, and
    only a part that seems to have it is decoded: one of 10,000 keys is found in a tenth of the
    time that it takes to decode all. A part that cannot be decoded has no keys, and stays as it
    is. Raises `TypeError` for anything but a list of bytes that is not empty.

    >>> parts = Parts.of({"a": b"1", "b": b"2"}) | {"b": b"3", "c": b"4"}
    >>> dict(parts)
    {'a': b'1', 'b': b'3', 'c': b'4'}
    """

    def __init__(self, packed: list[bytes]) -> None:
        if set(map(type, packed)) != {bytes}:
            raise TypeError
        self.packed = packed
        self._unpacked: dict[int, dict[str, bytes]] = {}

    @classmethod
    def of(cls, values: Mapping[str, bytes]) -> Parts:
        """Give the values in parts, if they are not yet."""
        return values if isinstance(values, cls) else cls(_packed(values))

    def __getitem__(self, key: str) -> bytes:
        at = self._find(key)
        if at is None:
            raise KeyError(key)
        return self._part(at)[key]

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(map(self._part, range(len(self.packed))))

    def __len__(self) -> int:
        return sum(len(self._part(at)) for at in range(len(self.packed)))

    def __bool__(self) -> bool:
        return True  # without `__len__`, which would decode everything

    def __or__(self, changed: dict[str, bytes]) -> Parts:
        """Give a copy with these values added or changed, as a dictionary does."""
        new: dict[str, bytes] = {}
        rewritten: dict[int, dict[str, bytes]] = {}
        for key, value in changed.items():
            at = self._find(key)
            if at is None:
                new[key] = value
            else:
                rewritten.setdefault(at, {**self._part(at)})[key] = value
        packed = [*self.packed]
        for at, part in rewritten.items():
            packed[at] = pack(part)
        return Parts(_extended(packed, new) if new else packed)

    def _find(self, key: Any) -> int | None:
        if type(key) is not str:
            return None
        spelt = key.encode("utf-8", "surrogatepass")
        likely = (at for at, part in enumerate(self.packed) if spelt in part)
        return next((at for at in likely if key in self._part(at)), None)

    def _part(self, at: int) -> dict[str, bytes]:
        if at not in self._unpacked:
            self._unpacked[at] = _unpacked(self.packed[at])
        return self._unpacked[at]


def _packed(values: Mapping[str, bytes]) -> list[bytes]:
    items = iter(values.items())
    return [pack(part) for part in iter(lambda: dict(islice(items, KEYS_IN_A_PART)), {})]


def _extended(packed: list[bytes], new: dict[str, bytes]) -> list[bytes]:
    last = _unpacked(packed[-1])
    if not last:  # it cannot be decoded
        return packed + _packed(new)
    return packed[:-1] + _packed({**last, **new})


def _unpacked(packed: bytes) -> dict[str, bytes]:
    try:
        part: dict[str, bytes] = unpackb(packed)
        "".join(part.keys())  # raises for a key that is not text
    except Exception as error:  # anything at all may be in a damaged store
        # Not the error's text, let alone its `repr`: they quote what is in the session.
        why = type(error).__name__
        log.warning("A part of a session cannot be decoded, and is left as it is: %s", why)
        return {}
    return part
