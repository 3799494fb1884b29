"""A PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress

from .process import HOST, PATIENCE, Server, program, run


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
        initdb = [program("initdb"), "-D", str(data), "-U", "test", "-A", "trust", "-E", "UTF8"]
        run(as_postgres([*initdb, "--no-sync"]))

    def command(self) -> list[str]:
        """Run in the foreground."""
        where = ("-h", HOST, "-p", str(self.port), "-k", "")
        postgres = program("postgres")
        return as_postgres([postgres, "-D", str(self.folder / "data"), *where, *self.options])

    def answers(self) -> bool:
        """Ask the program that is made for it."""
        asked = [program("pg_isready"), "-q", "-h", HOST, "-p", str(self.port)]
        return subprocess.run(asked, check=False, timeout=PATIENCE).returncode == 0

    # Each connection has a process of its own, which leads a process group of its own.

    def stop(self) -> None:
        """Stop the server as pg_ctl does, without waiting until clients have left."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill the server and the processes of its connections."""
        children = self._children()
        super().kill()
        self._signal(children, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        # A new server refuses the data of an old one that has not quite gone.
        while any(map(is_alive, children)) and time.monotonic() < deadline:
            time.sleep(0.005)

    def pause(self) -> None:
        """Have the server keep its connections and answer nothing."""
        self._signal([self.pid, *self._children()], signal.SIGSTOP)

    def resume(self) -> None:
        """Have a paused server go on."""
        self._signal([self.pid, *self._children()], signal.SIGCONT)

    def _children(self) -> list[int]:
        if self._process is None:
            return []
        command = ["ps", "-A", "-o", "pid=,ppid="]
        listed = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=PATIENCE
        )
        pairs = [line.split() for line in listed.stdout.splitlines()]
        return [int(pid) for pid, parent in pairs if int(parent) == self.pid]

    @staticmethod
    def _signal(pids: list[int], number: int) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"postgresql+psycopg://test@{HOST}:{self.port}/postgres"


def is_alive(pid: int) -> bool:
    """Tell whether there is a process of that number, not merely what is left of one."""
    command = ["ps", "-o", "stat=", "-p", str(pid)]
    state = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    return state.stdout.strip()[:1] not in ("", "Z")


def as_postgres(command: list[str]) -> list[str]:
    """Run the command as another user than root, whom PostgreSQL refuses."""
    if os.getuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--", *command]
