"""Threads and child processes of a test, none of which is ever waited for without an end."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: Seconds after which a thread or a child is given up.
PATIENCE = 60.0


class Background(Generic[T]):
    """A call in a thread of its own, which begins at once.

    >>> Background(lambda: 1).result()
    1
    """

    def __init__(self, work: Callable[..., T], *arguments: object) -> None:
        self._outcome: Future[T] = Future()
        # A daemon: Python waits at its end, and for ever, for all other threads.
        self._thread = threading.Thread(target=self._run, args=(work, arguments), daemon=True)
        self._thread.start()

    def ends(self, patience: float = PATIENCE) -> bool:
        """Wait so many seconds at most; tell whether the thread has ended."""
        self._thread.join(patience)
        return not self._thread.is_alive()

    def result(self, patience: float = PATIENCE) -> T:
        """Give what the call gave, or raise what it raised.

        Raises ``concurrent.futures.TimeoutError`` if that takes longer than ``patience``
        seconds, or will never be, as the thread died before it began.
        """
        self.ends(patience)
        return self._outcome.result(timeout=0)

    def _run(self, work: Callable[..., T], arguments: tuple[object, ...]) -> None:
        try:
            self._outcome.set_result(work(*arguments))
        except BaseException as error:
            self._outcome.set_exception(error)


def in_threads(count: int, work: Callable[[int], T]) -> list[T]:
    """Call ``work(0)``, ``work(1)`` ... at the same time; give what they gave, or raise it.

    >>> in_threads(3, lambda number: number * 2)
    [0, 2, 4]
    """
    start = threading.Barrier(count, timeout=PATIENCE / 2)

    def run(number: int) -> T:
        start.wait()
        return work(number)

    calls = [Background(run, number) for number in range(count)]
    return [call.result() for call in calls]


def start_child(work: Callable[[], object], fork: Callable[[], int] | None = None) -> int:
    """Call the function in a forked child process; give its id, for `wait_for`.

    A child that takes longer than `PATIENCE` ends by itself, should the test forget it.
    """
    with warnings.catch_warnings():
        # Python 3.12 warns of forks while there are other threads: those of earlier tests.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = (fork or os.fork)()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        exit_with(work)
    return child


def wait_for(child: int, patience: float = PATIENCE) -> int:
    """Give how the child ended: 0, its status, or the negative number of a signal.

    A child that takes longer than ``patience`` seconds is killed.
    """
    deadline = time.monotonic() + patience
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.001)


def succeeds_in_child(work: Callable[[], object]) -> bool:
    """Call the function in a forked child process, and tell whether it returned."""
    return wait_for(start_child(work)) == 0


def exit_with(work: Callable[[], object]) -> None:
    """Call the function and end the process, with status 0 if it returned."""
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)
