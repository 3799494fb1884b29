"""What is stored of a session: spelt so that it comes back, and read without trust."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgpack import packb

from pyramid_beakerish.sessions.ids import store_key
from pyramid_beakerish.sessions.record import merge_queues
from pyramid_beakerish.stores.base import WRITE_ID_SIZE
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.site import Site, WatchedStore

NOW = 1_700_000_000.0
FORMATS = pytest.mark.parametrize("name", ["msgpack", "json"])

KEYS = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | KEYS | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner) | st.tuples(inner),
    max_leaves=8,
)


@FORMATS
@settings(deadline=None)
@given(contents=st.dictionaries(KEYS, VALUES, min_size=1, max_size=4))
def test_any_contents(name, contents):
    """Any keys and values come back, line ends and tabs among them."""
    site, _ = make_site(name)
    assert site.stranger().put(**contents).contents() == contents


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


class Visited:
    """A visitor of a real application whose stored record is replaced again and again."""

    def __init__(self, name):
        self.site, self.store = make_site(name)
        self.visitor = self.site.stranger().put(a=1, b=[2, {"c": "d"}], c="text")
        self.visitor.use(lambda session: (session.flash("m"), session.set_lifetime(timeout=600)))
        self.key = store_key(self.visitor.use(lambda session: session.id))
        self.valid = self.store.load(self.key)[0]

    def survives(self, damaged):
        """Tell whether a request that does everything is served, whatever is stored."""
        self.store.set(self.key, damaged, None)
        browser = self.visitor.twin()
        browser.use(_do_everything)
        return browser.response.status_code == 200


def _do_everything(session):
    dict(session), len(session), session.new, session.created, session.last_accessed
    session.domain, session.path, session.id, session["_creation_time"]
    session.pop_flash()
    session.flash("n")
    session["new"] = 1
    session.modify("n", lambda n: 1, 0)
    session.get_csrf_token()
    session.persist()
    session.regenerate_id()


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


TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**40) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
OWN = (
    *("timeout", "lifetime", "cookie_expires", "domain", "path", "other"),
    *("user", "handle", "about", "renewed", "moved_to", "seed"),
)
OWNS = st.dictionaries(st.sampled_from(OWN), TREES, max_size=3)


@settings(deadline=None, max_examples=200)
@given(fields=st.tuples(TREES, TREES, TREES, OWNS, st.dictionaries(KEYS, st.binary()) | TREES))
def test_records_of_other_types(fields):
    """A record of the right length with the wrong types in it is no error of any request's."""
    visited = Visited("msgpack")
    assert visited.survives(visited.valid[:WRITE_ID_SIZE] + packb(list(fields)))


@settings(deadline=None, max_examples=200)
@given(fields=st.tuples(TREES, TREES, TREES, OWNS))
def test_lines_of_other_types(fields):
    """The same holds for records that are text."""
    visited = Visited("json")
    head = json.dumps(fields).encode()
    line = b'"a"\t1'
    assert visited.survives(b"\n".join([visited.valid[:WRITE_ID_SIZE], head, line]))


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
