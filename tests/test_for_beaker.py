"""Our stores as back ends of Beaker's: its own decorators and caches over them."""

from __future__ import annotations

import datetime
import os
import time
from types import SimpleNamespace

import beaker.cache
import beaker.container
import pytest
from beaker.cache import CacheManager
from beaker.session import Session
from beaker.util import SyncDict

from pyramid_beakerish import set_cache_regions_from_settings
from pyramid_beakerish.cache.configured import configured
from pyramid_beakerish.errors import SerializationError, SettingsError, StoreError
from pyramid_beakerish.stores import OWN_STORES, for_beaker
from pyramid_beakerish.stores.for_beaker import StoreNamespaceManager
from pyramid_beakerish.testing.together import in_threads, start_child, wait_for
from tests import closet
from tests.closet import BoxNamespaceManager, Shelf, ShelfNamespaceManager
from tests.file_help import files

#: Those of our embedded stores that Beaker knows by our entry points alone, and the tests' own.
KINDS = ["shelf", "box", *sorted({"sqlite"} & OWN_STORES.keys())]
SHARED = [kind for kind in KINDS if kind != "shelf"]

#: Beaker's own, before it looks for others.
BUILT_IN = ("memory", "file", "dbm")


@pytest.fixture(autouse=True)
def beaker_anew(tmp_path, monkeypatch):
    """Beaker as it is at the start of a process where the tests' package is installed."""
    (tmp_path / "site-packages").mkdir()
    closet.install(tmp_path / "site-packages", monkeypatch)
    known = {name: beaker.cache.clsmap[name] for name in BUILT_IN}
    monkeypatch.setattr(beaker.cache, "clsmap", beaker.cache._backends(known))
    monkeypatch.setattr(beaker.cache, "cache_regions", {})
    monkeypatch.setattr(beaker.cache, "cache_managers", {})
    monkeypatch.setattr(StoreNamespaceManager, "_stores", SyncDict())
    monkeypatch.setattr(configured, "regions", None)


@pytest.fixture(params=KINDS)
def kind(request):
    """Each kind of store."""
    return request.param


@pytest.fixture
def options(kind, tmp_path):
    """The options of a cache on that kind of store."""
    return {"type": kind, "data_dir": str(tmp_path / "data")}


@pytest.fixture
def regions(options):
    """A region ``r`` from settings, as pyramid_beaker's users write them."""
    written = {f"cache.{name}": value for name, value in options.items()}
    set_cache_regions_from_settings({"cache.regions": "r", "cache.expire": "60", **written})


@pytest.fixture
def clock(monkeypatch):
    """The clock of the shelf and of Beaker's values."""
    watch = SimpleNamespace(time=Shelf.clock)
    monkeypatch.setattr(beaker.container, "time", watch)
    return Shelf.clock


def counted(answer=None):
    """Give a function that Beaker caches in the region ``r``, and the arguments of its calls."""
    calls = []

    @beaker.cache.cache_region("r", "a name of its own")
    def work(argument):
        calls.append(argument)
        return answer or f"made of {argument}"

    return work, calls


pytestmark = pytest.mark.filterwarnings("ignore:Unable to load NamespaceManager:RuntimeWarning")


