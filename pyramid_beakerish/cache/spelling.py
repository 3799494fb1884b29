"""Values spelt as text, so that equal texts mean equal values of the same type."""

from __future__ import annotations

import sys
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, Flag
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from ..serializers.plain import is_known_by_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class NoStableKeyError(TypeError):
    """A value of this type cannot be spelt; ``type_name`` says which one."""

    def __init__(self, value: object) -> None:
        self.type_name = qualified_name(type(value))
        super().__init__(self.type_name)


def qualified_name(thing: Any) -> str:
    """Name a class or function by its module and its place in it."""
    return f"{thing.__module__}.{thing.__qualname__}"


def place(thing: Any) -> str:
    """Name a class or function alike in every process, even where its module is the program."""
    module = thing.__module__
    if module in ("__main__", "__mp_main__"):
        module = _program(module)
    return f"{module}.{thing.__qualname__}"


def _program(name: str) -> str:
    # Every program is called __main__, and __mp_main__ in processes that it spawns: a file
    # or a folder is known by its path, and what python -m runs by the name that imports it.
    module = sys.modules.get(name)
    spec: Any = getattr(module, "__spec__", None)
    by_path = spec is None or spec.name == "__main__"
    known: str = getattr(module, "__file__", "") if by_path else spec.name
    return known


def spell(value: object) -> str:
    """Give the one text of this value, which no other value has.

    Each value is spelt as its type, the length of what follows, and its text, so that
    ``("a b", "c")`` and ``("a", "b c")`` differ, and so do ``1``, ``"1"``, ``1.0`` and
    ``True``. Sets and dicts are spelt in a fixed order, whatever theirs is. An object
    of another class is spelt by what its ``__cache_key__()`` returns.

    Raises `NoStableKeyError` for anything else: its ``repr`` often holds a memory address,
    which the next object of that class may have, too.

    >>> spell(("a b", 1))
    't2:s3:a bi3:0x1'
    """
    spelling = _SPELLINGS.get(type(value))
    if spelling is not None:
        tag, text_of = spelling
        return _framed(tag, text_of(value))
    container = _CONTAINERS.get(type(value))
    if container is not None:
        return container(value)
    return _object(value)


def _framed(tag: str, text: str) -> str:
    return f"{tag}{len(text)}:{text}"


def _sequence(tag: str, items: Iterable[str]) -> str:
    spelt = list(items)
    return f"{tag}{len(spelt)}:{''.join(spelt)}"


def _mapping(value: dict[Any, Any]) -> str:
    return _sequence("m", sorted(spell(key) + spell(item) for key, item in value.items()))


def _object(value: object) -> str:
    offered = getattr(type(value), "__cache_key__", None)
    if offered is not None:
        return _framed("o", place(type(value))) + spell(offered(value))
    if isinstance(value, Enum):
        return _framed("e", place(type(value))) + _framed("n", _member(value))
    if isinstance(value, PurePath):
        return _framed("p", place(type(value))) + _framed("n", str(value))
    if isinstance(value, type) and is_known_by_name(value):
        return _framed("c", place(value))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return _framed("o", place(type(value))) + spell(tuple(value))
    raise NoStableKeyError(value)


def _member(value: Enum) -> str:
    # Combined flags have no name of their own in Python 3.10.
    return str(value.value) if isinstance(value, Flag) else value.name


def _moment(value: datetime | time) -> str:
    return f"{value.isoformat()} {value.fold} {_zone(value.tzinfo)}"


def _zone(zone: tzinfo | None) -> str:
    # Two zones may agree on this moment and differ on the day after, so the offset is
    # not enough; other libraries' zones have no name that can be relied on.
    if zone is None or isinstance(zone, (timezone, ZoneInfo)):
        return f"{type(zone).__name__} {zone}"
    raise NoStableKeyError(zone)


def _duration(value: timedelta) -> str:
    return f"{value.days} {value.seconds} {value.microseconds}"


# Keyed by the exact type: a subclass may carry more than its text (TranslationString).
_SPELLINGS: dict[type, tuple[str, Callable[[Any], str]]] = {
    str: ("s", str),
    int: ("i", hex),  # str() refuses more than 4300 digits
    float: ("f", repr),  # tells 0.0 from -0.0, which == does not
    bool: ("b", str),
    type(None): ("N", str),
    bytes: ("y", bytes.hex),
    complex: ("j", repr),
    Decimal: ("D", str),
    UUID: ("U", str),
    date: ("d", date.isoformat),
    datetime: ("M", _moment),
    time: ("T", _moment),
    timedelta: ("P", _duration),
}

_CONTAINERS: dict[type, Callable[[Any], str]] = {
    tuple: lambda value: _sequence("t", map(spell, value)),
    list: lambda value: _sequence("l", map(spell, value)),
    dict: _mapping,
    set: lambda value: _sequence("S", sorted(map(spell, value))),
    frozenset: lambda value: _sequence("F", sorted(map(spell, value))),
}
