"""The file store: the contract, and what disks and umasks do to it."""

from __future__ import annotations

import logging
import math
import os
import shutil
import stat

import pytest
from hypothesis import settings

from pyramid_beakerish.errors import StoreUnavailable
from pyramid_beakerish.stores.file.entry import FRAME_SIZE, HEADER_SIZE, pack
from pyramid_beakerish.stores.file.store import FileStore
from pyramid_beakerish.stores.system.folders import make_private_folder
from pyramid_beakerish.testing import StoreSuite
from pyramid_beakerish.testing.stores import stamped
from tests.file_help import HOUR, entries, files, fill, largest_file, umask
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
TestAnySequence.settings = settings(max_examples=40, stateful_step_count=30)


@pytest.fixture
def store(tmp_path, clock):
    store = FileStore(tmp_path, clock=clock)
    yield store
    store.close()


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
        assert 0 < len(files(tmp_path / "locks")) <= 17
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
        store.set("k", stamped(b"x" * 20_000), None)
        store.delete("k")
        names = [stat.S_ISDIR(found.st_mode) for found in synced]
        assert names == [False, False, True, True]  # in place, as a new file, and removed

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


class TestRoom:
    """A value that fits is written into the file that is there, any other into a new one."""

    def inode(self, tmp_path):
        (path,) = entries(tmp_path)
        return path.stat().st_ino

    def write(self, store, tmp_path, size):
        """Store a value of that size; give whether the file was written in place."""
        before = self.inode(tmp_path)
        with (tmp_path / "another").open("wb"):  # takes the number of a file that was replaced
            value = stamped(b"x" * size)
            assert store.swap("k", store.load("k")[1], value, None)
        assert store.load("k")[0] == value
        return self.inode(tmp_path) == before

    @pytest.mark.parametrize("size", [0, 100, 400, 2000])
    def test_growing(self, store, tmp_path, size):
        """A small value has room to grow by half, and at least to 200 bytes."""
        store.set("k", stamped(b"x" * size), None)
        assert self.write(store, tmp_path, size)
        assert self.write(store, tmp_path, max(200, size * 3 // 2))
        assert not self.write(store, tmp_path, size * 2 + 300)
        assert self.write(store, tmp_path, (size * 2 + 300) * 3 // 2)

    def test_shrinking(self, store, tmp_path):
        """A value that shrinks stays in its file, and may grow again."""
        store.set("k", stamped(b"x" * 3000), None)
        assert all(self.write(store, tmp_path, size) for size in (10, 3000, 0, 0, 200, 2000))

    @pytest.mark.parametrize("size", range(8000, 8200, 7))
    def test_small_or_large(self, store, size):
        """Around the size from which there is no room beside a value, values change too."""
        sizes = (size, size + 1, size - 1, size + 8300, size)
        for each in sizes:
            value = stamped(b"x" * each)
            store.set("k", value, None)
            assert store.load("k")[0] == value

    @pytest.mark.parametrize("size", [16_300, 200_000])
    def test_large_values(self, store, tmp_path, size):
        """A large value takes no more room than it needs, and is replaced at each write."""
        store.set("k", stamped(b"x" * size), None)
        assert not self.write(store, tmp_path, size)
        assert entries(tmp_path)[0].stat().st_size < size + 200
        assert not self.write(store, tmp_path, 10)
        assert entries(tmp_path)[0].stat().st_size < 1000

    @pytest.mark.parametrize("size", [10, 3000])
    def test_an_expired_entry(self, store, tmp_path, clock, size):
        """What takes the place of an expired entry is written as any other."""
        store.set("k", stamped(b"x" * 20), 60)
        clock.advance(60)
        value = stamped(b"y" * size)
        assert store.create("k", value, 60) is True
        assert store.load("k")[0] == value
        assert len(entries(tmp_path)) == 1


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

    def check_present(self, store, value):
        """Every method finds the value, and the next ones are stored as ever."""
        assert store.load("k") == (value, value[:8])
        assert list(store.keys("")) == ["k"]
        assert store.create("k", stamped(), None) is False
        for _ in range(3):
            following = stamped(b"following")
            assert store.swap("k", store.load("k")[1], following, None) is True
            assert store.load("k")[0] == following

    def written(self, store, tmp_path, writes):
        """Write so often to the entry k; give its file and the values."""
        values = [stamped(b"contents %d" % number) for number in range(writes)]
        for value in values:
            store.set("k", value, None)
        (path,) = entries(tmp_path)
        return path, values

    @pytest.mark.parametrize("writes", [1, 2, 3])
    def test_cut_off_at_any_length(self, store, tmp_path, writes):
        """A file that is empty or cut off anywhere is absent to every method."""
        path, _ = self.written(store, tmp_path, writes)
        whole = path.read_bytes()
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            self.check_absent(store, tmp_path)

    @pytest.mark.parametrize("writes", [1, 2, 3])
    def test_a_changed_byte(self, store, tmp_path, writes):
        """A file of which a byte has changed holds the last value or the one before it, if any."""
        path, values = self.written(store, tmp_path, writes)
        whole = path.read_bytes()
        unharmed = 0
        for position in range(len(whole)):
            changed = bytearray(whole)
            changed[position] ^= 1 << position % 8
            path.write_bytes(changed)
            found = store.load("k")
            if found is None:
                assert writes == 1
                self.check_absent(store, tmp_path)
            else:
                assert found[0] in values[-2:]
                self.check_present(store, found[0])
                unharmed += found[0] == values[-1]
        record = 36 + len(b"k") + len(values[-1])
        assert unharmed == len(whole) - record

    def test_everything_changed(self, store, tmp_path):
        """A file of which both records have changed is absent to every method."""
        path, values = self.written(store, tmp_path, 2)
        whole = path.read_bytes()
        for position in range(36 + len(b"k") + len(values[0])):
            changed = bytearray(whole)
            changed[position] ^= 1
            changed[position + len(whole) // 2] ^= 1
            path.write_bytes(changed)
            self.check_absent(store, tmp_path)

    def test_a_large_file(self, store, tmp_path):
        """A large file that was cut off or changed is absent to every method."""
        value = stamped(bytes(range(256)) * 80)
        for position in (0, 5, 40, 1000, 16_383, 16_384, 20_000, -1):
            store.set("k", value, None)
            (path,) = entries(tmp_path)
            changed = bytearray(path.read_bytes())
            changed[position] ^= 1
            path.write_bytes(changed)
            self.check_absent(store, tmp_path)
            store.set("k", value, None)
            path.write_bytes(path.read_bytes()[:position])
            self.check_absent(store, tmp_path)

    def test_another_file(self, store, tmp_path):
        """A file that was put in the place of another one is not taken for it."""
        store.set("other", stamped(b"contents"), None)
        (other,) = entries(tmp_path)
        whole = other.read_bytes()
        store.delete("other")
        path, _ = self.written(store, tmp_path, 2)
        path.write_bytes(whole)
        assert store.load("k") is None
        assert store.create("k", stamped(), None) is True

    def test_another_record(self, store, tmp_path):
        """A record that was put into another file is not taken for one of that file."""
        store.set("o", stamped(b"contents o"), None)
        store.set("o", stamped(b"contents o"), None)
        whole = entries(tmp_path)[0].read_bytes()
        store.delete("o")
        path, values = self.written(store, tmp_path, 1)
        half = len(whole) // 2
        path.write_bytes(path.read_bytes()[:half] + whole[half:])
        assert store.load("k")[0] == values[0]
        assert store.swap("k", store.load("k")[1], stamped(), None) is True
        assert list(store.keys("")) == ["k"]

    def test_a_record_in_a_value(self, store, tmp_path):
        """What a visitor writes into a value is not taken for a record of the file's, ever."""
        middle, size, forged = 15_000, 30_000, pack(b"k", stamped(b"forged"), math.inf, 9, 30_000)
        before = stamped(b"x" * (middle - HEADER_SIZE - len(b"k") - 8)) + forged
        store.set("k", before.ljust(size - FRAME_SIZE - len(b"k"), b"x"), None)
        (path,) = entries(tmp_path)
        whole = path.read_bytes()
        assert whole[middle:].startswith(forged)
        assert len(whole) == size
        path.write_bytes(b"?" + whole[1:])
        self.check_absent(store, tmp_path)

    def test_another_format(self, store, tmp_path, monkeypatch):
        """A file that another version of this package wrote in another format is absent."""
        with monkeypatch.context() as other_version:
            other_version.setattr("pyramid_beakerish.stores.file.entry.MAGIC", b"BKR9")
            self.written(store, tmp_path, 2)
        self.check_absent(store, tmp_path)

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
        store.set("secret-key", stamped(b"secret-contents"), None)
        assert store.load("secret-key")
        assert len(caplog.records) == 1
        assert path.name not in record.getMessage()

    def test_damaged_again(self, store, tmp_path, caplog):
        """A file that was made anew and is damaged once more is another line in the log."""
        for times in (1, 2):
            store.set("k", stamped(), None)
            (path,) = entries(tmp_path)
            path.write_bytes(b"")
            assert store.load("k") is None
            assert len(caplog.records) == times

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

    def test_disk_full_in_place(self, store, tmp_path):
        """A write into the file that is there leaves the old value too if it is refused."""
        store.set("k", stamped(b"first"), None)
        (path,) = entries(tmp_path)
        size = path.stat().st_size
        for room in range(0, 50, 7):
            store.set("k", stamped(), None)
            store.set("k", stamped(), None)  # into one half and the other
            value, token = store.load("k")
            with largest_file(size // 2 + room):
                try:
                    store.set("k", stamped(b"new"), None)
                except StoreUnavailable:
                    assert store.load("k") == (value, token)
                else:
                    with pytest.raises(StoreUnavailable, match="EFBIG"):
                        store.set("k", stamped(b"newer"), None)
                    assert store.load("k")[0].endswith(b"new")
            assert store.swap("k", store.load("k")[1], stamped(), None) is True

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

    def test_a_link_that_leads_nowhere(self, tmp_path, clock):
        """A folder on a disk that is not mounted is unavailable, at the start and later."""
        link = tmp_path / "disk"
        link.symlink_to(tmp_path / "not mounted")
        for data_dir in (link, link / "data"):
            store = FileStore(data_dir, clock=clock)
            assert store.load("k") is None
            for call in (store.prepare, lambda store=store: store.set("k", stamped(), None)):
                with pytest.raises(StoreUnavailable, match="ENOENT"):
                    call()
            with pytest.raises(StoreUnavailable, match=r"disk is a link to a missing folder$"):
                store.inspect()

    def test_prepare(self, tmp_path, clock, monkeypatch):
        """To prepare the store makes its folders to stay, or names the one that cannot be had."""
        synced = set()
        monkeypatch.setattr(os, "fsync", lambda fd: synced.add(os.fstat(fd).st_ino))
        FileStore(tmp_path / "data", tmp_path / "locks", clock=clock).prepare()
        assert {path.name for path in tmp_path.iterdir()} == {"data", "locks"}
        assert {os.stat(path).st_ino for path in (tmp_path / "data", tmp_path)} <= synced
        (tmp_path / "mistake").write_bytes(b"")
        with pytest.raises(StoreUnavailable) as caught:
            FileStore(tmp_path / "data", tmp_path / "mistake", clock=clock).prepare()
        assert str(caught.value) == (
            f"the file store's folder {tmp_path}/mistake/beakerish cannot be used: "
            "Not a directory (ENOTDIR)"
        )
        (tmp_path / "beakerish").write_bytes(b"")
        with pytest.raises(StoreUnavailable, match=f"folder {tmp_path}/beakerish cannot be used"):
            FileStore(tmp_path, clock=clock).prepare()

    def test_a_drive_that_is_not_there(self):
        """Where there is no folder above that could be made, that is the system's error."""
        with pytest.raises(FileNotFoundError):
            make_private_folder("")

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

    @pytest.mark.parametrize("temporary", [True, False])
    def test_a_link_to_a_file_of_others(self, store, tmp_path, temporary):
        """Nothing is written through a link that stands where a file of the store would be."""
        store.set("k", stamped(bytes(40_000)), None)
        (path,) = entries(tmp_path)
        victim = tmp_path / "victim"
        path.replace(victim)
        before = victim.read_bytes()
        if temporary:
            path.write_bytes(before)
            path = tmp_path / "beakerish" / f"{path.name[0]}.tmp"
        path.symlink_to(victim)
        with pytest.raises(StoreUnavailable, match="ELOOP"):
            store.set("k", stamped(bytes(40_000)), None)
        assert victim.read_bytes() == before

    def test_a_pipe_in_the_way(self, store, tmp_path):
        """A named pipe where a file should be is taken for damage, and nobody waits for it."""
        store.set("key", stamped(), None)
        (path,) = entries(tmp_path)
        path.unlink()
        os.mkfifo(path)
        assert store.load("key") is None
        assert list(store.keys("")) == []
        with pytest.raises(StoreUnavailable):
            store.set("key", stamped(), None)
        store.sweep()
        store.set("key", stamped(b"again"), None)
        assert store.load("key")[0].endswith(b"again")

    def test_inspected(self, tmp_path, clock):
        """A folder to be made is told of, and a file in its place is an error."""
        store = FileStore(tmp_path, clock=clock)
        assert store.inspect()["absent"] == "The folder is made when the application starts."
        (tmp_path / "beakerish").write_bytes(b"")
        with pytest.raises(StoreUnavailable, match="ENOTDIR"):
            store.inspect()

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
