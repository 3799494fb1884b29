"""Decorated functions: calls, invalidation, methods, and the regions they follow."""

from __future__ import annotations

import array
import csv
import functools
import pickle
import re
from datetime import date
from unittest.mock import MagicMock

import beaker.cache
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyramid.config import Configurator
from pyramid.response import Response
from webtest import TestApp

from pyramid_beakerish.cache import configured
from pyramid_beakerish.cache.decorator import cache_region, region_invalidate
from pyramid_beakerish.errors import (
    CacheKeyError,
    CacheUsageError,
    RegionNotConfigured,
    SerializationError,
)
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.together import in_threads
from tests.cache_help import make_regions


@pytest.fixture(autouse=True)
def regions(clock, monkeypatch):
    """Regions of each kind, configured for the decorated functions."""
    monkeypatch.setattr(configured.configured, "regions", None)
    regions = make_regions(clock, r="memory", s=MemoryStore(clock))
    configured.configure(regions)
    return regions


def counted(region="r", *args, **options):
    """Give a cached function that returns how often it was called, and with what."""
    calls = []

    @cache_region(region, *args, **options)
    def function(*args, **kwargs):
        calls.append(1)
        return len(calls), args, kwargs

    return function


def counted_method(region="r"):
    """Give the same as a method of an object, which is not in the key."""
    calls = []

    class Counter:
        @cache_region(region, ignore=("self",))
        def method(self, *args, **kwargs):
            calls.append(1)
            return len(calls), args, kwargs

    return Counter().method


#: A call of either is answered by code of its own.
BOTH = pytest.mark.parametrize("make", [counted, counted_method])


@pytest.mark.parametrize("region", ["r", "s"])
def test_a_call_is_answered_once(region, clock):
    """The same call gets the same result until it expires."""
    function = counted(region)
    assert [function("a")[0], function("a")[0], function("b")[0]] == [1, 1, 2]
    clock.advance(61)
    assert function("a")[0] == 3


@pytest.mark.parametrize("region", ["r", "s"])
def test_invalidate_refresh_peek(region):
    """The methods mean the call that has their arguments."""
    function = counted(region)
    assert function.peek("a", x=1) is None
    function("a", x=1)
    assert function.peek("a", x=1)[0] == 1
    assert function.refresh("a", x=1)[0] == 2
    assert function("a", x=1)[0] == 2
    function.invalidate("a", x=1)
    function.invalidate("never called")
    assert function("a", x=1)[0] == 3


def test_key_for_is_the_key_in_the_region(regions):
    """With key_for the entry is found, and invalidated, in the region itself."""
    function = counted()
    result = function("a" * 300)
    assert regions["r"].peek(function.key_for("a" * 300)) is result
    regions["r"].invalidate(function.key_for("a" * 300))
    assert function("a" * 300)[0] == 2


@pytest.mark.parametrize("anything", ["", "a", "7:x", "\n"])
def test_a_word_before_a_key_keeps_it_from_those_of_functions(regions, anything):
    """What a visitor chooses behind a word and a colon names no result of a function."""
    function = counted()
    function(anything)
    key = function.key_for(anything)
    assert regions["r"].get_or_create(f"search:{key}", lambda: "found") == "found"
    assert function(anything)[0] == 1
    assert not function.key_for(anything).partition(":")[0].isalpha()


def test_function_stays_itself():
    """Name, docstring and the function behind it are still there."""

    def load(term):
        """Load it."""

    cached = cache_region("r")(load)
    assert (cached.__name__, cached.__doc__, cached.__wrapped__) == ("load", "Load it.", load)


@pytest.mark.parametrize("forget", ["function", "region", "key"])
def test_no_call_outlives_its_entry(regions, forget):
    """However the call is spelt, it is forgotten with its entry."""
    calls = []

    @cache_region("r")
    def load(term, limit=10):
        return calls.append(1)

    def every():
        load("a")
        load("a", 10)
        load("a", limit=10)
        load(limit=10, term="a")

    every()
    every()
    assert len(calls) == 1
    {
        "function": lambda: load.invalidate(limit=10, term="a"),
        "region": regions["r"].clear,
        "key": lambda: regions["r"].invalidate(load.key_for("a")),
    }[forget]()
    every()
    assert len(calls) == 2


