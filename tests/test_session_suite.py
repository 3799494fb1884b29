"""Every promise of a session, on each store; and that the suite notices when one is broken."""

from __future__ import annotations

import pytest
from pyramid.testing import DummyRequest

from pyramid_beakerish import SettingsError, StoreError, session_factory_from_settings
from pyramid_beakerish.sessions import ids
from pyramid_beakerish.sessions.records import RecordStore
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock, SessionSuite
from pyramid_beakerish.testing.session_base import error_of
from pyramid_beakerish.testing.session_users import UsersSuite
from pyramid_beakerish.testing.site import Site, WatchedStore
from tests.broken_stores import DeleteIgnoresToken, NoKeys, SwapIgnoresToken, SwapRevives


class TestInMemory(SessionSuite):
    def settings(self, folder):
        return {"session.type": "memory"}


class TestInFiles(SessionSuite):
    def settings(self, folder):
        return {"session.type": "file", "session.data_dir": str(folder)}


class TestInSqlite(SessionSuite):
    def settings(self, folder):
        return {"session.type": "sqlite", "session.data_dir": str(folder)}


class DeletesNothing(MemoryStore):
    def delete(self, key, token=None):
        return True


class CutsValuesOff(MemoryStore):
    def swap(self, key, token, value, ttl):
        return super().swap(key, token, value[:-1], ttl)


def is_kept(store_class, promise):
    """Run one test of the suite on the store; tell whether it passes."""

    class Suite(SessionSuite):
        def settings(self, folder):
            return {"session.type": store_class(self.clock)}

    suite = Suite()
    suite.setup_method()
    try:
        getattr(suite, promise)()
    except AssertionError:
        return False
    finally:
        suite.teardown_method()
    return True


@pytest.mark.parametrize(
    ("store_class", "promise"),
    [
        (SwapIgnoresToken, "test_different_keys"),
        (SwapRevives, "test_change_of_an_ended_session"),
        (DeleteIgnoresToken, "test_rotation_of_a_changed_session"),
        (DeletesNothing, "test_invalidate"),
        (CutsValuesOff, "test_write_costs_one_swap"),
    ],
)
def test_a_broken_promise_is_found(store_class, promise):
    """On a store that breaks a promise the suite fails."""
    assert is_kept(MemoryStore, promise)
    assert not is_kept(store_class, promise)


def test_a_store_without_keys():
    """A store that cannot list its keys keeps the promises about lists of sessions, too."""
    about_lists = [name for name in vars(UsersSuite) if name.startswith("test_")]
    assert about_lists
    assert all(is_kept(NoKeys, promise) for promise in about_lists)


def test_parts_do_not_hide_each_other():
    """No two parts of the suite have a test of the same name."""
    names = [
        name for part in SessionSuite.__bases__ for name in vars(part) if name.startswith("test_")
    ]
    assert len(names) == len(set(names))


def test_an_error_that_does_not_come():
    """The suite's own check for an error fails where there is none."""
    error = error_of(AssertionError, lambda: error_of(ValueError, dict))
    assert str(error) == "no ValueError was raised"


@pytest.fixture
def site():
    clock = FrozenClock()
    return Site(WatchedStore(MemoryStore(clock)), clock)


def test_random_source_that_repeats_itself(site, monkeypatch):
    """A new session never takes the place of another, even if it is given the same id."""
    victim, other = site.stranger().put(a=1), site.stranger().put(a=1)
    taken = victim.use(lambda session: session.id)
    monkeypatch.setattr(ids.secrets, "token_urlsafe", lambda size: taken)
    with pytest.raises(StoreError, match="random source"):
        site.stranger().put(a=2)
    with pytest.raises(StoreError, match="random source"):
        other.use(lambda session: session.regenerate_id())
    assert victim.contents() == {"a": 1}


def test_others_who_always_win(site, monkeypatch):
    """Who loses every conflict gives up after a while, as if the store were down."""
    visitor = site.stranger().put(a=1)
    monkeypatch.setattr(MemoryStore, "swap", lambda *arguments: False)
    visitor.put(a=2)
    assert visitor.response.status_code == 503
    assert visitor.contents() == {"a": 1}


def test_a_session_that_escapes_again_and_again(site, monkeypatch):
    """Who cannot end a user's sessions is told so, and does not go on for ever."""
    other, mine = site.stranger(), site.stranger()
    for browser in (other, mine):
        browser.use(lambda session: session.bind_user("bob"))
    monkeypatch.setattr(RecordStore, "end", lambda *arguments: None)
    mine.use(lambda session: session.sessions_of().end_others())
    assert mine.response.status_code == 503


def test_missing_requirement():
    """A factory that was made directly asks for what its type needs at first use."""
    factory = session_factory_from_settings({"session.type": "file"})
    with pytest.raises(SettingsError, match="data_dir"):
        len(factory(DummyRequest(cookies={"beaker.session.id": "x" * 43})))
