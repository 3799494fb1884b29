"""The end of a child that a test has started."""

from __future__ import annotations

import os
import signal
import time

from pyramid_beakerish.testing.together import wait_for


def kill_after(child, seconds):
    """Kill the child process after a while."""
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    assert wait_for(child) == -signal.SIGKILL
