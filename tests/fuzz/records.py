"""Stored records and users' indexes, and a visitor who must be served whatever is in them."""

from __future__ import annotations

import json

from hypothesis import strategies as st
from msgpack import packb

from pyramid_beakerish.sessions.ids import store_key
from pyramid_beakerish.stores.base import WRITE_ID_SIZE
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.site import Site, WatchedStore

from .bytes import damaged

NOW = 1_700_000_000.0

USER = "bob"


class Visited:
    """A visitor of a real application whose stored record is replaced again and again."""

    def __init__(self, name, **options):
        clock = FrozenClock(NOW)
        self.store = WatchedStore(MemoryStore(clock))
        self.site = Site(self.store, clock, data_serializer=name, **options)
        self.visitor = self.site.stranger().put(a=1, b=[2, {"c": "d"}], c="text")
        self.visitor.use(lambda session: (session.flash("m"), session.set_lifetime(timeout=600)))
        self.visitor.use(lambda session: session.bind_user(USER, device="phone"))
        self.key = store_key(self.visitor.use(lambda session: session.id))
        self.valid = self.store.load(self.key)[0]
        (self.index_key,) = self.store.keys("user:")
        self.index = self.store.load(self.index_key)[0]

    def survives(self, damaged):
        """Tell whether a request that does everything is served, whatever is stored."""
        self.store.set(self.key, damaged, None)
        return self.is_served()

    def survives_index(self, damaged):
        """Tell whether a user can log in, and end his sessions, whatever is in his index."""
        self.store.set(self.key, self.valid, None)
        self.store.set(self.index_key, damaged, None)
        return self.is_served()

    def is_served(self):
        """Tell whether requests that do everything are served; forget what they have stored."""
        browser = self.visitor.twin()
        browser.use(do_everything)
        first = browser.response.status_code
        browser.use(log_in_and_out)
        stored = list(self.store.keys("session:"))
        for key in self.store.keys(""):
            self.store.delete(key)
        self.store.calls.clear()
        assert len(stored) <= 1, "a damaged record has left others behind"
        return (first, browser.response.status_code) == (200, 200)


def do_everything(session):
    """Use all that a view can use of a session."""
    dict(session), len(session), session.new, session.created, session.last_accessed
    session.domain, session.path, session.id, session["_creation_time"], session.handle
    session.pop_flash()
    session.flash("n")
    session["new"] = 1
    session.modify("n", lambda n: 1, 0)
    session.get_csrf_token()
    session.persist()
    session.regenerate_id()


def log_in_and_out(session):
    """Use the list of a user's sessions."""
    session.bind_user(USER, device="desk")
    session.persist()
    [(one.created, one.last_accessed, one.about) for one in session.sessions_of()]
    session.sessions_of().end_all()


TREES = st.recursive(
    st.sampled_from(
        [
            *(None, True, 0, -1, 1, 2**40, 2**63, NOW, NOW - 1, NOW + 1, 1e300),
            *(float("nan"), float("inf"), float("-inf"), "", "x", "/", "00" * 32, "00" * 65),
            *("/;x", "/\r\nSet-Cookie: a=b", "a.example; Path=/x", "session:" + "0" * 40),
        ]
    )
    | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=3,
)
OWN = (
    *("timeout", "lifetime", "cookie_expires", "domain", "path", "other"),
    *("user", "handle", "about", "renewed", "moved_to", "seed"),
)
OWNS = st.dictionaries(st.sampled_from(OWN), TREES, max_size=4)
MOMENTS = st.just(NOW) | TREES
FIELDS = st.tuples(MOMENTS, MOMENTS, st.none() | TREES, OWNS)
KEYS = st.sampled_from(["a", "_f_", "_csrft_", "", b"b"])
VALUES = st.dictionaries(KEYS, st.binary(max_size=5) | st.just(packb([1]))) | TREES


def spelled(name, fields, values):
    """Give the bytes of a record with these fields, as the serializer's frame spells it."""
    if name == "msgpack":
        return bytes(WRITE_ID_SIZE) + packb([*fields, values])
    return bytes(WRITE_ID_SIZE) + b"\n" + json.dumps(fields).encode() + b'\n"a"\t[1]'


def records(name, **options):
    """Give cases of a record, and the check of them."""
    visited = Visited(name, **options)
    made = st.tuples(FIELDS, VALUES).map(lambda case: spelled(name, *case))

    def check(record):
        assert visited.survives(record), record

    return made | damaged([visited.valid]), check


INDEXES = st.dictionaries(st.text(max_size=3), st.lists(TREES, max_size=2) | TREES) | TREES


def indexes():
    """Give cases of the index of a user's sessions, and the check of them."""
    visited = Visited("msgpack", max_sessions_per_user=2)
    made = INDEXES.map(lambda index: bytes(WRITE_ID_SIZE) + packb(index))

    def check(index):
        assert visited.survives_index(index), index

    return made | damaged([visited.index]), check
