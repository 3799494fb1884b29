"""The file store: the contract, and what disks and umasks do to it."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import stat
from contextlib import contextmanager

import pytest
from hypothesis import settings

from pyramid_beakerish.errors import StoreUnavailable
from pyramid_beakerish.stores.file import FileStore
from pyramid_beakerish.stores.folders import make_private_folder
from pyramid_beakerish.testing import FrozenClock, StoreSuite
from pyramid_beakerish.testing.stores import stamped
from tests.file_help import HOUR, entries, files, fill
from tests.store_machine import StoreMachine


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

    def test_fsync_where_folders_cannot_be_opened(self, tmp_path, clock, monkeypatch):
        """On Windows, which opens no folder, a write waits for the file alone."""
        synced = []
        monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd)))
        monkeypatch.delattr(os, "O_DIRECTORY")
        store = FileStore(tmp_path, fsync=True, clock=clock)
        store.set("k", stamped(), None)
        assert store.delete("k")
        assert {stat.S_ISDIR(found.st_mode) for found in synced} == {False}

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
