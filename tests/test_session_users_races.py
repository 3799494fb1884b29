"""A user's sessions, while others log in and change ids at the same moment."""

from __future__ import annotations

import pytest

from pyramid_beakerish.errors import StoreUnavailable
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.site import Site


class Interrupted(MemoryStore):
    """Calls a function, once, before the next record is created."""

    meanwhile = None

    def create(self, key, value, ttl):
        work, self.meanwhile = self.meanwhile, None
        if work is not None and key.startswith("session:"):
            work()
        elif work is not None:
            self.meanwhile = work
        return super().create(key, value, ttl)


@pytest.fixture
def store():
    return Interrupted(FrozenClock())


@pytest.fixture
def site(store):
    return Site(store, FrozenClock())


def log_in(site):
    browser = site.stranger()
    browser.use(lambda session: session.bind_user("bob"))
    return browser


def listed(browser):
    return browser.use(lambda session: len(session.sessions_of("bob")))


def test_two_logins_at_once(site, store):
    """Of two logins at the same moment neither hides the other's session from the list."""
    others = []
    store.meanwhile = lambda: others.append(log_in(site))
    mine = log_in(site)
    assert listed(mine) == 2
    mine.use(lambda session: session.sessions_of().end_others())
    assert others[0].use(lambda session: session.new)


def test_many_new_ids_at_once(site, store):
    """However many requests change the id at once, the session stays in the list."""
    phone, desk = log_in(site), log_in(site)
    twins = [phone.twin() for _ in range(4)]

    def fail():
        raise StoreUnavailable("the request died")

    def meanwhile():
        for twin in twins:
            store.meanwhile = fail
            twin.use(lambda session: session.regenerate_id())
            assert twin.response.status_code == 503

    store.meanwhile = meanwhile
    phone.use(lambda session: session.regenerate_id())
    assert listed(desk) == 2
    desk.use(lambda session: session.sessions_of().end_others())
    assert phone.use(lambda session: session.new)


def test_the_list_of_nobody(site, store):
    """With the last session that is ended by it the list leaves the store as well."""
    log_in(site).use(lambda session: session.sessions_of().end_all())
    other, mine = log_in(site), log_in(site)
    mine.use(lambda session: session.sessions_of().end_others())
    assert listed(mine) == 1
    assert other.use(lambda session: session.new)
    site.stranger().put(a=1).use(lambda session: session.sessions_of("bob").end_all())
    assert list(store.keys("")) == list(store.keys("session:"))
    assert len(list(store.keys("session:"))) == 1
