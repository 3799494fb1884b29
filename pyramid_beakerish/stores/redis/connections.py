"""Redis at the level of redis-py's connections: the client around them costs as much again."""

from __future__ import annotations

import os
from collections import deque
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import ReadOnlyError, ResponseError

from .deadline import within
from .errors import FAILURES, AnswerLost, known
from .server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from redis.connection import AbstractConnection

#: A caller that has waited longer than this for an answer that never came does not try
#: again: with 0.5 s to connect and 1 s to answer no command takes more than 2 s.
SOON = 0.5

SCANNED_AT_ONCE = b"1000"


class Connections(Server):
    """Keeps connections to one server, lends one to each thread, and makes new ones.

    ``make`` finds the server and gives a connection that is not connected yet. To find
    the server, connect and log in may take ``connect_timeout`` seconds in all.
    """

    def __init__(
        self, make: Callable[[], AbstractConnection], connect_timeout: float | None
    ) -> None:
        self._make = make
        self._connect_timeout = connect_timeout
        self._start_anew()

    def ask(self, name: str, *arguments: bytes) -> Any:
        """Send a command that does no harm if it is obeyed twice.

        It is sent once more if a connection that was idle turns out to be closed.
        """
        command, connection = packed(name, arguments), self._take_idle()
        if connection is None:
            return self._exchange(self._connect(), command)
        began = monotonic()
        try:
            return self._exchange(connection, command)
        except NoConnection:
            if monotonic() - began > SOON:
                raise
        return self._exchange(self._connect(), command)

    def tell(self, name: str, *arguments: bytes) -> Any:
        """Send a command that is never sent again; raise `AnswerLost` if its answer is soon lost.

        Whether a connection was closed while it was idle is found out beforehand, not by sending.
        """
        connection = self._take_idle()
        if connection is None or is_closed(connection):
            connection = self._connect()
        began = monotonic()
        try:
            return self._exchange(connection, packed(name, arguments))
        except NoConnection as error:
            if monotonic() - began > SOON:
                raise
            raise AnswerLost from error

    def ask_each(self, name: str, *arguments: bytes) -> list[Any]:
        """Send a command to the one server that there is."""
        return [self.ask(name, *arguments)]

    def get_many(self, names: Sequence[bytes]) -> Sequence[bytes | None]:
        """Give the values of several names."""
        values: Sequence[bytes | None] = self.ask("MGET", *names)
        return values

    def scan(self, pattern: bytes) -> Iterator[bytes]:
        """List the names that match, some perhaps twice."""
        cursor = b"0"
        while True:
            cursor, names = self.ask("SCAN", cursor, b"MATCH", pattern, b"COUNT", SCANNED_AT_ONCE)
            yield from names
            if cursor == b"0":
                break

    def close(self) -> None:
        """Close the connections that are idle."""
        self._idle.clear()

    def _take_idle(self) -> AbstractConnection | None:
        # Asked each time, as uWSGI forks without calling what os.register_at_fork has registered.
        if self._pid != os.getpid():
            self._start_anew()
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _start_anew(self) -> None:
        # The parent's connections are dropped: redis-py closes them without a word to the server.
        self._idle: deque[AbstractConnection] = deque()
        self._pid = os.getpid()  # last: another thread that sees it must see the new deque

    def _connect(self) -> AbstractConnection:
        return within(self._connect_timeout, self._made_and_connected)

    def _made_and_connected(self) -> AbstractConnection:
        connection = self._make()
        connection.connect()
        return connection

    def _exchange(self, connection: AbstractConnection, command: bytes) -> Any:
        """Send a command and read its answer.

        The connection is used again only after a whole answer. Otherwise it is dropped,
        which closes it, so that no other command is ever given the rest of this answer;
        and so are the idle ones, which may be broken, too.
        """
        try:
            connection.send_packed_command((command,), check_health=False)
            answer = connection.read_response()
        except ResponseError as error:
            if isinstance(known(error), ReadOnlyError):  # a failover: the name leads elsewhere now
                self._idle.clear()
            else:
                self._idle.append(connection)
            raise
        except FAILURES:
            self._idle.clear()
            raise
        self._idle.append(connection)
        return answer


def is_closed(connection: AbstractConnection) -> bool:
    """Tell whether the server has closed the connection, or sent what nobody has asked for."""
    try:
        return connection.can_read(timeout=0)
    except FAILURES:
        return True


def packed(name: str, arguments: tuple[bytes, ...]) -> bytes:
    """Spell a command: https://redis.io/docs/latest/develop/reference/protocol-spec/."""
    lengths_and_arguments: list[int | bytes] = []
    for argument in arguments:
        lengths_and_arguments += len(argument), argument
    return _template(name, len(arguments)) % tuple(lengths_and_arguments)


@lru_cache(maxsize=64)
def _template(name: str, arguments: int) -> bytes:
    """Give the template of a command: filling it in takes 0.3 us, spelling arguments singly 0.5.

    It holds no argument of a command.
    """
    head = b"*%d\r\n$%d\r\n%b\r\n" % (arguments + 1, len(name), name.encode())
    return head + b"$%d\r\n%b\r\n" * arguments
