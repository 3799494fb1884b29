"""One creation per key over threads, and what becomes of those who wait."""

from __future__ import annotations

import os
import threading
import weakref
from uuid import uuid4

import pytest
from pyramid.httpexceptions import HTTPNotFound

from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.together import Background, in_threads, succeeds_in_child
from tests.cache_help import (
    KINDS,
    FailingStore,
    Held,
    make_kind,
    make_regions,
    outcome,
    until,
)
from tests.garbage import collect


@pytest.fixture(params=KINDS)
def region(request, tmp_path):
    """A region of each kind."""
    return make_kind(request.param, FrozenClock(), tmp_path)


def together(region, creator, count=20):
    """Let so many threads ask for one key at once; give what each one got."""
    Background(lambda: (creator.begun.wait(10), all_wait(region, count - 1), creator.go.set()))
    return in_threads(count, lambda _: outcome(region.get_or_create, "key", creator))


def all_wait(region, count):
    """Wait until so many threads wait for a creation."""
    until(lambda: region.stats().waits == count)


def test_twenty_threads_one_creation(region):
    """Of twenty threads that miss one key, one creates the value, and all get it."""
    creator = Held([1])
    got = together(region, creator)
    assert got == [[1]] * 20
    assert creator.calls == 1
    stats = region.stats()
    assert (stats.hits, stats.misses, stats.waits) == (0, 1, 19)


def test_each_waiter_of_a_store_gets_his_own_object(region):
    """Who waits gets what a hit would have given: the object, or one of his own."""
    got = together(region, Held([1]), count=3)
    kept_itself = region.settings.type == "memory" and not region.settings.copy
    assert len({id(value) for value in got}) == (1 if kept_itself else 3)


def test_failure_is_shared_at_once(region):
    """A failing creator is called once; each thread gets an exception of its own."""
    creator = Held(LookupError("none"))
    got = together(region, creator)
    assert creator.calls == 1
    assert {repr(error) for error in got} == {"LookupError('none')"}
    assert len({id(error) for error in got}) == 20
    assert sum(error.__cause__ is creator.result for error in got) == 19


def test_response_is_not_shared(region):
    """What one visitor's request adds to an HTTPException is not seen in another's."""
    creator = Held(HTTPNotFound("gone"))
    got = together(region, creator, count=5)
    for number, error in enumerate(got):
        assert type(error) is HTTPNotFound
        assert error.detail == "gone"
        error.headers.add("Set-Cookie", f"visitor={number}")
    assert [error.headers.getall("Set-Cookie") for error in got] == [
        [f"visitor={number}"] for number in range(5)
    ]


class NoUser(Exception):
    """An exception that makes a sentence of its argument."""

    def __init__(self, name):
        super().__init__(f"there is no user {name}")
        self.name = [name]


class NoRow(Exception):
    """An exception that takes other arguments than it passes on."""

    def __init__(self, table, key):
        super().__init__(f"no {key} in {table}")


class BadText(UnicodeDecodeError):
    """So does this, and it tells them by what Python makes of them."""

    def __init__(self, text):
        super().__init__("ascii", text, 0, 1, "no text")


class HasSlots(Exception):
    """An exception that keeps what it was given where only its class puts it."""

    __slots__ = ("code",)

    def __init__(self, code):
        super().__init__(code)
        self.code = code

    def __str__(self):
        return f"code {self.code}"


class ReturnsAnother(Exception):
    """An exception whose copy is something else."""

    def __reduce__(self):
        return Exception, self.args


class Unlike:
    """Something that is equal only to itself."""

    def __repr__(self):
        return "Unlike()"


@pytest.mark.parametrize(
    "error",
    [
        NoUser("bob"),
        NoRow("users", 7),
        BadText(b"\xff"),
        HasSlots(7),
        ReturnsAnother("text"),
        KeyError(Unlike()),
    ],
    ids=repr,
)
def test_failure_is_shared_as_it_is(error):
    """However an exception is made, each thread gets one that says and has the same."""
    creator = Held(error)
    got = together(make_regions(FrozenClock(), r="memory")["r"], creator, count=5)
    assert creator.calls == 1
    assert len({id(each) for each in got}) == 5
    assert {type(each) for each in got} == {type(error)}
    assert {(str(each), repr(each)) for each in got} == {(str(error), repr(error))}
    assert [vars(each) for each in got] == [vars(error)] * 5


