"""A TCP connection to a server that can be cut at a chosen moment."""

from __future__ import annotations

import socket
import struct
import threading
from select import select
from typing import TYPE_CHECKING

from .process import HOST

if TYPE_CHECKING:
    from collections.abc import Callable

#: Closes with a reset.
AT_ONCE = struct.pack("ii", 1, 0)
IDLE = 30.0


class Link:
    """Passes on what clients and a server say, until it is told to reset a connection.

    Clients connect to ``port``. As a context manager it works from the beginning of the block
    to its end.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._before = False
        self._meanwhile: Callable[[], object] | None = None

    def cut_before_request(self) -> None:
        """Reset the connection on which the next request comes; the server never sees it."""
        self._before = True

    def cut_in_answer(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Reset the connection in the middle of the next answer, after calling ``meanwhile``."""
        self._meanwhile = meanwhile

    def __enter__(self) -> Link:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            server = socket.create_connection((HOST, self._server_port), timeout=IDLE)
            threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        with client, server:
            try:
                while self._pass_on(client, server):
                    pass
            except OSError:  # one of the two has gone
                return

    def _pass_on(self, client: socket.socket, server: socket.socket) -> bool:
        """Pass on what comes next; tell whether the connection goes on."""
        ready, _, _ = select([client, server], [], [], IDLE)
        for side in ready:
            data = side.recv(65536)
            if not data or (side is client and self._reset_before(client)):
                return False
            if side is server and self._meanwhile is not None:
                self._reset_in(client, data)
                return False
            (server if side is client else client).sendall(data)
        return bool(ready)

    def _reset_before(self, client: socket.socket) -> bool:
        cut, self._before = self._before, False
        if cut:
            reset(client)
        return cut

    def _reset_in(self, client: socket.socket, data: bytes) -> None:
        meanwhile, self._meanwhile = self._meanwhile, None
        assert meanwhile is not None
        meanwhile()
        client.sendall(data[: len(data) // 2])
        reset(client)


def reset(client: socket.socket) -> None:
    """Close the connection as a crashed peer would."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    client.close()
