"""Beaker's ``dbm`` as a store of ours."""

from __future__ import annotations

import dbm.dumb
import errno
import os
import pickle
import stat
import time

import pytest
from beaker.container import DBMNamespaceManager

from pyramid_beakerish.errors import SettingsError, StoreUnavailable
from pyramid_beakerish.settings import StoreSettings, store_settings
from pyramid_beakerish.stores import open_store
from pyramid_beakerish.stores.beaker.dbm import DbmStore
from pyramid_beakerish.stores.file.sweep import REST
from pyramid_beakerish.stores.system.locks import FileLock
from pyramid_beakerish.testing import SessionSuite, StoreSuite
from pyramid_beakerish.testing.stores import count_up, stamped
from pyramid_beakerish.testing.together import Background, start_child, wait_for
from tests.file_help import files, fill
from tests.rivals import Boobytrap, planted


class TestDbm(StoreSuite):
    """With the module that Beaker takes: dbm.gnu, or dbm.dumb where there is none."""

    def make_store(self, clock, folder):
        return DbmStore(str(folder), clock=clock)


class TestBestDbm(StoreSuite):
    """With the module that Python takes here: sqlite3, gnu, ndbm or dumb."""

    def make_store(self, clock, folder):
        settings = store_settings(type="dbm", data_dir=str(folder), dbmmodule="dbm")
        return open_store(settings, clock)


class TestSessionsInDbm(SessionSuite):
    def settings(self, folder):
        return {"session.type": "dbm", "session.data_dir": str(folder)}


@pytest.fixture
def store(tmp_path, clock):
    store = DbmStore(str(tmp_path), None, dbm.dumb, clock)
    yield store
    store.close()


class Module:
    """A module for dbm files that fails when it is told to."""

    #: What each opening raises, the next one, and the next writing.
    error = damage = refusal = None

    def open(self, *arguments):
        damage, self.damage = self.damage, None
        if self.error or damage:
            raise self.error or damage
        refusal, self.refusal = self.refusal, None
        if refusal:
            return Refusing(dbm.dumb.open(*arguments), refusal)
        return dbm.dumb.open(*arguments)


class Refusing:
    """An open dbm file that takes no value."""

    def __init__(self, file, refusal):
        self.file = file
        self.refusal = refusal
        self.close = file.close

    def __getitem__(self, key):
        return self.file[key]

    def __setitem__(self, key, value):
        raise self.refusal


@pytest.fixture
def module():
    return Module()


@pytest.fixture
def fragile(tmp_path, clock, module):
    """A store whose module can be told to fail."""
    store = DbmStore(str(tmp_path), None, module, clock)
    yield store
    store.close()


def entry_files(folder):
    """Give the files that belong to entries."""
    return [path for path in files(folder) if path.suffix != ".lock"]


def stem(folder):
    """Give what a module is told to open for the one entry that is there."""
    (name,) = {path.name.partition(".")[0] for path in entry_files(folder)}
    return str(entry_files(folder)[0].parent / f"{name}.dbm")


