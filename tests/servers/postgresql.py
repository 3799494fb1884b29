"""A PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import subprocess

from .process import HOST, Server, program


class PostgreSQLServer(Server):
    """postgres with an empty database, which trusts everybody on the loopback interface."""

    programs = ("initdb", "postgres", "pg_isready")
    debian = "postgresql"
    options: tuple[str, ...] = ()

    def prepare(self) -> None:
        """Make the cluster of databases, as a user who is not root."""
        data = self.folder / "data"
        data.mkdir(mode=0o700)
        if os.getuid() == 0:
            shutil.chown(data, "postgres", "postgres")
        self._run(program("initdb"), "-D", str(data), "-U", "test", "-A", "trust", "-E", "UTF8")

    def command(self) -> list[str]:
        """Run in the foreground."""
        where = ("-h", HOST, "-p", str(self.port), "-k", "")
        postgres = program("postgres")
        return as_postgres([postgres, "-D", str(self.folder / "data"), *where, *self.options])

    def answers(self) -> bool:
        """Ask the program that is made for it."""
        asked = [program("pg_isready"), "-q", "-h", HOST, "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"postgresql+psycopg://test@{HOST}:{self.port}/postgres"

    @staticmethod
    def _run(*command: str) -> None:
        subprocess.run(
            as_postgres([*command]), check=True, stdin=subprocess.DEVNULL, capture_output=True
        )


def as_postgres(command: list[str]) -> list[str]:
    """Run the command as another user than root, whom PostgreSQL refuses."""
    if os.getuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--", *command]
