"""How children of a test begin and end."""

from __future__ import annotations

import ctypes
import os
import signal
import time

import pytest

from pyramid_beakerish.testing.together import wait_for


def fork_in_c():
    """Fork as uWSGI and other servers in C do: Python is not told."""
    return ctypes.PyDLL(None).fork()


each_fork = pytest.mark.parametrize("fork", [os.fork, fork_in_c], ids=["os.fork", "fork in C"])


def kill_after(child, seconds):
    """Kill the child process after a while."""
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    assert wait_for(child) == -signal.SIGKILL
