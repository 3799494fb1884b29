"""The one table of types that a serializer keeps although its format does not know them.

A serializer asks `to_tree` for what its format can spell; the table turns the rest into
plain values under a tag, and back.
"""

from __future__ import annotations

import base64
import sys
from contextlib import suppress
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import UUID

from translationstring import TranslationString

from ..errors import SerializationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from zoneinfo import ZoneInfo

#: How many containers may lie inside one another. Every format reads back what is this
#: deep: msgpack ends at 511 levels, Python's recursion limit is 1000, and a level takes at
#: most three of either.
DEEPEST = 100


class Row(NamedTuple):
    """One type, the tag it is stored under, and the way to plain values and back.

    ``code`` and ``tag`` are in stored data: they never change and are never reused.
    ``to_plain`` gives what every format can spell or, if ``nested``, a list of anything.
    """

    code: int
    tag: str
    kind: type
    to_plain: Callable[[Any], Any]
    from_plain: Callable[[Any], Any]
    nested: bool = False
    unordered: bool = False


class Form(Protocol):
    """What `to_tree` has to know of a format."""

    #: The types that the format spells itself, each with a test whether it can spell a value.
    natives: Mapping[type, Callable[[Any], bool]]

    def tagged(self, row: Row, content: Any) -> Any:
        """Give what stands in the tree for a value of the row's type."""

    def spell(self, tree: Any) -> bytes:
        """Encode a tree."""


class _UnfitError(ValueError):
    """A value of a type in the table that would come back different; carries the remedy."""


def to_tree(value: Any, form: Form, within: tuple[type, ...] = ()) -> Any:
    """Give the value as a tree of what the format spells by itself.

    ``within`` is the way to the value, outermost container first.
    Raises `SerializationError`, which never shows the value, for what would not come back
    equal and of the same type.
    """
    kind = type(value)
    is_native = form.natives.get(kind)
    if is_native is None or not is_native(value):
        return _tagged(value, form, within)
    if kind is list:
        inner = _inside(kind, within)
        return [to_tree(item, form, inner) for item in value]
    if kind is dict:
        inner = _inside(kind, within)
        return {key: to_tree(item, form, inner) for key, item in value.items()}
    return value


def _tagged(value: Any, form: Form, within: tuple[type, ...]) -> Any:
    kind = type(value)
    row = BY_KIND.get(kind)
    if row is None:
        raise _refusal(kind, within, _remedy(kind))
    try:
        plain = row.to_plain(value)
    except _UnfitError as unfit:
        raise _refusal(kind, within, str(unfit)) from None
    return form.tagged(row, _content(row, plain, form, within))


def _content(row: Row, plain: Any, form: Form, within: tuple[type, ...]) -> Any:
    if not row.nested:
        return plain
    inner = _inside(row.kind, within)
    content = [to_tree(item, form, inner) for item in plain]
    if row.unordered:  # equal sets give equal bytes, in whatever order they were filled
        content.sort(key=form.spell)
    return content


def _inside(kind: type, within: tuple[type, ...]) -> tuple[type, ...]:
    if len(within) == DEEPEST:
        remedy = f"it lies in {DEEPEST} other containers, or in itself: flatten it"
        raise _refusal(kind, (), remedy)
    return (*within, kind)


def type_name(kind: type) -> str:
    """Give the name of a type for an error: ``module.qualname``, builtins without the module."""
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"


def _refusal(kind: type, within: tuple[type, ...], remedy: str) -> SerializationError:
    way = "".join(f" in a {outer.__name__}" for outer in reversed(within))
    return SerializationError(f"{type_name(kind)}{way} would not come back as it was; {remedy}")


_ENCODE_IT = "it holds lone surrogates, which UTF-8 does not have: encode it and store the bytes"
_IN_PARTS = "store the str, int, list, dict ... that it is made of"


def _remedy(kind: type) -> str:
    if kind is str:
        return _ENCODE_IT
    for base in kind.__mro__[1:]:
        if base in BY_KIND or base is str or base is list:
            return f"convert it to {type_name(base)}"
    if not is_known_by_name(kind):
        return _IN_PARTS
    return (
        f"{_IN_PARTS}, or set data_serializer = pickle (for a cache region serializer = pickle) "
        f"and add {kind.__module__}:{kind.__qualname__} to pickle_classes"
    )