class TestWhatIsRead:
    def test_a_planted_pickle(self, store, tmp_path, caplog):
        """A pickle that an intruder has put into a dbm file is not loaded: the key is absent."""
        store.set("k", stamped(), None)
        with dbm.dumb.open(stem(tmp_path), "w") as file:
            file[b"entry"] = planted(b"")
        assert store.load("k") is None
        assert not Boobytrap.sprung
        assert "was written by somebody else" in caplog.text
        assert store.create("k", stamped(b"new"), None)
        assert store.load("k")[0].endswith(b"new")

    def test_a_planted_entry_of_another_key(self, store, tmp_path):
        """An entry that was copied to another key's file is not that key's."""
        store.set("k", stamped(), None)
        with dbm.dumb.open(stem(tmp_path)) as file:
            data = file[b"entry"]
        store.delete("k")
        store.set("other", stamped(), None)
        with dbm.dumb.open(stem(tmp_path), "w") as file:
            file[b"entry"] = data
        assert store.load("other") is None

    def test_a_flipped_bit(self, store, tmp_path):
        """A value of which a single bit has changed is absent."""
        store.set("k", stamped(b"value"), None)
        with dbm.dumb.open(stem(tmp_path), "w") as file:
            file[b"entry"] = file[b"entry"].replace(b"value", b"valud")
        assert store.load("k") is None

    def test_damaged_files(self, store, tmp_path, caplog):
        """Files that no module can read are absent, and the next write makes them anew."""
        store.set("k", stamped(), None)
        for path in entry_files(tmp_path):
            path.write_bytes(b"\xff(no such index")
        assert store.load("k") is None
        assert "A dbm file is damaged" in caplog.text
        assert list(store.keys("")) == []
        store.set("k", stamped(b"new"), None)
        assert store.load("k")[0].endswith(b"new")

    def test_damage_that_is_an_error_of_the_system(self, fragile, module, caplog):
        """Damage is no fault of the disk where a module tells of it as dbm.gnu does."""
        fragile.set("k", stamped(), None)
        module.damage = OSError("Bad magic number")  # which has no number
        assert fragile.load("k") is None
        assert "A dbm file is damaged" in caplog.text
        module.damage = OSError("Malformed database file header")
        fragile.set("k", stamped(b"new"), None)
        assert fragile.load("k")[0].endswith(b"new")

    def test_damage_that_a_write_meets(self, fragile, module, caplog):
        """A file that can be opened but takes no value, as dbm.gnu knows it, is made anew."""
        fragile.set("k", stamped(), None)
        module.refusal = OSError("Database needs recovery")
        fragile.set("k", stamped(b"new"), None)
        assert fragile.load("k")[0].endswith(b"new")
        assert "A dbm file is damaged" in caplog.text

    def test_a_write_that_fails(self, fragile, module):
        """A disk that is full has no file removed: it is `StoreUnavailable`."""
        value = stamped(b"old")
        fragile.set("k", value, None)
        module.refusal = OSError(errno.ENOSPC, "No space left on device")
        with pytest.raises(StoreUnavailable, match="No space"):
            fragile.set("k", stamped(b"new"), None)
        assert fragile.load("k")[0] == value

    def test_damaged_files_are_swept(self, store, tmp_path):
        """A sweep removes what cannot be read."""
        store.set("k", stamped(), None)
        for path in entry_files(tmp_path):
            path.write_bytes(b"\xff(no such index")
        assert store.sweep() == 1
        assert entry_files(tmp_path) == []

    def test_looking_makes_no_file(self, store, tmp_path):
        """Who asks for a key that is not there leaves no file, unlike with Beaker itself."""
        assert store.load("k") is None
        assert store.load_many(["a", "b"]) == {}
        assert entry_files(tmp_path) == []

    def test_beside_beaker(self, store, tmp_path):
        """Beaker's own sessions in the same folder are other ones."""
        theirs = DBMNamespaceManager("k", dbm.dumb, str(tmp_path))
        theirs.acquire_write_lock()
        theirs["entry"] = {"whose": "Beaker's"}
        theirs.release_write_lock()
        assert store.load("k") is None
        value = stamped()
        store.set("k", value, None)
        assert list(store.keys("")) == ["k"]
        assert store.sweep() == 0
        theirs.acquire_read_lock()
        assert theirs["entry"] == {"whose": "Beaker's"}
        theirs.release_read_lock()
        assert store.load("k")[0] == value


class TestFiles:
    def test_private(self, store, tmp_path):
        """Nobody else can look into the folder, whatever the modules make the files' rights."""
        store.set("k", stamped(), None)
        assert stat.S_IMODE((tmp_path / "beakerish").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "beakerish" / "dbm").stat().st_mode) == 0o700

    def test_delete_leaves_no_file(self, store, tmp_path):
        """The files of an entry go with it, those of the module's backups too."""
        store.set("k", stamped(), None)
        store.set("k", stamped(b"x" * 5000), None)
        store.delete("k")
        assert entry_files(tmp_path) == []

    def test_few_lock_files(self, store, tmp_path):
        """However many entries there are, there are at most 17 lock files."""
        fill(store, "k", 60)
        assert len([path for path in files(tmp_path) if path.suffix == ".lock"]) <= 17

    def test_where(self, tmp_path, clock):
        """``dbm_dir`` and ``lock_dir`` tell the folders, as in Beaker; data_dir is not needed."""
        folders = {name: str(tmp_path / name) for name in ("dbm_dir", "lock_dir")}
        store = open_store(store_settings(type="dbm", **folders), clock)
        store.set("k", stamped(), None)
        assert entry_files(tmp_path / "dbm_dir")
        assert {path.suffix for path in files(tmp_path / "lock_dir")} == {".lock"}
        store.close()

    def test_without_a_folder(self):
        """The type dbm without a folder is a mistake in the settings."""
        with pytest.raises(SettingsError, match=r"^type = dbm needs data_dir, or dbm_dir and lock"):
            open_store(StoreSettings(type="dbm"))


