"""Sessions of pickled values: a value has more than one pickle, and a read is no write for that."""

from __future__ import annotations

import pickle

import pytest

from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing.site import Site, WatchedStore


class Named:
    """Its pickle has the name once, as the name of the attribute: read back, it has it twice."""

    def __init__(self):
        self.name = "name"


def sparse():
    """Give a set that is in another order when it is read back."""
    numbers = {*range(2000), 4064}
    numbers.difference_update(range(8, 2000), [0])  # which leaves its table as large as it was
    return numbers


@pytest.fixture
def store(clock):
    return WatchedStore(MemoryStore(clock))


@pytest.fixture(params=["pickle", pickle], ids=["pickle", "an object"])
def site(request, store, clock):
    classes = [f"{__name__}:Named"] if request.param == "pickle" else None
    return Site(store, clock, data_serializer=request.param, pickle_classes=classes)


@pytest.fixture(params=[Named, sparse])
def visitor(request, site):
    return site.stranger().put(value=request.param(), n=0)


def test_a_read_writes_nothing(visitor, store):
    """To read a value stores nothing, even if its pickle now would be another one."""
    store.calls.clear()
    visitor.use(dict)
    assert store.calls == ["load"]


def test_a_read_undoes_nothing(visitor):
    """What another request stores while this one reads the value stays."""

    def slow(session):
        session["value"]
        visitor.twin().put(value="other")
        session["late"] = 1

    visitor.use(slow)
    assert visitor.contents() == {"value": "other", "n": 0, "late": 1}


def test_a_modification_counts(visitor):
    """To modify a value that was read before is done again on what others have stored."""

    def slow(session):
        session["value"]
        session.modify("value", lambda value: [value])
        visitor.twin().put(value="other")

    visitor.use(slow)
    assert visitor.contents()["value"] == ["other"]


def test_a_change_in_place_is_stored(visitor):
    """What has changed since it was read is stored."""
    visitor.put(value=[1])
    visitor.use(lambda session: session["value"].append(2))
    assert visitor.contents()["value"] == [1, 2]


def test_what_cannot_be_read_is_replaced(store, clock):
    """A value of a class that is not listed any more gives way to the one that is set."""
    classes = [f"{__name__}:Named"]
    before = Site(store, clock, data_serializer="pickle", pickle_classes=classes)
    visitor = before.stranger().put(value=Named())
    now = Site(store, clock, data_serializer="pickle").stranger().keep(visitor.cookies)
    assert now.put(value=1).contents() == {"value": 1}
