"""The options of Pyramid's own signed cookies, ``session.type = signed_cookie``.

They have the names of SignedCookieSessionFactory's arguments. Options that other types have too
keep their names: ``key``, ``secret``, ``timeout``, ``cookie_path`` and the like.
"""

from __future__ import annotations

import hashlib
import inspect
from typing import Any

from . import convert
from .convert import Converter, RefusedError
from .option import Option

SIGNED_COOKIE = "signed_cookie"
#: Options of other types that are obeyed where Pyramid keeps the sessions, too.
SHARED = frozenset(
    (
        *("type", "key", "secret", "timeout", "cookie_path", "cookie_domain", "cookie_expires"),
        *("secure", "httponly", "samesite", "cookie_on_exception", "require_secret"),
    )
)


def _hashalg(value: str) -> str:
    name = str(value).lower()
    try:
        hashlib.new(name).digest()  # one that needs a length, as shake_128 does, signs nothing
    except (TypeError, ValueError):
        raise RefusedError("is no hash algorithm: use sha512 or another of hashlib's.") from None
    return name


def _any_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(type(value))
    return value


def _serializer(value: Any) -> Any:
    if isinstance(value, str) and value.lower() in ("json", "pickle"):
        return value.lower()
    found = convert.resolve(value)
    found = found() if inspect.isclass(found) else found
    if not callable(getattr(found, "dumps", None)) or not callable(getattr(found, "loads", None)):
        raise TypeError(type(found))
    return found


def _signed(convert: Converter, default: Any, help: str, **more: Any) -> Option:  # noqa: A002
    return Option(convert=convert, default=default, help=help, types=(SIGNED_COOKIE,), **more)


SIGNED_COOKIE_OPTIONS = {
    "hashalg": _signed(
        Converter("a hash algorithm", "sha512 or another name of hashlib's", _hashalg),
        "sha512",
        "The hash that signs the cookie.",
    ),
    "salt": _signed(
        Converter("text", "text", _any_text),
        "pyramid.session.",
        "Separates this use of the secret from others.",
    ),
    "reissue_time": _signed(
        convert.duration_from_zero,
        0.0,
        "How long after it was last sent the cookie is sent again; none: only when the session "
        "changes.",
        takes_none=True,
    ),
    "set_on_exception": _signed(
        convert.boolean,
        True,
        "Whether the cookie is sent when an exception view answers, like cookie_on_exception.",
        default_text="as cookie_on_exception",
    ),
    "serializer": _signed(
        Converter(
            "a serializer",
            "json, an object with dumps and loads, or package.module:name of it or its class",
            _serializer,
        ),
        "json",
        "How the session becomes bytes; previous.serializer may be pickle, as before Pyramid 2.",
    ),
}
