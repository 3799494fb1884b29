"""The addresses of memcached servers, as a url names them."""

from __future__ import annotations

import re

from .convert import RefusedError

#: Host and port, or the path of a unix socket.
Address = tuple[str, int] | str

DEFAULT_PORT, LARGEST_PORT = 11211, 65535

BETWEEN = re.compile(r"[\s;,]+")
# ``inet:``, ``inet6:`` and ``unix:`` are prefixes of python-memcached, the library of Beaker.
SERVER = re.compile(
    r"(?:unix:)?(?P<path>/.+)"
    r"|(?:inet6?:)?(?:\[(?P<v6>[^]]+)]|(?P<host>[^]:/[]+))(?::(?P<port>\d+))?"
)


def read_addresses(url: object) -> list[Address]:
    """Give the addresses in a url, each once; ``;``, ``,``, blanks or line ends separate them.

    Raises `RefusedError` for anything else.

    >>> read_addresses("cache1:11211; cache2, [::1]:11212 unix:/run/memcached.sock")
    [('cache1', 11211), ('cache2', 11211), ('::1', 11212), '/run/memcached.sock']
    """
    words = [word for word in BETWEEN.split(url) if word] if isinstance(url, str) else []
    addresses = [address for word in words if (address := _address(word)) is not None]
    if not words or len(addresses) < len(words):
        raise RefusedError(
            "names no memcached servers: use host:port, [IPv6 address]:port or unix:/path, "
            "with ; between several."
        )
    return list(dict.fromkeys(addresses))


def _address(word: str) -> Address | None:
    parts = SERVER.fullmatch(word)
    if parts is None:
        return None
    if parts["path"]:
        return parts["path"]
    port = int(parts["port"] or DEFAULT_PORT)
    return (parts["v6"] or parts["host"], port) if 0 < port <= LARGEST_PORT else None
