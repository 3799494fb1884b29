"""Any back end that is registered with Beaker as a store of ours."""

from __future__ import annotations

import logging
import pickle
import tempfile
import threading

import pytest
from beaker.container import MemoryNamespaceManager
from beaker.exceptions import MissingCacheParameter
from beaker.synchronization import file_synchronizer
from beaker.util import SyncDict
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationExecutionError

from pyramid_beakerish.errors import SettingsError, StoreUnavailable
from pyramid_beakerish.settings import read_settings, store_settings
from pyramid_beakerish.stores import known_types, open_store, runs_on_beaker
from pyramid_beakerish.stores.beaker.store import BeakerStore
from pyramid_beakerish.testing import FrozenClock, SessionSuite, StoreSuite
from pyramid_beakerish.testing.site import Site
from pyramid_beakerish.testing.stores import count_up, stamped
from pyramid_beakerish.testing.together import Background, in_threads, start_child, wait_for
from tests import closet
from tests.closet import ClosetNamespaceManager
from tests.file_help import files, fill


@pytest.fixture(scope="module", autouse=True)
def package(tmp_path_factory):
    """Somebody else's package, installed as long as these tests run."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        closet.install(tmp_path_factory.mktemp("site-packages"), monkeypatch)
        yield


class TestCloset(StoreSuite):
    """A back end that this package knows nothing of, found by its entry point."""

    def make_store(self, clock, folder):
        return open_store(store_settings(type="closet", closet=str(folder)), clock)


class TestBeakersMemory(StoreSuite):
    """A back end that locks threads only."""

    shared_by_processes = False

    def make_store(self, clock, folder):
        class Manager(MemoryNamespaceManager):
            namespaces = SyncDict()

            def __init__(self, namespace, **options):
                super(MemoryNamespaceManager, self).__init__(namespace)
                self.dictionary = self.namespaces.get(namespace, dict)

        return BeakerStore(Manager, {}, clock)


class TestSessionsInCloset(SessionSuite):
    def settings(self, folder):
        return {"session.type": "closet", "session.closet": str(folder)}


def make_store(manager, clock=None, **how):
    """Make a store of the manager, whose options are the path of a closet."""
    return BeakerStore(manager, {"closet": tempfile.mkdtemp()}, clock or FrozenClock(), **how)


@pytest.fixture
def store(tmp_path, clock):
    return BeakerStore(ClosetNamespaceManager, {"closet": str(tmp_path)}, clock)


class TestSettings:
    def test_known(self):
        """What others register with Beaker is a type of ours; its own classes there are not."""
        assert {"closet", "dbm", "ext:mongodb", "ext:rediscluster"} <= known_types()
        assert "google" not in known_types()
        assert runs_on_beaker("closet")
        assert runs_on_beaker("dbm")
        assert not runs_on_beaker("file")
        assert not runs_on_beaker("box")

    def test_sessions_are_ours(self, tmp_path):
        """``session.type`` = such a back end means sessions of this package over it."""
        read = read_settings(
            {"session.type": "closet", "session.closet": "x", "session.secret": "s" * 40}
        )
        session = read.session
        assert (session.format, session.beaker_reason) == ("beakerish", None)
        assert read.messages == ()

    def test_options_are_handed_on(self, tmp_path):
        """The back end is given its own options, and folders that no file of Beaker's is in."""
        given = {}

        def manager(namespace, **options):
            given.update(options)
            return ClosetNamespaceManager(namespace, closet=str(tmp_path), **options)

        folders = {name: str(tmp_path / name) for name in ("data_dir", "lock_dir")}
        settings = store_settings(type="closet", url="somewhere", colour="red", **folders)
        store = make_store(manager)
        store._options = BeakerStore.from_settings(settings, FrozenClock())._options
        store.set("k", stamped(), None)
        assert given == {
            "data_dir": str(tmp_path / "data_dir" / "beakerish"),
            "lock_dir": str(tmp_path / "lock_dir" / "beakerish"),
            "digest_filenames": False,
            "url": "somewhere",
            "colour": "red",
        }

    def test_an_option_that_lacks(self):
        """What the back end needs and lacks is a mistake when the application is configured."""
        settings = {"session.type": "closet", "session.secret": "s" * 40}
        config = Configurator(settings=settings)
        config.include("pyramid_beakerish")
        with pytest.raises(ConfigurationExecutionError, match=r"refuses its options: .*'closet'"):
            config.make_wsgi_app()

    def test_an_option_that_it_refuses(self):
        """What Beaker's managers raise where an option lacks is a mistake in the settings."""

        def manager(namespace, **options):
            raise MissingCacheParameter("shelf_dir is required")

        with pytest.raises(SettingsError, match="manager refuses its options: shelf_dir is req"):
            make_store(manager).prepare()

    def test_a_server_that_is_down_at_the_start(self, caplog):
        """A back end that cannot be reached yet is a line in the log, and no mistake."""

        def manager(namespace, **options):
            raise ConnectionRefusedError(111, "Connection refused")

        store = make_store(manager)
        store.prepare()
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert record.getMessage().endswith("builtins.ConnectionRefusedError (Connection refused)")

    def test_a_module_that_cannot_be_imported(self):
        """A back end whose module is not there is a mistake that names the module."""
        with pytest.raises(SettingsError, match=r"type = missing needs a module .*no_such_module"):
            open_store(store_settings(type="missing"))


