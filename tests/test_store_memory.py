"""The memory store: the contract, its bounds, and a fork."""

from __future__ import annotations

import logging
import sys
import threading
import time

import pytest
from hypothesis import settings

from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import StoreSuite
from pyramid_beakerish.testing.stores import stamped
from pyramid_beakerish.testing.together import PATIENCE, Background, in_threads, succeeds_in_child
from tests.store_machine import StoreMachine


@pytest.mark.usefixtures("measured_children")
class TestContract(StoreSuite):
    shared_by_processes = False

    def make_store(self, clock, folder):
        return MemoryStore(clock)


class MemoryMachine(StoreMachine):
    def make_store(self, clock, folder):
        return MemoryStore(clock)

    def make_again(self):
        return self.store


TestAnySequence = MemoryMachine.TestCase
TestAnySequence.settings = settings(max_examples=60, stateful_step_count=30)


def fill(store, prefix, count, ttl=None):
    for number in range(count):
        store.set(f"{prefix}{number}", stamped(), ttl)


class TestBound:
    def test_the_least_recently_used_leave(self, clock):
        """Of more than max_entries, the ones neither read nor written for longest leave."""
        store = MemoryStore(clock, max_entries=3)
        for key in ("a", "b", "c"):
            store.set(key, stamped(), None)
        store.load("a")
        store.swap("b", store.load("b")[1], stamped(), None)
        store.set("d", stamped(), None)
        assert set(store.keys("")) == {"a", "b", "d"}

    def test_told(self):
        """An administrator is told the bound, and that nothing outlives the process."""
        facts = {"reach": "process", "persistent": False, "most_entries": 7}
        assert MemoryStore(max_entries=7).inspect() == facts

    def test_one_warning(self, clock, caplog):
        """The first entry that leaves before its time is worth a warning with the remedy."""
        store = MemoryStore(clock, max_entries=2)
        fill(store, "secret-key-", 5)
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "max_entries = 2" in record.getMessage()
        assert "Raise max_entries, or use the type file" in record.getMessage()
        assert "secret-key" not in record.getMessage()

    def test_expired_entries_leave_without_a_warning(self, clock, caplog):
        """Expired entries make room before anything else does, and nobody needs to know."""
        store = MemoryStore(clock, max_entries=10)
        fill(store, "old", 5, ttl=10)
        fill(store, "alive", 5)
        clock.advance(10)
        fill(store, "new", 5)
        assert len(list(store.keys("alive"))) == len(list(store.keys("new"))) == 5
        assert not caplog.records

    def test_no_warning_if_the_one_that_leaves_has_expired(self, clock, caplog):
        """A full store that drops an expired entry has lost nothing."""
        store = MemoryStore(clock, max_entries=31)
        fill(store, "alive", 30)
        store.set("old", stamped(), 10)
        for number in range(30):
            store.load(f"alive{number}")
        clock.advance(10)
        store.set("new", stamped(), None)
        assert len(list(store.keys(""))) == 31
        assert not caplog.records

    def test_threads_at_the_bound(self, clock):
        """Readers of entries that leave at the same moment find them or do not, and no error."""
        store = MemoryStore(clock, max_entries=5)

        def work(number):
            for round_ in range(300):
                store.load(f"k{(number * round_) % 40}")
                store.set(f"k{(number + round_) % 40}", stamped(), None)

        in_threads(4, work)
        assert len(list(store.keys(""))) == 5

    def test_removed_between_two_steps_of_a_load(self):
        """An entry that another thread removes while it is being loaded is absent."""
        meanwhile = []

        def clock():
            if meanwhile:
                meanwhile.pop()()
            return 0.0

        store = MemoryStore(clock)
        store.set("k", stamped(), 10)
        meanwhile.append(lambda: store.delete("k"))
        assert store.load("k") is None


