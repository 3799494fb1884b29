"""Waiting for a value that another process creates."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from ..stores.lease import LONGEST_PAUSE, SHORTEST_PAUSE

if TYPE_CHECKING:
    from .slot import Slot

#: By what factor each pause may be longer than the one before.
GROWTH = 1.5


class Turns:
    """How a process that finds a key claimed waits for its turn, but not too long.

    It looks at the value again and again, after pauses of 5 ms that grow to 50 ms. If
    the creation fails, it does not wait for the next one, so that all who wait for a
    creator that always fails fail together. Nor does it wait longer than the lease,
    measured by its own pauses, whatever the clocks of other hosts say.

    ``lease``: how long to wait for others, in seconds.
    """

    def __init__(self, lease: float) -> None:
        self._left = lease
        self._longest = SHORTEST_PAUSE
        self._awaited = b""
        #: Whether there was a wait already.
        self.begun = False

    def may_claim(self, slot: Slot, now: float) -> bool:
        """Tell whether there is no claim, or none any more, that must be respected."""
        return slot.claimed_until <= now or self._left <= 0

    def is_over(self, slot: Slot) -> bool:
        """Tell whether the awaited claim has ended without a value, or has lasted too long."""
        return self._awaited not in (b"", slot.claim) or self._left <= 0

    def wait(self, slot: Slot) -> None:
        """Wait a moment for the creation that is under way."""
        self.begun = True
        self._awaited = slot.claim or self._awaited
        pause = random.uniform(SHORTEST_PAUSE, self._longest)  # noqa: S311 - no secret
        time.sleep(pause)
        self._left -= pause
        self._longest = min(self._longest * GROWTH, LONGEST_PAUSE)
