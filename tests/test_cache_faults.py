"""The faults of Beaker's cache regions: each check fails on Beaker and holds here.

The numbers are those of the rows in which the faults were recorded.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time

import beaker.cache
import beaker.container
import pytest

from pyramid_beakerish.errors import CacheUsageError
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.together import in_threads
from tests.cache_help import Beakers, Ours, make_regions, outcome

pytestmark = [
    pytest.mark.usefixtures("own_caches"),
    pytest.mark.filterwarnings("ignore:.* is cached without self:UserWarning"),
]


def row_63_arguments_are_told_apart(library, tmp_path):
    """Calls with different arguments never share a result."""

    @library.cache_region("r")
    def typed(*args):
        return [repr(each) for each in args]

    calls = [("a b", "c"), ("a", "b c"), (1,), ("1",), (None,), ("None",), (True,), ("True",)]
    calls += [(b"x",), ("b'x'",), (), ("",), ("é",), ("\\xe9",), (1.0,)]
    for call in calls:
        assert typed(*call) == [repr(each) for each in call]


class User:
    """A user, who looks like any other."""

    def __init__(self, name):
        self.name = name


def row_64_objects_are_not_confused(library, tmp_path):
    """Nobody gets another user's rights because his object has the same address."""

    @library.cache_region("r")
    def rights(user):
        return f"rights of {user.name}"

    for number in range(50):
        with contextlib.suppress(CacheUsageError):
            assert rights(User(number)) == f"rights of {number}"


def row_67_nobody_changes_what_is_kept(library, tmp_path):
    """What one caller changes is not seen by the next, if the region is told to copy."""
    library.configure(copy=True)

    @library.cache_region("r")
    def load():
        return [1, 2]

    load().append("BAD")
    load().append("BAD")
    assert load() == [1, 2]


def row_65_methods_of_two_classes(library, tmp_path):
    """Methods of one name in two classes have entries of their own."""

    class One:
        @library.cache_region("r")
        def load(self):
            return "one"

    class Two:
        @library.cache_region("r")
        def load(self):
            return "two"

    assert [One().load(), Two().load()] == ["one", "two"]


def row_66_one_decorator_on_two_functions(library, tmp_path):
    """A decorator object may be used for several functions."""
    short_term = library.cache_region("r")

    @short_term
    def price(item):
        return f"price {item}"

    @short_term
    def stock(item):
        return f"stock {item}"

    assert [price(7), stock(7)] == ["price 7", "stock 7"]


def row_68_applications_share_no_values(library, tmp_path):
    """Two applications in one process have regions of their own."""
    one, other = library.application(), library.application()
    assert one("key", lambda: "one") == "one"
    assert other("key", lambda: "other") == "other"


def row_69_a_new_configuration_is_obeyed(library, tmp_path):
    """A function follows the last configuration, however often it was called before."""

    @library.cache_region("r")
    def load():
        calls.append(1)

    calls = []
    load()
    load()
    assert len(calls) == 1
    library.configure(enabled=False)
    load()
    load()
    assert len(calls) == 3


def row_70_keywords_can_be_invalidated(library, tmp_path):
    """A call can be invalidated by just the arguments it was made with."""

    @library.cache_region("r")
    def load(term, *, limit=10):
        calls.append(1)

    calls = []
    load("a", limit=5)
    load.invalidate("a", limit=5)
    load("a", limit=5)
    assert len(calls) == 2


def row_70_wrong_arguments_are_not_silent(library, tmp_path):
    """region_invalidate with other arguments than the decorator's own says so."""

    @library.cache_region("r", "loader")
    def load(term):
        return term

    load("a")
    with pytest.raises(CacheUsageError):
        library.region_invalidate(load, "r", "lodaer", "a")


def row_70_namespaces_are_not_silent(library, tmp_path):
    """region_invalidate with a namespace nobody has says so."""
    with pytest.raises(CacheUsageError):
        library.region_invalidate("no such namespace", "r", "a")


def row_77_failure_fails_all_at_once(library, tmp_path):
    """Twenty threads that meet one failing function make one call of it."""
    begun = threading.Event()

    @library.cache_region("r")
    def fail():
        calls.append(1)
        if not begun.is_set():
            begun.set()
            library.wait_for_waiters(19)
        raise LookupError

    calls = []
    errors = in_threads(20, lambda _: outcome(fail))
    assert all(isinstance(error, LookupError) for error in errors)
    assert len({id(error) for error in errors}) == 20
    assert len(calls) == 1


