"""A clock for tests."""

from __future__ import annotations


class FrozenClock:
    """A clock that stands still until it is moved on; calling it gives its time.

    ``now`` is in seconds since the epoch; by default some moment of 2023.

    >>> clock = FrozenClock(now=1000.0)
    >>> clock.advance(2.5)
    >>> clock()
    1002.5
    """

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Give the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let that many seconds pass."""
        self.now += seconds
