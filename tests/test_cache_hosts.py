"""One creation per key over processes and hosts, and what they see of each other's changes.

Two regions over one store share nothing else, as if they were in two processes.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from uuid import uuid4

import pytest
from pyramid.httpexceptions import HTTPNotFound

from pyramid_beakerish.cache.slot import NO_CLAIM
from pyramid_beakerish.errors import StoreError, StoreUnavailable
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing.together import in_threads
from tests.cache_help import (
    SHARED,
    Asking,
    FailingStore,
    Held,
    OpaqueStore,
    make_regions,
    until,
)


@pytest.fixture(params=SHARED)
def hosts(request, clock, tmp_path):
    """Give a function that makes so many regions over one store of each kind."""
    options = SHARED[request.param](clock, tmp_path)

    def make(count=2, **more):
        made = [make_regions(clock, r={**options, **more})["r"] for _ in range(count)]
        made[0].clear()
        return made

    return make


def waits(region, count=1):
    """Wait until so many calls of the region wait."""
    until(lambda: region.stats().waits >= count)


def never():
    """Be a creator that must not be called."""
    raise AssertionError("called")


class TestOneCreation:
    """Of several hosts one creates, and the others wait for the value."""

    def test_others_get_the_value(self, hosts):
        """Who finds a creation under way on another host gets its value."""
        one, other = hosts()
        creator = Held([1])
        first = Asking(one, creator)
        assert creator.begun.wait(10)
        second = Asking(other, never)
        waits(other)
        creator.go.set()
        assert first.result() == second.result() == [1]
        assert (other.stats().hits, other.stats().misses) == (1, 0)

    def test_threads_of_several_hosts(self, hosts):
        """Ten threads on each of two hosts make one creation between them."""
        regions = hosts()
        creator = Held(1)
        threads = [Asking(regions[number % 2], creator) for number in range(20)]
        assert creator.begun.wait(10)
        until(lambda: sum(region.stats().waits for region in regions) >= 19)
        creator.go.set()
        assert [each.result() for each in threads] == [1] * 20
        assert creator.calls == 1

    def test_lost_race(self, clock):
        """Who is late to renew an old value gets the new one of who was faster."""
        store = MemoryStore(clock)
        options = {"type": store, "stale_on_error": 600}
        one, other = (make_regions(clock, r=options)["r"] for _ in "12")
        one.set("key", "old")
        clock.advance(60)
        swap = store.swap

        def late(*args):
            del store.swap
            one.refresh("key", lambda: "new")
            return swap(*args)

        store.swap = late
        assert other.get_or_create("key", never) == "new"

    def test_few_commands(self, clock):
        """Twenty threads that miss one key send at most a hundred commands between them."""
        store = FailingStore(clock)
        region = make_regions(clock, r={"type": store})["r"]
        creator = Held(1)
        threads = [Asking(region, creator) for _ in range(20)]
        assert creator.begun.wait(10)
        waits(region, 19)
        creator.go.set()
        assert [each.result() for each in threads] == [1] * 20
        assert store.asked <= 25

    def test_a_miss_is_three_commands(self, clock):
        """A miss looks, claims and stores; a hit looks; the very first makes a marker, too."""
        store = FailingStore(clock)
        region = make_regions(clock, r={"type": store})["r"]
        asked = []
        for key in ("a", "b", "b"):
            before = store.asked
            region.get_or_create(key, lambda: 1)
            asked.append(store.asked - before)
        assert asked == [4, 3, 1]

    def test_waiting_is_patient(self, clock, monkeypatch):
        """Who waits a second for another host looks less than thirty times, and waits once."""
        store = FailingStore(clock)
        one, other = (make_regions(clock, r={"type": store, "lease": 1.0})["r"] for _ in "12")
        pauses = []
        monkeypatch.setattr("pyramid_beakerish.cache.turns.time.sleep", pauses.append)
        creator = Held("late")
        first = Asking(one, creator)
        assert creator.begun.wait(10)
        asked = store.asked
        assert other.get_or_create("key", lambda: "own") == "own"
        assert store.asked - asked < 60
        assert other.stats().waits == 1
        assert 1 <= sum(pauses) < 1.1
        assert min(pauses) >= 0.005
        assert max(pauses) <= 0.05
        assert pauses[0] <= 0.005
        creator.go.set()
        assert first.result() == "late"

    @pytest.mark.parametrize("local", [None, 5])
    def test_lost_race_is_a_wait(self, clock, local):
        """Who looks at the same moment as another, but claims later, waits for him."""
        options = {"type": MemoryStore(clock), "local": local}
        one, other = (make_regions(clock, r=options)["r"] for _ in "12")
        creator = Held(1)
        found = other.entries.load

        def too_early(key, group):
            del other.entries.load
            slot = found(key, group)
            started.append(Asking(one, creator))
            assert creator.begun.wait(10)
            return slot

        started = []
        other.entries.load = too_early
        second = Asking(other, never)
        waits(other)
        creator.go.set()
        assert second.result() == started[0].result() == 1


class TestKilledHolder:
    """A host that dies while it creates blocks nobody beyond its lease."""

    def test_the_next_one_takes_over(self, hosts, clock):
        """After the lease another host creates the value, at once."""
        one, other = hosts()
        assert one.entries.acquire("key", "", one.entries.load("key", ""))
        clock.advance(30)
        assert other.get_or_create("key", lambda: "other") == "other"
        assert other.stats().waits == 0
        assert one.peek("key") == "other"

    def test_waiters_take_over_one_by_one(self, hosts, clock):
        """Those who waited for the dead one wait for the one of them who takes over."""
        regions = hosts(4)
        assert regions[3].entries.acquire("key", "", regions[3].entries.load("key", ""))
        creator = Held("value")
        threads = [Asking(region, creator) for region in regions[:3]]
        for region in regions[:3]:
            waits(region)
        clock.advance(30)
        assert creator.begun.wait(10)
        creator.go.set()
        assert [each.result() for each in threads] == ["value"] * 3
        assert creator.calls == 1

    def test_waiting_ends_though_the_clock_stands_still(self, hosts):
        """Whatever the clocks of hosts say, nobody waits for longer than the lease."""
        one, other = hosts(lease=0.05)
        assert one.entries.acquire("key", "", one.entries.load("key", ""))
        assert other.get_or_create("key", lambda: "other") == "other"
        assert one.peek("key") == "other"

    def test_who_takes_longer_than_his_lease_can_deliver(self, hosts, clock):
        """A value that took longer than the lease is kept, though others took over."""
        one, other = hosts()
        slow, slower = Held("slow"), Held("slower")
        first = Asking(one, slow)
        assert slow.begun.wait(10)
        clock.advance(31)
        second = Asking(other, slower)
        assert slower.begun.wait(10)
        slow.go.set()
        assert first.result() == "slow"
        assert one.peek("key") == "slow"
        slower.go.set()
        assert second.result() == "slower"
        assert one.peek("key") == "slow"

    def test_who_lost_his_claim_gives_nothing_back(self, hosts, clock):
        """A creator that fails after others took over leaves their claim alone."""
        one, other = hosts()
        fails, works = Held(LookupError()), Held("value")
        first = Asking(one, fails)
        assert fails.begun.wait(10)
        clock.advance(31)
        second = Asking(other, works)
        assert works.begun.wait(10)
        fails.go.set()
        assert isinstance(first.result(), LookupError)
        works.go.set()
        assert second.result() == "value"
        assert one.peek("key") == "value"


class TestFailingCreator:
    """A creator that fails holds up nobody."""

    @pytest.mark.parametrize("there", [False, True])
    def test_waiters_fail_together(self, hosts, clock, there):
        """Hosts that waited for a failure call their creators at once, not one by one."""
        one, *others = hosts(3, stale_on_error=600)
        if there:
            one.set("key", "old")
            clock.advance(60)
        fails = Held(LookupError("first"))
        first = Asking(one, fails)
        assert fails.begun.wait(10)
        together = threading.Barrier(2, timeout=10)

        def creator():
            together.wait()
            raise LookupError("own")

        threads = [Asking(other, creator) for other in others]
        for other in others:
            waits(other)
        fails.go.set()
        expected = ["old"] * 3 if there else ["first", "own", "own"]
        assert [str(each.result()) for each in (first, *threads)] == expected
        assert not together.broken
        assert one.get_or_create("key", lambda: 1) == 1

    def test_response_of_two_visitors(self, hosts):
        """Visitors of two hosts get exceptions that share no headers."""
        one, other = hosts()
        fails = Held(HTTPNotFound("gone"))
        threads = [Asking(one, fails)]
        assert fails.begun.wait(10)
        threads += [Asking(one, never), Asking(other, lambda: raising(HTTPNotFound("gone")))]
        waits(one)
        waits(other)
        fails.go.set()
        errors = [each.result() for each in threads]
        for number, error in enumerate(errors):
            assert error.detail == "gone"
            error.headers.add("Set-Cookie", f"visitor={number}")
        assert [each.headers.getall("Set-Cookie") for each in errors] == [
            [f"visitor={number}"] for number in range(3)
        ]

    def test_value_that_cannot_be_kept(self, hosts):
        """A value that has no bytes holds up nobody either."""
        one, other = hosts()
        with pytest.raises(TypeError, match="cannot keep"):
            one.get_or_create("key", object)
        assert other.get_or_create("key", lambda: 1) == 1
        assert other.stats().waits == 0


def raising(error):
    """Raise the error, where only an expression can stand."""
    raise error


@contextmanager
def overtaken(region):
    """Have the region create an old value, which is done after what is done meanwhile."""
    creator = Held("old")
    creation = Asking(region, creator)
    assert creator.begun.wait(10)
    yield
    creator.go.set()
    assert creation.result() == "old"


class TestInvalidation:
    """What one host invalidates is gone on all."""

    def test_of_a_key_a_function_and_the_region(self, hosts):
        """Another host sees it at its next call, whatever was invalidated."""
        one, other = hosts()
        lookups = [region.lookup_for("f", "f")[0] for region in (one, other)]
        for forget in (
            lambda: lookups[0].invalidate("key"),
            lookups[0].invalidate_all,
            one.clear,
        ):
            lookups[0].get_or_create("key", lambda: "old")
            assert lookups[1].peek("key", None) == "old"
            forget()
            assert [each.peek("key", None) for each in lookups] == [None, None]

    def test_of_one_function_only(self, hosts):
        """The other functions of the region, and its own keys, stay."""
        one, other = hosts()
        names = ("f", "g", "h", "")
        for name in names:
            one.lookup_for(name, name)[0].refresh(name, lambda: 1)
        for name in ("f", "g"):
            other.lookup_for(name, name)[0].invalidate_all()
        left = [one.lookup_for(name, name)[0].peek(name, 0) for name in names]
        assert left == [0, 0, 1, 1]

    @pytest.mark.parametrize("forget", ["invalidate", "invalidate_all"])
    def test_during_a_creation(self, hosts, forget):
        """What another host invalidates while it is made is not kept, nor waited for."""
        one, other = hosts()
        args = ("key",) if forget == "invalidate" else ()
        with overtaken(one):
            getattr(other.lookup_for("", "")[0], forget)(*args)
            assert other.get_or_create("key", lambda: "new") == "new"
        assert one.peek("key") == "new"

    @pytest.mark.parametrize("kind", SHARED)
    def test_of_a_function_that_nobody_called(self, kind, clock, tmp_path):
        """A function can be invalidated in a region that has never kept anything."""
        options = SHARED[kind](clock, tmp_path)
        (region,) = make_regions(clock, **{f"r{uuid4().hex}": options}).values()
        region.lookup_for("f", "f")[0].invalidate_all()
        assert region.peek("key") is None

    def test_at_the_same_moment(self, clock):
        """Of two hosts that invalidate functions at the same moment none is undone."""
        store = MemoryStore(clock)
        one, other = (make_regions(clock, r={"type": store})["r"] for _ in "12")
        lookups = {name: one.lookup_for(name, name)[0] for name in "fgh"}
        for name, lookup in lookups.items():
            lookup.refresh(name, lambda: 1)
        swap = store.swap

        def late(*args):
            del store.swap
            other.lookup_for("g", "g")[0].invalidate_all()
            return swap(*args)

        store.swap = late
        lookups["f"].invalidate_all()
        assert [lookup.peek(name, 0) for name, lookup in lookups.items()] == [0, 0, 1]


class TestRefresh:
    """Who creates anew wins over what is there and what is on its way."""

    @pytest.mark.parametrize("there", [False, True])
    def test_over_a_creation_of_another_host(self, hosts, clock, there):
        """The result of the creation that began later is kept, in whosever place."""
        one, other = hosts(stale_on_error=600)
        if there:
            one.set("key", "oldest")
            clock.advance(60)
        with overtaken(one):
            assert other.refresh("key", lambda: "new") == "new"
        assert one.peek("key") == "new"

    def test_value_stays_until_then(self, hosts):
        """While it is created anew the fresh value is handed out, and stays if that fails."""
        one, other = hosts()
        one.set("key", "old")
        seen = []
        with pytest.raises(LookupError):
            one.refresh("key", lambda: seen.append(other.peek("key")) or raising(LookupError()))
        assert [*seen, other.peek("key")] == ["old", "old"]

    def test_lost_race(self, clock):
        """A refresh whose claim comes too late claims again."""
        store = FailingStore(clock)
        region = make_regions(clock, r={"type": store})["r"]
        region.set("key", 1)
        slot = region.entries.slot

        def late(key, group):
            del region.entries.slot
            found = slot(key, group)
            store.set("cache:1:r:key", store.load("cache:1:r:key")[0][::-1], None)
            return found

        region.entries.slot = late
        assert region.refresh("key", lambda: 2) == 2
        assert region.peek("key") == 2


class TestMarker:
    """The entry by which everything is invalidated at once."""

    @pytest.mark.parametrize("age", [0, 60])
    def test_lost(self, clock, age):
        """Without its marker a region is empty, of old values too, and gets a new one."""
        store = MemoryStore(clock)
        region = make_regions(clock, r={"type": store, "stale_on_error": 600})["r"]
        region.set("key", 1)
        clock.advance(age)
        store.delete("cache:1:r:#all")
        assert region.peek("key") is None
        with pytest.raises(LookupError):
            region.get_or_create("key", lambda: raising(LookupError()))
        assert [region.get_or_create("key", lambda n=n: n) for n in (2, 3)] == [2, 2]

    @pytest.mark.parametrize("data", [b"", b"\0", b"\0" * 20])
    def test_damaged(self, clock, data):
        """A marker of any bytes is a marker."""
        store = MemoryStore(clock)
        region = make_regions(clock, r={"type": store})["r"]
        lookup = region.lookup_for("f", "f")[0]
        lookup.refresh("key", lambda: 1)
        store.set("cache:1:r:#all", data, None)
        assert lookup.peek("key", None) is None
        assert lookup.get_or_create("key", lambda: 2) == lookup.peek("key", None) == 2
        lookup.invalidate_all()
        assert lookup.peek("key", None) is None

    def test_made_by_two_at_once(self, clock):
        """Two hosts that find no marker agree on one, though it gets lost between."""
        store = MemoryStore(clock)
        one, other = (make_regions(clock, r={"type": store})["r"] for _ in "12")
        create, load = store.create, store.load
        lost = ["as there is none yet", "by accident"]

        def late(key, value, ttl):
            store.create = create
            other.set("key", "other")
            return create(key, value, ttl)

        def forgetful(key):
            if key == "cache:1:r:#all" and lost:
                return lost.pop() and None
            return load(key)

        slot = one.entries.load("key", "")
        store.create, store.load = late, forgetful
        assert one.entries.acquire("key", "", slot) is None
        del store.load
        assert one.peek("key") == "other"


class TestStoreFails:
    """Each step of a creation can fail, and is paid for once."""

    @pytest.mark.parametrize("step", ["load_many", "create", "swap"])
    def test_one_failure_is_one_wait(self, clock, step):
        """After the first command that fails no other is sent; the next call waits for nothing."""
        store = FailingStore(clock)
        region = make_regions(clock, r={"type": store})["r"]
        region.set("other", 1)
        asked, errors = store.asked, region.stats().errors

        def down(*args):
            store.down = True
            return getattr(FailingStore, step)(store, *args)

        setattr(store, step, down)
        assert region.get_or_create("key", lambda: 5) == 5
        assert store.asked - asked == ["load_many", "create", "swap"].index(step) + 1
        assert region.stats().errors == errors + 1
        delattr(store, step)
        store.down = False
        assert region.get_or_create("key", lambda: 6) == 6
        assert region.get_or_create("key", never) == 6
        assert region.stats().waits == 0

    @pytest.mark.parametrize("step", ["create", "swap"])
    def test_lost_answer(self, clock, step):
        """What was stored although its answer was lost holds up nobody here."""
        store = FailingStore(clock)
        region = make_regions(clock, r={"type": store})["r"]
        region.set("other", 1)

        def lost(*args):
            getattr(FailingStore, step)(store, *args)
            raise StoreUnavailable("no answer")

        setattr(store, step, lost)
        assert region.get_or_create("key", lambda: 5) == 5
        delattr(store, step)
        assert region.get_or_create("key", lambda: 5) == region.peek("key") == 5
        assert region.stats().waits == 0

    class Impatience(BaseException):
        """What ends a thread that has waited too long, such as gevent's Timeout."""

    @pytest.mark.parametrize("ends", [Impatience, ZeroDivisionError])
    def test_thread_that_ends_while_it_claims(self, clock, ends):
        """A thread that never learns that it has its claim holds up nobody here."""
        store = FailingStore(clock)
        region = make_regions(clock, r={"type": store})["r"]
        region.set("other", 1)

        def ended(*args):
            del store.create
            store.create(*args)
            raise ends

        store.create = ended
        with pytest.raises(ends):
            region.get_or_create("key", lambda: 5)
        assert region.get_or_create("key", lambda: 6) == region.peek("key") == 6
        assert region.stats().waits == 0

    @pytest.mark.parametrize("ends", [Impatience, ZeroDivisionError])
    def test_thread_that_ends_while_it_stores(self, clock, ends):
        """A thread that has not stored its value holds up no other host: it gives up its claim."""
        store = FailingStore(clock)
        one, other = (make_regions(clock, r={"type": store})["r"] for _ in "12")

        def ended(*args):
            del store.swap
            raise ends

        store.swap = ended
        with pytest.raises(ends):
            one.get_or_create("key", lambda: 5)
        assert other.get_or_create("key", lambda: 6) == 6
        assert other.stats().waits == 0

    def test_value_that_is_refused(self, clock):
        """A value that the store takes no room for is logged each minute, and holds up nobody."""

        class Narrow(MemoryStore):
            def swap(self, key, token, value, ttl):
                if len(value) > 1000:
                    raise StoreError("too large")
                return super().swap(key, token, value, ttl)

        self.check_refused({"type": Narrow(clock)}, "x" * 1000, clock)

    def test_value_that_memcached_refuses(self, clock, tmp_path):
        """Row 84: so it is with memcached and a value of more than 1 MB."""
        self.check_refused(SHARED["memcached"](clock, tmp_path), "x" * 2_000_000, clock)

    @staticmethod
    def check_refused(options, value, clock):
        one, other = (make_regions(clock, r=options)["r"] for _ in "12")
        for region in (one, other, one):
            assert region.get_or_create("large", lambda: value) == value
        assert (one.stats().errors, one.stats().misses) == (2, 2)
        assert (one.stats().waits, other.stats().waits) == (0, 0)

    def test_release(self, clock):
        """A store that fails while a claim is given back does not hide the creator's error."""
        store = FailingStore(clock)
        region = make_regions(clock, r={"type": store})["r"]

        def creator():
            store.down = True
            raise LookupError("own")

        with pytest.raises(LookupError, match="own"):
            region.get_or_create("key", creator)
        assert region.stats().errors == 1
        store.down = False
        assert region.get_or_create("key", lambda: 1) == 1
        assert region.stats().waits == 0

    def test_while_waiting(self, clock):
        """Who waits for another host when the store fails calls the creator."""
        store = FailingStore(clock)
        one, other = (make_regions(clock, r={"type": store})["r"] for _ in "12")
        assert one.entries.acquire("key", "", one.entries.load("key", ""))
        second = Asking(other, lambda: "own")
        waits(other)
        store.down = True
        assert second.result() == "own"

    def test_it_comes_back(self, clock):
        """The first call after a failure finds what was kept before it."""
        store = FailingStore(clock)
        region = make_regions(clock, r={"type": store})["r"]
        region.set("key", 1)
        store.down = True
        assert in_threads(5, lambda n: region.get_or_create("key", lambda: 2)) == [2] * 5
        store.down = False
        assert region.get_or_create("key", never) == 1

    def test_damage_under_a_claim(self, clock):
        """A claim in whose place there is damage now is lost, and nothing worse."""
        store = OpaqueStore(clock)
        region = make_regions(clock, r={"type": store})["r"]

        def creator():
            store.set("cache:1:r:key", b"damage", None)
            return 1

        assert region.get_or_create("key", creator) == 1
        assert region.peek("key") is None
        assert region.get_or_create("key", lambda: 2) == region.peek("key") == 2

    def test_no_claim(self):
        """Who has no claim keeps the value to himself."""
        assert NO_CLAIM.keep(1) is False
        NO_CLAIM.release()


