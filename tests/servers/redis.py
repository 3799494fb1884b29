"""A Redis server."""

from __future__ import annotations

import socket

from .process import HOST, Server, program


class RedisServer(Server):
    """redis-server, without persistence unless ``options`` say otherwise."""

    programs = ("redis-server",)
    debian = "redis-server"
    options: tuple[str, ...] = ("--save", "", "--appendonly", "no")

    def command(self) -> list[str]:
        """Run in the foreground."""
        where = ("--bind", HOST, "--port", str(self.port), "--dir", str(self.folder))
        return [program("redis-server"), *where, *self.options]

    def answers(self) -> bool:
        """Ask for a PONG, which it does not give while it reads its data."""
        try:
            with socket.create_connection((HOST, self.port), timeout=0.5) as sock:
                sock.sendall(b"PING\r\n")
                return sock.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"redis://{HOST}:{self.port}/0"
