"""Converters from what an ini file or a program says to the values the package works with.

A converter takes a string or a real Python object and gives the value that it means, or
raises `RefusedError` with the end of a sentence that begins with the key and the value.
"""

from __future__ import annotations

import importlib
import math
import os
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

#: The words of ``pyramid.settings.asbool``; any other word is an error here.
TRUE_WORDS = frozenset({"t", "true", "y", "yes", "on", "1"})
FALSE_WORDS = frozenset({"f", "false", "n", "no", "off", "0"})

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
UNITS = {"": 1.0, "s": 1.0, "m": MINUTE, "h": HOUR, "d": DAY}
DURATION = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*([smhd]?)", re.ASCII)
QUOTED = re.compile(r"""(["']).*\1""", re.DOTALL)
CLASS_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*[.:][^\W\d]\w*(\.[^\W\d]\w*)*")
#: Beyond this, Python's own dates overflow when the duration is added to them.
LONGEST = 36_500 * DAY


class RefusedError(ValueError):
    """The value cannot be taken; the text says why and what is allowed."""


@dataclass(frozen=True)
class Converter:
    """What values an option takes: ``kind`` and ``allowed`` are words for messages and docs."""

    kind: str
    allowed: str
    read: Callable[[Any], Any]

    def __call__(self, value: Any) -> Any:
        """Give what the value means.

        Raises `RefusedError` with what is allowed.
        """
        try:
            return self.read(value.strip() if isinstance(value, str) else value)
        except RefusedError:
            raise
        except (ValueError, TypeError, OverflowError):
            raise RefusedError(f"is not {self.kind}: use {self.allowed}.") from None


def is_none(value: Any) -> bool:
    """Tell whether the value is ``None``, or a text that says so."""
    return value is None or (isinstance(value, str) and value.strip().lower() == "none")


def _boolean(value: Any) -> bool:
    word = str(value).lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ValueError(word)


def _boolean_or_auto(value: Any) -> Any:
    return "auto" if isinstance(value, str) and value.lower() == "auto" else _boolean(value)


def _seconds(value: Any) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        raise TypeError(type(value))
    found = DURATION.fullmatch(value.lower())
    if found is None:
        raise ValueError(value)
    return float(found[1]) * UNITS[found[2]]


def _positive(seconds: float, remedy: str) -> float:
    if not math.isfinite(seconds):
        raise ValueError(seconds)
    if seconds <= 0:
        raise RefusedError(f"is not above zero: {remedy}.")
    if seconds > LONGEST:
        raise RefusedError(f"is longer than 100 years: {remedy}.")
    return seconds


def duration(remedy: str) -> Converter:
    """Take seconds above zero; ``remedy`` tells how to say what zero was meant to."""
    return Converter(
        "a duration",
        "seconds, or a number with s, m, h or d (30m)",
        lambda value: _positive(_seconds(value), remedy),
    )


def duration_or_none(remedy: str) -> Converter:
    """Take seconds above zero, or ``none`` for no end; see `duration`."""

    def read(value: Any) -> float | None:
        if is_none(value):
            return None
        return _positive(_seconds(value), remedy)

    return Converter("a duration", "seconds, a number with s, m, h or d (30m), or none", read)


def _duration_from_zero(value: Any) -> float | None:
    if is_none(value):
        return None
    seconds = _seconds(value)
    return seconds if seconds == 0 else _positive(seconds, "use 0 for always or none for never")


def _in_utc(moment: datetime) -> datetime:
    # Beaker, too, takes a moment without a time zone for GMT.
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc)


def _cookie_expires(value: Any) -> bool | float | datetime:
    if isinstance(value, datetime):
        return _in_utc(value)
    is_number = isinstance(value, str) and value in ("0", "1")
    if isinstance(value, (str, bool)) and not is_number:
        word = str(value).lower()
        if word in TRUE_WORDS | FALSE_WORDS:
            return word in TRUE_WORDS
    return _positive(_seconds(value), "use true for a cookie that ends with the browser")


def _whole_number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(value)
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError(value)
    if int(value) < 1:
        raise ValueError(value)
    return int(value)


def _whole_number_or_none(value: Any) -> int | None:
    if is_none(value):
        return None
    return _whole_number(value)


def _nonce_bits(value: Any) -> int:
    bits = _whole_number(value)
    if bits % 8:
        raise ValueError(value)
    return bits


def _any_text(value: Any) -> str:
    text = os.fspath(value)
    if not isinstance(text, str):
        raise TypeError(text)
    if not text:
        raise RefusedError("is empty: give a value, or leave the line out.")
    if "\0" in text:
        raise ValueError(text)
    return text


def _text(value: Any) -> str:
    text = _any_text(value)
    if QUOTED.fullmatch(text):  # as a folder it would be a relative path
        raise RefusedError("is in quotes, which would be part of it: omit them.")
    return text


def _text_or_object(value: Any) -> Any:
    return _text(value) if isinstance(value, (str, os.PathLike)) else value


def _session_key(value: Any) -> str | None:
    if is_none(value):
        return None
    # No application sets a key of such a name: ids would silently be kept at login.
    if str(value).lower() in TRUE_WORDS | FALSE_WORDS:
        raise ValueError(value)
    return _text(value)


