"""The file store: a write sweeps a little, and writes together sweep all."""

from __future__ import annotations

import itertools
import os
import time

import pytest

from pyramid_beakerish.stores.file.store import FileStore
from pyramid_beakerish.stores.system.locks import FileLock
from pyramid_beakerish.testing.stores import stamped
from pyramid_beakerish.testing.together import in_threads
from tests.file_help import HOUR, digit_of, entries, fill


@pytest.fixture
def store(tmp_path, clock):
    store = FileStore(tmp_path, clock=clock)
    yield store
    store.close()


@pytest.fixture
def in_pauses(monkeypatch):
    """Give a function that has something else done in each pause of a sweep."""

    def do(work):
        monkeypatch.setattr(time, "sleep", lambda seconds: work())

    return do


class TestSweeping:
    def test_one_pass_of_writes(self, store, tmp_path, clock):
        """As many writes as there are entries leave nothing that expired an hour ago."""
        fill(store, "old", 300, ttl=60)
        fill(store, "alive", 100)
        clock.advance(HOUR + 60)
        fill(store, "alive", 40)
        assert len(entries(tmp_path)) == 100

    def test_a_pass_that_was_under_way(self, store, tmp_path, clock):
        """It does not matter that a walk had begun before they expired."""
        fill(store, "old", 300, ttl=60)
        store.close()
        again = FileStore(tmp_path, clock=clock)
        fill(again, "alive", 8)
        clock.advance(HOUR + 60)
        fill(again, "alive", 60)
        assert len(entries(tmp_path)) == 60

    def test_a_clock_that_was_set_back(self, store, tmp_path, clock):
        """Writes go on to sweep where the clock was wrong when they last did."""
        store.set("first", stamped(), None)
        clock.advance(-24 * HOUR)
        fill(store, "old", 20, ttl=60)
        clock.advance(HOUR)
        fill(store, "new", 20)
        assert len(entries(tmp_path)) == 21

    def test_after_a_restart(self, store, tmp_path, clock):
        """A store that is made anew removes what an earlier one had stored."""
        fill(store, "old", 100, ttl=60)
        clock.advance(HOUR + 60)
        fill(FileStore(tmp_path, clock=clock), "alive", 20)
        assert len(entries(tmp_path)) == 20

    @pytest.mark.parametrize("when", [0, 10**9, 1_700_000_001, 4 * 10**9])
    def test_time_stamps_of_a_copy(self, store, tmp_path, clock, when):
        """Where the time stamps are not ours the entry's own expiry decides."""
        fill(store, "old", 50, ttl=60)
        fill(store, "alive", 50, ttl=10 * HOUR)
        fill(store, "for ever", 50)
        for path in entries(tmp_path):
            os.utime(path, (when, when))
        clock.advance(HOUR + 60)
        fill(FileStore(tmp_path, clock=clock), "new", 50)
        assert sorted({key[:3] for key in store.keys("")}) == ["ali", "for", "new"]
        assert len(entries(tmp_path)) == 150

    def test_time_stamps_are_restored(self, store, tmp_path, clock):
        """An entry whose time stamps were lost is read once by who sweeps, not each time."""
        store.set("k", stamped(), 10 * HOUR)
        (path,) = entries(tmp_path)
        before = path.stat().st_mtime_ns
        os.utime(path)
        assert store.sweep() == 0
        assert path.stat().st_mtime_ns == before

    def test_alive_entries_are_not_read(self, store, tmp_path):
        """A sweep reads no file that the time stamps tell is alive."""
        fill(store, "alive", 30, ttl=60)
        fill(store, "for ever", 30)
        for path in entries(tmp_path):
            times = path.stat()
            path.write_bytes(b"unreadable")
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert store.sweep() == 0

    def test_at_most_20_at_each_write(self, store, tmp_path, clock):
        """A write examines at most 20 entries, and no more folders than that."""
        fill(store, "old", 300, ttl=60)
        clock.advance(HOUR + 60)
        again = FileStore(tmp_path, clock=clock)
        for _ in range(5):
            before = len(entries(tmp_path))
            again.set("new", stamped(), None)
            assert before - 20 <= len(entries(tmp_path)) <= before + 1

    def test_folders_listed_at_each_write(self, store, clock, monkeypatch):
        """A write lists at most 20 folders, and none at all between two walks."""
        listed = []
        real = os.listdir
        fill(store, "alive", 300)
        fill(store, "alive", 40)
        monkeypatch.setattr(os, "listdir", lambda path: listed.append(path) or real(path))
        monkeypatch.setattr(os, "scandir", None)
        store.set("alive0", stamped(), None)
        assert listed == []
        clock.advance(600)
        store.set("alive0", stamped(), None)
        assert 2 <= len(listed) <= 21

    def test_sweep_tells_how_much(self, store, tmp_path, clock):
        """A sweep removes at once all that has expired, to the second."""
        fill(store, "old", 30, ttl=60)
        fill(store, "alive", 30, ttl=61)
        clock.advance(60)
        assert store.sweep() == 30
        assert len(entries(tmp_path)) == 30

    def test_a_write_waits_for_no_lock_to_sweep(self, store, tmp_path, clock):
        """An entry whose lock somebody holds is left to the next write that sweeps."""
        store.set("old", stamped(), 60)
        (path,) = entries(tmp_path)
        clock.advance(HOUR)
        again = FileStore(tmp_path, clock=clock)
        new = next(key for key in "abcdefgh" if digit_of(key) != path.name[0])
        with FileLock(str(path.parent.parent / f"{path.name[0]}.lock"), patience=1):
            again.set(new, stamped(), None)
            assert path.exists()
        again.set(new, stamped(), None)
        assert not path.exists()

    def test_a_write_sweeps_no_longer_than_5_ms(self, store, tmp_path, clock, monkeypatch):
        """Where a disk takes long to remove a file, a write removes fewer than 20."""
        fill(store, "old", 300, ttl=60)
        clock.advance(HOUR)
        again = FileStore(tmp_path, clock=clock)
        real = os.unlink
        monkeypatch.setattr(os, "unlink", lambda path: clock.advance(0.002) or real(path))
        again.set("new", stamped(), None)
        assert len(entries(tmp_path)) == 298

    def test_pauses(self, store, tmp_path, clock, in_pauses):
        """A sweep pauses after each 20 entries, if it has removed any, for the disk to keep up."""
        fill(store, "old", 50, ttl=60)
        clock.advance(60)
        left = []
        in_pauses(lambda: left.append(len(entries(tmp_path))))
        assert store.sweep() == 50
        assert left == [30, 10, 0]
        fill(store, "alive", 50)
        assert store.sweep() == 0
        assert len(left) == 3

    @pytest.mark.parametrize("sweep", [FileStore.sweep, lambda store: fill(store, "new", 600)])
    def test_another_lock_each_time(self, store, clock, monkeypatch, sweep):
        """Whoever sweeps goes from lock to lock: who waits for one meets it free almost at once."""
        fill(store, "old", 2000, ttl=60)
        clock.advance(HOUR)
        removed = []
        real = os.unlink
        monkeypatch.setattr(os, "unlink", lambda path: removed.append(path) or real(path))
        sweep(store)
        assert len(removed) == 2000
        locks = [os.path.basename(path)[0] for path in removed]
        in_a_row = sum(one == other for one, other in itertools.pairwise(locks))
        assert in_a_row < 200

    @pytest.mark.parametrize(
        ("later", "remove"),
        [
            (0, lambda store: store.delete("k")),
            (HOUR, FileStore.sweep),
            (HOUR, lambda store: store.set("new", stamped(), None)),
        ],
        ids=["delete", "sweep", "write"],
    )
    def test_the_room_of_a_removed_file(self, store, tmp_path, clock, monkeypatch, later, remove):
        """The system takes it back, which can last, when the lock is free for others."""
        store.set("k", stamped(), 60)
        (path,) = entries(tmp_path)
        clock.advance(later)
        lock = FileLock(str(path.parent.parent / f"{path.name[0]}.lock"), patience=1)
        found_free = []
        real = os.close

        def close(fd):
            if os.fstat(fd).st_nlink == 0:
                with lock.if_free() as free:
                    found_free.append(free)
            real(fd)

        again = FileStore(tmp_path, clock=clock)
        monkeypatch.setattr(os, "close", close)
        remove(again)
        monkeypatch.undo()
        assert not path.exists()
        assert found_free == [True]

    def test_no_fsync(self, tmp_path, clock, monkeypatch):
        """A sweep does not wait for the disk: what comes back after a power cut has expired."""
        store = FileStore(tmp_path, fsync=True, clock=clock)
        fill(store, "old", 3, ttl=60)
        clock.advance(60)
        monkeypatch.delattr(os, "fsync")
        assert store.sweep() == 3
        store.close()

    def test_expiry_between_two_seconds(self, store, clock):
        """An entry whose time ends within a second is swept at most a second later."""
        store.set("k", stamped(), 0.5)
        clock.advance(0.5)
        assert store.load("k") is None
        clock.advance(0.5)
        assert store.sweep() == 1

    def test_removed_by_another_process(self, store, tmp_path, clock, monkeypatch):
        """What somebody else removes while it is being examined is nobody's error."""
        fill(store, "old", 3, ttl=60)
        clock.advance(HOUR)
        other = FileStore(tmp_path, clock=clock)
        real = os.stat

        def late_stat(path):
            monkeypatch.setattr(os, "stat", real)
            found = real(path)
            assert other.sweep() == 3
            return found

        monkeypatch.setattr(os, "stat", late_stat)
        assert store.sweep() == 0

    def test_one_sweeps_at_a_time(self, store, tmp_path, clock, monkeypatch):
        """A write that comes while another one sweeps does not wait for it."""
        fill(store, "old", 10, ttl=60)
        clock.advance(HOUR)
        again = FileStore(tmp_path, clock=clock)
        real = os.stat

        def stat_during_which_somebody_writes(path):
            monkeypatch.setattr(os, "stat", real)
            again.set("meanwhile", stamped(), None)
            return real(path)

        monkeypatch.setattr(os, "stat", stat_during_which_somebody_writes)
        again.set("new", stamped(), None)
        assert os.stat is real
        assert set(store.keys("")) == {"new", "meanwhile"}
        assert len(entries(tmp_path)) == 2

    def test_a_write_during_a_sweep(self, store, tmp_path, clock, in_pauses):
        """While somebody sweeps, in whatever process, writes leave it to them."""
        fill(store, "old", 300, ttl=60)
        clock.advance(HOUR)
        other, left = FileStore(tmp_path, clock=clock), []

        def write():
            other.set("alive", stamped(), None)
            left.append(len(entries(tmp_path)))

        in_pauses(write)
        assert store.sweep() == 300
        assert left == list(range(281, 0, -20))
        fill(store, "old", 20, ttl=60)
        clock.advance(HOUR)
        fill(other, "new", 20)
        assert len(entries(tmp_path)) == 21

    def test_two_sweeps_at_once(self, store, tmp_path, clock, in_pauses):
        """Who sweeps waits for nobody else who does."""
        fill(store, "old", 300, ttl=60)
        clock.advance(HOUR)
        other = FileStore(tmp_path, clock=clock)
        removed = []
        in_pauses(lambda: removed.append(other.sweep()))
        assert store.sweep() == 20
        assert sum(removed) == 280

    def test_a_lock_file_that_was_removed(self, store, tmp_path, clock):
        """Who removes the lock files puts no end to the sweeping."""
        fill(store, "old", 30, ttl=60)
        for path in tmp_path.rglob("*.lock"):
            path.unlink()
        clock.advance(HOUR)
        fill(store, "new", 5)
        assert len(entries(tmp_path)) == 5

    def test_closed_during_a_sweep(self, store, clock, in_pauses):
        """Who closes the store waits for no sweep."""
        fill(store, "old", 100, ttl=60)
        clock.advance(HOUR)
        in_pauses(store.close)
        assert store.sweep() == 100

    def test_foreign_files_are_left_alone(self, store, tmp_path):
        """A file whose name is not one of ours is neither read nor removed."""
        store.set("k", stamped(), None)
        (path,) = entries(tmp_path)
        foreign = path.with_name(".nfs0001")
        foreign.write_bytes(b"")
        store.sweep()
        assert list(store.keys("")) == ["k"]
        assert foreign.exists()

    def test_threads_sweep_together(self, store, tmp_path, clock):
        """Writes of several threads sweep together without an error."""
        fill(store, "old", 200, ttl=60)
        clock.advance(HOUR)
        again = FileStore(tmp_path, clock=clock)
        in_threads(4, lambda number: fill(again, f"t{number}-", 20))
        fill(again, "t0-", 20)
        assert len(entries(tmp_path)) == 80
