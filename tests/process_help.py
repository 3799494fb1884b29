"""Children that tests start by a fork, and their end."""

from __future__ import annotations

import os
import signal
import time
import warnings

from pyramid_beakerish.testing.stores import exit_with

#: Seconds after which a child ends by itself.
LONGEST_LIFE = 60


def start_child(work, fork=os.fork):
    """Call the function in a child process; give its id."""
    with warnings.catch_warnings():
        # Python 3.12 warns of forks while there are other threads.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = fork()
    if child == 0:
        signal.alarm(LONGEST_LIFE)
        exit_with(work)
    return child


def wait_for(child):
    """Give how the child ended."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_after(child, seconds):
    """Kill the child process after a while."""
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    assert wait_for(child) == -signal.SIGKILL
