"""A call that is made once, by whichever thread is the first."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Once:
    """Calls the function in whichever thread comes first; the others wait until it has returned.

    If the function raises, the next thread calls it again.
    """

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self._lock = threading.RLock()
        self._made = False

    def __call__(self) -> None:
        with self._lock:
            if self._made:
                return
            self._made = True  # before the call, as the function itself may come here
            try:
                self._function()
            except BaseException:
                self._made = False
                raise
