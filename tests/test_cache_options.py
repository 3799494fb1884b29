"""Options of a region: old results, memory in front of a store, copies, serializers, switches."""

from __future__ import annotations

import logging
import threading

import pytest

from pyramid_beakerish.cache.decorator import cache_region
from pyramid_beakerish.cache.region import Region
from pyramid_beakerish.cache.regions import CacheRegions
from pyramid_beakerish.errors import SerializationError
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing.together import in_threads
from tests.cache_help import (
    KINDS,
    SHARED,
    Asking,
    FailingStore,
    Held,
    Ours,
    make_kind,
    make_regions,
    region_settings,
    until,
)


@pytest.fixture(params=KINDS)
def make(request, clock, tmp_path):
    """Give a function that makes a region of each kind with the options."""
    return lambda **options: make_kind(request.param, clock, tmp_path, **options)


def fail():
    """Be a creator that fails."""
    raise LookupError("none")


class TestStale:
    """stale: for so long the old result is handed out while one caller renews it."""

    def test_others_get_the_old_one(self, make, clock):
        """Who finds it expired renews it; the others get the old one without waiting."""
        region = make(stale=30)
        region.set("key", "old")
        clock.advance(60)
        creator = Held("new")
        first = Asking(region, creator)
        assert creator.begun.wait(10)
        assert in_threads(5, lambda n: region.get_or_create("key", fail)) == ["old"] * 5
        creator.go.set()
        assert first.result() == region.get_or_create("key", fail) == "new"
        stats = region.stats()
        assert (stats.hits, stats.misses, stats.stale, stats.waits) == (1, 2, 5, 0)

    def test_not_for_longer(self, make, clock):
        """After that time all wait for the new one."""
        region = make(stale=30)
        region.set("key", "old")
        clock.advance(90)
        creator = Held("new")
        threads = [Asking(region, creator) for _ in range(3)]
        assert creator.begun.wait(10)
        until(lambda: region.stats().waits == 2)
        creator.go.set()
        assert [each.result() for each in threads] == ["new"] * 3

    def test_is_not_fresh(self, make, clock):
        """The old one is not what peek shows, and is renewed by the first who asks."""
        region = make(stale=30)
        region.set("key", "old")
        clock.advance(60)
        assert region.peek("key") is None
        assert region.get_or_create("key", lambda: "new") == "new"

    def test_failure_is_the_renewers(self, make, clock):
        """A renewal that fails is an error to him who renews, and to nobody else."""
        region = make(stale=30)
        region.set("key", "old")
        clock.advance(60)
        creator = Held(LookupError("none"))
        first = Asking(region, creator)
        assert creator.begun.wait(10)
        assert region.get_or_create("key", fail) == "old"
        creator.go.set()
        assert isinstance(first.result(), LookupError)
        assert region.get_or_create("key", lambda: "new") == "new"

    @pytest.mark.parametrize("kind", SHARED)
    def test_on_another_host(self, kind, clock, tmp_path):
        """While one host renews, the others hand out the old one."""
        options = {**SHARED[kind](clock, tmp_path), "stale": 30}
        one, other = (make_regions(clock, r=options)["r"] for _ in "12")
        one.clear()
        one.set("key", "old")
        clock.advance(60)
        creator = Held("new")
        first = Asking(one, creator)
        assert creator.begun.wait(10)
        assert other.get_or_create("key", fail) == "old"
        assert (other.stats().stale, other.stats().waits) == (1, 0)
        creator.go.set()
        assert first.result() == other.get_or_create("key", fail) == "new"

    def test_what_was_invalidated_is_not_handed_out(self, make, clock):
        """Neither a key nor a region that was invalidated has an old result."""
        region = make(stale=30, stale_on_error=30)
        for forget in (lambda: region.invalidate("key"), region.clear):
            region.set("key", "old")
            clock.advance(60)
            forget()
            with pytest.raises(LookupError):
                region.get_or_create("key", fail)


