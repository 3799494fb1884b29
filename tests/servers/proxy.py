"""A proxy before a real server, through which a test spoils what passes."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from .process import HOST

if TYPE_CHECKING:
    from collections.abc import Callable


class Cut(Exception):
    """Raised by a handler: these bytes are passed on, and then the connection is cut off."""

    def __init__(self, last: bytes = b"") -> None:
        super().__init__(last)
        self.last = last


def unchanged(data: bytes) -> bytes:
    """Pass on what came."""
    return data


class Proxy:
    """Passes on, in a context, what clients on ``port`` and the server on ``target`` say.

    ``on_request`` and ``on_answer`` are called with each piece, at most ``piece`` bytes long, and
    give what is passed on instead; they may raise `Cut`.
    """

    def __init__(self, target: int) -> None:
        self.on_request: Callable[[bytes], bytes] = unchanged
        self.on_answer: Callable[[bytes], bytes] = unchanged
        self.piece = 65_536
        self._target = target
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Proxy:
        self._start(self._accept)
        return self

    def __exit__(self, *error: object) -> None:
        _end(*self._sockets)
        for thread in self._threads:
            thread.join(timeout=10)

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"{HOST}:{self.port}"

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):  # the end of the listener
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection((HOST, self._target), timeout=5)
        except OSError:
            return _end(client)
        server.settimeout(None)
        self._sockets.append(server)
        self._start(self._pass_on, client, server, "on_request")
        self._start(self._pass_on, server, client, "on_answer")
        return None

    def _pass_on(self, source: socket.socket, sink: socket.socket, handler: str) -> None:
        with suppress(OSError):
            sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                while data := source.recv(self.piece):
                    sink.sendall(getattr(self, handler)(data))
            except Cut as cut:
                sink.sendall(cut.last)
        _end(source, sink)


def _end(*sockets: socket.socket) -> None:
    for sock in sockets:
        with suppress(OSError):  # shut down by the other side already
            sock.shutdown(socket.SHUT_RDWR)  # a close alone wakes nobody who waits on it
        sock.close()
