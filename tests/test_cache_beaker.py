"""What Beaker's own tests of its region decorators assert holds for both packages."""

from __future__ import annotations

import time

import beaker.container
import pytest

from pyramid_beakerish.testing import FrozenClock
from tests.cache_help import Beakers, Ours

pytestmark = pytest.mark.usefixtures("own_caches")


@pytest.fixture
def clock(monkeypatch):
    """A clock that Beaker follows as well."""
    clock = FrozenClock(time.time())

    class Time:
        time = staticmethod(clock)

    monkeypatch.setattr(beaker.container, "time", Time)
    return clock


@pytest.fixture(params=["memory", "file"])
def options(request, tmp_path):
    """The options of a region on either type that both packages have."""
    return {"type": request.param, "data_dir": str(tmp_path)}


@pytest.fixture(params=[Ours, Beakers], ids=lambda kind: kind.__name__)
def library(request, clock, options):
    """Each of the two packages, with a region r."""
    if request.param is Beakers:
        return Beakers(**options)
    return Ours(clock, **options)


@pytest.fixture(params=[(), ("loader",)], ids=["no arguments", "an argument"])
def given(request):
    """What the decorator is given besides the region."""
    return request.param


@pytest.fixture
def greet(library, given):
    """A function whose results differ each time it is called."""
    calls = []

    @library.cache_region("r", *given)
    def greet(person):
        calls.append(person)
        return f"Hello {person}, you are number {len(calls)}"

    return greet


def test_results_are_kept_by_argument(greet):
    """Each argument has a result of its own, which stays."""
    results = [greet(person) for person in ("Ann", "Ann", "Bob", "Bob", "Ann")]
    assert results[0] == results[1] == results[4]
    assert results[2] == results[3]
    assert "Ann" in results[0]
    assert "Bob" in results[2]


def test_results_expire(greet, clock):
    """When the region's time is over there is a new result."""
    first = greet("Ann")
    clock.advance(61)
    assert greet("Ann") != first


def test_functions_are_told_apart(library):
    """Two functions with no arguments for the decorator do not share results."""

    @library.cache_region("r")
    def one(number):
        return "one"

    @library.cache_region("r")
    def other(number):
        return "other"

    assert [one(1), other(1)] == ["one", "other"]


@pytest.mark.parametrize("region", [None, "r"])
def test_one_result_can_be_invalidated(library, greet, given, region):
    """After it there is a new result, which stays; the other arguments keep theirs."""
    first, bobs = greet("Ann"), greet("Bob")
    library.region_invalidate(greet, region, *given, "Ann")
    second = greet("Ann")
    assert second != first
    assert greet("Ann") == second
    assert greet("Bob") == bobs


def test_what_is_not_there_can_be_invalidated(library, greet, given):
    """Invalidating a call that was never made changes nothing."""
    first = greet("Ann")
    library.region_invalidate(greet, None, *given, "Anne")
    assert greet("Ann") == first


def test_long_arguments(library, greet, given):
    """An argument longer than a key may be is kept, and invalidated, like any other."""
    name = "Ann" * 250
    first = greet(name)
    assert name in first
    assert greet(name) == first
    library.region_invalidate(greet, None, *given, name)
    assert greet(name) != first