class TestStaleOnError:
    """stale_on_error: for so long the old result is handed out if the creator fails."""

    def test_old_one_for_an_error(self, make, clock, caplog):
        """The error is logged once a minute, by its type, and counted each time."""
        region = make(stale_on_error=600)
        region.set("key", "old")
        clock.advance(60)
        caplog.set_level(logging.DEBUG)
        assert [region.get_or_create("key", fail) for _ in "123"] == ["old"] * 3
        assert caplog.messages == [
            "a function of cache region 'r' failed, so its old result is given (LookupError)"
        ]
        stats = region.stats()
        assert (stats.stale, stats.errors, stats.hits) == (3, 3, 0)
        assert region.get_or_create("key", lambda: "new") == "new"

    def test_not_for_longer(self, make, clock):
        """After that time the error is the caller's."""
        region = make(stale_on_error=600)
        region.set("key", "old")
        clock.advance(660)
        with pytest.raises(LookupError):
            region.get_or_create("key", fail)

    def test_its_time_is_over_meanwhile(self, clock):
        """A creator that fails too late for the old result removes it."""
        store = MemoryStore(clock)
        region = make_regions(clock, r={"type": store, "stale_on_error": 600})["r"]
        region.set("key", "old")
        clock.advance(60)
        deleted = []
        store.delete = lambda *of: deleted.append(of) or MemoryStore.delete(store, *of)
        with pytest.raises(LookupError):
            region.get_or_create("key", lambda: clock.advance(600) or fail())
        assert [key for key, _ in deleted] == ["cache:1:r:key"]

    def test_it_stays_while_others_are_made(self, make, clock):
        """What is stored under other keys does not drive the old result out."""
        region = make(stale_on_error=600)
        region.set("key", "old")
        clock.advance(60)
        for number in range(30):
            region.set(str(number), number)
        assert region.get_or_create("key", fail) == "old"

    @pytest.mark.parametrize("renewed", [False, True])
    def test_it_leaves_the_store_in_time(self, clock, renewed):
        """A store keeps the old result for so long and no longer, renewed in vain or not."""
        store = MemoryStore(clock)
        region = make_regions(clock, r={"type": store, "stale_on_error": 600})["r"]
        region.set("key", "old")
        clock.advance(60)
        if renewed:
            assert region.get_or_create("key", fail) == "old"
        clock.advance(599)
        assert store.load("cache:1:r:key") is not None
        clock.advance(1)
        assert store.load("cache:1:r:key") is None

    def test_waiters_get_it_too(self, make, clock):
        """Who waits for a creation that fails gets the old result as well."""
        region = make(stale_on_error=600)
        region.set("key", "old")
        clock.advance(60)
        creator = Held(LookupError())
        threads = [Asking(region, creator) for _ in range(5)]
        assert creator.begun.wait(10)
        until(lambda: region.stats().waits == 4)
        creator.go.set()
        assert [each.result() for each in threads] == ["old"] * 5
        assert creator.calls == 1

    def test_value_that_cannot_be_kept_is_an_error(self, clock):
        """A result that has no bytes is a mistake in the program: it is not hidden."""
        region = make_regions(clock, r={"type": MemoryStore(clock), "stale_on_error": 600})["r"]
        region.set("key", "old")
        clock.advance(60)
        with pytest.raises(SerializationError):
            region.get_or_create("key", object)

    def test_nothing_old(self, make):
        """Without an old result the error is the caller's."""
        with pytest.raises(LookupError):
            make(stale_on_error=600).get_or_create("key", fail)

    def test_no_end_of_a_thread_is_hidden(self, make, clock):
        """What asks the thread to end does end it."""
        region = make(stale_on_error=600)
        region.set("key", "old")
        clock.advance(60)
        with pytest.raises(KeyboardInterrupt):
            region.get_or_create("key", lambda: (_ for _ in ()).throw(KeyboardInterrupt()))
        assert region.get_or_create("key", lambda: "new") == "new"
        assert region.stats().waits == 0

    def test_damaged_old_result(self, clock):
        """An old result that cannot be read is none."""
        store = MemoryStore(clock)
        region = make_regions(clock, r={"type": store, "stale_on_error": 600})["r"]
        region.set("key", "old")
        clock.advance(60)
        data = store.load("cache:1:r:key")[0]
        store.set("cache:1:r:key", data[:-4] + b"\xc1", None)
        with pytest.raises(LookupError):
            region.get_or_create("key", fail)
        assert region.get_or_create("key", lambda: "new") == region.peek("key") == "new"