class TestSweeping:
    def test_one_pass_of_writes_removes_all_expired(self, clock):
        """As many writes as there are entries leave nothing that had expired before them."""
        store = MemoryStore(clock)
        fill(store, "old", 300, ttl=10)
        fill(store, "alive", 300, ttl=1000)
        clock.advance(10)
        fill(store, "alive", 60, ttl=1000)
        assert store.sweep() == 0
        assert len(list(store.keys("alive"))) == 300

    def test_a_write_removes_only_a_few(self, clock):
        """A single write examines at most 20 entries, so it never takes long."""
        store = MemoryStore(clock)
        fill(store, "old", 300, ttl=10)
        clock.advance(10)
        store.set("new", stamped(), None)
        assert 280 <= store.sweep() < 300

    def test_later_expiry_is_found_too(self, clock):
        """What expires after a pass has gone by is found by a later one."""
        store = MemoryStore(clock)
        fill(store, "short", 50, ttl=10)
        fill(store, "long", 50, ttl=100)
        for _ in range(3):
            clock.advance(50)
            fill(store, "alive", 30)
        assert store.sweep() == 0
        assert len(list(store.keys(""))) == 30

    def test_what_was_deleted_meanwhile(self, clock):
        """A pass goes on over entries that were deleted since it began."""
        store = MemoryStore(clock)
        fill(store, "old", 50, ttl=10)
        clock.advance(10)
        store.set("new", stamped(), None)
        store.sweep()
        fill(store, "new", 20)
        assert len(list(store.keys(""))) == 21

    def test_swaps_sweep_too(self, clock):
        """Where nothing but swaps is done they remove what has expired, also by a swap."""
        store = MemoryStore(clock)
        fill(store, "k", 30)
        for key in list(store.keys("k")):
            swap(store, key, ttl=10)
        store.set("alive", stamped(), None)
        clock.advance(10)
        for _ in range(4):
            swap(store, "alive", ttl=None)
        assert store.sweep() == 0

    def test_others_removals_are_not_counted(self, clock, monkeypatch):
        """A sweep tells how much it has removed itself."""
        store = MemoryStore(clock)
        fill(store, "old", 500, ttl=10)
        store.set("alive", stamped(), None)
        clock.advance(10)
        monkeypatch.setattr(time, "sleep", lambda seconds: store.delete("alive"))
        assert store.sweep() == 500
        assert list(store.keys("")) == []

    def test_others_have_turns(self, clock, monkeypatch):
        """A sweep looks at no more than 500 entries at once; before it goes on others can write."""
        store = MemoryStore(clock)
        fill(store, "old", 1200, ttl=10)
        clock.advance(10)
        left = []

        def write_meanwhile(seconds):
            Background(store.delete, "nothing").result()
            clock.advance(-10)
            left.append(len(list(store.keys("old"))))
            clock.advance(10)

        monkeypatch.setattr(time, "sleep", write_meanwhile)
        assert store.sweep() == 1200
        assert left == [700, 200]

    def test_a_pass_begins_at_once(self, clock):
        """The write that begins a pass takes no more steps among many entries than among few."""
        assert self.steps(clock, 2000) == self.steps(clock, 20)

    @staticmethod
    def steps(clock, entries):
        store = MemoryStore(clock)
        fill(store, "alive", entries)
        store.set("old", stamped(), 10)
        clock.advance(10)
        return lines_run(lambda: store.set("alive0", stamped(), None))


def swap(store, key, ttl):
    """Put another value in the place of the one that is there."""
    assert store.swap(key, store.load(key)[1], stamped(), ttl)


def lines_run(work):
    """Count the lines that run in the function, each as often as it runs."""
    lines = []

    def note(frame, event, argument):
        lines.append(event)
        return note

    before = sys.gettrace()
    sys.settrace(note)
    try:
        work()
    finally:
        sys.settrace(before)
    return len(lines)


@pytest.mark.usefixtures("measured_children")
class TestFork:
    def test_one_warning_in_the_child(self, clock, caplog):
        """A child that goes on using its parent's store is warned once, the parent never."""
        store = MemoryStore(clock)
        store.set("k", stamped(), None)

        def work():
            assert store.load("k")
            (record,) = caplog.records
            store.load("k")
            store.set("k", stamped(), None)
            assert len(caplog.records) == 1
            assert "not shared between processes" in record.getMessage()
            assert "file, sqlite or redis" in record.getMessage()

        assert succeeds_in_child(work)
        store.set("k", stamped(), None)
        assert not caplog.records

    def test_a_write_warns_too(self, clock, caplog):
        """The child's first use may be a write."""
        store = MemoryStore(clock)
        store.set("k", stamped(), None)

        def work():
            store.set("k", stamped(), None)
            assert len(caplog.records) == 1

        assert succeeds_in_child(work)

    def test_no_warning_if_unused_before(self, clock, caplog):
        """A store that was only made before the fork is the child's own."""
        store = MemoryStore(clock)

        def work():
            store.set("k", stamped(), None)
            assert store.load("k")
            assert not caplog.records

        assert succeeds_in_child(work)

    def test_a_lock_that_was_held(self, clock):
        """A write in another thread at the moment of the fork does not block the child."""
        under_way, go_on = threading.Event(), threading.Event()

        class SlowTtl(float):
            def __radd__(self, now):
                under_way.set()
                go_on.wait(PATIENCE)
                return now + float(self)

        store = MemoryStore(clock)
        writer = Background(store.set, "slow", stamped(), SlowTtl(10))
        assert under_way.wait(PATIENCE)
        try:
            assert succeeds_in_child(lambda: store.set("k", stamped(), None))
        finally:
            go_on.set()
        writer.result()
        assert store.load("slow")