def row_78_memory_is_bounded(library, tmp_path):
    """A memory region does not grow with the number of different calls."""

    @library.cache_region("r")
    def load(number):
        return number

    library.configure(**library.at_most(50))
    for number in range(200):
        load(number)
    assert library.size() <= 50


def row_79_cost_does_not_grow(library, tmp_path):
    """A hit of a file region reads its own entry, not all those of the function."""
    library.configure(type="file", data_dir=str(tmp_path))

    @library.cache_region("r")
    def load(number):
        return "x" * 100

    sizes = []
    for numbers in (range(1), range(50)):
        for number in numbers:
            load(number)
        sizes.append(max(map(os.path.getsize, files(tmp_path))))
    assert sizes[0] > 100
    assert sizes[1] < 1.5 * sizes[0]


def row_80_no_lock_file_per_key(library, tmp_path):
    """The number of lock files does not grow with the number of keys."""
    library.configure(
        type="file", data_dir=str(tmp_path / "data"), lock_dir=str(tmp_path / "locks")
    )

    @library.cache_region("r")
    def load(number):
        return number

    for number in range(60):
        load(number)
    assert len(list(files(tmp_path / "locks"))) <= 20


def row_81_damage_is_a_miss(library, tmp_path):
    """An empty file in the place of an entry is created anew."""
    library.configure(type="file", data_dir=str(tmp_path))

    @library.cache_region("r")
    def load():
        return "value"

    load()
    for path in files(tmp_path):
        with open(path, "wb"):
            pass
    assert load() == "value"
    library.region_invalidate(load, "r")


def row_82_store_down(library, tmp_path):
    """Where the store cannot be used the function is called."""
    library.configure(type="file", data_dir=str(tmp_path / "data"))

    @library.cache_region("r")
    def load():
        return "value"

    load()
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "data").write_text("in the way")
    assert load() == "value"


def row_83_async_functions(library, tmp_path):
    """A coroutine function is refused by name."""

    async def load():
        """Load."""

    with pytest.raises(CacheUsageError, match="load is an async function"):
        library.cache_region("r")(load)


def row_83_generators(library, tmp_path):
    """A generator function is refused by name."""

    def load():
        yield 1

    with pytest.raises(CacheUsageError, match="load is a generator function"):
        library.cache_region("r")(load)


CHECKS = {name: check for name, check in globals().items() if name.startswith("row_")}


def files(folder):
    """Give every file below the folder."""
    for place, _, names in os.walk(folder):
        for name in names:
            yield os.path.join(place, name)


class OursHere(Ours):
    """What the checks need to know of this package."""

    def application(self):
        return make_regions(FrozenClock(), r="memory")["r"].get_or_create

    def wait_for_waiters(self, count):
        deadline = time.monotonic() + 10
        while self.regions["r"].stats().waits < count and time.monotonic() < deadline:
            time.sleep(0.001)

    def at_most(self, count):
        return {"max_entries": count}

    def size(self):
        return self.regions["r"].entries.in_memory


class BeakersHere(Beakers):
    """What the checks need to know of Beaker."""

    def application(self):
        manager = beaker.cache.CacheManager(cache_regions={"r": {"type": "memory", "expire": 60}})
        cache = manager.get_cache_region("namespace", "r")
        return lambda key, creator: cache.get(key, createfunc=creator)

    def wait_for_waiters(self, count):
        """Do nothing: those that wait call the function themselves, whenever they come."""

    def at_most(self, count):
        return {}

    def size(self):
        spaces = beaker.container.MemoryNamespaceManager.namespaces.dict
        return sum(len(space) for space in spaces.values())


@pytest.mark.parametrize("row", CHECKS)
def test_holds_here(row, tmp_path):
    """The check holds for this package."""
    CHECKS[row](OursHere(), tmp_path)


#: How Beaker fails: with a wrong answer, unless it is said otherwise.
FAILS_WITH = {
    "row_70_keywords_can_be_invalidated": AttributeError,
    "row_70_wrong_arguments_are_not_silent": pytest.fail.Exception,
    "row_70_namespaces_are_not_silent": pytest.fail.Exception,
    "row_81_damage_is_a_miss": EOFError,
    "row_82_store_down": OSError,
    "row_83_async_functions": pytest.fail.Exception,
    "row_83_generators": pytest.fail.Exception,
}


@pytest.mark.parametrize("row", CHECKS)
def test_fails_on_beaker(row, tmp_path):
    """The check is worth something: Beaker fails it."""
    with pytest.raises(FAILS_WITH.get(row, AssertionError)):
        CHECKS[row](BeakersHere(), tmp_path)