class TestWhatIsStored:
    def test_bytes_alone(self, store, tmp_path):
        """The back end is handed bytes, whatever the session holds."""
        site = Site(store, store._clock)
        site.stranger().put(user="u", n=3)
        kept = [pickle.loads(path.read_bytes()) for path in files(tmp_path) if not path.suffix]
        assert [list(map(type, contents.values())) for contents in kept] == [[bytes]]

    def test_names(self, clock):
        """Namespaces have names of 50 plain characters that Beaker's own never have."""
        names = []

        def manager(namespace, **options):
            names.append(namespace)
            return MemoryNamespaceManager(namespace)

        make_store(manager, clock).load("a b\n" * 500)
        (name,) = names
        assert name.startswith("beakerish_")
        assert len(name) == 50
        assert name.isascii()
        assert name.isprintable()

    def test_time_to_live(self, clock):
        """The back end is told whole seconds, never too few of them."""
        told = []

        class Manager(ClosetNamespaceManager):
            def set_value(self, key, value, expiretime=None):
                told.append(expiretime)

        store = make_store(Manager, clock)
        for ttl in (None, 0.001, 1.5, 60):
            store.set("k", stamped(), ttl)
        assert told == [None, 1, 2, 60]

    @pytest.mark.parametrize("planted", [{"user": "admin"}, b"", b"short", "text"])
    def test_what_somebody_else_wrote(self, clock, caplog, planted):
        """What is no entry of ours is taken for absent, and can be replaced."""
        store = make_store(ClosetNamespaceManager, clock)
        store.set("k", stamped(), None)
        (path,) = (path for path in files(store._options["closet"]) if not path.suffix)
        path.write_bytes(pickle.dumps({"entry": planted}))
        assert store.load("k") is None
        assert "damaged" in caplog.text
        assert store.delete("k") is False
        assert store.create("k", stamped(), None)

    def test_a_manager_that_gives_none(self, clock, caplog):
        """``None``, which some managers give for what they have not, is absent without a word."""

        class Manager(ClosetNamespaceManager):
            def __getitem__(self, key):
                return self._contents().get(key)

        assert make_store(Manager, clock).load("k") is None
        assert not caplog.records


class Failing(ClosetNamespaceManager):
    """A back end that fails, with a text that nobody may see."""

    def __getitem__(self, key):
        raise RuntimeError("GET the-key-and-its-contents")


class TestFailures:
    def test_any_error(self, clock):
        """Whatever the back end raises is `StoreUnavailable`; its text and cause are left out."""
        store = make_store(Failing, clock)
        for work in (
            lambda: store.load("k"),
            lambda: store.create("k", stamped(), None),
            lambda: store.delete("k"),
        ):
            with pytest.raises(StoreUnavailable) as caught:
                work()
            assert str(caught.value) == "Beaker's back end failed with builtins.RuntimeError"
            assert caught.value.__suppress_context__

    def test_a_session(self, clock):
        """A page that needs the session is answered with 503 then."""
        visitor = Site(make_store(Failing, clock), clock).stranger()
        visitor.put(user="u")
        assert visitor.response.status_code == 503

    def test_locks_are_given_back(self, clock):
        """A failure in the middle of a write leaves no lock behind."""

        failed = []

        class FailsOnce(ClosetNamespaceManager):
            def __setitem__(self, key, value):
                if not failed:
                    failed.append(key)
                    raise OSError(28, "No space left on device")
                super().__setitem__(key, value)

        store = make_store(FailsOnce, clock, patience=0.01)
        with pytest.raises(StoreUnavailable, match="No space left on device"):
            store.set("k", stamped(), None)
        store.set("k", stamped(), None)
        assert store.load("k")


class TestLocks:
    def test_others_wait_no_longer_than_told(self, clock):
        """Who holds Beaker's lock for too long stops nobody for ever."""
        held = threading.Event()
        done = threading.Event()

        class Manager(ClosetNamespaceManager):
            def get_creation_lock(self, key):
                return file_synchronizer(identifier="one for all", lock_dir=self.lock_dir)

        store = make_store(Manager, clock, patience=0.02)
        lock = Manager("n", **store._options).get_creation_lock("k")

        def hold():
            lock.acquire()
            held.set()
            done.wait(10)
            lock.release()

        holder = Background(hold)
        assert held.wait(10)
        try:
            with pytest.raises(StoreUnavailable, match=r"a lock of Beaker's back end for 0\.02 s"):
                store.set("k", stamped(), None)
            assert store.load("k") is None
        finally:
            done.set()
            holder.result()
        store.set("k", stamped(), None)

    def test_few_locks(self, store, tmp_path):
        """Managers that lock by files get 256 names at most, not one for each key."""
        fill(store, "k", 300)
        assert len([path for path in files(tmp_path) if path.suffix == ".lock"]) <= 256

    def test_processes(self, store):
        """When processes and their threads count by swapping, no count is lost."""
        store.set("count", stamped(b"0"), None)
        children = [
            start_child(lambda: in_threads(2, lambda _: count_up(store, "count", 10)))
            for _ in range(3)
        ]
        count_up(store, "count", 10)
        assert [wait_for(child) for child in children] == [0, 0, 0]
        assert store.load("count")[0][8:] == b"70"
