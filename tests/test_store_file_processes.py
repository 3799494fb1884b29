"""The file store: several processes, forks, kills, and the locks between them."""

from __future__ import annotations

import errno
import os
import random
import sys
import time
import types

import pytest

from pyramid_beakerish.errors import StoreUnavailable
from pyramid_beakerish.stores.file.store import FileStore
from pyramid_beakerish.stores.system.locks import FileLock
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.stores import count_up, stamped
from pyramid_beakerish.testing.together import (
    PATIENCE,
    Background,
    in_threads,
    start_child,
    succeeds_in_child,
    wait_for,
)
from tests.file_help import HOUR, descriptor_of, digit_of, entries, files, fill
from tests.process_help import each_fork, kill_after


@pytest.fixture
def store(tmp_path, clock):
    store = FileStore(tmp_path, clock=clock)
    yield store
    store.close()


class TestProcesses:
    def test_no_swap_is_lost(self, store, tmp_path, clock):
        """When 4 processes count by swapping, no count is lost."""
        store.set("count", stamped(b"0"), None)
        children = [
            start_child(lambda: count_up(FileStore(tmp_path, clock=clock), "count", 50))
            for _ in range(2)
        ]
        # These two use their parent's store, whose lock files are already open.
        children += [start_child(lambda: count_up(store, "count", 50)) for _ in range(2)]
        assert [wait_for(child) for child in children] == [0] * 4
        assert store.load("count")[0][8:] == b"200"

    def test_two_stores_in_one_process(self, store, tmp_path, clock):
        """Two stores of one process on one folder exclude each other."""
        stores = [store, FileStore(tmp_path, clock=clock)]
        store.set("count", stamped(b"0"), None)
        in_threads(2, lambda number: count_up(stores[number], "count", 60))
        assert store.load("count")[0][8:] == b"120"

    @pytest.mark.parametrize(
        "sizes", [(10, 150, 90), (5000, 7000, 10), (10, 40_000, 300_000)], ids=str
    )
    def test_killed_at_any_moment(self, store, tmp_path, clock, sizes):
        """Whenever a writer is killed, in place or growing, a whole value is there, no litter."""
        keys = [f"k{number}" for number in range(4)]

        def write_for_ever():
            mine = FileStore(tmp_path, clock=clock)
            for number in range(10**9):
                mine.set(keys[number % 4], stamped(b"%d" % (number % 10) * sizes[number % 3]), None)

        for key in keys:
            store.set(key, stamped(b"0" * sizes[0]), None)
        dice = random.Random(5)
        for _ in range(25):
            kill_after(start_child(write_for_ever), dice.uniform(0.001, 0.02))
            for key in keys:
                contents = store.load(key)[0][8:]
                assert len(set(contents)) == 1
                assert len(contents) in sizes
        assert len(entries(tmp_path)) == 4
        assert len(files(tmp_path)) <= 4 + 2 * 16
        for key in keys:  # a large value goes by way of the temporary file
            store.set(key, stamped(b"x" * 20_000), None)
        assert not [path for path in files(tmp_path) if path.suffix == ".tmp"]

    def test_killed_while_creating(self, store, tmp_path, clock):
        """Whenever a process is killed that creates and deletes, the rest is swept in time."""

        def create_for_ever():
            mine = FileStore(tmp_path, clock=clock)
            for number in range(10**9):
                mine.create(f"k{number % 8}", stamped(b"x" * 3000), 60)
                mine.delete(f"k{(number + 4) % 8}")

        dice = random.Random(7)
        for _ in range(25):
            kill_after(start_child(create_for_ever), dice.uniform(0.001, 0.02))
            found = [store.load(f"k{number}") for number in range(8)]
            assert {entry[0][8:] for entry in found if entry} <= {b"x" * 3000}
        clock.advance(HOUR)
        store.sweep()
        assert entries(tmp_path) == []

    @pytest.mark.parametrize("size", [100, 1500, 30_000])
    def test_readers_beside_two_writers(self, store, tmp_path, clock, size):
        """A reader finds whole values only, none older than one it has seen, and always one."""

        def count_for_ever():
            mine = FileStore(tmp_path, clock=clock)
            while True:
                value, token = mine.load("k")
                count = int.from_bytes(value[8:16], "big") + 1
                mine.swap("k", token, stamped(count.to_bytes(8, "big") * size), 60)

        store.set("k", stamped(bytes(8) * size), 60)
        children = [start_child(count_for_ever) for _ in range(2)]
        seen = reads = 0
        deadline = time.monotonic() + PATIENCE
        try:
            while min(seen, reads) < 100:
                contents = store.load("k")[0][8:]
                assert contents == contents[:8] * size
                count = int.from_bytes(contents[:8], "big")
                assert count >= seen
                assert time.monotonic() < deadline
                seen, reads = count, reads + 1
        finally:
            for child in children:
                kill_after(child, 0)

    @pytest.mark.parametrize("removed", [False, True])
    def test_a_reader_reads_again(self, store, tmp_path, monkeypatch, removed):
        """A reader that was overtaken by a writer reads again, and needs no lock for that."""
        values = [stamped(b"value %d" % number) for number in range(3)]
        for value in values[1:]:
            store.set("k", value, None)
        (path,) = entries(tmp_path)
        whole = path.read_bytes()
        path.write_bytes(whole.replace(values[2], values[0]))
        real = os.read

        def read_before_the_end(fd, size):
            monkeypatch.setattr(os, "read", real)
            data = real(fd, size)
            path.unlink() if removed else path.write_bytes(whole)
            return data

        monkeypatch.setattr(os, "read", read_before_the_end)
        with FileLock(str(tmp_path / "beakerish" / f"{digit_of('k')}.lock"), patience=1):
            assert store.load("k") == (None if removed else (values[2], values[2][:8]))
        assert os.read is real

    def test_a_reader_waits_for_the_writer(self, store, tmp_path, clock):
        """A reader that meets a half-written record takes what is there when it is written."""
        values = [stamped(b"value %d" % number) for number in range(3)]
        for value in values[1:]:
            store.set("k", value, None)
        (path,) = entries(tmp_path)
        whole = path.read_bytes()
        with FileLock(str(tmp_path / "beakerish" / f"{digit_of('k')}.lock"), patience=1):
            path.write_bytes(whole.replace(values[2], values[0]))
            reader = Background(store.load, "k")
            assert not reader.ends(0.02)
            path.write_bytes(whole)
        assert reader.result()[0] == values[2]

    def test_a_fork_while_locked(self, store):
        """A child made while another thread writes can write too, once that is done."""
        store.set("count", stamped(b"0"), None)
        writer = Background(count_up, store, "count", 100)
        children = [start_child(lambda: count_up(store, "count", 20)) for _ in range(3)]
        assert [wait_for(child) for child in children] == [0, 0, 0]
        writer.result()
        assert store.load("count")[0][8:] == b"160"

    def test_child_goes_on_sweeping(self, store, tmp_path, clock):
        """A child whose parent's walk was under way begins its own."""
        fill(store, "old", 300, ttl=60)
        clock.advance(HOUR)
        store.set("new", stamped(), None)
        assert succeeds_in_child(lambda: fill(store, "new", 60))
        assert len(entries(tmp_path)) == 61


