"""Child processes of a test, which never outlive it."""

from __future__ import annotations

import os
import signal
import time

from pyramid_beakerish.testing.stores import exit_with

#: Seconds after which a child is killed.
PATIENCE = 60.0


def start_child(work):
    """Call the function in a forked child process; give its id."""
    child = os.fork()
    if child == 0:
        signal.alarm(int(PATIENCE))  # should the test forget it
        exit_with(work)
    return child


def wait_for(child):
    """Give how the child ended; kill it if it takes too long."""
    deadline = time.monotonic() + PATIENCE
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.005)
