"""A fork is noticed, also one that Python was not told of, as uWSGI makes them."""

from __future__ import annotations

import mmap
import os
import threading
from contextlib import suppress

import pytest

from pyramid_beakerish.stores.base import new_write_id
from pyramid_beakerish.stores.system import forks
from pyramid_beakerish.testing.together import (
    Background,
    in_threads,
    start_child,
    succeeds_in_child,
    wait_for,
)
from tests.process_help import each_fork


def in_child(fork, work):
    """Give what ``work`` gives in a child, as bytes."""
    reading, writing = os.pipe()
    child = start_child(lambda: os.write(writing, work()), fork)
    os.close(writing)
    with open(reading, "rb") as answer:
        assert wait_for(child) == 0
        return answer.read()


@each_fork
def test_write_ids_of_a_child(fork):
    """A child's write ids are not those of its parent, nor of its sister."""
    children = [in_child(fork, new_write_id) for _ in range(2)]
    assert len({*children, new_write_id(), new_write_id()}) == 4


@each_fork
@pytest.mark.parametrize("make", [forks.mark, forks.MarkById])
def test_mark(fork, make):
    """A mark is there in the process that made it, and in a child only once it is set there."""
    mark = make()

    def work():
        before = bool(mark[0])
        mark[0] = 1
        return b"%d%d" % (before, bool(mark[0]))

    assert in_child(fork, work) == b"01"
    assert mark[0]


def test_threads_of_a_child(monkeypatch):
    """In a child whose threads notice at once that it is one, each finds everything renewed."""
    monkeypatch.setattr(forks, "_is_known", [0])
    monkeypatch.setattr(forks, "_members", set())
    begun, others = threading.Event(), []

    class Member:
        renewals = 0

        def forked(self):
            begun.set()
            others[0].ends(0.05)  # no other thread gets by meanwhile
            self.renewals += 1

    def other():
        begun.wait(10)
        forks.notice_fork()
        return member.renewals

    member = Member()
    forks.renew_after_fork(member)
    others.append(Background(other))
    forks.notice_fork()
    assert others[0].result() == 1
    assert member.renewals == 1


def test_threads_that_fork_at_once():
    """One fork is over before another thread's begins: what each has stopped it has go on."""
    both, met = threading.Barrier(2), []

    class Member:
        def before_fork(self):
            with suppress(threading.BrokenBarrierError):
                both.wait(0.05)
                met.append("in the middle of each other's")

        def resume(self):
            pass

        forked = resume

    member = Member()
    forks.stop_for_fork(member)
    assert in_threads(2, lambda _: succeeds_in_child(int)) == [True, True]
    assert met == []


def test_where_memory_is_not_wiped(monkeypatch):
    """A system that cannot wipe memory at a fork is asked for the process's id."""
    monkeypatch.delattr(mmap, "MAP_PRIVATE")
    assert isinstance(forks.mark(), forks.MarkById)
