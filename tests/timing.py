"""Promises about time, on a machine that others use too."""

from __future__ import annotations

import socket
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


def note_timeouts(monkeypatch):
    """Give the set of the seconds that sockets are told to wait at most, from now on."""
    waits = set()
    set_timeout = socket.socket.settimeout

    def noted(sock, seconds):
        waits.add(seconds)
        set_timeout(sock, seconds)

    monkeypatch.setattr(socket.socket, "settimeout", noted)
    return waits