def test_failure_shares_no_attributes():
    """What one thread changes in its exception is not seen in another's."""
    got = together(make_regions(FrozenClock(), r="memory")["r"], Held(NoUser("bob")), count=5)
    assert len({id(error.name) for error in got}) == 5


class Uncopyable(Exception):
    """An exception with an attribute that cannot be copied."""

    def __init__(self):
        self.lock = threading.Lock()


def test_failure_that_cannot_be_shared(region):
    """Where the exception cannot be copied the others call for themselves, all at once."""
    creator = Held(Uncopyable())
    leader = Background(outcome, region.get_or_create, "key", creator)
    assert creator.begun.wait(10)
    at_once = threading.Barrier(3, timeout=10)
    waiters = [Background(region.get_or_create, "key", at_once.wait) for _ in range(3)]
    all_wait(region, 3)
    creator.go.set()
    assert sorted(waiter.result() for waiter in waiters) == [0, 1, 2]
    assert leader.result() is creator.result


def test_end_of_a_thread_is_not_shared(region):
    """If the thread that creates a value is ended, one of those who wait goes on."""
    ended, works = Held(SystemExit()), Held(7)
    leader = Background(region.get_or_create, "key", ended)
    assert ended.begun.wait(10)
    waiters = [Background(region.get_or_create, "key", works) for _ in range(5)]
    all_wait(region, 5)
    ended.go.set()
    all_wait(region, 5 + 4)
    works.go.set()
    assert [waiter.result() for waiter in waiters] == [7] * 5
    assert works.calls == 1
    assert region.peek("key") == 7
    with pytest.raises(SystemExit):
        leader.result()


def test_recursion_is_a_plain_call(region):
    """A creator that asks for its own key gets what a function that is not cached gives."""

    def factorial(number):
        return number * region.get_or_create("key", lambda: factorial(number - 1)) if number else 1

    assert region.get_or_create("key", lambda: factorial(5)) == 120


def test_two_creators_that_need_each_other(region):
    """Where waiting would never end, the creator is called instead."""
    meet = threading.Barrier(2)
    names = ["a", "b"]

    def create(number):
        meet.wait(10)
        return names[number] + region.get_or_create(names[1 - number], lambda: "!")

    got = in_threads(2, lambda n: region.get_or_create(names[n], lambda: create(n)))
    assert sorted(got) in (["a!", "ba!"], ["ab!", "b!"])


def test_what_is_done_is_no_circle(region):
    """Who has just made what another one's creator waited for waits for that one in his turn."""
    first, calls = Held("b"), []

    def create():
        calls.append(1)
        return "a" + region.get_or_create("b", first)

    def ask_for_both():
        return region.get_or_create("b", first), region.get_or_create("a", create)

    one = Background(ask_for_both)
    assert first.begun.wait(10)
    other = Background(region.get_or_create, "a", create)
    all_wait(region, 1)
    first.go.set()
    assert (one.result(), other.result()) == (("b", "ab"), "ab")
    assert len(calls) == 1


def test_invalidation_is_not_waited_for(region):
    """Who asks after an invalidation does not get what was begun before it."""
    creator = Held("old")
    leader = Background(region.get_or_create, "key", creator)
    assert creator.begun.wait(10)
    region.invalidate("key")
    assert region.get_or_create("key", lambda: "new") == "new"
    creator.go.set()
    leader.result()
    assert region.peek("key") == "new"


def test_clear_is_for_its_own_region():
    """What another region is creating is kept."""
    regions = make_regions(FrozenClock(), r="memory", other="memory")
    assert regions["other"].get_or_create("key", lambda: regions["r"].clear() or 1) == 1
    assert regions["other"].peek("key") == 1


class SlowStore(FailingStore):
    """A store that does something else before it answers."""

    before_load = before_swap = None

    def load_many(self, keys):
        found = super().load_many(keys)
        if self.before_load:
            self.before_load()
        return found

    def swap(self, key, token, value, ttl):
        done = super().swap(key, token, value, ttl)
        if self.before_swap:
            self.before_swap()
        return done


def slow_region():
    """A region over such a store."""
    clock = FrozenClock()
    store = SlowStore(clock)
    return make_regions(clock, r={"type": store})["r"], store


def test_invalidated_while_it_is_saved():
    """An invalidation that meets the saving of a value wins."""
    region, store = slow_region()
    store.before_swap = lambda: region.flight.disown("key")
    assert region.get_or_create("key", lambda: 1) == 1
    assert region.peek("key") is None