class TestFailures:
    def test_an_error_of_the_system(self, fragile, module):
        """What the system refuses is `StoreUnavailable`, to each method, and ends by itself."""
        fragile.set("k", stamped(), None)
        module.error = OSError(28, "No space left on device", "/a/path/with/k")
        for work in (
            lambda: fragile.load("k"),
            lambda: fragile.create("k", stamped(), None),
            lambda: fragile.delete("k"),
            lambda: fragile.keys(""),
            lambda: fragile.sweep(),
        ):
            with pytest.raises(StoreUnavailable) as caught:
                work()
            assert str(caught.value) == (
                "Beaker's back end failed with builtins.OSError (No space left on device)"
            )
        module.error = None
        assert fragile.load("k")

    def test_a_sweep_that_fails(self, tmp_path, clock, caplog):
        """A write that is done is not undone by a failure to remove what has expired."""

        class ReadsNothing(Module):
            def open(self, name, flags):
                if flags == "r":
                    raise OSError(5, "Input/output error")
                return super().open(name, flags)

        store = DbmStore(str(tmp_path), None, ReadsNothing(), clock)
        store.set("k", stamped(), None)
        assert "Expired entries could not be removed" in caplog.text
        assert DbmStore(str(tmp_path), None, dbm.dumb, clock).load("k")

    def test_folder_is_a_file(self, tmp_path, clock):
        """A folder that cannot be made is `StoreUnavailable`, and no path is told."""
        (tmp_path / "beakerish").write_text("")
        store = DbmStore(str(tmp_path), None, dbm.dumb, clock)
        store.prepare()
        with pytest.raises(StoreUnavailable) as caught:
            store.load("k")
        assert str(tmp_path) not in str(caught.value)

    def test_others_wait_no_longer_than_told(self, tmp_path, clock):
        """A process that was stopped while it wrote does not stop the others for ever."""
        store = DbmStore(str(tmp_path), None, dbm.dumb, clock, patience=0.01)
        store.set("k", stamped(), None)
        (lock,) = tmp_path.rglob("dbm-?.lock")
        with FileLock(str(lock), patience=1):
            with pytest.raises(StoreUnavailable):
                store.set("k", stamped(), None)
            with pytest.raises(StoreUnavailable):
                store.load("k")
        assert store.load("k")
        store.close()


class TestSweeping:
    def test_writes_sweep(self, store, tmp_path, clock):
        """Writing removes, a few at a time, what has expired."""
        fill(store, "old", 30, ttl=60)
        clock.advance(REST)
        fill(store, "new", 2)
        assert sorted(store.keys("")) == ["new0", "new1"]
        assert len({path.name.partition(".")[0] for path in entry_files(tmp_path)}) < 30
        fill(store, "new", 30)
        assert len({path.name.partition(".")[0] for path in entry_files(tmp_path)}) == 30

    def test_what_was_written_meanwhile_stays(self, tmp_path, clock):
        """An entry that is extended while a sweep has judged it expired is not removed."""
        renewed = []

        class Renewing(DbmStore):
            def _excluding_others(self, name):
                if not renewed:
                    renewed.append(name)
                    DbmStore(str(tmp_path), None, dbm.dumb, clock).set("k", stamped(b"new"), None)
                return super()._excluding_others(name)

        DbmStore(str(tmp_path), None, dbm.dumb, clock).set("k", stamped(), 60)
        clock.advance(60)
        assert Renewing(str(tmp_path), None, dbm.dumb, clock).sweep() == 0
        assert renewed
        assert DbmStore(str(tmp_path), None, dbm.dumb, clock).load("k")


class TestProcesses:
    def test_no_swap_is_lost(self, store, tmp_path, clock):
        """When 4 processes count by swapping, no count is lost."""
        store.set("count", stamped(b"0"), None)
        path = str(tmp_path)
        children = [
            start_child(lambda: count_up(DbmStore(path, None, dbm.dumb, clock), "count", 25))
            for _ in range(2)
        ]
        # These two use their parent's store, whose lock files are already open.
        children += [start_child(lambda: count_up(store, "count", 25)) for _ in range(2)]
        assert [wait_for(child) for child in children] == [0] * 4
        assert store.load("count")[0][8:] == b"100"

    def test_a_fork_while_another_thread_writes(self, store):
        """A child made while another thread writes can write too."""
        store.set("count", stamped(b"0"), None)
        writer = Background(count_up, store, "count", 50)
        children = [start_child(lambda: count_up(store, "count", 10)) for _ in range(3)]
        assert [wait_for(child) for child in children] == [0, 0, 0]
        writer.result()
        assert store.load("count")[0][8:] == b"80"

    def test_a_killed_writer(self, store, tmp_path, clock):
        """A process that is killed while it writes leaves a whole value or none, and no lock."""

        def write_for_ever():
            number = 0
            while True:
                number += 1
                digit = b"%d" % (number % 10)
                store.set("k", stamped(digit * (number % 3000)), None)

        for _ in range(5):
            child = start_child(write_for_ever)
            try:
                deadline = time.monotonic() + 10
                while store.load("k") is None:  # until it is at work
                    assert time.monotonic() < deadline
            finally:
                os.kill(child, 9)
                wait_for(child)
            found = store.load("k")
            assert found is None or len(set(found[0][8:])) <= 1
            store.delete("k")
        assert store.create("k", stamped(), None)


def test_beaker_itself_unpickles(tmp_path):
    """What this store is careful about is real: Beaker's manager loads what it finds."""
    theirs = DBMNamespaceManager("k", dbm.dumb, str(tmp_path))
    theirs.acquire_write_lock()
    theirs.dbm["entry"] = pickle.dumps([1, 2])
    assert theirs["entry"] == [1, 2]
    theirs.release_write_lock()