TRICKY = [True, 1, 1.0, 0, 0.0, -0.0, False, None, "", "1", "a", b"a", bytearray(b"a")]
TRICKY += [
    date(2026, 1, 1),
    (),
    ("a",),
    ["a"],
    ("a", {}),
    {},
    ((1,),),
    [(1,)],
    ((True,),),
    (b"a",),
    array.array("b", b"a"),
    memoryview(b"a"),
]


@BOTH
@given(st.lists(st.sampled_from(TRICKY), max_size=2), st.lists(st.sampled_from(TRICKY), max_size=2))
def test_fast_calls_tell_arguments_apart(make, these, those):
    """A repeated call is answered by its own entry, whatever was called in between."""
    regions_here = make_regions(FrozenClock(), r="memory")
    configured.configured.regions = regions_here
    function = make()
    for args in (these, those, these, those):
        try:
            key = function.key_for(*args)
        except CacheKeyError:
            with pytest.raises(CacheKeyError):
                function(*args)
        else:
            assert function(*args) is function(*args)
            assert regions_here["r"].peek(key) is function(*args)
            assert [*map(type, function(*args)[1])] == [*map(type, args)]


@given(st.lists(st.sampled_from(TRICKY), max_size=2), st.lists(st.sampled_from(TRICKY), max_size=2))
def test_keys_that_are_remembered_tell_arguments_apart(these, those):
    """So it is where entries are in a store, and it is keys that are not spelt twice."""
    configured.configured.regions = make_regions(clock := FrozenClock(), r=MemoryStore(clock))
    function = cache_region("r")(spelt)
    for args in (these, those, these, those):
        try:
            function.key_for(*args)
        except CacheKeyError:
            with pytest.raises(CacheKeyError):
                function(*args)
        else:
            assert [function(*args) for _ in range(3)] == [repr(args)] * 3


def spelt(*args):
    """Give what tells the arguments apart."""
    return repr([*args])


@BOTH
def test_keywords_are_no_positions(make):
    """f(x=1) and f(("x", 1)) have nothing in common."""
    function = make()
    calls = [
        ((), {}),
        ((), {"x": 1}),
        (((), {"x": 1}), {}),
        (([(), {"x": 1}],), {}),
        ((), {"x": True}),
    ]
    for _ in range(2):
        assert [function(*args, **kwargs)[1:] for args, kwargs in calls] == calls


def test_many_calls(regions, clock):
    """A function that is called with ever other arguments holds on to no more than allowed."""
    regions = make_regions(clock, r={"max_entries": 10})
    configured.configure(regions)
    function = counted()
    for number in range(50):
        assert function(number) is function(number)
    assert regions["r"].entries.in_memory == 10
    assert len(function._cache.shortcut[0]) <= 10
    assert function("x" * 2000) is function("x" * 2000)
    assert len(function._cache.shortcut[0]) <= 10
    assert max(map(len, function._cache.shortcut[0])) < 2000


@pytest.mark.parametrize("kind", [{}, {"local": 10}, {"copy": True}])
def test_what_leads_to_expired_entries_leaves_with_them(clock, kind):
    """A function that was called with very many arguments holds on to them no longer than that."""
    store = {"type": MemoryStore(clock)} if "local" in kind else {}
    configured.configure(make_regions(clock, r={"expire": 10, **store, **kind}))
    function = cache_region("r")(spelt)
    for number in range(5000):
        function(number)
    clock.advance(11)
    for number in range(5000, 5300):
        function(number)
    assert len(function._cache.shortcut[0]) <= 300


def test_many_calls_of_a_store(clock):
    """Of a function whose results are in a store no more than a thousand keys are remembered."""
    configured.configure(make_regions(clock, r={"type": MemoryStore(clock), "max_entries": 5000}))
    function = cache_region("r")(spelt)
    for number in [*range(2500), *range(1700, 2500)]:
        assert function(number) == f"[{number}]"
        assert len(function._cache.shortcut[0]) <= 1000


