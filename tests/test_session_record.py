"""What is stored of a session: spelt so that it comes back, and read without trust."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgpack import packb

from pyramid_beakerish.sessions.record import merge_queues
from pyramid_beakerish.stores.base import WRITE_ID_SIZE
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.site import Site, WatchedStore
from tests.fuzz.records import NOW, USER, Visited, spelled

FORMATS = pytest.mark.parametrize("name", ["msgpack", "json"])

KEYS = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | KEYS | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner) | st.tuples(inner),
    max_leaves=8,
)


@FORMATS
def test_any_contents(name):
    """Any keys and values come back, line ends and tabs among them."""
    site, _ = make_site(name)

    @given(contents=st.dictionaries(KEYS, VALUES, min_size=1, max_size=4))
    def check(contents):
        assert site.stranger().put(**contents).contents() == contents

    check()


@FORMATS
def test_own_settings(name):
    """What one session has set for itself comes back as well."""
    site, _ = make_site(name)
    visitor = site.stranger().put(a=1)

    def work(session):
        session.set_lifetime(timeout=None, lifetime=60.5, cookie_expires=True)
        session.domain, session.path = "example.com", "/mine"

    visitor.use(work)
    assert visitor.use(lambda session: (session.domain, session.path)) == ("example.com", "/mine")


@FORMATS
def test_write_ids_differ(name):
    """A record that is stored again begins with another write id, whatever is in it."""
    site, store = make_site(name)
    visitor, ids = site.stranger(), set()
    for number in (1, 2, 1, 2):
        visitor.put(a=number)
        (key,) = store.keys("session:")
        ids.add(store.load(key)[0][:WRITE_ID_SIZE])
    assert len(ids) == 4


def test_json_is_readable():
    """With json a record is lines of text: the session's own, and one for each key."""
    site, store = make_site("json")
    site.stranger().put(user="Zoë", cart=[1, "2"])
    (key,) = store.keys("session:")
    head, *lines = store.load(key)[0][WRITE_ID_SIZE + 1 :].decode().split("\n")
    assert json.loads(head)[0] == NOW
    assert sorted(lines) == ['"cart"\t[1,"2"]', '"user"\t"Zoë"']


def make_site(name):
    """Make an application over a watched store, with the serializer."""
    clock = FrozenClock(NOW)
    store = WatchedStore(MemoryStore(clock))
    return Site(store, clock, data_serializer=name), store


def damages(valid, seed):
    """Give every prefix of a record, every change of a byte by some others, and random bytes."""
    chance = random.Random(seed)
    yield from (valid[:length] for length in range(len(valid)))
    for at in range(WRITE_ID_SIZE, len(valid)):
        for byte in {valid[at] ^ 1, valid[at] ^ 0x80, 0, 0xFF, 0xC0, 0x91, chance.randrange(256)}:
            yield valid[:at] + bytes([byte]) + valid[at + 1 :]
    yield from (valid[:WRITE_ID_SIZE] + chance.randbytes(chance.randrange(40)) for _ in range(300))


@FORMATS
def test_damaged_records(name):
    """Whatever becomes of a stored record, its visitor is served, as somebody new or not."""
    seed = random.randrange(2**32)
    visited = Visited(name)
    failed = [one for one in damages(visited.valid, seed) if not visited.survives(one)]
    assert not failed, f"seed {seed}: {len(failed)} as {failed[:3]}"


NAN, INF = float("nan"), float("inf")
HOSTILE = {
    "never idle": ((NOW, NAN, None, {}), {}),
    "never too old": ((NAN, NOW, None, {}), {}),
    "before all time": ((-INF, NOW, None, {}), {}),
    "never expires": ((NOW, NOW, NAN, {}), {}),
    "endless limit": ((NOW, NOW, None, {"timeout": INF}), {}),
    "negative limit": ((NOW, NOW, None, {"lifetime": -1}), {}),
    "endless cookie": ((NOW, NOW, None, {"cookie_expires": INF}), {}),
    "cookie without an end": ((NOW, NOW, None, {"cookie_expires": None}), {}),
    "header in the path": ((NOW, NOW, None, {"path": "/\r\nSet-Cookie: a=b"}), {}),
    "line end after the path": ((NOW, NOW, None, {"path": "/\n"}), {}),
    "attribute in the domain": ((NOW, NOW, None, {"domain": "a.example; Path=/x"}), {}),
    "user without a handle": ((NOW, NOW, None, {"user": "x"}), {}),
    "way without a seed": ((NOW, NOW, None, {"moved_to": "session:x"}), {}),
    "long seed": ((NOW, NOW, None, {"moved_to": "session:x", "seed": "00" * 65}), {}),
    "renewed at no time": ((NOW, NOW, None, {"renewed": NAN}), {}),
    "keys that are no text": ((NOW, NOW, None, {}), {b"b": b"\x91\x01"}),
    "values that are no dictionary": ((NOW, NOW, None, {}), []),
    "settings that are none": ((NOW, NOW, None, 0), {}),
    "settings that are no dictionary": ((NOW, NOW, None, []), {}),
}


@pytest.mark.parametrize("case", HOSTILE.values(), ids=HOSTILE)
def test_hostile_records(case):
    """Who can write to the store makes no session immortal, writes no header, and stops nobody."""
    visited = Visited("msgpack")
    visited.store.set(visited.key, spelled("msgpack", *case), None)
    browser = visited.visitor.twin()
    assert browser.use(lambda session: session.new)
    assert browser.response.status_code == 200
    assert visited.survives(spelled("msgpack", *case))


@pytest.mark.parametrize(
    "index", [b"", b"\xc1", packb(None), packb({"h": "x"}), packb({"h": [7]}), packb({b"h": []})]
)
def test_damaged_index_of_a_user(index, caplog):
    """A user whose list of sessions is damaged can log in, and has a list from then on."""
    visited = Visited("msgpack")
    visited.store.set(visited.index_key, bytes(WRITE_ID_SIZE) + index, None)
    browser = visited.site.stranger()
    browser.use(lambda session: session.bind_user(USER, device="desk"))
    assert browser.use(lambda session: [one.about for one in session.sessions_of()]) == [
        {"device": "desk"}
    ]
    assert "list of a user's sessions is damaged" in caplog.text


def test_merge_queues():
    """What either side added stays, theirs first; what either side took is gone."""
    for base, mine, theirs, merged in (
        ([], [], [], []),
        ([], ["m"], ["t"], ["t", "m"]),
        (["b"], ["b", "m"], ["b", "t"], ["b", "t", "m"]),
        (["b"], [], ["b", "t"], ["t"]),
        (["b"], ["b", "m"], [], ["m"]),
        (["b"], [], [], []),
        (["b"], ["m"], ["t"], ["t", "m"]),
        (["b", "b"], ["b", "b", "b"], ["b", "b"], ["b", "b", "b"]),
    ):
        assert merge_queues(base, mine, theirs) == merged