class TestOpening:
    """A store is opened by the configuration, or when it is first needed."""

    class Unprepared(FailingStore):
        prepared = 0

        def prepare(self):
            if self.down:
                raise StoreUnavailable("switched off")
            self.prepared += 1

    @pytest.mark.parametrize("local", [None, 5])
    def test_at_configuration(self, clock, local):
        """open() prepares the store, once and for all."""
        store = self.Unprepared(clock)
        options = {"type": store, "local": local}
        regions = make_regions(clock, r=options, m="memory", off={"enabled": False})
        regions.open()
        assert store.prepared == 1
        regions["r"].get_or_create("key", lambda: 1)
        assert store.prepared == 1

    def test_at_first_use(self, clock):
        """Where nobody opened it the first call does."""
        store = self.Unprepared(clock)
        region = make_regions(clock, r={"type": store})["r"]
        assert store.prepared == 0
        region.get_or_create("key", lambda: 1)
        region.get_or_create("key", lambda: 1)
        assert store.prepared == 1

    def test_unavailable_store(self, clock, caplog):
        """A store that is down at the start is logged, and prepared once it is up."""
        store = self.Unprepared(clock)
        store.down = True
        regions = make_regions(clock, r={"type": store})
        regions.open()
        assert caplog.messages == [
            (
                "the store of cache region 'r' failed, so functions are called instead"
                " (StoreUnavailable: switched off)"
            )
        ]
        assert regions["r"].get_or_create("key", lambda: 1) == 1
        store.down = False
        assert [regions["r"].get_or_create("key", lambda n=n: n) for n in (2, 3)] == [2, 2]
        assert store.prepared == 1

    def test_types_of_beakers_alone(self, clock):
        """A region that only Beaker can serve is not opened."""
        make_regions(clock, r={"type": "none of ours"}).open()
