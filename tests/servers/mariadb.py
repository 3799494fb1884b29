"""A MariaDB server."""

from __future__ import annotations

import os
import subprocess

from .process import HOST, PATIENCE, Server, program, run


class MariaDBServer(Server):
    """mariadbd with an empty database ``test``, which trusts everybody."""

    programs = ("mariadbd", "mariadb-install-db", "mariadb-admin", "mariadb")
    debian = "mariadb-server"
    options: tuple[str, ...] = ()

    def prepare(self) -> None:
        """Make the system tables; nothing is read from the machine's own configuration."""
        data = f"--datadir={self.folder / 'data'}"
        install = [program("mariadb-install-db"), "--no-defaults", data, *self._user]
        run([*install, "--auth-root-authentication-method=normal", "--skip-test-db"])

    def start(self) -> None:
        """Start the server and make the database."""
        super().start()
        sql = "CREATE DATABASE IF NOT EXISTS test"
        run([program("mariadb"), *self._client, "-e", sql])

    def command(self) -> list[str]:
        """Run in the foreground."""
        return [
            program("mariadbd"),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--bind-address={HOST}",
            f"--port={self.port}",
            f"--socket={self.folder / 'sock'}",
            f"--pid-file={self.folder / 'pid'}",
            "--skip-name-resolve",
            *self._user,
            *self.options,
        ]

    def answers(self) -> bool:
        """Ask the program that is made for it."""
        asked = [program("mariadb-admin"), *self._client, "--connect-timeout=1", "ping"]
        done = subprocess.run(asked, check=False, capture_output=True, timeout=PATIENCE)
        return done.returncode == 0

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"mysql+pymysql://root@{HOST}:{self.port}/test"

    @property
    def _user(self) -> tuple[str, ...]:
        return ("--user=root",) if os.getuid() == 0 else ()

    @property
    def _client(self) -> tuple[str, ...]:
        return ("--no-defaults", "-h", HOST, "-P", str(self.port), "-u", "root")