def test_counters(regions):
    """Each function has its own counts, the region their sum, exact over threads."""

    @cache_region("r")
    def one(term):
        return term

    other = counted()
    one("a")
    other("a")
    in_threads(4, lambda number: [one("a") for _ in range(500)])
    regions["r"].get_or_create("key", int)
    stats = regions["r"].stats()
    name = f"{__name__}.test_counters.<locals>.one"
    assert (stats.functions[name].hits, stats.functions[name].misses) == (2000, 1)
    assert (stats.hits, stats.misses, len(stats.functions)) == (2000, 3, 2)


def test_threads_never_get_another_calls_result():
    """While entries come, go and are forgotten, each call gets its own result."""
    configured.configured.regions = make_regions(FrozenClock(), r={"max_entries": 10})

    @cache_region("r")
    def load(number, kind="plain"):
        return number, kind

    def call_often(thread):
        for number in range(thread, thread + 300):
            assert load(number % 25) == (number % 25, "plain")
            assert load(number % 25, kind="other") == (number % 25, "other")
            if not number % 7:
                load.invalidate(number % 25)
        return "done"

    assert in_threads(8, call_often) == ["done"] * 8


@pytest.mark.parametrize("argument", ["a\nb", "a\tb", "\0", "ü" * 5000])
@pytest.mark.parametrize("region", ["r", "s"])
def test_any_text_is_an_argument(region, argument):
    """Control characters, other languages and long texts are arguments like any other."""
    function = counted(region)
    assert [function(argument)[0], function(argument)[0]] == [1, 1]
    function.invalidate(argument)
    assert function(argument)[0] == 2


class Shop:
    """Something with methods."""

    calls = 0
    class_calls = 0

    @cache_region("r", ignore=("self",))
    def stock(self, item, place="here"):
        self.calls += 1
        return f"{item} {place}"

    @classmethod
    @cache_region("r", ignore=("cls",))
    def price(cls, item):
        cls.class_calls += 1
        return item

    @staticmethod
    @cache_region("r")
    def tax(item):
        return item

    @cache_region("r", key=lambda self, item: (id(self), item))
    def own(self, item):
        return id(self), item


def test_self_is_not_in_the_key():
    """As in Beaker all objects of a class share the results of a method."""
    one, other = Shop(), Shop()
    assert one.stock(1) == other.stock(1) == other.stock(item=1, place="here") == "1 here"
    assert (one.calls, other.calls) == (1, 0)
    assert Shop.stock(one, 1) == "1 here"
    assert Shop.stock(self=one, item=1) == "1 here"
    assert Shop.stock(self=one, item=1) == "1 here"


def test_method_needs_its_object():
    """A call without the object is an error, also when the result is there."""
    shop = Shop()
    calls = cache_region("r", ignore=("self",))(lambda self: 1)
    calls(shop)
    with pytest.raises(TypeError, match="missing a required argument"):
        calls()


def test_method_is_warned_of_once():
    """Who decorates a method is told where, what is shared, and both remedies."""
    with pytest.warns(UserWarning, match="Till.total is cached without self") as caught:

        class Till:
            @cache_region("r")
            def total(self, day):
                return day

    (warning,) = caught
    assert warning.filename == __file__
    for remedy in ("ignore=('self',)", "key=lambda self, item: (self, item)", "__cache_key__"):
        assert remedy in str(warning.message)
    assert [Till().total(1), Till().total(1)] == [1, 1]


def test_objects_with_a_cache_key_have_results_of_their_own():
    """What the warning advises works: key= names self, whose class has a __cache_key__."""

    class Till:
        def __init__(self, number):
            self.number = number

        def __cache_key__(self):
            return self.number

        @cache_region("r", key=lambda self, day: (self, day))
        def total(self, day):
            return self.number + day

    assert [Till(10).total(1), Till(20).total(1), Till(10).total(1)] == [11, 21, 11]
    Till.total.invalidate(Till(10), 1)
    assert Till.total.peek(Till(10), 1) is None
    assert Till.total.peek(Till(20), 1) == 21


def test_methods_are_invalidated_without_self():
    """invalidate, peek and key_for take the call's arguments, without the object."""
    shop = Shop()
    shop.stock(2)
    shop.stock.invalidate(2)
    assert shop.stock.peek(2) is None
    shop.stock(2)
    region_invalidate(shop.stock, "r", 2)
    shop.stock(2)
    assert shop.calls == 3
    assert shop.stock.key_for(2) == Shop.stock.key_for(item=2)


