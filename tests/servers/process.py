"""A server process of the tests' own, on a free port of the loopback interface."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"
#: Seconds after which a server that does not start, or stop, is given up.
PATIENCE = 60.0
#: Where Debian puts programs that are no commands for everybody.
MORE_PATHS = ("/usr/sbin", "/sbin", "/usr/lib/postgresql/*/bin")


class Server(ABC):
    """One server with temporary data, which can be stopped, killed, paused and started again.

    As a context manager it runs from the beginning of the block to its end.
    """

    #: The programs it needs, and the Debian packages that bring them.
    programs: tuple[str, ...]
    debian: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def missing_programs(cls) -> list[str]:
        """Name the programs that are not installed."""
        return [program for program in cls.programs if find_program(program) is None]

    @abstractmethod
    def command(self) -> list[str]:
        """Give the command that runs the server in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Tell whether the server is ready to be used."""

    def prepare(self) -> None:
        """Make what the server needs before its first start."""

    @property
    def pid(self) -> int:
        """The number of the server's process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server, with the data and on the port that it had before."""
        if self._process is None:
            self.prepare()
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                dies_with_us(self.command()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop the server as an administrator would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the server, as a crash would."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Have the server keep its connections and answer nothing."""
        os.killpg(self.pid, signal.SIGSTOP)
        # It may answer for a moment yet: wait until it has stopped, or has ended.
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Have a paused server go on."""
        os.killpg(self.pid, signal.SIGCONT)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def _end(self, number: int) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        os.killpg(process.pid, signal.SIGCONT)
        process.send_signal(number)
        wait_or_kill(process)

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                log = (self.folder / "log").read_text(errors="replace")
                raise RuntimeError(f"{type(self).__name__} did not start:\n{log[-3000:]}")
            time.sleep(0.02)


def wait_or_kill(process: subprocess.Popen[Any]) -> None:
    """Wait for a process that was told to end, and kill it if it does not."""
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(PATIENCE)


def run(command: list[str]) -> None:
    """Run a command that makes something, and must succeed."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    subprocess.run(command, check=True, timeout=PATIENCE, **quiet)


def find_program(name: str) -> str | None:
    """Give the path of a program."""
    from glob import glob

    folders = [folder for pattern in MORE_PATHS for folder in sorted(glob(pattern))]
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(folders))


def program(name: str) -> str:
    """Give the path of a program that is there."""
    path = find_program(name)
    assert path is not None
    return path


def dies_with_us(command: list[str]) -> list[str]:
    """Have the system kill the command if the tests are killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--", *command] if setpriv else command


def free_port() -> int:
    """Give a port of the loopback interface that nobody uses at the moment.

    Below those that clients get: the port of a server that is down for a while stays its own.
    """
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)  # no test's seed repeats it
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind((HOST, port))
            return port


def accepts_connections(port: int) -> bool:
    """Tell whether somebody listens on the port."""
    try:
        with socket.create_connection((HOST, port), timeout=0.5):
            return True
    except OSError:
        return False
