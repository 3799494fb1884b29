"""The sqlite store: several processes, kills, and forks of every kind."""

from __future__ import annotations

import os
import random
import select
import signal
import threading

import pytest

from pyramid_beakerish.errors import StoreUnavailable
from pyramid_beakerish.stores.base import new_write_id
from pyramid_beakerish.stores.sqlite.store import SqliteStore
from pyramid_beakerish.testing.stores import count_up, stamped
from pyramid_beakerish.testing.together import (
    Background,
    start_child,
    succeeds_in_child,
    wait_for,
)
from tests import sqlite_help
from tests.file_help import fill, open_files
from tests.process_help import each_fork, kill_after
from tests.timing import within

#: Seconds for which a test waits for somebody at most.
LONG = 20


def read_line(pipe):
    """Read what the other side writes, but not for ever."""
    assert select.select([pipe], [], [], LONG)[0], "nothing came"
    return os.read(pipe, 1)


path, raw = sqlite_help.path, sqlite_help.raw


@pytest.fixture
def store(path, clock):
    store = SqliteStore(path, clock=clock, patience=LONG)
    yield store
    store.close()


class TestProcesses:
    def test_no_swap_is_lost(self, store, path, clock):
        """When 4 processes count by swapping, no count is lost."""
        store.set("count", stamped(b"0"), None)
        own = [SqliteStore(path, clock=clock, patience=LONG) for _ in range(2)]
        children = [
            start_child(lambda each=each: count_up(each, "count", 50))
            for each in (*own, store, store)
        ]
        assert [wait_for(child) for child in children] == [0] * 4
        assert store.load("count")[0][8:] == b"200"

    def test_the_log_of_a_file_that_was_removed(self, store, path, clock):
        """Who goes on with a removed file for a moment harms nothing in the one that is new."""
        (said, tell_said), (go_on, tell_go_on) = os.pipe(), os.pipe()

        def work():
            left_behind = SqliteStore(path, clock=clock)
            for prefix in ("old", "late"):
                fill(left_behind, prefix, 100)
                os.write(tell_said, b"!")
                read_line(go_on)

        child = start_child(work)
        read_line(said)
        path.unlink()
        fill(store, "new", 10)
        os.write(tell_go_on, b"!")
        read_line(said)
        fill(store, "newer", 10)
        assert len(list(store.keys(""))) == 20
        os.write(tell_go_on, b"!")
        assert wait_for(child) == 0
        assert len(list(SqliteStore(path, clock=clock).keys(""))) == 20
        for descriptor in (said, tell_said, go_on, tell_go_on):
            os.close(descriptor)

    def test_all_begin_at_once(self, path, clock):
        """When many processes find no file, they make one, and each uses it."""
        stores = [SqliteStore(path, clock=clock, patience=LONG) for _ in range(8)]
        children = [
            start_child(lambda each=each, number=number: each.set(f"k{number}", stamped(), None))
            for number, each in enumerate(stores)
        ]
        assert [wait_for(child) for child in children] == [0] * 8
        assert sorted(stores[0].keys("")) == [f"k{number}" for number in range(8)]
        stores[0].close()

    @pytest.mark.parametrize("size", [10, 30_000])
    def test_killed_at_any_moment(self, store, path, clock, size):
        """Whenever a writer is killed, what it was told is stored is there, and whole."""
        dice = random.Random(5)
        for _ in range(12):
            told, tells = os.pipe()

            def count_for_ever(tells=tells):
                mine = SqliteStore(path, clock=clock)
                for number in range(10**9):
                    mine.set("k", stamped(b"%8d" % number * size), None)
                    os.write(tells, b"%8d" % number)

            kill_after(start_child(count_for_ever), dice.uniform(0.02, 0.05))
            os.close(tells)
            answered = os.read(told, 2**16)[-8:]
            os.close(told)
            found = store.load("k")
            if answered:
                contents = found[0][8:]
                assert contents == contents[:8] * size
                assert int(contents[:8]) - int(answered) in (0, 1)
        assert store.create("new", stamped(), None)

    def test_a_reader_beside_writers(self, store, path, clock):
        """A reader finds whole values only, none older than one it has seen, and never waits."""

        def count_for_ever():
            mine = SqliteStore(path, clock=clock, patience=LONG)
            for number in range(10**9):
                mine.set("k", stamped(number.to_bytes(8, "big") * 1000), None)

        store.set("k", stamped(bytes(8000)), None)
        child = start_child(count_for_ever)
        seen = 0
        try:
            while seen < 300:
                contents = store.load("k")[0][8:]
                assert contents == contents[:8] * 1000
                count = int.from_bytes(contents[:8], "big")
                assert count >= seen
                seen = count
        finally:
            kill_after(child, 0)


