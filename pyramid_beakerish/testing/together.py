"""Threads and child processes of a test; every wait for one of them has a limit."""

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

#: Seconds after which nobody waits for a thread or a child any longer.
PATIENCE = 60.0


class Background(Generic[T]):
    """A call in a thread of its own, which begins at once.

    >>> Background(lambda: 1).result()
    1
    """

    def __init__(self, work: Callable[..., T], *arguments: object) -> None:
        self._outcome: Future[T] = Future()
        # A daemon: at its end Python waits for all other threads, for ever.
        self._thread = threading.Thread(target=self._run, args=(work, arguments), daemon=True)
        self._thread.start()

    def ends(self, patience: float = PATIENCE) -> bool:
        """Wait for that many seconds at most; tell whether the thread has ended."""
        self._thread.join(patience)
        return not self._thread.is_alive()

    def result(self, patience: float = PATIENCE) -> T:
        """Give what the call returned, or raise what it raised.

        Raises ``concurrent.futures.TimeoutError`` if the call takes longer than ``patience``
        seconds, or was never made because the thread died before.
        """
        self.ends(patience)
        return self._outcome.result(timeout=0)

    def _run(self, work: Callable[..., T], arguments: tuple[object, ...]) -> None:
        try:
            self._outcome.set_result(work(*arguments))
        except BaseException as error:
            self._outcome.set_exception(error)


def in_threads(count: int, work: Callable[[int], T]) -> list[T]:
    """Call ``work(0)``, ``work(1)`` ... at the same time; give what they return, or raise.

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

    A child that takes longer than `PATIENCE` ends by itself, even if the test forgets it.
    """
    with warnings.catch_warnings():
        # Python 3.12 warns of a fork while there are other threads, such as those of earlier tests.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = (fork or os.fork)()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        exit_with(work)
    return child


def wait_for(child: int, patience: float = PATIENCE) -> int:
    """Give how the child ended: its exit status, or the negative number of a signal.

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
