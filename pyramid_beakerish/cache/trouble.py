"""A log line about what goes wrong again and again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..errors import BeakerishError

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("pyramid_beakerish.cache")

#: Trouble that lasts is logged once in so many seconds.
LOG_INTERVAL = 60.0


class Trouble:
    """Logs what goes wrong, once per interval.

    ``what``: a sentence that says what is the matter and what is done about it.
    ``clock``: what tells the time, in seconds.
    """

    def __init__(self, what: str, clock: Callable[[], float]) -> None:
        self._what = what
        self._clock = clock
        self._said = float("-inf")

    def say(self, error: Exception) -> None:
        """Log the sentence and the error, unless that was done a moment ago."""
        now = self._clock()
        if not 0 <= now - self._said < LOG_INTERVAL:  # the clock may have been set back
            self._said = now
            _log.warning("%s (%s)", self._what, _described(error))


def _described(error: Exception) -> str:
    # The text of anybody else's error may hold a key or a value.
    name = type(error).__qualname__
    return f"{name}: {error}" if isinstance(error, BeakerishError) else name
