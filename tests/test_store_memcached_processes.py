"""The memcached store in many threads and processes: nobody is given another's entry."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from pyramid_beakerish.stores.memcached.store import MemcachedStore
from pyramid_beakerish.testing.stores import stamped
from pyramid_beakerish.testing.together import Background, in_threads, start_child, wait_for
from tests.process_help import each_fork
from tests.servers import running
from tests.servers.memcached import MemcachedServer

PROCESSES, ANSWERS = 5, 2000


@pytest.fixture
def store():
    store = MemcachedStore(running(MemcachedServer).url)
    yield store
    store.close()


def check_own(store, owner, times):
    """Store entries of the owner's own, and assert that each load gives the owner's last."""
    for number in range(times // 2):
        key = f"{owner} {number % 7}"
        value = stamped(f"{key} in round {number}".encode())
        store.set(key, value, 60)
        assert store.load(key)[0] == value


def children(store, fork):
    """Have processes check at the same time, and this one with them; give their exit statuses."""
    pids = [
        start_child(lambda name=f"child {number}": check_own(store, name, ANSWERS), fork)
        for number in range(PROCESSES - 1)
    ]
    check_own(store, "parent", ANSWERS)
    return [wait_for(pid) for pid in pids]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@each_fork
@pytest.mark.parametrize("used", [False, True])
def test_fork(store, fork, used):
    """Of 10,000 answers to five processes none is wrong, whenever the store was first used."""
    if used:
        in_threads(4, lambda number: check_own(store, f"thread {number}", 10))
    assert children(store, fork) == [0] * (PROCESSES - 1)


@pytest.mark.usefixtures("measured_children")
def test_a_fork_while_threads_use_the_store(store):
    """A child that is forked in the midst of other threads' calls gets its own answers."""
    over = threading.Event()

    def go_on(number):
        while not over.is_set():
            check_own(store, f"thread {number}", 10)

    threads = [Background(go_on, number) for number in range(3)]
    try:
        assert children(store, os.fork) == [0] * (PROCESSES - 1)
    finally:
        over.set()
    for thread in threads:
        thread.result()


def test_threads(store):
    """Of 10,000 answers to eight threads none is wrong."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        done = in_threads(8, lambda number: check_own(store, f"t{number}", 1250) or True)
    finally:
        sys.setswitchinterval(interval)
    assert done == [True] * 8
