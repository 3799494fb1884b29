"""The memcached store in many threads and processes: nobody is given another's entry."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import warnings

import pytest

from pyramid_beakerish.stores.memcached import MemcachedStore
from pyramid_beakerish.testing.stores import exit_with, in_threads, stamped
from tests.servers import running
from tests.servers.memcached import MemcachedServer

PROCESSES, ANSWERS = 5, 2000
#: Seconds after which a child that hangs is killed.
PATIENCE = 60


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


def fork():
    """Fork as Python does."""
    return os.fork()


def raw_fork():
    """Fork as a server in C does, of which Python's hooks learn nothing."""
    return ctypes.PyDLL(None).fork()


def children(store, how):
    """Have processes check at the same time, and this one with them; give their exit statuses."""
    pids = []
    for number in range(PROCESSES - 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
            pid = how()
        if pid == 0:
            signal.alarm(PATIENCE)
            exit_with(lambda: check_own(store, f"child {number}", ANSWERS))  # noqa: B023
        pids.append(pid)
    check_own(store, "parent", ANSWERS)
    return [os.waitpid(pid, 0)[1] for pid in pids]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("how", [fork, raw_fork])
@pytest.mark.parametrize("used", [False, True])
def test_fork(store, how, used):
    """Of 10,000 answers to five processes none is wrong, whenever the store was first used."""
    if used:
        in_threads(4, lambda number: check_own(store, f"thread {number}", 10))
    assert children(store, how) == [0] * (PROCESSES - 1)


def test_a_fork_while_threads_use_the_store(store):
    """A child that is forked in the midst of other threads' calls gets its own answers."""
    over = threading.Event()

    def go_on(number):
        while not over.is_set():
            check_own(store, f"thread {number}", 10)

    threads = [threading.Thread(target=go_on, args=(number,), daemon=True) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        assert children(store, fork) == [0] * (PROCESSES - 1)
    finally:
        over.set()
        for thread in threads:
            thread.join(timeout=PATIENCE)


def test_threads(store):
    """Of 10,000 answers to eight threads none is wrong."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        done = in_threads(8, lambda number: check_own(store, f"t{number}", 1250) or True)
    finally:
        sys.setswitchinterval(interval)
    assert done == [True] * 8
