"""A few file locks for any number of keys, each held by one thread of one process."""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ...errors import StoreUnavailable
from .folders import make_private_folder
from .forks import notice_fork, renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLOSED = -1

SHORTEST_PAUSE = 0.000_05
LONGEST_PAUSE = 0.002


class Locking(NamedTuple):
    """This system's function that locks a descriptor, and what it takes after the descriptor."""

    call: Callable[..., None]
    lock_at_once: tuple[int, ...]
    unlock: tuple[int, ...]


def file_locking() -> Locking:
    """Give the way to lock files on this system."""
    try:
        fcntl = importlib.import_module("fcntl")
    except ImportError:
        msvcrt = importlib.import_module("msvcrt")
        return Locking(msvcrt.locking, (msvcrt.LK_NBLCK, 1), (msvcrt.LK_UNLCK, 1))
    return Locking(fcntl.flock, (fcntl.LOCK_EX | fcntl.LOCK_NB,), (fcntl.LOCK_UN,))


class FileLock:
    """A context manager that only one thread of the whole host is in at a time.

    Raises `StoreUnavailable` if others are in it for longer than ``patience`` seconds:
    a process that was suspended in it must not stop all the others.
    """

    _fd = CLOSED
    _file: tuple[int, ...] = ()

    def __init__(self, path: str, patience: float) -> None:
        self._path = path
        self._patience = patience
        self._call, self._lock_at_once, self._unlock = file_locking()
        self._threads = threading.Lock()
        renew_after_fork(self)

    def __enter__(self) -> None:
        notice_fork()  # else a child would hold what its parent has locked
        if not self._threads.acquire(timeout=self._patience):
            raise self._too_slow()
        try:
            if self._fd == CLOSED or not self._locked_as_before():
                self._take(self._wait_for_lock)
        except BaseException:
            self._threads.release()
            raise

    def __exit__(self, *error: object) -> None:
        try:
            self._call(self._fd, *self._unlock)
        finally:
            self._threads.release()

    @contextlib.contextmanager
    def if_free(self) -> Iterator[bool]:
        """Enter it if nobody else is in it, without waiting; give whether that was so."""
        notice_fork()
        if not self._threads.acquire(blocking=False):
            yield False
            return
        try:
            free = self._fd != CLOSED and self._locked_as_before()
            free = free or self._take(self._locked)
            try:
                yield free
            finally:
                if free:
                    self._call(self._fd, *self._unlock)
        finally:
            self._threads.release()

    def close(self) -> None:
        """Close the file, if nobody is in it; it is opened again when the lock is next taken."""
        if self._threads.acquire(blocking=False):
            self._forget()
            self._threads.release()

    def forked(self) -> None:
        """Let go of the parent's descriptor: a lock taken with it does not keep the parent out."""
        self._threads = threading.Lock()
        self._forget()

    def __del__(self) -> None:
        self._forget()

    def _locked_as_before(self) -> bool:
        """Lock the open file; tell whether that is done, and the path still leads to this file."""
        try:
            self._call(self._fd, *self._lock_at_once)
            return os.stat(self._path)[1:3] == self._file
        except OSError:  # held, removed, moved with its folder, or closed by other code
            return False

    def _take(self, lock: Callable[[], bool]) -> bool:
        while True:
            if self._fd != CLOSED:
                self._forget()
            self._fd = open_lock_file(self._path)
            if not lock():
                return False
            found = os.fstat(self._fd)
            if found.st_nlink:  # else removed meanwhile: the next process would lock another file
                self._file = found[1:3]  # inode and device
                return True

    def _wait_for_lock(self) -> bool:
        deadline = time.monotonic() + self._patience
        pause = SHORTEST_PAUSE
        while not self._locked():
            if time.monotonic() >= deadline:
                raise self._too_slow()
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return True

    def _locked(self) -> bool:
        try:
            self._call(self._fd, *self._lock_at_once)
        except (BlockingIOError, PermissionError):  # POSIX's and Windows' word for "held"
            return False
        return True

    def _forget(self) -> None:
        fd, self._fd = self._fd, CLOSED
        if fd != CLOSED:
            with contextlib.suppress(OSError):  # already closed, by other code
                os.close(fd)

    def _too_slow(self) -> StoreUnavailable:
        return StoreUnavailable(
            f"another thread or process has held a lock of the store for {self._patience:g} s"
        )


def open_lock_file(path: str) -> int:
    """Open the file, making it and its folder if need be."""
    open_it = partial(os.open, path, os.O_RDWR | os.O_CREAT, 0o600)
    with contextlib.suppress(FileNotFoundError):
        return open_it()
    # The store's entries may be in there too, and a power cut must not take the folder away.
    make_private_folder(os.path.dirname(path), fsync=True)
    return open_it()