def test_methods_are_refreshed_with_self():
    """refresh makes the call, so it needs the object, and says so if it gets none."""
    shop = Shop()
    assert Shop.stock.refresh(shop, 3) == Shop.stock.refresh(item=3, self=shop) == "3 here"
    for args in [(), (3,)]:
        with pytest.raises(CacheUsageError, match=r"Class\.stock\.refresh\(self, \.\.\.\)"):
            shop.stock.refresh(*args)


class _Vault:
    @cache_region("r", ignore=("self",))
    def __count(self, item):
        return item

    @cache_region("r", ignore=("self",))
    def __getitem__(self, item):
        return item

    def renew(self, *args):
        return self.__count.refresh(*args)


def test_private_methods_are_refreshed_with_self():
    """So is a method whose name its class makes longer, and no other one with underscores."""
    vault = _Vault()
    assert vault.renew(vault, 3) == _Vault.__getitem__.refresh(vault, 3) == 3
    with pytest.raises(CacheUsageError, match=r"Class\.__count\.refresh\(self, \.\.\.\)"):
        vault.renew(3)


def of_item(self, item):
    """Become a method of a class."""
    return item


def test_function_that_becomes_a_method_is_refreshed_with_self():
    """So is a method that was defined outside of its class."""

    class Shelf:
        of_item = cache_region("r", ignore=("self",))(of_item)

    assert Shelf.of_item.refresh(Shelf(), 3) == 3


def test_class_and_static_methods():
    """They are cached as functions, the class not being in the key."""
    Shop.class_calls = 0
    assert [Shop.price(1), Shop().price(1), Shop.price(item=1)] == [1, 1, 1]
    assert Shop.class_calls == 1
    assert [Shop.tax(1), Shop().tax(1)] == [1, 1]
    Shop.price.invalidate(1)


def test_key_may_tell_objects_apart():
    """key= gets self, so each object can have results of its own."""
    one, other = Shop(), Shop()
    assert one.own(1) == (id(one), 1)
    assert other.own(1) == (id(other), 1)
    Shop.own.invalidate(one, 1)
    assert Shop.own.peek(one, 1) is None
    assert Shop.own.peek(other, 1) is not None


def test_key_may_look_beyond_the_arguments():
    """A key= that depends on something else is asked at each call."""
    tenant = ["one"]
    calls = []

    @cache_region("r", key=lambda item: (tenant[0], item))
    def load(item):
        calls.append(item)
        return tenant[0]

    assert load("a") == "one"
    tenant[0] = "other"
    assert load("a") == "other"


def test_ignored_argument():
    """An ignored request makes no difference, wherever it comes from."""
    calls = []

    @cache_region("r", ignore=("request",))
    def load(request, item):
        return calls.append(item)

    for request in (object(), object(), None):
        load(request, "a")
        load(request, item="a")
        load(request=request, item="a")
    assert calls == ["a"]
    load.invalidate(None, "a")
    load(None, "a")
    assert calls == ["a", "a"]


class TestRegionInvalidate:
    """region_invalidate takes what Beaker's takes."""

    def test_decorators_arguments_first(self):
        """The decorator's own arguments are followed by those of the call."""
        function = counted("r", "loader", 1)
        other = counted("r", "other")
        assert [function("Fred")[0], other("Fred")[0]] == [1, 1]
        region_invalidate(function, None, "loader", 1, "Fredd")
        assert function("Fred")[0] == 1
        region_invalidate(function, "r", "loader", 1, "Fred")
        assert [function("Fred")[0], other("Fred")[0]] == [2, 1]

    def test_without_decorators_arguments(self):
        """Without any, there are only those of the call."""
        function = counted()
        function("Fred")
        region_invalidate(function, None, "Fred")
        assert function("Fred")[0] == 2

    @pytest.mark.parametrize("args", [(), ("lodaer", 1, "Fred"), ("loader", True), ("Fred",)])
    def test_wrong_decorators_arguments(self, args):
        """Others than the decorator's own are an error."""
        message = r"was decorated with the arguments \('loader', 1\): region_invalidate takes"
        with pytest.raises(CacheUsageError, match=message):
            region_invalidate(counted("r", "loader", 1), None, *args)

    def test_wrong_region(self):
        """Another region than the function's is an error."""
        with pytest.raises(CacheUsageError, match="is cached in region 'r', not in 's'"):
            region_invalidate(counted(), "s", "Fred")

    @pytest.mark.parametrize(
        ("namespace", "described"),
        [("name", "the string 'name'"), (counted.__code__, "a code"), (counted, "counted")],
    )
    def test_what_is_not_decorated(self, namespace, described):
        """Anything else is an error that names .invalidate."""
        message = (
            "region_invalidate takes a function decorated with pyramid_beakerish.cache_region,"
            f" not {described}: call .invalidate(...) of the decorated function"
        )
        with pytest.raises(CacheUsageError, match=f"^{re.escape(message)}$"):
            region_invalidate(namespace, "r", "Fred")

    @pytest.mark.parametrize("region", [None, "r"])
    def test_beakers_own(self, region, monkeypatch, regions):
        """Beaker's region_invalidate does not silently do nothing to our functions."""
        monkeypatch.setattr(beaker.cache, "cache_regions", {})
        configured.enter_beaker_regions(regions)
        function = counted()
        function("Fred")
        with pytest.raises(CacheUsageError, match="which Beaker cannot invalidate"):
            beaker.cache.region_invalidate(function, region, "Fred")


