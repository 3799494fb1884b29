"""One memcached: the connections to it, and what its failures mean."""

from __future__ import annotations

import os
import select
import socket
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from pymemcache.client.base import Client
from pymemcache.exceptions import (
    MemcacheError,
    MemcacheServerError,
    MemcacheUnexpectedCloseError,
    MemcacheUnknownError,
)

from ...errors import StoreError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...settings.addresses import Address

#: Seconds to wait for a connection, and then for each part of an answer.
CONNECT_TIMEOUT, ANSWER_TIMEOUT = 0.5, 1.0

FIRST_READ = 16_384
LINE_END, NOTHING, AFTER_VALUE = b"\r\n", b"END\r\n", b"\r\nEND\r\n"
DELETED, NOT_FOUND = b"DELETED\r\n", b"NOT_FOUND\r\n"

#: What pymemcache raises: for the network, for an error of the server, for a senseless answer.
FAILURES = (OSError, MemcacheError, LookupError, ValueError)


class Connection(Client):  # type: ignore[misc]
    """A connection of pymemcache that is made at once and waits for the answer to each write."""

    def __init__(self, address: Address) -> None:
        super().__init__(address, default_noreply=False)
        # Not left to pymemcache, which tries only the first address of a name: for localhost
        # that is ::1, where memcached does not listen if it was told 127.0.0.1.
        self.sock = connect(address)
        #: Whether the server has closed the connection, or sent what nobody has asked for.
        self.is_stale = watch(self.sock)

    def gets(self, name: bytes) -> tuple[bytes | None, bytes]:
        """Give the value and the cas number of an entry, or ``None`` and no number.

        With pymemcache's own method, which is made for several entries at once, reading
        a session takes 5 us more (of 75).
        """
        answer = self._answer(b"gets %b\r\n" % name)
        if answer == NOTHING:
            return None, b""
        head, _, rest = answer.partition(LINE_END)
        _, found, _, size, cas = head.split()
        missing = int(size) + len(AFTER_VALUE) - len(rest)
        if missing:
            rest += self._receive(missing)
        if missing < 0 or found != name or not rest.endswith(AFTER_VALUE):
            raise MemcacheUnknownError
        return rest[: -len(AFTER_VALUE)], cas

    def delete(self, name: bytes) -> bool:
        """Remove an entry; tell whether it was there.

        pymemcache takes an error for "not found", so that a logout would only seem to be done.
        """
        answer = self._answer(b"delete %b\r\n" % name)
        if answer not in (DELETED, NOT_FOUND):
            raise MemcacheUnknownError
        return answer == DELETED

    def _answer(self, command: bytes) -> bytes:
        """Send a command, and give the beginning of its answer: at least one line."""
        self.sock.sendall(command)
        answer: bytes = self.sock.recv(FIRST_READ)
        while LINE_END not in answer:
            answer += self._receive(1)
        return answer

    def _receive(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                raise MemcacheUnexpectedCloseError
            data += part
        return bytes(data)

    def __del__(self) -> None:
        self.close()


def connect(address: Address) -> socket.socket:
    """Give a socket that is connected to the address."""
    if isinstance(address, str):
        sock = _connect_to_path(address)
    else:
        sock = socket.create_connection(address, CONNECT_TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(ANSWER_TIMEOUT)
    return sock


def _connect_to_path(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(CONNECT_TIMEOUT)
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


def watch(sock: socket.socket) -> Callable[[], object]:
    """Give a function that tells whether there is anything to read, or the connection has ended.

    Not a selector of Python's, which takes 0.4 us more, of the 19 that a load takes.
    """
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select((sock,), (), (), 0)[0]
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return partial(poll.poll, 0)


class Server:
    """One memcached, and the connections to it that nobody uses at the moment.

    Each command has a connection to itself. A connection that still waits for an answer when
    something goes wrong is never used again: the next command would take that answer for its own.
    """

    def __init__(self, address: Address) -> None:
        self.name = address if isinstance(address, str) else "{}:{}".format(*address)
        self._address = address
        self._seed = blake2b(self.name.encode()).digest()
        self._idle: list[Connection] = []
        self._pid = os.getpid()

    def weight(self, name: bytes) -> bytes:
        """Give the weight of this server for an entry: the server with the greatest has it.

        When a server is added or removed, only the entries that it gets, or had, move.
        """
        return blake2b(name, key=self._seed, digest_size=8).digest()

    def ask(self, command: Callable[..., Any], *arguments: Any) -> Any:
        """Call a method of `Connection` on a connection, and give what it returns.

        Raises `StoreUnavailable`, and `StoreError` for a value that is too large. Nothing is
        sent twice: a write whose answer is lost may have happened.
        """
        try:
            connection = self._take()
            answer = command(connection, *arguments)
        except FAILURES as error:
            self.close()  # where one has broken, the others may be of no use
            raise self._translated(error) from None
        self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Close the connections that nobody uses; others are made when they are needed."""
        self._idle = []

    def _take(self) -> Connection:
        # Two processes on one connection get each other's answers. Not left to the
        # hooks of os.fork: servers written in C, such as uWSGI, fork without them.
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
    return "its answer broke off, or was invalid"