class TestLocal:
    """local: memory in front of a store."""

    @pytest.fixture
    def store(self, clock):
        """The store behind."""
        return FailingStore(clock)

    @pytest.fixture
    def hosts(self, clock, store):
        """Two hosts over the store."""
        return [make_regions(clock, r={"type": store, "local": 5})["r"] for _ in "12"]

    def test_the_store_is_not_asked(self, hosts, store, clock):
        """Within these seconds a hit asks for nothing."""
        one, other = hosts
        one.set("key", 1)
        asked = store.asked
        assert [one.get_or_create("key", fail) for _ in "123"] == [1, 1, 1]
        assert store.asked == asked
        assert [other.get_or_create("key", fail) for _ in "123"] == [1, 1, 1]
        assert store.asked == asked + 1
        clock.advance(5)
        assert one.get_or_create("key", fail) == 1
        assert store.asked == asked + 2

    @pytest.mark.parametrize("forget", ["invalidate", "clear", "invalidate_all"])
    def test_invalidation(self, hosts, clock, forget):
        """The own process sees it at once, the others within these seconds."""
        one, other = (host.lookup_for("f", "f")[0] for host in hosts)
        one.refresh("key", lambda: "old")
        assert other.get_or_create("key", fail) == "old"
        if forget == "clear":
            hosts[0].clear()
        else:
            getattr(one, forget)(*(("key",) if forget == "invalidate" else ()))
        assert one.peek("key", None) is None
        assert other.get_or_create("key", fail) == "old"
        clock.advance(5)
        assert other.get_or_create("key", lambda: "new") == "new"
        assert one.get_or_create("key", fail) == "new"

    def test_never_beyond_its_end(self, store, clock):
        """A result is not older in memory than it may become in the store."""
        region, other = (make_regions(clock, r={"type": store, "local": 90})["r"] for _ in "12")
        region.set("key", "old")
        clock.advance(30)
        assert other.get_or_create("key", fail) == "old"
        clock.advance(30)
        assert [each.peek("key") for each in (region, other)] == [None, None]

    def test_no_end(self, store, clock):
        """Results without an end are looked up again, too."""
        options = {"type": store, "local": 5, "expire": None}
        region, other = (make_regions(clock, r=options)["r"] for _ in "12")
        region.set("key", "old")
        other.set("key", "new")
        assert region.peek("key") == "old"
        clock.advance(5)
        assert region.peek("key") == "new"

    @pytest.mark.parametrize("forget", [lambda region: region.invalidate("key"), Region.clear])
    def test_invalidated_while_it_is_loaded(self, hosts, store, forget):
        """What is forgotten while it is on its way does not stay."""
        one, other = hosts
        other.set("key", "old")
        load_many = store.load_many

        def slow(keys):
            found = load_many(keys)
            del store.load_many
            forget(one)
            return found

        store.load_many = slow
        assert one.get_or_create("key", fail) == "old"
        assert one.peek("key") is None

    def test_not_kept_in_memory_alone(self, hosts):
        """What another host invalidated while it was made is not kept in memory either."""
        one, other = hosts
        assert one.get_or_create("key", lambda: other.invalidate("key") or "old") == "old"
        assert one.peek("key") is None

    @pytest.mark.parametrize("forget", [lambda region: region.invalidate("key"), Region.clear])
    def test_store_down(self, hosts, store, forget):
        """Memory serves on; what cannot be invalidated there is forgotten here, with an error."""
        one, _ = hosts
        one.set("key", 1)
        store.down = True
        assert one.get_or_create("key", fail) == 1
        with pytest.raises(Exception, match="switched off"):
            forget(one)
        assert one.get_or_create("key", lambda: 2) == 2

    def test_failing_creator(self, hosts):
        """A failure leaves nothing behind, here or there."""
        one, other = hosts
        with pytest.raises(LookupError):
            one.get_or_create("key", fail)
        assert other.get_or_create("key", lambda: 1) == one.get_or_create("key", fail) == 1

    def test_hits_of_functions_need_no_lookup(self, clock, store):
        """A decorated function answers from memory by itself, and forgets with the region."""
        ours = Ours(clock, type=store, local=5)
        calls = []
        function = cache_region("r")(lambda term: calls.append(term) or term)
        assert [function("a") for _ in "123"] == ["a"] * 3
        asked = store.asked
        assert [function("a") for _ in "123"] == ["a"] * 3
        assert store.asked == asked
        ours.regions["r"].clear()
        function("a")
        assert calls == ["a", "a"]
        clock.advance(5)
        asked = store.asked
        assert function("a") == "a"
        assert store.asked == asked + 1