async def coroutine():
    """Be awaited."""


async def async_generator():
    yield 1


def generator():
    yield 1


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (coroutine, "coroutine is an async function"),
        (generator, "generator is a generator function"),
        (async_generator, "async_generator is an async generator function"),
        (functools.partial(generator), "takes a function, not a partial"),
        ("r", "takes a function, not the string 'r'"),
        (classmethod(generator), "goes below @classmethod"),
        (staticmethod(generator), "goes below @staticmethod"),
    ],
)
def test_what_cannot_be_cached(function, message):
    """What gives no lasting result, or is no function, is refused at decoration."""
    with pytest.raises(CacheUsageError, match=message):
        cache_region("r")(function)


def test_region_that_is_no_name():
    """Who forgets the region, as functools.lru_cache allows it, learns so at decoration."""
    message = re.escape("takes the name of a region, not generator: @cache_region('short_term')")
    with pytest.raises(CacheUsageError, match=message):
        cache_region(generator)


@pytest.mark.parametrize("region", ["r", "s"])
@pytest.mark.parametrize("function", [coroutine, generator, async_generator])
def test_result_that_can_be_used_only_once(function, region):
    """What only its first caller could use is refused, where the function does not show it."""
    made = function()
    hiding = cache_region(region)(functools.wraps(function)(lambda: made))
    message = f"{function.__qualname__} returned, a .*: it can be used only once. Return what it"
    with pytest.raises(SerializationError, match=message):
        hiding()
    if function is coroutine:
        made.close()  # which Python else expects to be awaited


@pytest.mark.parametrize("region", ["r", "s"])
@pytest.mark.parametrize("iterator", [iter, enumerate, reversed, zip, csv.reader])
def test_iterator(iterator, region):
    """What the first caller would use up, and leave empty for the others, is refused."""
    load = cache_region(region)(lambda: iterator(["a", "b"]))
    with pytest.raises(SerializationError, match=r"it can be used only once\. Return what"):
        load()


def test_mock():
    """What a mock stands for in a test is kept, though it has the methods of an iterator."""
    load = cache_region("r")(MagicMock)
    assert load() is load()


def test_function_that_uses_up_a_generator():
    """What a decorator makes a lasting result of is cached, whatever it wraps."""
    listed = cache_region("r")(functools.wraps(generator)(lambda: [*generator()]))
    assert listed() is listed()


def test_value_that_cannot_be_kept_names_the_function():
    """The error says which function returned what the region cannot keep."""

    @cache_region("s")
    def load():
        return object()

    with pytest.raises(SerializationError, match=r"<locals>\.load returned, a object"):
        load()


