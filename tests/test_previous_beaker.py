"""What pyramid_beaker 0.9 has stored, in a process of its own, in every way that Beaker has."""

from __future__ import annotations

import re
import time
import zlib
from types import SimpleNamespace

import beaker.session
import pytest

from tests import beaker_peer
from tests.beaker_peer import Peer, fill, see
from tests.beaker_records import WAYS, Place
from tests.previous_help import Here, here

pytestmark = pytest.mark.usefixtures("own_databases", "own_time")

every_way = pytest.mark.parametrize("way", WAYS, ids=str)
NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def process():
    """pyramid_beaker's process, for all tests of this module."""
    peer = Peer()
    yield peer
    peer.stop()


@pytest.fixture
def own_time(monkeypatch):
    """Give Beaker its clock back after each test."""
    monkeypatch.setattr(beaker.session, "time", beaker.session.time)


@pytest.fixture
def place(way, tmp_path):
    """Where the way stores."""
    return Place(way, tmp_path)


@pytest.fixture
def served(process, place):
    """Have pyramid_beaker serve a request of work: in its process, or here out of one memory."""

    def served(work, cookie=None, now=None):
        peer = beaker_peer if place.way.store == "memory" else process
        return peer.serve(place.settings, work, cookie, now, sqla=place.sqla)

    return served


@every_way
def test_adopted(place, served):
    """A visitor of pyramid_beaker finds the session here, once and for all, until logout."""
    there = served("fill")["cookie"]
    before = served("see", there)["seen"]
    new = here(place.previous())
    assert repr(new.do(see, there)) == before
    assert new.do(lambda session: session.new, there) is False
    assert [event.count for event in new.adopted] == [1]
    if place.way.store != "cookie":
        assert served("see", there)["seen"] == "{}"
    cookie = new.moved(there)
    assert repr(new.do(see, cookie)) == before
    new.do(lambda session: session.invalidate(), cookie)
    assert new.do(see, cookie) == new.do(see, there) == {}


@every_way
def test_shared(place, served):
    """With ``session.format = beaker`` each package goes on with what the other has written."""
    there = served("fill")["cookie"]
    before = served("see", there)["seen"]
    new = Here({**place.here(), "session.format": "beaker"})
    assert repr(new.do(see, there)) == before
    assert served("see", new.begin(fill))["seen"] == before
    if place.way.store != "cookie":
        new.do(lambda session: session.update(n=4), there)
        assert served("see", there)["seen"] == before.replace("'n': 3", "'n': 4")


@every_way
def test_byte_by_byte(place, served, monkeypatch):
    """With ``session.format = beaker`` a record is, byte by byte, what pyramid_beaker writes."""
    theirs = place.record(served("fill", now=NOW)["cookie"])
    frozen = SimpleNamespace(time=lambda: NOW, strftime=time.strftime)
    monkeypatch.setattr(beaker.session, "time", frozen)
    ours = place.record(Here({**place.here(), "session.format": "beaker"}).begin(fill))
    texts = place.text(theirs), place.text(ours)
    data, expected = (without_id(place.decrypted(text), place.way) for text in texts)
    assert data == expected
    if not place.way.library and place.way.store != "cookie":
        assert ours == theirs


def without_id(data, way):
    """Give the data without the id that is in it if all of the session is in the cookie."""
    if way.serializer == "json":
        data = zlib.decompress(data)
    if way.store != "cookie":
        return data
    data, number = re.subn(rb"[0-9a-f]{32}(?=[^0-9a-f])", b"id", data, count=1)
    assert number == 1
    return data
