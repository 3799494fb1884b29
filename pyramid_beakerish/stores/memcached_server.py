"""One memcached: where it is, the connections to it, and what its failures mean."""

from __future__ import annotations

import os
import re
import selectors
import socket
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheError, MemcacheServerError

from pyramid_beakerish.errors import SettingsError, StoreError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

#: Host and port, or the path of a unix socket.
Address = tuple[str, int] | str

#: Seconds to wait for a connection, and then for each part of an answer.
CONNECT_TIMEOUT, ANSWER_TIMEOUT = 0.5, 1.0

DEFAULT_PORT, LARGEST_PORT = 11211, 65535

# ``inet:``, ``inet6:`` and ``unix:`` are python-memcached's words, with which Beaker connects.
BETWEEN_SERVERS = re.compile(r"[\s;,]+")
SERVER = re.compile(
    r"(?:unix:)?(?P<path>/.+)|(?:inet6?:)?(?:\[(?P<v6>[^]]+)]|(?P<host>[^]:/[]+))(?::(?P<port>\d+))?"
)

WRONG_URL = (
    "url must name memcached servers as host:port, [IPv6 address]:port or unix:/path, "
    "with ; between several."
)

#: What pymemcache raises: for the network, for what the server says, for an answer that is none.
FAILURES = (OSError, MemcacheError, LookupError, ValueError)

# Epoll takes one descriptor more for each connection, and Windows has no poll.
Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


class Connection(Client):  # type: ignore[misc]
    """A connection of pymemcache's, made at once, which waits for the answer to each write."""

    def __init__(self, address: Address) -> None:
        super().__init__(address, default_noreply=False)
        # Not left to pymemcache, which tries only the first address of a name: for localhost
        # that is ::1, where memcached does not listen if it was told 127.0.0.1.
        self.sock = connect(address)
        selector = Selector()
        selector.register(self.sock, selectors.EVENT_READ)
        self._select = selector.select

    def is_stale(self) -> bool:
        """Tell whether the server has closed the connection, or says what nobody has asked."""
        return bool(self._select(0))

    def __del__(self) -> None:
        self.close()


def connect(address: Address) -> socket.socket:
    """Give a socket that is connected to the address."""
    if isinstance(address, str):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(CONNECT_TIMEOUT)
        sock.connect(address)
    else:
        sock = socket.create_connection(address, CONNECT_TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(ANSWER_TIMEOUT)
    return sock


class Server:
    """One memcached, and the connections to it that nobody uses at the moment.

    A command has a connection for itself. One that is still waiting for an answer when something
    goes wrong is never used again, or the next command would take that answer for its own.
    """

    def __init__(self, address: Address) -> None:
        self.name = address if isinstance(address, str) else "{}:{}".format(*address)
        self._address = address
        self._seed = blake2b(self.name.encode()).digest()
        self._idle: list[Connection] = []
        self._pid = os.getpid()

    def weight(self, name: bytes) -> bytes:
        """Give the weight of this server for an entry: the one with the greatest has it.

        With a server more or less, only the entries that it has, or had, are elsewhere.
        """
        return blake2b(name, key=self._seed, digest_size=8).digest()

    def ask(self, command: Callable[..., Any], *arguments: Any) -> Any:
        """Call a method of `Connection` on one of them, and give what it gives.

        Raises `StoreUnavailable`, and `StoreError` for a value that is too large. Nothing is
        sent twice: a write whose answer is lost may have happened.
        """
        try:
            connection = self._take()
            answer = command(connection, *arguments)
        except FAILURES as error:
            self.close()  # where one has broken the others are of no use, perhaps
            raise self._translated(error) from None
        self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Close the connections that nobody uses; others are made when they are needed."""
        self._idle = []

    def _take(self) -> Connection:
        # Two processes on one connection get each other's answers. Not left to the hooks of
        # os.fork: servers in C, such as uWSGI, fork without them.
        if self._pid != os.getpid():
            self._idle, self._pid = [], os.getpid()
        try:
            while True:
                connection = self._idle.pop()
                if not connection.is_stale():
                    return connection
        except IndexError:
            return Connection(self._address)

    def _translated(self, error: Exception) -> StoreError:
        reason = reason_of(error)
        if "too large" in reason:
            return StoreError(
                f"memcached at {self.name} refuses a value: {reason}. It takes 1 MB, unless it was "
                "started with the option -I"
            )
        return StoreUnavailable(f"memcached at {self.name} cannot be used: {reason}")


def reason_of(error: Exception) -> str:
    """Tell what went wrong, and nothing of what was stored."""
    if isinstance(error, OSError):
        return error.strerror or "no answer in time"
    if isinstance(error, MemcacheServerError) and error.args:
        words: bytes = error.args[0]
        return words.decode("ascii", "replace")
    return "it broke off in its answer, or gave one that is none"


def read_addresses(url: object) -> list[Address]:
    """Give the addresses that are written with ``;``, ``,``, blanks or line ends between them.

    Raises `SettingsError` for what is none, and if there is none.
    """
    written = [word for word in BETWEEN_SERVERS.split(url) if word] if isinstance(url, str) else []
    found = [_read_address(word) for word in written]
    addresses = [address for address in dict.fromkeys(found) if address is not None]
    if not addresses or None in found:
        raise SettingsError([WRONG_URL])
    return addresses


def _read_address(word: str) -> Address | None:
    parts = SERVER.fullmatch(word)
    if parts is None:
        return None
    if parts["path"]:
        return parts["path"]
    port = int(parts["port"] or DEFAULT_PORT)
    return (parts["v6"] or parts["host"], port) if 0 < port <= LARGEST_PORT else None
