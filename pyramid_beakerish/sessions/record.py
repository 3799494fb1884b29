"""What is stored of a session, and how it becomes bytes."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from msgpack import unpackb

from ..serializers import pack
from ..settings import cookie_rules
from ..settings.convert import LONGEST
from .parts import KEYS_IN_A_PART, Parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..serializers import Serializer

    #: Encoded values by their keys; ``|`` gives a copy with some of them changed.
    Values = dict[str, bytes] | MappingProxyType[str, bytes] | Parts

NOTHING: MappingProxyType[str, Any] = MappingProxyType({})


@dataclass(slots=True, repr=False)
class Record:
    """One session as the store holds it; moments are seconds since the epoch.

    Each value is encoded on its own, and stays so: what a request does not read is never
    decoded, and what it does not change is written back as it was.
    """

    created: float
    accessed: float
    expires: float | None
    own: dict[str, Any]
    values: Values


class Frame(NamedTuple):
    """How the five fields of a record become bytes, and bytes become five fields."""

    pack: Callable[[list[Any]], bytes]
    unpack: Callable[[bytes], list[Any]]


def frame_for(serializer: Serializer) -> Frame:
    """Give the frame for values that the serializer has encoded: msgpack, or text for JSON.

    No frame unpacks what another has packed: a record of another serializer must not seem to
    have damaged values, but be refused, so that `session.previous` is tried.
    """
    return FRAMES[serializer.name]


def _to_msgpack(fields: list[Any]) -> bytes:
    values = fields[-1]
    if type(values) is not dict or len(values) > KEYS_IN_A_PART:
        fields = [*fields[:-1], Parts.of(values).packed]
    return pack(fields)


MSGPACK = Frame(_to_msgpack, unpackb)


def _tagged(tag: bytes) -> Frame:
    """Give the msgpack frame, preceded by a byte with which no record in msgpack begins."""

    def untagged(data: bytes) -> list[Any]:
        if not data.startswith(tag):
            raise ValueError(tag)
        fields: list[Any] = unpackb(data[1:])
        return fields

    return Frame(lambda fields: tag + _to_msgpack(fields), untagged)


def _to_lines(fields: list[Any]) -> bytes:
    """Write a record as text that an operator can read: a line for itself, and one for each key."""
    *head, values = fields
    pairs = [_json(key) + b"\t" + value for key, value in values.items()]
    return b"\n".join([b"", _json(head), *pairs])


def _from_lines(data: bytes) -> list[Any]:
    _, head, *lines = data.split(b"\n")
    pairs = (line.split(b"\t", 1) for line in lines)
    return [*json.loads(head), {json.loads(key): value for key, value in pairs}]


LINES = Frame(_to_lines, _from_lines)

FRAMES = {
    "msgpack": MSGPACK,
    "json": LINES,
    "pickle": _tagged(b"p"),
    "object": _tagged(b"o"),
}

#: Until when the cookie of an earlier configuration could open the session: its key stays taken.
ADOPTED = "adopted"


def _is_length(value: Any) -> bool:
    return type(value) in (float, int, bool) and 0 <= value <= LONGEST


def _is_limit(value: Any) -> bool:
    return value is None or _is_length(value)


def _is_moment(value: Any) -> bool:
    return type(value) in (float, int) and math.isfinite(value)


def _is_end(value: Any) -> bool:
    return type(value) is float and not math.isnan(value)


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_seed(value: Any) -> bool:
    return type(value) is str and re.fullmatch("[0-9a-f]{64}", value) is not None


_OWN: dict[str, Callable[[Any], bool]] = {
    "timeout": _is_limit,
    "lifetime": _is_limit,
    "cookie_expires": _is_length,
    # Somebody who can write to the store must not be able to write headers.
    "domain": lambda value: value is None or cookie_rules.domain(value) == value,
    "path": lambda value: bool(cookie_rules.path(value) == value),
    "user": _is_text,
    "handle": _is_text,
    "about": lambda value: type(value) is dict,
    "renewed": _is_moment,
    "moved_to": _is_text,
    "seed": _is_seed,
    ADOPTED: _is_end,
}


def check(record: Record) -> None:
    """Raise `TypeError`, `ValueError` or `KeyError` for what we cannot have written.

    The moments are checked where they are compared.
    """
    own = record.own
    if type(own) is not dict:
        raise TypeError
    for name, value in own.items():
        if not _OWN[name](value):
            raise TypeError
    of_user = "user" in own
    if of_user is not ("handle" in own) or of_user is not ("about" in own):
        raise TypeError
    if ("moved_to" in own) is not ("seed" in own):
        raise TypeError


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def merge_queues(
    base: list[Any], mine: list[Any], theirs: list[Any], *, taken: bool = False
) -> list[Any]:
    """Join what two requests did to one queue: what was added stays, what was taken is gone.

    ``taken``: ``mine`` was emptied before what it now holds was added.

    >>> merge_queues(["a"], ["a", "b"], ["a", "c"])
    ['a', 'c', 'b']
    >>> merge_queues(["a"], [], ["a", "c"])
    ['c']
    >>> merge_queues(["a"], ["a"], [], taken=True)
    ['a']
    """
    added_here, kept_here = (mine, False) if taken else _added(base, mine)
    added_there, kept_there = _added(base, theirs)
    return [*(base if kept_here and kept_there else ()), *added_there, *added_here]


def _added(base: list[Any], queue: list[Any]) -> tuple[list[Any], bool]:
    kept = queue[: len(base)] == base
    return (queue[len(base) :] if kept else queue), kept
