"""A proxy in front of a real server, which breaks connections where a test wants it to."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.servers.process import HOST

PATIENCE = 30.0


class Proxy:
    """Passes bytes on to a port of this host, both ways; use it as a context manager.

    ``cut_after`` is how many bytes of the answers a connection may carry before it is reset,
    ``None`` for any number; it is looked at for each piece that arrives. With ``cut_next`` the
    next answer is lost, and no other. ``requests`` are the pieces that clients have sent.
    """

    def __init__(self, port):
        self._target = HOST, port
        self._listener = socket.create_server((HOST, 0))
        self._sockets = [self._listener]
        self.port = self._listener.getsockname()[1]
        self.cut_after = None
        self.cut_next = False
        self.requests = []

    def __enter__(self):
        self._run(self._accept)
        return self

    def __exit__(self, *error):
        for sock in self._sockets:
            close(sock)

    def cut_all(self):
        """Break every connection there is."""
        for sock in self._sockets[1:]:
            close(sock)

    def _run(self, work, *arguments):
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target, PATIENCE)
                self._sockets += [client, server]
                self._run(self._pass_requests, client, server)
                self._run(self._pass_answers, server, client)

    def _pass_requests(self, client, server):
        with contextlib.suppress(OSError):
            while piece := client.recv(65536):
                self.requests.append(piece)
                server.sendall(piece)
        close(server)

    def _pass_answers(self, server, client):
        carried = 0
        with contextlib.suppress(OSError):
            while piece := server.recv(65536):
                if self.cut_next:
                    self.cut_next = False
                    break
                if self.cut_after is not None and carried + len(piece) > self.cut_after:
                    client.sendall(piece[: max(0, self.cut_after - carried)])
                    break
                carried += len(piece)
                client.sendall(piece)
        close(server)
        close(client)


def close(sock):
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
