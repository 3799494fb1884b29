"""A proxy before a real server, through which a test spoils what passes, or cuts it off."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from select import select
from typing import TYPE_CHECKING

from pyramid_beakerish.testing.together import PATIENCE, Background

from .process import HOST

if TYPE_CHECKING:
    from collections.abc import Callable

#: Closes with a reset.
AT_ONCE = struct.pack("ii", 1, 0)


class Cut(Exception):
    """Raised by a handler: these bytes are passed on, and then the connection is cut off."""

    def __init__(self, last: bytes = b"") -> None:
        super().__init__(last)
        self.last = last


class Reset(Cut):
    """A cut of which the client is told at once, as by a peer that has crashed."""


def unchanged(data: bytes) -> bytes:
    """Pass on what came."""
    return data


class Proxy:
    """Passes on, in a context, what clients on ``port`` and the server on ``target`` say.

    ``on_request`` and ``on_answer`` are called with each piece, at most ``piece`` bytes long, and
    give what is passed on instead; they may raise `Cut`. ``accepted`` is the number of
    connections that clients have made; the next one leads to what is ``target`` then.
    """

    def __init__(self, target: int) -> None:
        self.on_request: Callable[[bytes], bytes] = unchanged
        self.on_answer: Callable[[bytes], bytes] = unchanged
        self.piece = 65_536
        self.accepted = 0
        self.target = target
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads: list[Background[None]] = []

    def __enter__(self) -> Proxy:
        self._threads.append(Background(self._accept))
        return self

    def __exit__(self, *error: object) -> None:
        _wake(self._listener)
        self._listener.close()
        self.cut_all()
        for thread in self._threads:
            thread.result()

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"{HOST}:{self.port}"

    def cut_all(self) -> None:
        """End every connection there is."""
        for sock in self._sockets:
            _wake(sock)

    def hold(self, word: bytes, count: int) -> None:
        """Hold requests that have the word until so many have come, each by its connection."""
        barrier = threading.Barrier(count)

        def wait(data: bytes) -> bytes:
            if word in data:
                barrier.wait(PATIENCE)
            return data

        self.on_request = wait

    def cut_before_request(self, word: bytes = b"") -> None:
        """Reset the connection on which the next such request comes; the server never sees it."""

        def cut(data: bytes) -> bytes:
            if word not in data:
                return data
            self.on_request = unchanged
            raise Reset

        self.on_request = cut

    def cut_in_answer(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Reset the connection in the middle of the next answer, after calling ``meanwhile``."""

        def cut(data: bytes) -> bytes:
            self.on_answer = unchanged
            meanwhile()
            raise Reset(data[: len(data) // 2])

        self.on_answer = cut

    def _accept(self) -> None:
        with suppress(OSError):  # the end of the listener
            while True:
                client, _ = self._listener.accept()
                self.accepted += 1
                self._threads.append(Background(self._serve, client))

    def _serve(self, client: socket.socket) -> None:
        target = (HOST, self.target)
        # Errors: the server is not there, or one of the two has gone.
        with client, suppress(OSError), socket.create_connection(target, PATIENCE) as server:
            self._sockets += [client, server]
            for sock in (client, server):
                sock.settimeout(PATIENCE)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self._pass_on(client, server):
                pass

    def _pass_on(self, client: socket.socket, server: socket.socket) -> bool:
        """Pass on what comes next; tell whether the connection goes on."""
        ready, _, _ = select([client, server], [], [], PATIENCE)
        for source in ready:
            sink = server if source is client else client
            handler = self.on_request if source is client else self.on_answer
            data = source.recv(self.piece)
            if not data:
                return False
            try:
                sink.sendall(handler(data))
            except Cut as cut:
                sink.sendall(cut.last)
                if isinstance(cut, Reset):
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                return False
        return bool(ready)


def _wake(sock: socket.socket) -> None:
    """End a connection: unlike a close, this wakes who waits on it."""
    with suppress(OSError):  # it has ended already
        sock.shutdown(socket.SHUT_RDWR)
