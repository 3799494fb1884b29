"""A user's sessions, while others log in and change ids at the same moment."""

from __future__ import annotations

import threading

import pytest

from pyramid_beakerish.errors import StoreUnavailable
from pyramid_beakerish.sessions.ids import store_key
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.site import Site, WatchedStore
from pyramid_beakerish.testing.together import PATIENCE, Background
from tests.fuzz.records import spelled


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
def clock():
    return FrozenClock()


@pytest.fixture
def store(clock):
    return Interrupted(clock)


@pytest.fixture
def site(store, clock):
    return Site(store, clock)


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


def test_two_logins_at_once_where_one_is_allowed(clock):
    """Of two logins at the same moment one session is left, the later one's."""
    store = WatchedStore(MemoryStore(clock))
    site, later = Site(store, clock, max_sessions_per_user=1), []

    def stored():
        store.before("load", "user:", lambda: later.append(log_in(site)))

    store.before("create", "session:", stored)
    earlier = log_in(site)
    assert earlier.use(lambda session: session.new)
    assert not later[0].use(lambda session: session.new)


def test_a_login_that_another_takes_for_gone(clock):
    """A session stays listed that was stored just after another login had looked for it."""
    store = WatchedStore(MemoryStore(clock))
    site, entered, looked_for = Site(store, clock), threading.Event(), threading.Event()

    def wait():
        entered.set()
        assert looked_for.wait(PATIENCE)

    store.before("create", "session:", wait)
    login = Background(log_in, site)
    assert entered.wait(PATIENCE)

    def have_it_stored():
        looked_for.set()
        login.result()

    store.before("swap", "user:", have_it_stored)
    other = log_in(site)
    assert listed(other) == 2


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


@pytest.mark.parametrize("use", [dict, lambda session: session.update(a=1)])
def test_a_list_that_the_server_has_evicted(site, store, clock, use):
    """A session is in its user's list again after the next use that makes it live longer."""
    phone, desk = log_in(site), log_in(site)
    for name in list(store.keys("user:")):
        store.delete(name)
    clock.advance(61)
    phone.use(use)
    assert listed(desk) == 1
    desk.use(lambda session: session.sessions_of().end_others())
    assert phone.use(lambda session: session.new)


@pytest.mark.parametrize("use", [dict, lambda session: session.update(a=1)])
def test_a_list_that_was_ended_meanwhile(site, store, clock, use):
    """A request that was slow does not enter a session again that has ended while it ran."""
    phone, desk = log_in(site), site.stranger()
    clock.advance(61)

    def work(session):
        dict(session)
        desk.use(lambda session: session.sessions_of("bob").end_all())
        use(session)

    phone.use(work)
    assert list(store.keys("user:")) == []


def test_a_list_is_looked_at_only_where_the_session_lives_longer(clock):
    """A write before that costs a bound session what it costs any other."""
    store = WatchedStore(MemoryStore(clock))
    mine = log_in(Site(store, clock))
    store.calls.clear()
    mine.put(a=1)
    assert store.calls == ["load", "swap"]
    clock.advance(61)
    mine.put(a=2)
    assert store.calls[2:] == ["load", "swap", "load"]


def test_a_change_meanwhile(site):
    """Who logs in again while another request changes the session keeps both."""
    mine = log_in(site)
    twin = mine.twin()

    def work(session):
        session.bind_user("bob", device="desk")
        twin.put(a=1)

    mine.use(work)
    assert mine.contents() == {"a": 1}
    assert mine.use(lambda session: session.sessions_of()[0].about) == {"device": "desk"}


@pytest.mark.parametrize("failures", [1, 1000])
def test_a_list_that_others_change(site, store, monkeypatch, failures):
    """A list that others change at the same moment is changed again, and not for ever."""
    log_in(site)
    swap, left = store.swap, iter(range(failures))

    def beaten(key, *arguments):
        if key.startswith("user:") and next(left, None) is not None:
            return False
        return swap(key, *arguments)

    monkeypatch.setattr(store, "swap", beaten)
    mine = log_in(site)
    assert mine.response.status_code == (200 if failures == 1 else 503)
    assert listed(site.stranger()) == (2 if failures == 1 else 1)


def test_a_list_that_never_rests(site, store, monkeypatch):
    """Who cannot read a list because others change it all the time is told so."""
    mine, gone = log_in(site), log_in(site)
    store.delete(store_key(gone.use(lambda session: session.id)))
    load, left = store.load, iter(range(1000))

    def restless(key):
        entry = load(key)
        return None if key.startswith("user:") and next(left) % 2 else entry

    monkeypatch.setattr(store, "load", restless)
    mine.use(lambda session: session.sessions_of())
    assert mine.response.status_code == 503


@pytest.mark.parametrize("act", ["regenerate_id", "invalidate"])
def test_others_who_always_win(site, store, monkeypatch, act):
    """Who can neither move nor end a session gives up after a while, and is told so."""
    mine = log_in(site)
    delete = store.delete

    def beaten(key, token=None):
        return token is None and delete(key)

    monkeypatch.setattr(store, "delete", beaten)
    mine.use(lambda session: getattr(session, act)())
    assert mine.response.status_code == 503
    assert mine.use(lambda session: session.handle)


def test_a_way_that_leads_nowhere(site, store):
    """A damaged record that leads to itself is no session of the list's."""
    phone, desk = log_in(site), log_in(site)
    key = store_key(phone.use(lambda session: session.id))
    way = {"moved_to": key, "seed": "00" * 32}
    now = FrozenClock().now
    store.set(key, spelled("msgpack", (now, now, None, way), {}), None)
    assert listed(desk) == 1
    assert phone.use(lambda session: session.new)
