"""Promises about time, on a machine that others use too."""

from __future__ import annotations

import time
from contextlib import contextmanager

#: Seconds that a loaded machine may add to what is promised. What is to be told apart from
#: a promise that is kept lasts longer still, mostly for ever.
SLACK = 2.0


@contextmanager
def within(seconds):
    """Fail if the block takes longer than so many seconds."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds + SLACK