@pytest.mark.usefixtures("regions")
class TestDecorators:
    def test_cached(self):
        """A decorated function is called once for each argument."""
        work, calls = counted()
        assert [work(1), work(2), work(1)] == ["made of 1", "made of 2", "made of 1"]
        assert calls == [1, 2]

    @pytest.mark.parametrize("kind", SHARED)
    def test_found_after_a_restart(self):
        """What one process has kept the next one finds."""
        counted()[0](1)
        beaker.cache.cache_managers.clear()
        StoreNamespaceManager._stores.clear()
        work, calls = counted()
        assert (work(1), calls) == ("made of 1", [])

    def test_region_invalidate(self):
        """``region_invalidate`` forgets one call, and no other."""
        work, calls = counted()
        work(1), work(2)
        beaker.cache.region_invalidate(work, None, "a name of its own", 1)
        work(1), work(2)
        assert calls == [1, 2, 1]

    def test_threads(self):
        """Of 20 threads that call for a cold key one creates, and all get its value."""
        created = []

        @beaker.cache.cache_region("r")
        def slow(argument):
            created.append(argument)
            time.sleep(0.02)  # the work, which the others must overlap
            return len(created)

        assert in_threads(20, lambda _: slow("x")) == [1] * 20
        assert created == ["x"]

    @pytest.mark.parametrize("kind", SHARED)
    def test_processes(self, tmp_path):
        """Of 4 processes that call for a cold key one creates."""
        log = tmp_path / "log"

        @beaker.cache.cache_region("r")
        def slow(argument):
            with log.open("a") as file:
                file.write("x")
            time.sleep(0.02)  # the work, which the others must overlap
            return os.getpid()

        children = [start_child(lambda: slow("x")) for _ in range(4)]
        assert [wait_for(child) for child in children] == [0] * 4
        assert log.read_text() == "x"
        assert slow("x") in children

    @pytest.mark.parametrize("kind", ["shelf"])
    def test_expiry(self, clock):
        """When its time is over a value is made anew, and the store has let go of it."""
        work, calls = counted()
        work(1)
        clock.advance(59)
        work(1)
        assert calls == [1]
        clock.advance(1)
        store = beaker.cache.cache_managers.popitem()[1].namespace._store
        assert list(store.keys("")) == []
        work(1)
        assert calls == [1, 1]

    @pytest.mark.parametrize("kind", SHARED)
    def test_times_are_kept(self, clock):
        """When a value was stored, and for how long, comes back as Beaker's `Value` gave it."""
        clock.advance(time.time() - clock())
        work, calls = counted()
        work(1)
        clock.advance(59)
        work(1)
        clock.advance(1)
        work(1)
        assert calls == [1, 1]

    def test_a_value_that_cannot_be_kept(self, tmp_path):
        """Objects of one's own are an error that names the remedy, and are never pickled."""
        work, _ = counted(answer=SimpleNamespace(secret="hidden"))
        with pytest.raises(SerializationError, match="or use a region of type memory") as caught:
            work(1)
        assert "SimpleNamespace" in str(caught.value)
        assert "hidden" not in str(caught.value)


CACHED = [None, True, 3, 2.5, "text", b"bytes", [1, [2]], (1, (2, 3)), {"a": (1,)}, {1, 2}]
CACHED += [datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.timezone.utc), 2**70, ()]


class TestCache:
    @pytest.mark.parametrize("value", CACHED, ids=repr)
    def test_values(self, options, value):
        """A value comes back equal and of the same type."""
        cache = CacheManager(**options).get_cache("n")
        cache.put("k", value)
        beaker.cache.cache_managers.clear()
        found = CacheManager(**options).get_cache("n").get("k")
        assert (found, type(found)) == (value, type(value))

    def test_dictionary(self, options):
        """Beaker's Cache is a dictionary over the store."""
        cache = CacheManager(**options).get_cache("n")
        assert "k" not in cache
        with pytest.raises(KeyError):
            cache["k"]
        cache["k"] = 1
        assert "k" in cache
        assert cache["k"] == 1
        del cache["k"]
        del cache["k"]
        assert "k" not in cache

    def test_clear_ends_at_the_namespace(self, options):
        """Clearing one namespace touches no other, however alike their names."""
        manager = CacheManager(**options)
        names = ["a", "a:", "a:b", "1:a", "beaker:1:a", "%", ""]
        for name in names:
            manager.get_cache(name)["k"] = manager.get_cache(name)["b:k"] = name
        manager.get_cache("a").clear()
        for name in names[1:]:
            assert sorted(manager.get_cache(name).namespace.keys()) == ["b:k", "k"]
        assert manager.get_cache("a").namespace.keys() == []

    def test_manager(self, kind, options):
        """A namespace manager takes text and bytes as keys, and says so when one is not there."""
        manager = beaker.cache.clsmap[kind]("n", data_dir=options["data_dir"])
        manager["k"] = "v"
        assert manager[b"k"] == "v"
        assert manager.has_key("k")
        del manager[b"k"]
        for work in (lambda: manager["k"], lambda: manager.__delitem__("k")):
            with pytest.raises(KeyError):
                work()

    def test_a_damaged_entry(self, options, caplog):
        """What cannot be decoded is made anew."""
        cache = CacheManager(**options).get_cache("n")
        cache["k"] = 1
        store = cache.namespace._store
        (key,) = store.keys("")
        store.set(key, b"12345678\xc1", None)
        with pytest.raises(KeyError):
            cache.namespace["k"]
        assert cache.get("k", createfunc=lambda: 2) == 2
        assert "A damaged cache entry counts as absent" in caplog.text
        assert cache["k"] == 2

    def test_one_store_for_all(self, options):
        """All namespaces with the same options share one store, others have another."""
        manager = CacheManager(**options)
        one, two = manager.get_cache("1").namespace, manager.get_cache("2").namespace
        other = manager.get_cache("1", data_dir=options["data_dir"] + "2").namespace
        assert one._store is two._store is not other._store
        again = CacheManager(**dict(reversed(options.items()))).get_cache("1").namespace
        assert one._store is again._store