class TestCopy:
    """copy: memory hands out copies."""

    @pytest.mark.parametrize("local", [False, True])
    def test_nobody_changes_what_is_kept(self, clock, local):
        """Neither the creator's caller nor one who has a hit can change it."""
        more = {"type": MemoryStore(clock), "local": 5} if local else {}
        Ours(clock, copy=True, **more)
        function = cache_region("r")(lambda: {"list": [1]})
        for _ in range(4):
            function()["list"].append("BAD")
        assert function() == {"list": [1]}
        assert function.peek()["list"] == [1]

    def test_what_another_process_made(self, clock):
        """Who is the first to load it from the store cannot change what is kept in memory."""
        options = {"type": MemoryStore(clock), "local": 5, "copy": True}
        region, other = (make_regions(clock, r=options)["r"] for _ in "12")
        other.set("key", [1])
        region.get_or_create("key", fail).append("BAD")
        assert region.get_or_create("key", fail) == [1]

    def test_old_results_too(self, clock):
        """An old result that is handed out is a copy as well."""
        region = make_regions(clock, r={"copy": True, "stale_on_error": 60})["r"]
        region.set("key", [1])
        clock.advance(60)
        region.get_or_create("key", fail).append("BAD")
        assert region.get_or_create("key", fail) == [1]

    def test_waiters(self, clock):
        """Those who wait get copies of their own."""
        region = make_regions(clock, r={"copy": True})["r"]
        creator = Held([1])
        threads = [Asking(region, creator) for _ in range(3)]
        assert creator.begun.wait(10)
        until(lambda: region.stats().waits == 2)
        creator.go.set()
        assert len({id(each.result()) for each in threads}) == 3

    def test_value_that_cannot_be_copied(self, clock):
        """The error names the type and the remedy."""
        region = make_regions(clock, r={"copy": True})["r"]
        message = r"a lock: it cannot be copied \(TypeError\). Return what can be copied, or set"
        with pytest.raises(SerializationError, match=message):
            region.get_or_create("key", threading.Lock)


class Point:
    """A class of an application."""

    def __init__(self, x):
        self.x = x


class TestSerializer:
    """serializer: how results become bytes."""

    def region(self, clock, **options):
        self.store = MemoryStore(clock)
        return make_regions(clock, r={"type": self.store, **options})["r"]

    def test_json(self, clock):
        """The bytes are JSON, and come back with their types."""
        region = self.region(clock, serializer="json")
        region.set("key", {"a": (1, 2)})
        assert region.peek("key") == {"a": (1, 2)}
        assert self.store.load("cache:1:r:key")[0].endswith(b'{"a":{"$tuple":[1,2]}}')

    def test_pickle_of_own_classes(self, clock):
        """Objects of the classes listed are kept, and of no other."""
        listed = self.region(clock, serializer="pickle", pickle_classes=(f"{__name__}:Point",))
        listed.set("key", Point(3))
        assert listed.peek("key").x == 3
        unlisted = self.region(clock, serializer="pickle")
        with pytest.raises(SerializationError, match="Point is not listed"):
            unlisted.set("key", Point(3))

    def test_object(self, clock):
        """An object with dumps and loads is taken as it is."""

        class Upper:
            dumps = staticmethod(str.upper)
            loads = staticmethod(str.lower)

        region = self.region(clock, serializer=Upper())
        region.set("key", "abc")
        assert region.peek("key") == "abc"


