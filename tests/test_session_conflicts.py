"""Sessions that others change before each attempt to, or lock: nobody is kept for ever."""

from __future__ import annotations

import pytest

from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing.site import Site


class Contested(MemoryStore):
    """A store in which, when told, somebody is always faster: what has a token is too late."""

    contested = False

    def swap(self, key, token, value, ttl):
        return not self.contested and super().swap(key, token, value, ttl)

    def delete(self, key, token=None):
        return not (self.contested and token) and super().delete(key, token)


class ContestedLists(Contested):
    """The same, and others create what was absent."""

    def create(self, key, value, ttl):
        return not self.contested and super().create(key, value, ttl)


@pytest.mark.parametrize(
    ("kind", "work"),
    [
        (Contested, lambda session: session.update(b=2)),
        (Contested, lambda session: session.regenerate_id()),
        (Contested, lambda session: session.invalidate()),
        (Contested, lambda session: session.bind_user("u")),
        (ContestedLists, lambda session: session.bind_user("u")),
    ],
    ids=["update", "regenerate_id", "invalidate", "bind_user", "list of a user"],
)
def test_a_change_is_given_up(clock, work, kind):
    """Who is overtaken at each of a hundred attempts is told so: the session is as it was."""
    store = kind(clock)
    visitor = Site(store, clock).stranger().put(a=1)
    before = visitor.twin()
    store.contested = True
    visitor.use(work)
    assert visitor.response.status_code == 503
    store.contested = False
    assert before.contents() == {"a": 1}


def test_a_lock_that_is_held_for_too_long(clock):
    """After the time that a view has asked for, its lock keeps nobody out."""
    visitor = Site(MemoryStore(clock), clock).stranger().put(a=1)

    def work(session):
        session.lock(seconds=5)
        clock.advance(6)
        visitor.twin().use(lambda other: other.lock(wait=0))

    visitor.use(work)
