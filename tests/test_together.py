"""What the tests do in threads and children ends in time, whatever goes wrong."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent import futures

import pytest

from pyramid_beakerish.testing import together
from pyramid_beakerish.testing.together import Background, in_threads, start_child, wait_for


def test_a_failure_in_a_thread_is_the_tests_own():
    """What one of several threads raises is raised where they are waited for."""

    def work(number):
        if number == 1:
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        in_threads(3, work)


def test_a_thread_that_does_not_end_is_given_up():
    """Who waits for a thread waits no longer than told, and the thread keeps no process alive."""
    end = threading.Event()
    call = Background(end.wait, 30)
    assert call._thread.daemon
    assert not call.ends(0)
    with pytest.raises(futures.TimeoutError):
        call.result(0.01)
    end.set()
    assert call.result() is True


def test_a_thread_that_dies_before_it_begins(monkeypatch):
    """A thread that dies at its start makes the others give up, and is told of."""
    monkeypatch.setattr(together, "PATIENCE", 0.1)
    run, starts = Background._run, []

    def die_first(self, work, arguments):
        starts.append(work)
        if len(starts) > 1:
            run(self, work, arguments)

    monkeypatch.setattr(Background, "_run", die_first)
    with pytest.raises(futures.TimeoutError):
        in_threads(2, lambda number: number)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
class TestChildren:
    def test_how_it_ended(self):
        """A child that returns, fails or is killed is told apart."""

        def fail():
            os.close(2)  # nobody is to read the traceback
            raise LookupError

        works = [lambda: None, fail, lambda: os.kill(os.getpid(), signal.SIGTERM)]
        assert [wait_for(start_child(work)) for work in works] == [0, 1, -signal.SIGTERM]

    def test_one_that_does_not_end_is_killed(self):
        """A child that takes too long is killed by who waits for it."""
        child = start_child(lambda: time.sleep(30))
        assert wait_for(child, patience=0.01) == -signal.SIGKILL

    def test_one_that_is_forgotten_ends(self, monkeypatch):
        """A child ends by itself even if nobody kills it."""
        monkeypatch.setattr(together, "PATIENCE", 0.05)
        assert wait_for(start_child(lambda: time.sleep(30)), patience=30) == -signal.SIGALRM
