"""The sqlite store: the contract, its file, and what disks and other programs do to that."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from pyramid_beakerish.errors import SettingsError, StoreError, StoreUnavailable
from pyramid_beakerish.settings import StoreSettings
from pyramid_beakerish.stores import open_store
from pyramid_beakerish.stores.sqlite import store as sqlite
from pyramid_beakerish.stores.sqlite.store import SqliteStore
from pyramid_beakerish.testing import FrozenClock, StoreSuite
from pyramid_beakerish.testing.stores import stamped
from pyramid_beakerish.testing.together import in_threads, start_child, wait_for
from tests import sqlite_help
from tests.file_help import files, fill, largest_file, open_files, umask
from tests.store_machine import StoreMachine


class TestContract(StoreSuite):
    def make_store(self, clock, folder):
        return SqliteStore(folder / "entries.db", clock=clock)


class TestContractWithFsync(StoreSuite):
    def make_store(self, clock, folder):
        return SqliteStore(folder / "data" / "entries.db", folder / "locks", True, clock)


class SqliteMachine(StoreMachine):
    def make_store(self, clock, folder):
        return SqliteStore(folder / "entries.db", clock=clock)


TestAnySequence = SqliteMachine.TestCase
TestAnySequence.settings = settings(max_examples=20, stateful_step_count=30)


path, raw = sqlite_help.path, sqlite_help.raw


@pytest.fixture
def store(path, clock):
    store = SqliteStore(path, clock=clock)
    yield store
    store.close()


class TestFile:
    @pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
    def test_modes(self, tmp_path, clock, mask):
        """Folders are 0700 and all files 0600, whatever the umask."""
        with umask(mask):
            store = SqliteStore(tmp_path / "data" / "a.db", tmp_path / "locks", clock=clock)
            store.set("k", stamped(), None)
        modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in tmp_path.rglob("*")}
        assert modes == {(True, 0o700), (False, 0o600)}
        names = {path.name for path in files(tmp_path)}
        assert names == {"a.db", "a.db-wal", "a.db-shm", "sqlite.lock"}
        store.close()

    def test_one_file_when_closed(self, store, path, clock):
        """A store that is closed leaves one file, which is the whole store, and its lock."""
        store.set("k", stamped(b"v"), None)
        store.close()
        assert [each.name for each in files(path.parent)] == ["entries.db", "entries.db.lock"]
        copy = path.with_name("copy.db")
        shutil.copy(path, copy)
        restored = SqliteStore(copy, clock=clock)
        assert restored.load("k")[0].endswith(b"v")
        restored.close()

    def test_another_working_directory(self, tmp_path, clock, monkeypatch):
        """A relative path stays where it was when the process goes elsewhere."""
        monkeypatch.chdir(tmp_path)
        store = SqliteStore("data.db", clock=clock)
        monkeypatch.chdir("/")
        store.prepare()
        store.close()
        assert (tmp_path / "data.db").is_file()

    def test_prepared(self, store, path):
        """Preparing makes the file, and leaves nothing open that a fork could inherit."""
        store.prepare()
        assert path.is_file()
        assert not any(name.startswith(str(path)) for name in open_files() if "lock" not in name)

    @pytest.mark.parametrize(("fsync", "level"), [(False, 1), (True, 2)])
    def test_fsync(self, path, clock, fsync, level, monkeypatch):
        """With fsync SQLite waits for the disk at each write (synchronous = FULL)."""
        levels = []
        real = sqlite3.connect

        class Watched(sqlite3.Connection):
            def close(self):
                levels.append(self.execute("PRAGMA synchronous").fetchone()[0])
                super().close()

        monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, factory=Watched, **k))
        store = SqliteStore(path, fsync=fsync, clock=clock)
        store.set("k", stamped(), None)
        store.close()
        assert levels == [level]

    def test_names_are_kept(self, tmp_path, clock, monkeypatch):
        """A power cut takes away neither the file that was made nor the folder it is in."""
        kept = []
        monkeypatch.setattr(os, "fsync", lambda fd: kept.append(os.readlink(f"/proc/self/fd/{fd}")))
        folder = tmp_path / "data"
        SqliteStore(folder / "entries.db", tmp_path / "locks", clock=clock).load("k")
        assert kept[-2:] == [str(tmp_path), str(folder)]

    def test_no_warning_at_exit(self, path):
        """A process that ends, or drops a store, without closing it leaves nothing open."""
        code = f"""if True:
            from pyramid_beakerish.stores.sqlite.store import SqliteStore
            dropped, kept = SqliteStore({str(path)!r}), SqliteStore({str(path)!r})
            dropped.set("k", b"12345678", None)
            kept.set("k", b"12345678", None)
            del dropped
        """
        command = [sys.executable, "-W", "error::ResourceWarning", "-c", code]
        ended = subprocess.run(command, capture_output=True, timeout=60, check=False)
        assert ended.returncode == 0
        assert b"unclosed" not in ended.stderr
        assert [each.name for each in files(path.parent)] == ["entries.db", "entries.db.lock"]


#: Steps that read what a statement was given, or has found before, and not the table.
GIVEN_KEYS = re.compile(
    r"LIST SUBQUERY .*|CO-ROUTINE wanted|SCAN wanted|SCAN 2( CONSTANT ROWS|-ROW VALUES CLAUSE)"
).fullmatch


class TestStatements:
    @pytest.mark.parametrize(
        "statement",
        [
            *(sqlite.LOAD, sqlite.LOAD_MANY.format("(?), (?)"), sqlite.SWAP, sqlite.DELETE),
            *(sqlite.DELETE_UNCHANGED, sqlite.KEYS, sqlite.DELETE_EXPIRED),
        ],
    )
    def test_none_reads_the_whole_table(self, raw, statement):
        """Each statement finds its rows by an index, so that it takes no longer with many rows."""
        parameters = [0] * statement.count("?")
        plan = raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
        steps = [step for *_, step in plan if not GIVEN_KEYS(step)]
        assert steps
        assert all(step.startswith("SEARCH beakerish_store USING") for step in steps)

    def test_one_statement_loads_many(self, store, clock):
        """As many keys as anybody asks for are found, one statement for each 500."""
        fill(store, "k", 1100)
        keys = [f"k{number}" for number in range(1200)]
        assert sorted(store.load_many(iter(keys))) == sorted(keys[:1100])

    def test_many_keys(self, store):
        """Keys are listed to the last, however many there are, while others change the store."""
        fill(store, "k", 1000)
        fill(store, "l", 10)
        listed = []
        for key in store.keys("k"):
            listed.append(key)
            store.delete(key)
        assert sorted(listed) == sorted(f"k{number}" for number in range(1000))
        assert len(list(store.keys(""))) == 10

    def test_unpaired_surrogates(self, store):
        """A key that no encoding knows is a key like any other."""
        value = stamped()
        store.set("\ud800x", value, None)
        assert store.load("\ud800x")[0] == value
        assert list(store.keys("\ud800")) == ["\ud800x"]

    def test_threads_have_connections_of_their_own(self, store):
        """Threads that read while others write get whole values, none waits for another's lock."""
        store.set("k", stamped(b"x" * 5000), None)

        def work(number):
            for _ in range(50):
                store.set("k", stamped(b"%d" % number * 5000), None)
                assert len(set(store.load("k")[0][8:])) == 1

        in_threads(8, work)
        assert store.load("k")


