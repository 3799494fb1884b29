"""Pickles that an intruder has put into Beaker's stores: nothing of them is run, at any layer."""

from __future__ import annotations

import os
import pickle

import beaker.session
import pytest

from tests import beaker_peer
from tests.beaker_peer import fill, see
from tests.beaker_records import LIBRARIES, STORES, Place, Way
from tests.previous_help import Here, here

pytestmark = pytest.mark.usefixtures("own_databases", "own_time")

NOT_LISTED = "posix.mkdir is not listed; if it only holds values, add the line posix:mkdir"
WAYS = [
    *[Way(store, serializer=serializer) for store in STORES for serializer in ("pickle", "json")],
    *[Way(store, True, "pickle", *LIBRARIES[0]) for store in ("file", "cookie")],
]


class Planted:
    """Makes a folder when its pickle is loaded, and is nothing else."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


@pytest.fixture
def own_time(monkeypatch):
    """Give Beaker its clock back after each test."""
    monkeypatch.setattr(beaker.session, "time", beaker.session.time)


@pytest.fixture
def canary(tmp_path):
    """What is there only if something was run."""
    return tmp_path / "canary"


def around(place, planted):
    """Plant where the store's own pickle is; give the bytes and memcached's flags."""
    return pickle.dumps(planted), 1


def beside(place, planted):
    """Plant beside the text, in the dictionary that the store pickles."""
    return pickle.dumps({"session": "x", "other": planted}), 0


def inside(place, planted):
    """Plant where the session's own pickle is."""
    return place.wrapped(place.encrypted(pickle.dumps(planted, 2)))


def deep_inside(place, planted):
    """Plant among the values of the session."""
    data = {"_creation_time": 1.0, "_accessed_time": 1.0, "user": [{"x": planted}]}
    return place.wrapped(place.encrypted(pickle.dumps(data, 2)))


def layers(way):
    """Give the layers that the way has."""
    if way.store in ("cookie", "memory"):
        return [inside, deep_inside]
    return [around, *([] if way.store == "memcached" else [beside]), inside, deep_inside]


CASES = [
    pytest.param(way, layer, id=f"{way}-{layer.__name__}") for way in WAYS for layer in layers(way)
]


def after_beaker(place):
    return here(place.previous())


def beakers_format(place):
    return Here({**place.here(), "session.format": "beaker"})


@pytest.mark.parametrize("reader", [after_beaker, beakers_format])
@pytest.mark.parametrize(("way", "layer"), CASES)
def test_planted(way, layer, reader, canary, tmp_path, caplog):
    """A planted pickle runs nothing, is answered with a new session, and is told in the log."""
    place = Place(way, tmp_path)
    cookie = beaker_peer.serve(place.settings, "fill", sqla=place.sqla)["cookie"]
    cookie = place.plant(cookie, *layer(place, Planted(canary)))
    application = reader(place)
    assert application.do(see, cookie) == {}
    assert application.do(lambda session: session.new, cookie) is True
    assert not canary.exists()
    is_text = way.store == "memcached" and layer is around
    refused = "not text" if is_text and reader is beakers_format else NOT_LISTED
    json_alone = reader is beakers_format and way.serializer == "json"
    if json_alone and layer in (inside, deep_inside):
        refused = "neither a pickle nor JSON"
    assert refused in caplog.text
    begun = application.begin(fill)
    assert application.do(see, begun)["user"] == beaker_peer.PLAIN["user"]


def test_the_canary_would_have_sung(canary):
    """The planted pickles are good ones: Python's own loader runs them."""
    pickle.loads(pickle.dumps(Planted(canary), 2))
    assert canary.exists()