def is_known_by_name(kind: type) -> bool:
    """Tell whether the name of a class leads to it: a function may make many of one name."""
    found: Any = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is kind


def is_unicode(text: str) -> bool:
    """Tell whether UTF-8 can spell the text: it has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def fits_64_bits(number: int) -> bool:
    """Tell whether msgpack, and readers of JSON other than Python's, take the number."""
    return -(2**63) <= number < 2**64


def _unicode(text: str) -> str:
    if not is_unicode(text):
        raise _UnfitError(_ENCODE_IT)
    return str(text)


def _pairs(mapping: dict[Any, Any]) -> list[Any]:
    return [side for pair in mapping.items() for side in pair]


def _from_pairs(sides: list[Any]) -> dict[Any, Any]:
    return dict(zip(sides[::2], sides[1::2], strict=True))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _timedelta(delta: timedelta) -> list[int]:
    return [delta.days, delta.seconds, delta.microseconds]


def _moment(value: datetime | time) -> list[Any]:
    if value.tzinfo is None:
        return [value.isoformat(), value.fold, None, None]
    return [value.replace(tzinfo=None).isoformat(), value.fold, *_zone(value)]


def _datetime(plain: list[Any]) -> datetime:
    text, fold, zone, name = plain
    return datetime.fromisoformat(text).replace(fold=fold, tzinfo=_from_zone(zone, name))


def _time(plain: list[Any]) -> time:
    text, fold, zone, name = plain
    return time.fromisoformat(text).replace(fold=fold, tzinfo=_from_zone(zone, name))


def _zone(value: datetime | time) -> list[Any]:
    if value.tzinfo is timezone.utc:
        return [0, None]
    try:
        plain = _spell_zone(value)
        back = _from_zone(*plain)
        same = back is not None and value.replace(tzinfo=back) == value
    except Exception:  # a tzinfo may be anybody's code, or its key unknown here
        same = False
    if not same:
        raise _UnfitError("its time zone cannot be stored: convert it to UTC or a zoneinfo zone")
    return plain


def _spell_zone(value: Any) -> list[Any]:
    from zoneinfo import ZoneInfo  # takes 1 ms, only for times with a zone

    zone = value.tzinfo
    if type(zone) is ZoneInfo:
        return [zone.key, None]
    offset = value.utcoffset()
    plain = [offset // timedelta(microseconds=1), None]
    if type(zone) is timezone and zone.tzname(None) != timezone(offset).tzname(None):
        plain[1] = _unicode(zone.tzname(None))
    return plain


def _from_zone(zone: str | int | None, name: str | None) -> ZoneInfo | timezone | None:
    if zone is None:
        return None
    if isinstance(zone, str):
        from zoneinfo import ZoneInfo

        return ZoneInfo(zone)
    offset = timedelta(microseconds=zone)
    return timezone(offset) if name is None else timezone(offset, name)


def _translation_string(text: TranslationString) -> list[Any]:
    return [str(text), text.domain, text.default, text.mapping, text.context]


TABLE = [
    Row(1, "tuple", tuple, list, tuple, nested=True),
    Row(2, "set", set, list, set, nested=True, unordered=True),
    Row(3, "frozenset", frozenset, list, frozenset, nested=True, unordered=True),
    # In hexadecimal: Python refuses decimal integers beyond 4300 digits (CVE-2020-10735).
    Row(4, "int", int, hex, lambda text: int(text, 16)),
    Row(5, "float", float, repr, float),
    Row(6, "bytes", bytes, _base64, _from_base64),
    Row(7, "dict", dict, _pairs, _from_pairs, nested=True),
    Row(8, "datetime", datetime, _moment, _datetime),
    Row(9, "date", date, date.isoformat, date.fromisoformat),
    Row(10, "time", time, _moment, _time),
    Row(11, "timedelta", timedelta, _timedelta, lambda plain: timedelta(*plain)),
    Row(12, "Decimal", Decimal, str, Decimal),
    Row(13, "UUID", UUID, str, UUID),
    Row(
        14,
        "TranslationString",
        TranslationString,
        _translation_string,
        lambda plain: TranslationString(*plain),
        nested=True,
    ),
]

with suppress(ImportError):
    from markupsafe import Markup

    TABLE.append(Row(15, "Markup", Markup, _unicode, Markup))

BY_KIND = {row.kind: row for row in TABLE}
BY_CODE = {row.code: row for row in TABLE}
BY_TAG = {row.tag: row for row in TABLE}
