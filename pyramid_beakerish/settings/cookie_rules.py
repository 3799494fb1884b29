"""What a browser requires of a cookie, checked before one is sent.

A cookie that breaks these rules is dropped by the browser without a word: the session then
never works (Beaker sends ``None=None`` for the name ``bad key;``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .convert import Converter, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

# RFC 9110 section 5.6.2: a token, which RFC 6265 section 4.1.1 requires of a cookie's name.
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 6265 section 4.1.1, path-value: any character except controls and the semicolon.
PATH = re.compile(r"/[ -:<-~]*")
# RFC 1123 allows no underscore, but host names in internal networks have it, and browsers take it.
LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
HOST = re.compile(rf"\.?{LABEL}(?:\.{LABEL})*", re.IGNORECASE | re.ASCII)
LONGEST_HOST = 253
# RFC 6265bis section 5.6: browsers ignore a longer attribute, and a cookie whose name and value
# together are longer than 4096 bytes; an id and its signature take 161 at most.
LONGEST_PATH = 1024
LONGEST_NAME = 4096 - 161

#: Python's own cookie parser, and Beaker's, take these names for attributes of a cookie.
RESERVED = frozenset(
    [
        "comment",
        "domain",
        "expires",
        "httponly",
        "max-age",
        "partitioned",
        "path",
        "samesite",
        "secure",
        "version",
    ]
)


def _name(value: str) -> str:
    if not TOKEN.fullmatch(value):
        raise ValueError(value)
    if value.lower() in RESERVED:
        raise RefusedError("is the name of a cookie's attribute: use another name.")
    if len(value) > LONGEST_NAME:
        raise RefusedError("makes a cookie of more than 4096 bytes, which no browser keeps.")
    return value


def _path(value: str) -> str:
    if not PATH.fullmatch(value):
        raise ValueError(value)
    if len(value) > LONGEST_PATH:
        raise RefusedError("is longer than 1024 characters: browsers ignore such a path.")
    return value


def _domain(value: str) -> str:
    if len(value) > LONGEST_HOST or not HOST.fullmatch(value):
        raise ValueError(value)
    return value


name = Converter("a cookie's name", "letters, digits and !#$%&'*+-.^_`|~ only", _name)
path = Converter("a cookie's path", "a path that begins with / and holds no ;", _path)
domain = Converter("a host name", "a host name such as example.com", _domain)


def broken_rules(values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Give each option that browsers would not obey, with the end of a sentence about it."""
    secure = values["secure"] is True
    if values["samesite"] == "None" and not secure:
        yield (
            "samesite",
            "needs {secure} = true: browsers drop such a cookie otherwise (auto is not enough).",
        )
    if values["partitioned"] and not secure:
        # https://datatracker.ietf.org/doc/html/draft-cutler-httpbis-partitioned-cookies
        yield "partitioned", "needs {secure} = true: browsers drop such a cookie otherwise."
    # RFC 6265bis section 4.1.3: the prefix is a promise that the browser checks.
    prefix = re.match("__(host|secure)-", values["key"], re.IGNORECASE)
    if prefix is None:
        return
    if not secure:
        yield "key", "needs {secure} = true: browsers drop a cookie of that name otherwise."
    if prefix[1].lower() == "host":
        if values["cookie_path"] != "/":
            yield "key", "needs {cookie_path} = /: browsers drop a cookie of that name otherwise."
        if values["cookie_domain"] is not None:
            yield "key", "allows no {cookie_domain}: browsers drop a cookie of that name otherwise."