class TestSweeping:
    def test_writes_together_sweep_all(self, store, raw, clock):
        """Each write removes at most 20 expired entries, and some writes all of them."""
        fill(store, "old", 90, ttl=60)
        clock.advance(61)
        counts = []
        for _ in range(6):
            store.set("new", stamped(), None)
            counts += raw.execute("SELECT count(*) FROM beakerish_store").fetchone()
        assert counts == [71, 51, 31, 11, 1, 1]

    def test_in_small_batches(self, store, raw, clock):
        """A sweep removes all that has expired and nothing else, in transactions of 100."""
        raw.execute("BEGIN")
        row = "INSERT INTO beakerish_store VALUES (?, ?, ?)"
        raw.executemany(row, ((b"%d" % n, clock() + n, stamped()) for n in range(1000)))
        raw.execute("COMMIT")
        clock.advance(549)
        assert store.sweep() == 550
        assert store.sweep() == 0
        assert len(list(store.keys(""))) == 450

    def test_others_write_meanwhile(self, store, path, clock):
        """A write beside a long sweep waits no longer than a small batch takes."""
        fill(store, "old", 2000, ttl=60)
        clock.advance(61)
        other = SqliteStore(path, clock=clock, patience=1)
        child = start_child(store.sweep)
        for _ in range(20):
            other.set("k", stamped(), None)
        assert wait_for(child) == 0
        other.close()
        assert list(store.keys("")) == ["k"]

    @pytest.mark.parametrize(
        "failure", ["SELECT no_such_column FROM beakerish_store", "SELECT RAISE(ABORT, 'no')"]
    )
    def test_it_fails_after_the_write(self, store, raw, clock, caplog, failure):
        """A write that succeeded does so whatever the sweeping after it meets."""
        fill(store, "old", 3, ttl=60)
        raw.execute(f"CREATE TRIGGER no BEFORE DELETE ON beakerish_store BEGIN {failure}; END")
        clock.advance(61)
        store.set("new", stamped(), None)
        assert list(store.keys("")) == ["new"]
        (record,) = caplog.records
        assert record.getMessage().startswith("Expired entries could not be removed: the sqlite")