def test_created_between_the_look_and_the_turn(region):
    """Who looked too early looks again before he creates, if somebody was faster."""
    load = region.entries.load

    def early(key, group):
        del region.entries.load
        found = load(key, group)
        region.refresh("key", lambda: "faster")
        return found

    region.entries.load = early
    assert region.get_or_create("key", lambda: "slower") == "faster"
    assert region.stats().misses == 1


def test_invalidated_before_it_is_claimed(region):
    """A creation that is not wanted any more leaves nothing that others would wait for."""
    key, acquire = uuid4().hex, region.entries.acquire

    def late(*args):
        del region.entries.acquire
        region.invalidate(key)
        return acquire(*args)

    region.entries.acquire = late
    assert [region.get_or_create(key, lambda n=n: n) for n in (1, 2, 3)] == [1, 2, 2]
    assert region.stats().waits == 0


def test_down_between_the_look_and_the_turn():
    """Who then cannot look creates the value."""
    region, store = slow_region()

    def be_faster():
        store.before_load = None
        region.refresh("key", lambda: "faster")
        store.down = True

    store.before_load = be_faster
    assert region.get_or_create("key", lambda: "slower") == "slower"


def test_nobody_holds_on_to_what_he_has_waited_for():
    """A value that is forgotten leaves the memory, though the threads that waited go on."""
    region = make_regions(FrozenClock(), r="memory")["r"]
    creator, go_on = Held(Unlike()), threading.Event()

    def ask():
        region.get_or_create("key", creator)
        return go_on.wait(10)

    threads = [Background(ask) for _ in range(3)]
    all_wait(region, 2)
    creator.go.set()
    until(lambda: region.stats().misses == 1 and region.peek("key"))
    region.clear()
    value, creator.result = weakref.ref(creator.result), None

    def is_gone():
        collect()
        return value() is None

    until(is_gone)
    go_on.set()
    assert all(thread.result() for thread in threads)


def test_counts_of_threads_are_exact():
    """No hit is lost, however many threads count."""
    region = make_regions(FrozenClock(), r="memory")["r"]
    region.set("key", 1)
    in_threads(8, lambda _: [region.get_or_create("key", int) for _ in range(1000)])
    assert region.stats().hits == 8000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_fork_during_a_creation():
    """A child does not wait for a thread that only its parent has."""
    region = make_regions(FrozenClock(), r="memory")["r"]
    creator = Held("parent")
    leader = Background(region.get_or_create, "key", creator)
    assert creator.begun.wait(10)

    def ask():
        assert region.get_or_create("key", lambda: "child") == "child"

    try:
        assert succeeds_in_child(ask)
    finally:
        creator.go.set()
    leader.result()
    assert region.peek("key") == "parent"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_fork_while_the_counts_are_read():
    """A child does not wait for a thread of its parent that was about to tell the counts."""
    region = make_regions(FrozenClock(), r="memory")["r"]
    lookup, counters = region.lookup_for("function", "group")
    counters.hit = Held(1)
    reader = Background(region.stats)
    assert counters.hit.begun.wait(10)
    try:
        assert succeeds_in_child(lambda: lookup.get_or_create("key", int))
    finally:
        counters.hit.go.set()
    reader.result()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_fork_while_an_entry_leaves():
    """A child does not wait for a thread of its parent that was about to let an object go."""
    region = make_regions(FrozenClock(), r="memory")["r"]
    end = Held(None)

    class Lasting:
        def __del__(self):
            end()

    region.get_or_create("key", Lasting)
    leaver = Background(region.invalidate, "key")
    assert end.begun.wait(10)
    try:
        assert succeeds_in_child(lambda: region.set("other", 1))
    finally:
        end.go.set()
    leaver.result()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_fork_while_the_store_is_opened(monkeypatch):
    """A child does not wait for a thread of its parent that was about to open the store."""
    clock = FrozenClock()
    opening = Held(MemoryStore(clock))
    monkeypatch.setattr("pyramid_beakerish.cache.region.open_store", lambda *_: opening())
    region = make_regions(clock, r="sqlite")["r"]
    opener = Background(region.get_or_create, "key", int)
    assert opening.begun.wait(10)

    def ask():
        opening.go.set()
        region.get_or_create("another key", int)

    try:
        assert succeeds_in_child(ask)
    finally:
        opening.go.set()
    opener.result()