class TestCreationLock:
    def test_only_one(self):
        """While one holds the lock of a key nobody else gets it."""
        manager = ShelfNamespaceManager("n")
        lock, other = manager.get_creation_lock("k"), manager.get_creation_lock("k")
        assert lock.acquire()
        assert not other.acquire(wait=False)
        assert manager.get_creation_lock("another").acquire(wait=False)
        lock.release()
        assert other.acquire(wait=False)

    def test_a_creator_that_was_killed(self):
        """A lock whose holder never returns ends by itself."""
        manager = ShelfNamespaceManager("n")
        assert manager.get_creation_lock("k").acquire()
        Shelf.clock.advance(for_beaker.LONGEST_CREATION)
        assert manager.get_creation_lock("k").acquire(wait=False)

    def test_waiting_ends(self, monkeypatch):
        """Who waits for longer than a creation may take goes on without the lock."""
        manager = ShelfNamespaceManager("n")
        assert manager.get_creation_lock("k").acquire()
        monkeypatch.setattr(for_beaker, "LONGEST_CREATION", 0.01)
        assert manager.get_creation_lock("k").acquire()

    def test_the_old_value_meanwhile(self, clock):
        """While a value that Beaker deems too old is created anew, others get the old one."""
        cache = CacheManager(type="shelf").get_cache("n")
        cache.put("k", "old")
        clock.advance(1)
        anew = {"createfunc": lambda: "new", "starttime": clock()}
        lock = cache.namespace.get_creation_lock("k")
        assert lock.acquire()
        assert cache.get("k", **anew) == "old"
        lock.release()
        assert cache.get("k", **anew) == "new"


def test_a_store_without_a_list():
    """A namespace in a store that cannot list its keys cannot be cleared, and says so."""
    cache = CacheManager(type="unlisted").get_cache("n")
    cache["k"] = 1
    with pytest.raises(
        StoreError, match="type unlisted cannot list a namespace, and so cannot clear it"
    ):
        cache.clear()
    assert cache["k"] == 1


def test_options_are_those_of_the_store(tmp_path):
    """An option with an impossible value is a mistake in the settings that names it."""
    with pytest.raises(SettingsError, match="fsync = 'maybe'"):
        BoxNamespaceManager("n", data_dir=str(tmp_path), fsync="maybe")
    with pytest.raises(SettingsError, match="needs data_dir"):
        BoxNamespaceManager("n")


def test_options_reach_the_store(tmp_path, monkeypatch):
    """What the settings say of a region's store holds for Beaker's decorators too."""
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(fd) or fsync(fd))
    written = {"cache.type": "box", "cache.data_dir": str(tmp_path / "d"), "cache.fsync": "true"}
    set_cache_regions_from_settings({"cache.regions": "r", **written})
    assert beaker.cache.cache_regions["r"]["fsync"] is True
    work, _ = counted()
    work(1)
    assert synced


def test_other_back_ends_get_their_own_options_alone(tmp_path):
    """A region of a back end that is not ours is entered as pyramid_beaker enters it."""
    written = {"cache.type": "closet", "cache.closet": str(tmp_path)}
    set_cache_regions_from_settings({"cache.regions": "r", **written})
    assert "fsync" not in beaker.cache.cache_regions["r"]
    assert beaker.cache.cache_regions["r"]["closet"] == str(tmp_path)


def test_beakers_own_session(tmp_path):
    """Beaker's Session can be kept in a store of ours, for who asks for that."""
    options = {"namespace_class": BoxNamespaceManager, "data_dir": str(tmp_path)}
    session = Session({}, use_cookies=False, **options)
    session["user"] = "u"
    session.save()
    again = Session({}, id=session.id, use_cookies=False, **options)
    assert again["user"] == "u"


def test_the_package_registers_sqlite():
    """Beaker finds ``type = sqlite`` by this package's own entry point."""
    manager = beaker.cache.clsmap["sqlite"]
    assert issubclass(manager, StoreNamespaceManager)
    assert manager.store_type == "sqlite"


def test_nothing_is_pickled(tmp_path):
    """What a store holds for Beaker begins with a write id and is no pickle."""
    manager = BoxNamespaceManager("n", data_dir=str(tmp_path))
    manager["k"] = (1.5, None, ["v"])
    assert not any(b"\x80\x04" in path.read_bytes() for path in files(tmp_path))
