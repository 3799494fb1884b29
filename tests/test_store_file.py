"""The file store: the contract, and what disks, kills, forks and umasks do to it."""

from __future__ import annotations

import errno
import logging
import os
import random
import resource
import shutil
import signal
import stat
import sys
import threading
import time
import types
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from pyramid_beakerish.errors import StoreUnavailable
from pyramid_beakerish.stores.file import FileStore
from pyramid_beakerish.stores.folders import make_private_folder
from pyramid_beakerish.stores.locks import FileLock
from pyramid_beakerish.testing import FrozenClock, StoreSuite
from pyramid_beakerish.testing.stores import count_up, exit_with, stamped, succeeds_in_child
from tests.store_machine import StoreMachine

HOUR = 3600.0


class TestContract(StoreSuite):
    def make_store(self, clock, folder):
        return FileStore(folder, clock=clock)


class TestContractWithFsync(StoreSuite):
    def make_store(self, clock, folder):
        return FileStore(folder / "data", folder / "locks", fsync=True, clock=clock)


class FileMachine(StoreMachine):
    def make_store(self, clock, folder):
        return FileStore(folder, clock=clock)


TestAnySequence = FileMachine.TestCase
TestAnySequence.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@pytest.fixture
def clock():
    return FrozenClock()


@pytest.fixture
def store(tmp_path, clock):
    store = FileStore(tmp_path, clock=clock)
    yield store
    store.close()


def files(folder):
    """Give every file below the folder."""
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def entries(folder):
    """Give the files that hold entries: those in a folder of two digits."""
    return [path for path in files(folder) if len(path.parent.name) == 2]


def fill(store, prefix, count, ttl=None):
    """Store so many entries."""
    for number in range(count):
        store.set(f"{prefix}{number}", stamped(), ttl)


@contextmanager
def umask(mask):
    """Have the process mask the modes of new files."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def largest_file(size):
    """Have the kernel refuse to write more than so many bytes to a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def start_child(work):
    """Call the function in a child process; give its id."""
    child = os.fork()
    if child == 0:
        exit_with(work)
    return child