class TestConfiguration:
    """Which regions the functions use."""

    def test_before_any(self, monkeypatch):
        """A function may be decorated before, but not called."""
        monkeypatch.setattr(configured.configured, "regions", None)
        function = counted()
        message = "'r' is not configured: .* none; was pyramid_beakerish included"
        with pytest.raises(RegionNotConfigured, match=message):
            function("a")

    def test_unknown_region(self):
        """A call names the region and those that there are."""
        with pytest.raises(RegionNotConfigured, match=r"'shrt' .*configured regions: r, s"):
            counted("shrt")("a")

    @BOTH
    def test_the_last_one_counts(self, make, regions, clock, caplog):
        """Functions follow the last configuration; applications keep their own regions."""
        function = make()
        assert [function("a")[0], function("a")[0]] == [1, 1]
        configured.configure(make_regions(clock, r="memory", s=regions["s"].settings.type))
        assert [function("a")[0], function("a")[0]] == [2, 2]
        assert regions["r"].peek(function.key_for("a"))[0] == 1
        assert not caplog.messages

    def test_another_one_is_logged_once(self, clock, caplog):
        """If the settings differ from the last ones, one line says so."""
        configured.configure(make_regions(clock, r={"expire": 1}))
        line = (
            "Cache regions were configured again, with other settings: decorated functions"
            " use those of the last configuration (r)"
        )
        assert caplog.messages == [line]

    @BOTH
    @pytest.mark.parametrize("region", ["r", "s"])
    def test_enabled_at_run_time(self, make, regions, region):
        """A disabled region is seen at the next call, and .invalidate works."""
        function = make(region)
        assert [function("a")[0], function("a")[0], function("b")[0]] == [1, 1, 2]
        regions[region].enabled = False
        assert [function("a")[0], function("a")[0]] == [3, 4]
        function.invalidate("b")
        regions[region].enabled = True
        assert [function("a")[0], function("b")[0]] == [1, 5]

    def test_disabled(self, regions):
        """A function in a disabled region is called with whatever it is given."""
        regions["r"].enabled = False
        function, no_key = counted(), object()
        for number, call in enumerate([function, function, function.refresh], 1):
            assert call(no_key, x=no_key) == (number, (no_key,), {"x": no_key})

    def test_entered_for_beaker(self, monkeypatch, clock):
        """Beaker's decorators find the regions in the dict that is there at the moment."""
        monkeypatch.setattr(beaker.cache, "cache_regions", {"other": {}})
        configured.enter_beaker_regions(make_regions(clock, entered={"expire": 30}))
        assert beaker.cache.cache_regions["entered"]["expire"] in (30, "30")

        @beaker.cache.cache_region("entered")
        def load_entered(term):
            return object()

        assert load_entered("a") is load_entered("a")


@pytest.mark.parametrize(
    ("view", "options"),
    [
        (lambda request: request.path, {"ignore": ["request"]}),
        (lambda request: request.path, {"key": lambda request: request.path}),
        (lambda request, page=1: request.path, {"key": lambda request: request.path}),
        (lambda context, request: request.path, {"ignore": ["context", "request"]}),
        (lambda context, request: request.path, {"key": lambda context, request: request.path}),
    ],
)
def test_a_view_is_cached(view, options):
    """A cached view gets from Pyramid what it takes: the request, or the context as well."""
    config = Configurator()
    config.add_view(cache_region("r", **options)(view), renderer="string")
    application = TestApp(config.make_wsgi_app())
    assert [application.get("/").text for _ in range(2)] == ["/", "/"]


@pytest.mark.parametrize("options", [{}, {"type": "file", "local": 5.0}])
def test_a_response_is_not_shared(clock, tmp_path, options):
    """The cookies that one visitor gets with a cached response would be sent to the next one."""
    options = {"data_dir": str(tmp_path), "serializer": pickle, **options}
    configured.configure(make_regions(clock, r=options))
    function = cache_region("r", ignore=["request"])(lambda request: Response("a page"))
    with pytest.raises(
        SerializationError,
        match=r"Response: the cookies set on it .* to all\. Return its text, or set copy = true",
    ):
        function(None)
    configured.configure(make_regions(clock, r={**options, "copy": True}))
    function(None)
    function(None).set_cookie("id", "somebody's")
    assert "Set-Cookie" not in function(None).headers


class Attributes(dict):
    """A dictionary whose items are attributes: what is missing is a `KeyError`."""

    __getattr__ = dict.__getitem__


def test_no_attribute_of_a_result_is_looked_for():
    """An object that has answers of its own for unknown attributes is kept like any other."""
    function = cache_region("r")(lambda name: Attributes(name=name))
    assert function("a") is function("a")
