"""A time limit for what has none of its own."""

from __future__ import annotations

import threading
from errno import EAGAIN
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")


def within(seconds: float | None, work: Callable[[], R]) -> R:
    """Call the function and give what it returns, or raise `TimeoutError` after that time.

    ``None`` is no limit. The function runs in a thread of its own, which takes 40 us:
    nothing else limits the look-up of a host's name, or what redis-py does by itself to
    find its way in a cluster. A function that takes longer goes on in the background,
    and its result is dropped. Raises `OSError` if no thread can be started.
    """
    call = _Call(work)
    call.start()
    call.join(seconds)
    if call.is_alive():
        raise TimeoutError(f"took longer than {seconds} s")
    if call.error is not None:
        raise call.error
    return call.result


class _Call(threading.Thread, Generic[R]):
    result: R
    error: BaseException | None = None

    def __init__(self, work: Callable[[], R]) -> None:
        super().__init__(daemon=True)
        self._work = work

    def start(self) -> None:
        try:
            super().start()
        except RuntimeError as error:
            # The system has no more threads; or the program is ending, when Python 3.12 starts
            # none. A store must translate that like a network that is down: nothing can be reached.
            raise OSError(EAGAIN, str(error)) from None

    def run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:  # raised again in the waiting thread
            self.error = error
