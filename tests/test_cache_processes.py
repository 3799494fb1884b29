"""Real processes that share a region: herds, a killed creator, invalidation, memory in front."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import pytest

from tests.cache_help import PATIENCE, SHARED, Child, make_regions
from tests.timing import within

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")

#: Kinds of stores that processes share; what is added to the shared ones is tested here, too.
KINDS = [kind for kind in SHARED if kind not in ("store", "opaque", "unlisted")]


@pytest.fixture(params=KINDS)
def make(request, tmp_path):
    """Give a function that makes the region as each process has it."""
    options = SHARED[request.param](time.time, tmp_path)

    def make(**more):
        return make_regions(time.time, r={**options, "expire": 60, **more})["r"]

    make().clear()
    return make


@pytest.fixture
def start():
    """Give a function that starts a child, which does not outlive the test."""
    children = []

    def start(work):
        children.append(Child(work))
        return children[-1]

    yield start
    for child in children:
        child.end()


def slowly(say, value):
    """Be a creator that says that it has begun, and takes a while."""
    say("begun ")
    time.sleep(0.1)
    return value


def test_one_creation(make, start):
    """Of five processes that miss one key at the same time one creates the value."""

    def work(say):
        value = make().get_or_create("key", lambda: slowly(say, os.getpid()))
        say(f"got {value}")

    children = [start(work) for _ in range(5)]
    heard = ["".join(iter(child.says, "")) for child in children]
    assert sum("begun" in each for each in heard) == 1
    assert len({each.split()[-1] for each in heard}) == 1


def test_killed_creator(make, start):
    """A process that is killed while it creates blocks nobody beyond its lease."""

    def work(say):
        make(lease=0.3).get_or_create("key", lambda: say("begun") and time.sleep(PATIENCE))

    child = start(work)
    assert child.says() == "begun"
    os.kill(child.pid, signal.SIGKILL)
    region = make(lease=0.3)
    with within(0.3):
        assert region.get_or_create("key", lambda: "own") == "own"
    assert region.peek("key") == "own"


def test_failing_creator(make, start):
    """Another process's failure ends the wait at once."""

    def work(say):
        def creator():
            say("begun")
            time.sleep(0.1)
            raise LookupError

        with contextlib.suppress(LookupError):
            make().get_or_create("key", creator)

    child = start(work)
    assert child.says() == "begun"
    region = make()
    with within(0.1):
        assert region.get_or_create("key", lambda: "own") == "own"
    assert region.stats().waits == 1


@pytest.mark.parametrize("local", [None, 0.3])
@pytest.mark.parametrize("forget", ["invalidate", "invalidate_all", "clear"])
def test_invalidation_is_seen(make, start, forget, local):
    """Another process sees an invalidation at once, with memory in front within its time."""
    region = make(local=local)
    lookup = region.lookup_for("f", "f")[0]
    lookup.refresh("key", lambda: "old")
    assert lookup.peek("key", None) == "old"

    def work(say):
        other = make(local=local)
        theirs = other.lookup_for("f", "f")[0]
        assert theirs.peek("key", None) == "old"
        if forget == "clear":
            other.clear()
        else:
            getattr(theirs, forget)(*(("key",) if forget == "invalidate" else ()))
        say("done" if theirs.peek("key", None) is None else "still there")

    assert start(work).says() == "done"
    if local is not None:
        deadline = time.monotonic() + PATIENCE
        while lookup.peek("key", None) is not None and time.monotonic() < deadline:
            time.sleep(0.01)
    assert lookup.peek("key", None) is None
    assert lookup.get_or_create("key", lambda: "new") == "new"