class TestRemoved:
    @pytest.mark.parametrize("what", ["file", "folder"])
    def test_while_in_use(self, tmp_path, clock, what):
        """Where the file is removed, all who use it meet in a new one, at most a second later."""
        place = tmp_path / "data" / "entries.db"
        one, other = (SqliteStore(place, clock=clock) for _ in range(2))
        one.set("old", stamped(), None)
        assert other.load("old")
        place.unlink() if what == "file" else shutil.rmtree(place.parent)
        clock.advance(1)
        assert one.load("old") is None
        value = stamped()
        one.set("new", value, None)
        assert other.load("new")[0] == value
        assert other.load("old") is None
        other.set("newer", stamped(), None)
        for store in (one, other):
            store.close()
        assert sorted(one.keys("")) == ["new", "newer"]
        one.close()

    def test_replaced_by_a_backup(self, store, path, clock):
        """Where another file takes its place, that one is used, at most a second later."""
        store.set("k", stamped(b"backup"), None)
        store.close()
        shutil.copy(path, path.with_name("backup"))
        store.set("k", stamped(b"later"), None)
        store.close()
        store.load("k")
        for beside in ("-wal", "-shm"):
            path.with_name(path.name + beside).unlink()
        path.with_name("backup").replace(path)
        clock.advance(1)
        assert store.load("k")[0].endswith(b"backup")

    def test_restored_while_in_use(self, store, raw, path, clock):
        """A backup that SQLite itself puts back is seen at once by all who use the file."""
        backup, other = sqlite3.connect(":memory:"), SqliteStore(path, clock=clock)
        store.set("k", stamped(b"backup"), None)
        raw.backup(backup)
        store.set("k", stamped(b"later"), None)
        assert other.load("k")[0].endswith(b"later")
        backup.backup(raw)
        for one in (store, other):
            assert one.load("k")[0].endswith(b"backup")
            one.close()
        backup.close()