class TestEnabled:
    """enabled: at any time, for one region or for all."""

    def test_all_regions(self, clock):
        """Switching off all regions has every function called; switching on brings all back."""
        regions = make_regions(clock, a="memory", b={"type": MemoryStore(clock)})
        for region in regions.values():
            region.set("key", "kept")
        assert regions.enabled
        regions.enabled = False
        assert not regions.enabled
        for region in regions.values():
            assert region.get_or_create("key", lambda: "new") == "new"
            assert region.refresh("key", lambda: "new") == "new"
            assert region.peek("key") is None
        regions.enabled = True
        assert [region.peek("key") for region in regions.values()] == ["kept", "kept"]

    def test_invalidation_goes_on(self, make):
        """What is invalidated as a whole while it is switched off does not come back."""
        region = make()
        lookup = region.lookup_for("f", "f")[0]
        lookup.refresh("key", lambda: 1)
        region.enabled = False
        lookup.invalidate_all()
        region.enabled = True
        assert lookup.peek("key", None) is None

    def test_empty(self):
        """Where there are no regions none is switched on."""
        assert not CacheRegions({}).enabled


class TestInvalidateAll:
    """function.invalidate_all()"""

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_call_is_forgotten(self, kind, clock, tmp_path):
        """All results of the function go, those of its neighbours stay."""
        Ours(clock, **KINDS[kind](clock, tmp_path)).regions["r"].clear()
        calls = []
        one = cache_region("r")(lambda n: calls.append(("one", n)))
        other = cache_region("r")(lambda n: calls.append(("other", n)))
        for _ in "12":
            for function in (one, other):
                function(1)
                function(2)
        one.invalidate_all()
        for function in (one, other):
            function(1)
            function(2)
        made = [("one", 1), ("other", 1), ("one", 2), ("other", 2)]
        assert sorted(calls) == sorted([*made, ("one", 1), ("one", 2)])

    def test_during_a_creation(self, make):
        """A result that is being made is not kept."""
        lookup = make().lookup_for("f", "f")[0]
        assert lookup.get_or_create("key", lambda: lookup.invalidate_all() or 1) == 1
        assert lookup.peek("key", None) is None

    def test_results_are_in_the_region_afterwards_too(self, make):
        """Who has the key of a new result finds it without the function."""
        region = make()
        lookup = region.lookup_for("f", "f")[0]
        region.set("marked", 1)
        lookup.invalidate_all()
        lookup.refresh("key", lambda: 2)
        assert region.peek("key") == 2

    def test_of_others_during_a_creation(self, make):
        """The invalidation of one function does not touch what another is making."""
        region = make()
        lookup, other = (region.lookup_for(name, name)[0] for name in "fg")
        assert lookup.get_or_create("key", lambda: other.invalidate_all() or 1) == 1
        assert lookup.peek("key", None) == 1

    def test_functions_of_one_factory(self, clock):
        """Functions that the decorator's arguments tell apart are invalidated apart."""
        Ours(clock)

        def make(name):
            return cache_region("r", name)(lambda n: name)

        one, other = make("one"), make("other")
        assert [one(1), other(1)] == ["one", "other"]
        one.invalidate_all()
        assert [one.peek(1), other.peek(1)] == [None, "other"]


def test_stats_of_a_function_tell_the_old_results(clock):
    """The share of each function, and the sum, count what was stale."""
    ours = Ours(clock, stale_on_error=60)
    results = [1]
    function = cache_region("r")(lambda: results.pop())
    function()
    clock.advance(60)
    function()
    stats = ours.regions["r"].stats()
    (own,) = stats.functions.values()
    assert (own.stale, own.errors, own.misses, stats.stale) == (1, 1, 2, 1)


def test_settings_of_the_tests_are_those_of_a_region():
    """A region of the tests has the defaults of the options that it does not name."""
    assert region_settings("r", "memory").lease == 30
