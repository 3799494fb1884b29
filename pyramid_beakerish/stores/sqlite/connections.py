"""Connections to one SQLite file: one for each call under way, and none across a fork."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from ...errors import StoreError, StoreUnavailable
from ..system.errors import unavailable
from ..system.folders import fsync_name, make_private_folder
from ..system.forks import notice_fork, stop_for_fork
from ..system.locks import FileLock

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Seconds between two checks whether the file is still the one that was opened.
LOOK = 1.0

# A write goes to the log in whole pages: with 4096 bytes, the default, it takes 4 us more
# (of 16) on a disk, and loads are no faster. (A file that has tables keeps its page size.)
PRAGMAS = ("PRAGMA page_size = 1024", "PRAGMA journal_mode = WAL")

#: Which file it is, whatever its name.
FileId = tuple[int, int]


class Connections:
    """Runs statements on a SQLite file, which is made with ``schema`` if it is not there.

    Each statement is a transaction of its own. Opening takes the lock of the file
    ``lock_path``. A statement waits up to ``patience`` seconds for other writers. A
    power cut cannot undo a statement if ``fsync`` is true.
    """

    # A call takes an idle connection, or opens one, so that there are as many as calls were ever
    # under way at once. (A list's pop and append need no lock of ours, and half the time of one.)

    def __init__(
        self, path: str, lock_path: str, schema: Sequence[str], fsync: bool, patience: float
    ) -> None:
        self._path = path
        self._preparation = (
            *PRAGMAS,
            f"PRAGMA synchronous = {'FULL' if fsync else 'NORMAL'}",
            *schema,
        )
        self._patience = patience
        self._lock = FileLock(lock_path, patience)
        self._gate = threading.Lock()
        self._forking = False
        self._idle: list[sqlite3.Connection] = []
        self._opened: dict[sqlite3.Connection, FileId | None] = {}
        self._looked = 0.0
        # Also at the end of the process, when objects that go are not always closed.
        weakref.finalize(self, close_all, self._idle, self._opened)
        stop_for_fork(self)

    def execute(self, sql: str, parameters: Sequence[Any], now: float) -> tuple[list[Any], int]:
        """Run one statement; give its rows, and how many rows it has changed."""
        notice_fork()
        if not 0 <= now - self._looked < LOOK:
            self._look(now)
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._open()
        try:
            cursor = connection.execute(sql, parameters)
            rows = cursor.fetchall()
        except BaseException as error:
            self._close(connection)
            if isinstance(error, sqlite3.Error):
                raise translated(error) from None
            raise
        if self._forking:
            self._close(connection)
        else:
            self._idle.append(connection)
        return rows, cursor.rowcount

    def prepare(self) -> None:
        """Make the file, and see that it can be used; no connection stays open."""
        notice_fork()
        self._close(self._open())

    def close(self) -> None:
        """Close the connections that no call is using, and the lock file."""
        close_all(self._idle, self._opened)
        self._lock.close()

    # No connection may be carried over a fork: https://www.sqlite.org/howtocorrupt.html
    # (2.6). What is more, SQLite remembers for the process as a whole which locks it
    # holds on a file, and a child that inherits this takes its parent's locks for its
    # own, whatever connection it uses. Hence nothing is open at the moment of a fork.

    def before_fork(self) -> None:
        """Close every connection, waiting for the calls under way, and let none be opened."""
        self._gate.acquire()
        self._forking = True
        deadline = time.monotonic() + 2 * self._patience
        self.close()
        while self._opened and time.monotonic() < deadline:
            time.sleep(0.001)
            self.close()

    def resume(self) -> None:
        """Let connections be opened again."""
        self._forking = False
        self._gate.release()

    def forked(self) -> None:
        """Get ready to serve a child process.

        If Python was not told of the fork, there are idle connections here. Closing them
        undoes no lock of the parent's, and makes SQLite forget those that it did not inherit.
        """
        self._gate = threading.Lock()
        self._forking = False
        close_all(self._idle, self._opened)
        self._opened.clear()

    def _open(self) -> sqlite3.Connection:
        try:
            with self._gate, self._lock:
                return self._open_locked()
        except sqlite3.Error as error:
            raise translated(error) from None
        except OSError as error:
            raise unavailable(error, "sqlite") from None

    def _open_locked(self) -> sqlite3.Connection:
        try:
            os.stat(self._path)
        except FileNotFoundError:  # only then: with any other error the file may be in use
            make_empty(self._path)
        connection = sqlite3.connect(
            self._path, timeout=self._patience, isolation_level=None, check_same_thread=False
        )
        try:
            for statement in self._preparation:
                connection.execute(statement).fetchall()
            self._opened[connection] = file_id(self._path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _look(self, now: float) -> None:
        """Close the idle connections to a file that was removed or replaced."""
        self._looked = now
        current = file_id(self._path)
        for connection in list(self._idle):
            if current is None or self._opened.get(connection) != current:
                with contextlib.suppress(ValueError):  # another thread has just taken it
                    self._idle.remove(connection)
                    self._close(connection)

    def _close(self, connection: sqlite3.Connection) -> None:
        connection.close()
        self._opened.pop(connection, None)


def close_all(idle: list[sqlite3.Connection], opened: dict[sqlite3.Connection, Any]) -> None:
    """Close the connections that are idle, and forget that they were opened."""
    with contextlib.suppress(IndexError):
        while True:
            connection = idle.pop()
            connection.close()
            opened.pop(connection, None)


def file_id(path: str) -> FileId | None:
    """Tell which file is at the path, if there is one."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def make_empty(path: str) -> None:
    """Make an empty file that only this user may read; the caller keeps others from doing so.

    SQLite gives the files beside it the same permissions.
    """
    make_private_folder(os.path.dirname(path), fsync=True)
    for beside in (f"{path}-wal", f"{path}-shm"):
        # Left by a file that was removed while others use it: they go on writing to these.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    fsync_name(path)


def translated(error: sqlite3.Error) -> StoreError:
    """Give SQLite's error in the words of the store contract; it shows no key and no value."""
    if isinstance(error, sqlite3.OperationalError):  # busy, full, read-only, cannot be opened
        return StoreUnavailable(f"the sqlite store's file cannot be used: {error}")
    if type(error) is sqlite3.DatabaseError:
        return StoreError(
            f"the sqlite store's file is damaged, or is no database ({error}): stop the "
            "application, move the file away, together with those of its name and -wal or -shm, "
            "and start again with an empty store or with a backup"
        )
    return StoreError(f"the sqlite store refused a statement: {error}")