def wait_for(child):
    """Give how the child ended."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class TestFolder:
    def test_nothing_is_made_before_it_is_needed(self, tmp_path, clock):
        """Making a store and reading from it leaves the disk as it was."""
        store = FileStore(tmp_path / "data", clock=clock)
        assert store.load("k") is None
        assert list(store.keys("")) == []
        assert store.sweep() == 0
        store.close()
        assert list(tmp_path.iterdir()) == []

    def test_own_folder(self, store, tmp_path):
        """Everything is in the folder beakerish, so that no name is Beaker's."""
        store.set("k", stamped(), None)
        assert [path.name for path in tmp_path.iterdir()] == ["beakerish"]

    def test_lock_dir(self, tmp_path, clock):
        """The lock files are in lock_dir where it is given, in a folder of our own too."""
        store = FileStore(tmp_path / "data", tmp_path / "locks", clock=clock)
        fill(store, "k", 60)
        assert [path.name for path in (tmp_path / "locks").iterdir()] == ["beakerish"]
        assert 0 < len(files(tmp_path / "locks")) <= 16
        assert len(files(tmp_path / "data")) == 60

    def test_file_names_say_nothing(self, store, tmp_path):
        """The name of a file does not hand out the key."""
        store.set("secret", stamped(), None)
        assert "secret" not in " ".join(map(str, files(tmp_path)))

    @pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
    def test_modes(self, tmp_path, clock, mask):
        """Folders are 0700 and files 0600, whatever the umask."""
        with umask(mask):
            fill(FileStore(tmp_path / "data", tmp_path / "locks", clock=clock), "k", 30)
        made = list(tmp_path.rglob("*"))
        modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in made}
        assert modes == {(True, 0o700), (False, 0o600)}

    def test_a_folder_that_is_there(self, tmp_path):
        """A folder that somebody else made, a moment ago or with other rights, is left alone."""
        (tmp_path / "data").mkdir(mode=0o750)
        make_private_folder(str(tmp_path / "data"))
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o750

    def test_removed_while_in_use(self, store, tmp_path):
        """A store whose whole folder is removed goes on with a new one."""
        store.set("k", stamped(), None)
        shutil.rmtree(tmp_path)
        assert store.load("k") is None
        assert store.create("k", stamped(), None)
        assert store.load("k")

    def test_another_working_directory(self, tmp_path, clock, monkeypatch):
        """A relative data_dir stays where it was when the process goes elsewhere."""
        monkeypatch.chdir(tmp_path)
        store = FileStore("data", clock=clock)
        monkeypatch.chdir("/")
        store.set("k", stamped(), None)
        assert [path.name for path in tmp_path.iterdir()] == ["data"]

    def test_fsync(self, tmp_path, clock, monkeypatch):
        """With fsync a write waits for the disk, for the file first and then for its name."""
        synced = []
        monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd)))
        store = FileStore(tmp_path / "data", fsync=True, clock=clock)
        store.set("k", stamped(), None)
        folder = entries(tmp_path)[0].parent
        made_in = {found.st_ino for found in synced}
        assert {each.stat().st_ino for each in (folder, *folder.parents[:2])} <= made_in
        synced.clear()
        store.set("k", stamped(), None)
        store.delete("k")
        assert [stat.S_ISDIR(found.st_mode) for found in synced] == [False, True, True]

    def test_no_fsync(self, store, monkeypatch):
        """Without fsync a write does not wait for the disk, once there is a folder."""
        store.set("first", stamped(), None)
        monkeypatch.delattr(os, "fsync")
        store.set("k", stamped(), None)
        assert store.delete("k")


class TestDamage:
    def check_absent(self, store, tmp_path):
        """Every method takes the entry k for absent, and a create replaces it."""
        token = stamped()
        assert store.load("k") is None
        assert store.swap("k", token, stamped(), None) is False
        assert store.delete("k") is False
        assert list(store.keys("")) == []
        assert len(entries(tmp_path)) == 1
        value = stamped(b"new")
        assert store.create("k", value, None) is True
        assert store.load("k")[0] == value

    def test_cut_off_at_any_length(self, store, tmp_path):
        """A file that is empty or cut off anywhere is absent to every method."""
        store.set("k", stamped(b"contents"), None)
        (path,) = entries(tmp_path)
        whole = path.read_bytes()
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            self.check_absent(store, tmp_path)

    def test_a_changed_bit(self, store, tmp_path):
        """A file of which any bit has changed is absent to every method."""
        store.set("k", stamped(b"contents"), None)
        (path,) = entries(tmp_path)
        whole = path.read_bytes()
        for position in range(len(whole)):
            changed = bytearray(whole)
            changed[position] ^= 1 << position % 8
            path.write_bytes(changed)
            self.check_absent(store, tmp_path)

    def test_another_file(self, store, tmp_path):
        """A file that was put in the place of another one is not taken for it."""
        store.set("other", stamped(b"contents"), None)
        (other,) = entries(tmp_path)
        whole = other.read_bytes()
        store.delete("other")
        store.set("k", stamped(b"contents"), None)
        (path,) = entries(tmp_path)
        path.write_bytes(whole)
        assert store.load("k") is None
        assert store.create("k", stamped(), None) is True

    def test_one_warning(self, store, tmp_path, caplog):
        """A damaged file is one line in the log, without its key or contents."""
        store.set("secret-key", stamped(b"secret-contents"), None)
        (path,) = entries(tmp_path)
        path.write_bytes(path.read_bytes()[:-1])
        for _ in range(3):
            store.load("secret-key")
            list(store.keys(""))
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "damaged" in record.getMessage()
        assert "secret" not in record.getMessage()
        assert path.name not in record.getMessage()

    def test_swept(self, store, tmp_path, clock):
        """A damaged file, which tells no expiry, is removed by a sweep."""
        store.set("k", stamped(), None)
        (path,) = entries(tmp_path)
        path.write_bytes(b"")
        assert store.sweep() == 1
        assert entries(tmp_path) == []