class TestDamage:
    def damaged(self, path, content):
        path.write_bytes(content)
        return SqliteStore(path)

    def test_no_database(self, path):
        """A file that is no database is an error that says what to do, and is left alone."""
        content = b"the only copy of a thesis" * 100
        store = self.damaged(path, content)
        for call in (store.prepare, lambda: store.load("secret"), store.sweep):
            with pytest.raises(StoreError, match="move the file away") as caught:
                call()
            assert not isinstance(caught.value, StoreUnavailable)
            assert "secret" not in str(caught.value)
            assert caught.value.__suppress_context__
        assert path.read_bytes() == content
        path.rename(path.with_name("thesis"))
        assert store.create("k", stamped(), None) is True
        store.close()

    def test_an_empty_file(self, path):
        """A file of no bytes, as a full disk may leave it, becomes an empty store."""
        store = self.damaged(path, b"")
        assert store.load("k") is None
        assert store.create("k", stamped(), None) is True
        store.close()

    def test_cut_off(self, store, path):
        """Of a file that is cut off, whole entries are found; where one was, it is an error."""
        values = {f"k{number}": stamped(b"x" * 300) for number in range(60)}
        for key, value in values.items():
            store.set(key, value, None)
        store.close()
        whole = path.read_bytes()
        for share in (0.1, 0.5, 0.9):
            path.write_bytes(whole[: int(len(whole) * share)])
            refused = 0
            for key, value in values.items():
                try:
                    found = store.load(key)
                except StoreError:
                    refused += 1
                else:
                    assert found == (value, value[:8])
            assert refused

    def test_overwritten(self, store, path):
        """A file whose beginning alone is whole is an error that says what to do."""
        fill(store, "k", 60)
        store.close()
        whole = path.read_bytes()
        path.write_bytes(whole[:1024].ljust(len(whole), b"?"))
        with pytest.raises(StoreError, match=r"is damaged.*move the file away"):
            store.load("k1")

    def test_another_programs_database(self, path, clock):
        """In a database of somebody else's the store has a table of its own."""
        other = sqlite3.connect(path)
        with other:
            other.execute("CREATE TABLE entries (id)")
        other.close()
        store = SqliteStore(path, clock=clock)
        store.set("k", stamped(), None)
        assert list(store.keys("")) == ["k"]
        store.close()

    @pytest.mark.parametrize("value", [b"", b"short"])
    def test_a_value_without_a_write_id(self, store, value):
        """What another program has emptied can be replaced and removed: nobody tries for ever."""
        store.set("k", value, None)
        assert store.swap("k", store.load("k")[1], value, None)
        assert store.delete("k", store.load("k")[1])

    def test_a_table_of_that_name(self, path, clock):
        """A table that is not ours but has the name is an error, and is left alone."""
        other = sqlite3.connect(path)
        with other:
            other.execute("CREATE TABLE beakerish_store (id)")
        other.close()
        with pytest.raises(StoreError, match="no such column: expires"):
            SqliteStore(path, clock=clock).prepare()

    def test_a_statement_that_is_refused(self, raw, store):
        """What SQLite refuses for another reason is an error without the contents."""
        raw.execute(
            "CREATE TRIGGER no BEFORE INSERT ON beakerish_store"
            " BEGIN SELECT RAISE(ABORT, 'not today'); END"
        )
        with pytest.raises(StoreError, match=r"refused a statement: not today$"):
            store.set("k", stamped(b"secret"), None)