def _token(value: Any) -> str | Literal[False]:
    word = str(value).lower()
    if word in FALSE_WORDS or is_none(value):
        return False
    if word in TRUE_WORDS:
        raise ValueError(value)
    return _text(value)


def _nothing(value: Any) -> None:
    if not is_none(value):
        raise ValueError(value)


def _items(value: Any, separators: str) -> tuple[str, ...]:
    parts = re.split(separators, value) if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise TypeError(type(value))
    return tuple(part.strip() for part in parts if part.strip())


def _class_names(value: Any) -> tuple[str, ...]:
    listed = _items(value, "[,\n]")
    for each in listed:
        if CLASS_NAME.fullmatch(each) is None:
            raise RefusedError(f"holds {each!r}, which is no class name: use package.module:Class.")
    return listed


def _secrets(value: Any) -> tuple[str, ...]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    # Bytes that cannot be decoded are reported as a wrong type is: neither is a text.
    lines = [part.decode() if isinstance(part, bytes) else part for part in values]
    found = tuple(line for part in lines for line in _items(part, "\n"))
    if not found:
        raise RefusedError("is empty: give a value, or leave the line out.")
    return found


def resolve(name: Any) -> Any:
    """Give the object that ``package.module:name`` names; give any other object back as it is."""
    if not isinstance(name, str):
        return name
    module, colon, path = name.partition(":")
    if not colon and "." in module:
        module, _, path = module.rpartition(".")
    try:
        found = importlib.import_module(module)
        for part in filter(None, path.split(".")):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise RefusedError(f"cannot be imported: {error}.") from None
    return found


def _callable(value: Any) -> Any:
    found = resolve(value)
    if not callable(found):
        raise TypeError(type(found))
    return found


def _serializer(value: Any) -> Any:
    names = ("msgpack", "json", "pickle")
    if isinstance(value, str) and value.lower() in names:
        return value.lower()
    if callable(getattr(value, "dumps", None)) and callable(getattr(value, "loads", None)):
        return value
    raise TypeError(type(value))


def _samesite(value: Any) -> str | None:
    # For Beaker, too, an empty text in an ini file leaves the attribute out.
    if value is None or value == "":
        return None
    return str(one_of("Lax", "Strict", "None")(value))


def _engine_options(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(str(name).startswith("sa.") for name in value):
        raise TypeError(type(value))
    return dict(value)


def one_of(*words: str) -> Converter:
    """Take one of the words, in upper or lower case, and give it back as it is spelt here."""
    spelling = {word.lower(): word for word in words}

    def read(value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in spelling:
            raise ValueError(value)
        return spelling[value.lower()]

    listed = " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
    return Converter("allowed", listed, read)


duration_from_zero = Converter(
    "a duration",
    "seconds from 0 up, a number with s, m, h or d (30m), or none",
    _duration_from_zero,
)
boolean = Converter("a boolean", "true or false", _boolean)
boolean_or_auto = Converter("a boolean", "true, false or auto", _boolean_or_auto)
whole_number = Converter("a whole number above zero", "a number such as 250", _whole_number)
whole_number_or_none = Converter(
    "a whole number above zero", "a number such as 3, or none", _whole_number_or_none
)
nonce_bits = Converter("a multiple of 8", "128, or 48 as Beaker before 1.8", _nonce_bits)
text = Converter("text", "text", _text)
password = Converter("text", "text", _any_text)
text_or_object = Converter("text", "text or a client object", _text_or_object)
store_type = Converter("a type", "the name of a type, or a store", _text_or_object)
session_key = Converter("the name of a key", "a name such as auth.userid, or none", _session_key)
nothing = Converter("allowed", "none", _nothing)
token = Converter("a token", "text, or false for a separate one in each session", _token)
names = Converter(
    "a list", "names separated by commas or line ends", lambda value: _items(value, "[,\n]")
)
class_names = Converter("a list", "names separated by commas or line ends", _class_names)
#: https://www.w3.org/TR/clear-site-data/#header
SITE_DATA = frozenset({"cache", "cookies", "storage"})


def _site_data(value: Any) -> tuple[str, ...]:
    words = tuple(word.lower() for word in _items(value, "[,\n]"))
    if not SITE_DATA.issuperset(words):
        raise ValueError(value)
    return words


site_data = Converter("allowed", "cache, cookies, storage, or some of them", _site_data)
secrets = Converter("text", "text in UTF-8, one secret a line", _secrets)
samesite = Converter("allowed", "Lax, Strict or None", _samesite)
cookie_expires = Converter(
    "a cookie's end",
    "true (with the browser), false (never), seconds, or a number with s, m, h or d (30d)",
    _cookie_expires,
)
serializer = Converter(
    "a serializer", "msgpack, json, pickle or an object with dumps and loads", _serializer
)
dotted_callable = Converter("callable", "a callable or package.module:name", _callable)
dotted_object = Converter("an object", "an object or package.module:name", resolve)
engine_options = Converter(
    "a dictionary of engine options", "a dictionary with keys such as sa.url", _engine_options
)
anything = Converter("an object", "an object", lambda value: value)