class TestLock:
    def test_others_wait_no_longer_than_told(self, tmp_path, clock):
        """A process that was stopped while it wrote does not stop the others for ever."""
        with FileLock(str(tmp_path / "beakerish" / f"{digit_of('k')}.lock"), patience=1):
            store = FileStore(tmp_path, clock=clock, patience=0.01)
            with pytest.raises(StoreUnavailable, match=r"a lock of the store for 0\.01 s"):
                store.set("k", stamped(), None)
        store.set("k", stamped(), None)
        assert store.load("k")

    def test_how_long_they_wait(self, tmp_path, clock, monkeypatch):
        """By itself a write waits for two seconds."""
        waited = FrozenClock(0.0)
        monkeypatch.setattr(time, "monotonic", waited)
        monkeypatch.setattr(time, "sleep", waited.advance)
        held = FileLock(str(tmp_path / "beakerish" / f"{digit_of('k')}.lock"), patience=1)
        with held, pytest.raises(StoreUnavailable, match="a lock of the store for 2 s"):
            FileStore(tmp_path, clock=clock).set("k", stamped(), None)
        assert waited() == pytest.approx(2, abs=0.01)

    @each_fork
    def test_a_child_that_inherits_it(self, fork, tmp_path):
        """What a child has locked its parent has not, though it had opened the file before."""
        lock = FileLock(str(tmp_path / "lock"), patience=0.01)
        with lock:
            pass
        (locked, tell_locked), (end, tell_end) = os.pipe(), os.pipe()

        def work():
            with lock:
                os.write(tell_locked, b"!")
                os.read(end, 1)

        child = start_child(work, fork)
        os.read(locked, 1)
        with pytest.raises(StoreUnavailable), lock:
            pass
        os.write(tell_end, b"!")
        assert wait_for(child) == 0
        for descriptor in (locked, tell_locked, end, tell_end):
            os.close(descriptor)

    def test_threads_wait_no_longer_than_told(self, tmp_path):
        """A thread that waits for another one of the same store gives up too."""
        lock = FileLock(str(tmp_path / "lock"), patience=0.01)
        with lock, pytest.raises(StoreUnavailable), lock:
            pass
        with lock:
            pass

    def test_never_opened(self, tmp_path, monkeypatch):
        """What was never opened is not closed: gevent's os.close refuses what is no descriptor."""
        closed = []
        monkeypatch.setattr(os, "close", closed.append)
        FileLock(str(tmp_path / "lock"), patience=1).close()
        assert closed == []

    def test_waiting(self, tmp_path):
        """Who waits goes on when the holder has left."""
        holder, waiter = (FileLock(str(tmp_path / "lock"), patience=10) for _ in range(2))
        order = []

        def wait():
            with waiter:
                order.append("waiter")

        with holder:
            thread = Background(wait)
            assert not thread.ends(0.02)
            order.append("holder")
        thread.result()
        assert order == ["holder", "waiter"]

    def test_not_waiting(self, tmp_path):
        """Who does not want to wait is told whether the lock is free, as a thread or a process."""
        one, other = (FileLock(str(tmp_path / "lock"), patience=0.01) for _ in range(2))
        with one.if_free() as mine, one.if_free() as again, other.if_free() as theirs:
            assert (mine, again, theirs) == (True, False, False)
        with other.if_free() as theirs:
            assert theirs

    def test_given_back_after_a_failure(self, tmp_path):
        """A lock that was taken without waiting is let go whatever happens."""
        one, other = (FileLock(str(tmp_path / "lock"), patience=0.01) for _ in range(2))
        with pytest.raises(OSError, match="No space"), one.if_free():
            raise OSError("No space")
        with other, one.if_free() as free:
            assert not free

    def test_lock_file_removed(self, tmp_path):
        """A lock whose file was removed is taken on the file that others find."""
        one, other = (FileLock(str(tmp_path / "lock"), patience=0.01) for _ in range(2))
        with one:
            pass
        (tmp_path / "lock").unlink()
        with other, pytest.raises(StoreUnavailable), one:
            pass

    def test_lock_file_removed_while_waiting(self, tmp_path, monkeypatch):
        """Who has waited for a lock whose file was removed meanwhile takes that of the others."""
        holder, waiter, other = (FileLock(str(tmp_path / "lock"), patience=1) for _ in range(3))
        holder.__enter__()

        def sleep(seconds):
            (tmp_path / "lock").unlink()
            holder.__exit__()

        monkeypatch.setattr(time, "sleep", sleep)
        with waiter, other.if_free() as free:
            assert not free

    @pytest.mark.parametrize("waiting", [True, False])
    def test_folder_moved(self, tmp_path, waiting):
        """A lock whose folder was moved away is taken in the folder that others find."""
        one, other = (FileLock(str(tmp_path / "locks" / "lock"), patience=0.01) for _ in range(2))
        with one:
            pass
        (tmp_path / "locks").rename(tmp_path / "backup")
        with other:
            if waiting:
                with pytest.raises(StoreUnavailable), one:
                    pass
            else:
                with one.if_free() as free:
                    assert not free
        with one.if_free() as free:
            assert free

    def test_closed_by_others(self, tmp_path):
        """A lock goes on working where somebody has closed all files, as daemons do."""
        lock = FileLock(str(tmp_path / "lock"), patience=0.01)
        with lock:
            pass
        os.close(descriptor_of(tmp_path / "lock"))
        with lock, FileLock(str(tmp_path / "lock"), patience=0.01).if_free() as free:
            assert not free

    def test_windows(self, tmp_path, monkeypatch):
        """Where there is no fcntl the lock is Windows' own, of the first byte of the file."""
        calls = []

        def locking(fd, mode, size):
            calls.append((mode, size))
            if len(calls) == 1:
                raise PermissionError(errno.EACCES, "Permission denied")

        windows = types.SimpleNamespace(LK_NBLCK="lock", LK_UNLCK="unlock", locking=locking)
        monkeypatch.setitem(sys.modules, "fcntl", None)
        monkeypatch.setitem(sys.modules, "msvcrt", windows)
        with FileLock(str(tmp_path / "lock"), patience=1):
            assert calls == [("lock", 1), ("lock", 1)]
        assert calls[2:] == [("unlock", 1)]

    def test_descriptors_are_given_back(self, tmp_path, clock):
        """Closing a store, or dropping it, closes its files."""
        before = len(os.listdir("/proc/self/fd"))
        store = FileStore(tmp_path, clock=clock)
        fill(store, "k", 60)
        store.close()
        assert len(os.listdir("/proc/self/fd")) == before
        fill(store, "k", 60)
        del store
        assert len(os.listdir("/proc/self/fd")) == before