class TestUnavailable:
    def test_disk_full(self, store, path):
        """A write that the disk refuses leaves the old value, and the store goes on after it."""
        store.set("k", stamped(), None)
        value, token = store.load("k")
        large = stamped(b"x" * 400_000)
        with largest_file(200_000):
            for write in (
                lambda: store.set("k", large, None),
                lambda: store.swap("k", token, large, None),
                lambda: store.create("new", large, None),
            ):
                with pytest.raises(StoreUnavailable, match="the sqlite store's file cannot be"):
                    write()
            assert store.load("k") == (value, token)
        assert store.swap("k", token, large, None) is True
        assert store.load("new") is None

    def test_the_system_cannot_tell(self, store, path, clock, monkeypatch):
        """Where the system fails to tell whether the file is there, its log is left alone."""
        store.set("k", stamped(b"in the log"), None)

        def stat(*args, **kwargs):
            raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as broken:
            broken.setattr(os, "stat", stat)
            with pytest.raises(StoreUnavailable, match="EIO"):
                SqliteStore(path, clock=clock).load("k")
        assert SqliteStore(path, clock=clock).load("k")[0].endswith(b"in the log")

    def test_another_writer(self, store, raw, path, clock):
        """Who waits for another writer gives up in time; readers do not wait at all."""
        store.set("k", stamped(), None)
        impatient = SqliteStore(path, clock=clock, patience=0.01)
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="database is locked"):
            impatient.set("k", stamped(), None)
        assert impatient.load("k")
        raw.execute("ROLLBACK")
        impatient.set("k", stamped(), None)
        impatient.close()

    def test_no_folder(self, tmp_path, clock):
        """A path below a file is an error in the system's words that names no file."""
        (tmp_path / "data").write_bytes(b"")
        store = SqliteStore(tmp_path / "data" / "entries.db", clock=clock)
        with pytest.raises(StoreUnavailable) as caught:
            store.load("secret")
        assert str(caught.value) == (
            "the sqlite store's folder cannot be used: Not a directory (ENOTDIR)"
        )
        with pytest.raises(StoreUnavailable, match=re.escape(f"folder {tmp_path}")):
            store.prepare()  # at the start, where who sets it up must know

    def test_a_folder_in_the_way(self, path, clock):
        """A path that is a folder is an error."""
        path.mkdir()
        with pytest.raises(StoreUnavailable, match="unable to open database file"):
            SqliteStore(path, clock=clock).load("k")

    @pytest.mark.parametrize("what", ["file", "folder"])
    def test_read_only(self, clock, what):
        """A file or folder that may only be read is an error, at every write."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "entries.db"
            os.chmod(folder, 0o755)

            def write_as_nobody():
                if os.getuid() == 0:  # who may write anywhere
                    os.setgid(65534)
                    os.setuid(65534)
                with pytest.raises(StoreUnavailable, match=r"Permission denied|readonly"):
                    SqliteStore(path, clock=clock).set("k", stamped(), None)

            if what == "file":
                SqliteStore(path, clock=clock).prepare()
                for each, mode in ((folder, 0o777), (path, 0o444), (f"{path}.lock", 0o666)):
                    os.chmod(each, mode)
            else:
                os.chmod(folder, 0o555)
            assert wait_for(start_child(write_as_nobody)) == 0

    def test_an_error_of_the_callers(self, store):
        """An error that is not SQLite's passes, and its connection is closed."""
        store.set("k", stamped(), None)
        with pytest.raises(OverflowError):
            store.swap("k", 2**64, stamped(), None)
        assert not any(name.endswith("entries.db") for name in open_files())
        assert store.load("k")


class TestSettings:
    def opened(self, **options):
        return open_store(StoreSettings(type="sqlite", **options), FrozenClock())

    @pytest.mark.parametrize("url", ["{}/a.db", "sqlite:///{}/a.db"])
    def test_url(self, tmp_path, url):
        """The url is a path, or sqlite:/// and a path."""
        store = self.opened(url=url.format(tmp_path))
        assert isinstance(store, SqliteStore)
        store.prepare()
        store.close()
        assert (tmp_path / "a.db").is_file()

    def test_relative_url(self, tmp_path, monkeypatch):
        """After three slashes a relative path follows, as in SQLAlchemy."""
        monkeypatch.chdir(tmp_path)
        self.opened(url="sqlite:///sub/a.db").prepare()
        assert (tmp_path / "sub" / "a.db").is_file()

    def test_path_object(self, tmp_path):
        """In Python the url may be a path object."""
        self.opened(url=tmp_path / "a.db").prepare()
        assert (tmp_path / "a.db").is_file()

    def test_data_dir(self, tmp_path):
        """In data_dir, where Beaker keeps its own, the file is in the folder beakerish."""
        store = self.opened(
            data_dir=str(tmp_path / "data"), lock_dir=str(tmp_path / "locks"), fsync=True
        )
        store.prepare()
        assert sorted(str(path.relative_to(tmp_path)) for path in files(tmp_path)) == [
            "data/beakerish/sqlite.db",
            "locks/beakerish/sqlite.lock",
        ]

    @pytest.mark.parametrize(
        "options",
        [{}, *({"url": url} for url in ("", "sqlite://", "sqlite:///", ":memory:", "x://h/d"))],
    )
    def test_no_file(self, options):
        """Without a file there is no store."""
        with pytest.raises(SettingsError, match=r"^url names no file|^type = sqlite needs"):
            self.opened(**options)


def test_a_store_that_is_told_late_of_a_fork(store):
    """Connections that were idle at a fork are closed, and the store goes on with new ones."""
    value = stamped()
    store.set("k", value, None)
    store._connections.forked()
    assert store.load("k")[0] == value
