"""What is stored of a session, and how it is spelled."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import MappingProxyType, NoneType
from typing import TYPE_CHECKING, Any, NamedTuple

from msgpack import unpackb

from ..serializers import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..serializers import Serializer


NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(slots=True, repr=False)
class Record:
    """One session as the store holds it; moments are seconds since the epoch.

    Values stay encoded, each for itself: what a request does not read is never decoded,
    and what it does not change is written back as it was.
    """

    created: float
    accessed: float
    expires: float | None
    own: dict[str, Any]
    values: dict[str, bytes]


class Frame(NamedTuple):
    """How the five fields of a record become bytes, and bytes become five fields."""

    pack: Callable[[list[Any]], bytes]
    unpack: Callable[[bytes], list[Any]]


def frame_for(serializer: Serializer) -> Frame:
    """Give the frame for values that the serializer has encoded: msgpack, or text for JSON."""
    return LINES if serializer.name == "json" else MSGPACK


MSGPACK = Frame(pack, unpackb)


def _to_lines(fields: list[Any]) -> bytes:
    """Spell a record as text, for an operator to read: a line for it and one for each key."""
    *head, values = fields
    pairs = [_json(key) + b"\t" + value for key, value in values.items()]
    return b"\n".join([b"", _json(head), *pairs])


def _from_lines(data: bytes) -> list[Any]:
    _, head, *lines = data.split(b"\n")
    pairs = (line.split(b"\t", 1) for line in lines)
    return [*json.loads(head), {json.loads(key): value for key, value in pairs}]


LINES = Frame(_to_lines, _from_lines)

_LENGTH = (float, int, bool, NoneType)
_OWN = {
    "timeout": _LENGTH,
    "lifetime": _LENGTH,
    "cookie_expires": _LENGTH,
    "domain": (str, NoneType),
    "path": (str,),
    "user": (str,),
    "handle": (str,),
    "about": (dict,),
    "renewed": (float, int),
    "moved_to": (str,),
    "seed": (str,),
}


def check(record: Record) -> None:
    """Raise `TypeError` or `KeyError` for what we cannot have written.

    The types of the moments are left to whoever compares them.
    """
    if type(record.values) is not dict or not all(
        type(value) in _OWN[name] for name, value in record.own.items()
    ):
        raise TypeError


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def merge_queues(base: list[Any], mine: list[Any], theirs: list[Any]) -> list[Any]:
    """Join what two requests did to one queue: what was added stays, what was taken is gone.

    >>> merge_queues(["a"], ["a", "b"], ["a", "c"])
    ['a', 'c', 'b']
    >>> merge_queues(["a"], [], ["a", "c"])
    ['c']
    """
    added_here, kept_here = _added(base, mine)
    added_there, kept_there = _added(base, theirs)
    return [*(base if kept_here and kept_there else ()), *added_there, *added_here]


def _added(base: list[Any], queue: list[Any]) -> tuple[list[Any], bool]:
    kept = queue[: len(base)] == base
    return (queue[len(base) :] if kept else queue), kept