class TestForks:
    @each_fork
    def test_before_the_first_use(self, store, fork):
        """A store that was made before a fork serves both sides."""
        store.prepare()
        child = start_child(lambda: fill(store, "child", 5), fork)
        fill(store, "parent", 5)
        assert wait_for(child) == 0
        assert len(list(store.keys(""))) == 10

    @each_fork
    def test_after_the_first_use(self, store, fork):
        """A store that was used before a fork serves parent and children, which are many."""
        store.set("count", stamped(b"0"), None)
        children = [start_child(lambda: count_up(store, "count", 30), fork) for _ in range(3)]
        count_up(store, "count", 30)
        assert [wait_for(child) for child in children] == [0] * 3
        assert store.load("count")[0][8:] == b"120"

    def test_nothing_is_inherited(self, store):
        """No connection is open at the moment of a fork."""
        store.set("k", stamped(), None)

        def look():
            assert not [name for name in open_files() if "entries.db" in name]

        assert any("entries.db" in name for name in open_files())
        assert wait_for(start_child(look)) == 0
        assert store.load("k")

    @each_fork
    def test_write_ids(self, store, fork):
        """Children that use a store number their writes each in a way of their own."""
        told, tells = os.pipe()

        def tell_next():
            store.load("k")
            os.write(tells, new_write_id())

        children = [start_child(tell_next, fork) for _ in range(3)]
        assert [wait_for(child) for child in children] == [0] * 3
        ids = os.read(told, 100)
        assert len({ids[:8], ids[8:16], ids[16:24], new_write_id()}) == 4

    @each_fork
    def test_the_parent_leaves_first(self, store, path, clock, fork):
        """A child's lock is its own: the file stays in use when the parent closes it."""
        store.set("before", stamped(), None)
        told, tells = os.pipe()
        heard, says = os.pipe()

        def child_work():
            store.set("first", stamped(), None)
            os.write(tells, b"1")
            read_line(heard)
            store.set("second", stamped(), None)
            os.kill(os.getpid(), signal.SIGKILL)

        child = start_child(child_work, fork)
        assert read_line(told) == b"1"
        store.close()
        assert path.with_name("entries.db-wal").exists()
        os.write(says, b"2")
        assert wait_for(child) == -signal.SIGKILL
        assert sorted(store.keys("")) == ["before", "first", "second"]

    def test_while_other_threads_write(self, store):
        """A child made while another thread writes can write too, and so can that thread."""
        store.set("count", stamped(b"0"), None)
        writers = [Background(count_up, store, "count", 100) for _ in range(3)]
        children = [start_child(lambda: count_up(store, "count", 20)) for _ in range(5)]
        assert [wait_for(child) for child in children] == [0] * 5
        for writer in writers:
            writer.result()
        assert store.load("count")[0][8:] == b"400"

    def test_while_other_threads_never_rest(self, store):
        """Threads whose calls follow each other at once let a fork in, and leave nothing open."""
        store.set("k", stamped(), None)
        end = threading.Event()

        def read():
            while not end.is_set():
                store.load("k")

        def look():
            assert not [name for name in open_files() if "entries.db" in name]

        readers = [Background(read) for _ in range(2)]
        with within(0.1):
            assert succeeds_in_child(look)
        end.set()
        for reader in readers:
            reader.result()

    def test_while_a_thread_waits(self, path, raw, clock):
        """A fork waits until the call of another thread has ended, one way or the other."""
        store = SqliteStore(path, clock=clock, patience=0.2)
        store.set("k", stamped(), None)
        raw.execute("BEGIN IMMEDIATE")
        ended = []

        def write():
            try:
                store.set("k", stamped(), None)
            except StoreUnavailable:
                ended.append("write")

        writer = Background(write)
        while store._connections._idle:  # until the thread's call is under way
            assert not writer.ends(0)
        child = start_child(lambda: store.load("k"))
        ended.append("fork")
        assert wait_for(child) == 0
        writer.result()
        assert ended == ["write", "fork"]
        store.close()

    def test_within_a_call(self, path, clock):
        """A fork in the middle of a call of the same thread's waits no longer than twice that."""
        store = SqliteStore(path, clock=clock, patience=0.02)
        store.set("k", stamped(), None)
        connection = store._connections._idle.pop()
        assert wait_for(start_child(lambda: store.load("k"))) == 0
        store._connections._idle.append(connection)
        assert store.load("k")
        store.close()

    def test_without_a_fork_afterwards(self, store):
        """A failed fork, of which the child never came, leaves the store usable."""
        store._connections.before_fork()
        store._connections.resume()
        store.set("k", stamped(), None)
        assert store.load("k")