class TestUnavailable:
    def test_disk_full(self, store, tmp_path):
        """A write that the disk refuses leaves the old value, and nothing else."""
        store.set("k", stamped(), None)
        value, token = store.load("k")
        before = files(tmp_path)
        large = stamped(b"x" * 200_000)
        with largest_file(50_000):
            for write in (
                lambda: store.set("k", large, None),
                lambda: store.swap("k", token, large, None),
                lambda: store.create("new", large, None),
            ):
                with pytest.raises(StoreUnavailable, match="EFBIG"):
                    write()
        assert store.load("k") == (value, token)
        assert [path for path in files(tmp_path) if path.suffix != ".lock"] == entries(tmp_path)
        assert set(before) <= set(files(tmp_path))
        assert store.swap("k", token, large, None) is True

    def test_message(self, tmp_path, clock):
        """The error says what is wrong in the system's words, and names no file."""
        (tmp_path / "data").write_bytes(b"")
        store = FileStore(tmp_path / "data", clock=clock)
        calls = (
            lambda: store.load("secret"),
            lambda: store.set("secret", stamped(), None),
            lambda: store.delete("secret"),
            lambda: store.sweep(),
            lambda: list(store.keys("")),
        )
        for call in calls:
            with pytest.raises(StoreUnavailable) as caught:
                call()
            assert str(caught.value) == (
                "the file store's folder cannot be used: Not a directory (ENOTDIR)"
            )
            assert caught.value.__suppress_context__

    def test_a_folder_in_the_way(self, store, tmp_path):
        """What cannot be read is an error, and not taken for absent."""
        store.set("k", stamped(), None)
        (path,) = entries(tmp_path)
        path.unlink()
        path.mkdir()
        with pytest.raises(StoreUnavailable, match="EISDIR"):
            store.load("k")
        with pytest.raises(StoreUnavailable, match="EISDIR"):
            store.set("k", stamped(), None)

    def test_sweeping_fails_after_the_write(self, store, tmp_path, clock, caplog):
        """A write that succeeded does so whatever the sweeping after it meets."""
        store.set("k", stamped(), None)
        (tmp_path / "beakerish" / "00").write_bytes(b"")
        clock.advance(HOUR)
        fill(store, "k", 5)
        assert store.load("k4")
        (record,) = caplog.records
        assert record.getMessage() == (
            "Expired entries could not be removed: "
            "the file store's folder cannot be used: Not a directory (ENOTDIR)"
        )


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

    def test_folders_listed_at_each_write(self, store, tmp_path, clock):
        """A write lists at most 20 folders, and none at all between two walks."""
        listed = []
        counting = [False]

        def hook(event, args):
            if counting[0] and event == "os.listdir" and str(tmp_path) in str(args[0]):
                listed.append(args[0])

        sys.addaudithook(hook)
        fill(store, "alive", 300)
        fill(store, "alive", 40)
        counting[0] = True
        store.set("alive0", stamped(), None)
        assert listed == []
        clock.advance(600)
        store.set("alive0", stamped(), None)
        counting[0] = False
        assert 2 <= len(listed) <= 21

    def test_sweep_tells_how_much(self, store, tmp_path, clock):
        """A sweep removes at once all that has expired, to the second."""
        fill(store, "old", 30, ttl=60)
        fill(store, "alive", 30, ttl=61)
        clock.advance(60)
        assert store.sweep() == 30
        assert len(entries(tmp_path)) == 30

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
        threads = [threading.Thread(target=fill, args=(again, f"t{n}-", 20)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        fill(again, "t0-", 20)
        assert len(entries(tmp_path)) == 80


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
        other = FileStore(tmp_path, clock=clock)
        store.set("count", stamped(b"0"), None)
        threads = [
            threading.Thread(target=count_up, args=(each, "count", 60)) for each in (store, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.load("count")[0][8:] == b"120"

    def test_killed_at_any_moment(self, store, tmp_path, clock):
        """Whenever a writer is killed, the old or the new value is there, and no litter."""
        keys = [f"k{number}" for number in range(4)]
        sizes = (10, 40_000, 300_000)

        def write_for_ever():
            mine = FileStore(tmp_path, clock=clock)
            for number in range(10**9):
                mine.set(keys[number % 4], stamped(b"%d" % (number % 10) * sizes[number % 3]), None)

        for key in keys:
            store.set(key, stamped(b"0" * 10), None)
        dice = random.Random(5)
        for _ in range(30):
            child = start_child(write_for_ever)
            time.sleep(dice.uniform(0.001, 0.02))
            os.kill(child, signal.SIGKILL)
            assert wait_for(child) == -signal.SIGKILL
            for key in keys:
                contents = store.load(key)[0][8:]
                assert len(set(contents)) == 1
                assert len(contents) in sizes
        assert len(entries(tmp_path)) == 4
        assert len(files(tmp_path)) <= 4 + 2 * 16
        for key in keys:
            store.set(key, stamped(), None)
        assert not [path for path in files(tmp_path) if path.suffix == ".tmp"]

    def test_readers_see_whole_values(self, store, tmp_path, clock):
        """A reader beside a writer finds one value or the next, never a part."""
        store.set("k", stamped(b"0" * 20_000), None)

        def write():
            mine = FileStore(tmp_path, clock=clock)
            for number in range(300):
                mine.set("k", stamped(b"%d" % (number % 10) * 20_000), None)

        child = start_child(write)
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            contents = store.load("k")[0][8:]
            assert contents == contents[:1] * 20_000

    def test_a_fork_while_locked(self, store):
        """A child made while another thread writes can write too, once that is done."""
        store.set("count", stamped(b"0"), None)
        writer = threading.Thread(target=count_up, args=(store, "count", 100))
        writer.start()
        children = [start_child(lambda: count_up(store, "count", 20)) for _ in range(3)]
        assert [wait_for(child) for child in children] == [0, 0, 0]
        writer.join()
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
            with pytest.raises(StoreUnavailable, match=r"a lock of the file store for 0\.01 s"):
                store.set("k", stamped(), None)
        store.set("k", stamped(), None)
        assert store.load("k")

    def test_threads_wait_no_longer_than_told(self, tmp_path):
        """A thread that waits for another one of the same store gives up too."""
        lock = FileLock(str(tmp_path / "lock"), patience=0.01)
        with lock, pytest.raises(StoreUnavailable), lock:
            pass
        with lock:
            pass

    def test_waiting(self, tmp_path):
        """Who waits goes on when the holder has left."""
        holder, waiter = (FileLock(str(tmp_path / "lock"), patience=10) for _ in range(2))
        order = []

        def wait():
            with waiter:
                order.append("waiter")

        with holder:
            thread = threading.Thread(target=wait)
            thread.start()
            thread.join(0.02)
            order.append("holder")
        thread.join()
        assert order == ["holder", "waiter"]

    def test_lock_file_removed(self, tmp_path):
        """A lock whose file was removed is taken on the file that others find."""
        one, other = (FileLock(str(tmp_path / "lock"), patience=0.01) for _ in range(2))
        with one:
            pass
        (tmp_path / "lock").unlink()
        with other, pytest.raises(StoreUnavailable), one:
            pass

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


def digit_of(key):
    """Give the first digit of the name of the key's file, which names its lock."""
    from hashlib import blake2b

    return blake2b(key.encode(), digest_size=20).hexdigest()[0]
