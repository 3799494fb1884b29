"""A memcached server."""

from __future__ import annotations

import socket

from .process import HOST, Server, program


class MemcachedServer(Server):
    """memcached, with its defaults unless ``options`` say otherwise."""

    programs = ("memcached",)
    debian = "memcached"
    options: tuple[str, ...] = ()

    def command(self) -> list[str]:
        """Run in the foreground; it refuses to run as root without a user's name."""
        where = ("-l", HOST, "-p", str(self.port), "-u", "root")
        return [program("memcached"), *where, *self.options]

    def answers(self) -> bool:
        """Ask for its version."""
        try:
            with socket.create_connection((HOST, self.port), timeout=0.5) as sock:
                sock.sendall(b"version\r\n")
                return sock.recv(64).startswith(b"VERSION")
        except OSError:
            return False

    def empty(self) -> None:
        """Remove everything, as the tests may and the package never does."""
        self.say(b"flush_all")

    def say(self, command: bytes) -> bytes:
        """Send a command, and give the answer, which must be a short one."""
        with socket.create_connection((HOST, self.port), timeout=5) as sock:
            sock.sendall(command + b"\r\n")
            return sock.recv(4096).strip()

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"{HOST}:{self.port}"
