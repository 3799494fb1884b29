"""Sessions of this package under earlier settings, and adopted ones that get another id."""

from __future__ import annotations

import time

import pytest

from pyramid_beakerish.errors import StoreError
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock
from tests.beaker_records import SECRET
from tests.previous_help import Here, here
from tests.rivals import Visitor

EVERY, MONTH = 900, 30 * 24 * 3600


@pytest.fixture
def clock():
    return FrozenClock(now=float(int(time.time())))


@pytest.fixture
def old_store(clock):
    return MemoryStore(clock)


@pytest.fixture
def before(old_store, clock):
    """Give the application under the earlier settings."""
    return make_before(old_store, clock)


def make_before(store, clock, **options):
    own = {f"session.{name}": value for name, value in options.items()}
    settings = {"session.type": store, "session.secret": SECRET, "beakerish.clock": clock, **own}
    return Here({**settings, "session.previous": "none"})


@pytest.fixture
def make_after(old_store, clock):
    """Give a function that makes the application under the present settings."""

    def make(**options):
        previous = {
            "session.previous.format": "beakerish",
            "session.previous.type": old_store,
            "session.previous.secret": SECRET,
            "beakerish.clock": clock,
        }
        return here(previous, **options)

    return make


def see(session):
    return dict(session)


def remember(session):
    session.update(a=1)
    session.set_lifetime(timeout=MONTH)


def test_an_adopted_session_whose_id_was_renewed(before, make_after, clock):
    """A request with the earlier cookie finds the session where it is after a renewal."""
    cookie = before.begin(lambda session: session.update(a=1))
    after = make_after(renew_id_every=EVERY)
    clock.advance(EVERY)
    adopted = after.moved(cookie)
    renewed = after.moved(adopted)
    assert renewed != adopted
    assert after.do(see, cookie) == {"a": 1}
    assert after.moved(cookie) == renewed
    after.do(lambda session: session.invalidate(), renewed)
    assert after.do(see, cookie) == {}


def test_an_id_that_was_renewed_a_moment_before_the_move(old_store, make_after, clock):
    """A visitor who has missed the answer that had the new id is not logged out by the move."""
    before = make_before(old_store, clock, renew_id_every=EVERY)
    cookie = before.begin(lambda session: session.update(a=1))
    clock.advance(EVERY)
    renewed = before.moved(cookie)
    after = make_after()
    assert after.do(see, cookie) == {"a": 1}
    assert after.do(see, renewed) == {}  # there is one session, and it has been adopted


def test_an_ended_session_whose_id_was_renewed(old_store, make_after, clock):
    """Behind an id that leads to a session that is over, the earlier one's cookie is looked at."""
    before = Visitor(make_before(old_store, clock, key="before"))
    before.do(lambda session: session.update(a=1))
    after = make_after(renew_id_every=EVERY, **{"previous.key": "before"})
    cookie = after.begin(lambda session: session.update(a=2))
    clock.advance(EVERY)
    after.do(lambda session: session.invalidate(), after.moved(cookie))
    assert after.do(see, f"{cookie}; before={before._app.cookies['before']}") == {"a": 1}


def test_a_user_is_known_after_the_move(before, make_after):
    """What was bound to a user there is listed and ended here."""
    cookie = before.begin(lambda session: session.bind_user("bob", device="phone"))
    after = make_after()
    moved = after.moved(cookie)
    found = after.do(lambda session: [one.about for one in session.sessions_of("bob")])
    assert found == [{"device": "phone"}]
    assert after.do(lambda session: session.sessions_of("bob").end_all())
    assert after.do(lambda session: session.new, moved)
    assert after.do(lambda session: session.new, cookie)


def test_a_remembered_session_is_adopted(before, make_after, clock):
    """A session with a longer idle time of its own is adopted after the usual one."""
    cookie = before.begin(remember)
    clock.advance(MONTH - 60)
    assert make_after().do(see, cookie) == {"a": 1}


# From a store into a cookie


def end(session):
    session.invalidate()


def fail(session):
    assert session["a"] == 1
    raise LookupError


def test_a_request_that_fails_loses_no_session(before, make_after):
    """A session leaves its store when a cookie is sent that has it, and no sooner."""
    cookie = before.begin(lambda session: session.update(a=1))
    after = make_after(type="cookie")
    with pytest.raises(LookupError):
        after.do(fail, cookie)
    moved = after.moved(cookie)
    assert after.do(see, moved) == {"a": 1}
    assert after.do(see, cookie) == before.do(see, cookie) == {}


@pytest.mark.parametrize("late", [{"b": 2}, {}], ids=["writes", "reads"])
def test_requests_that_take_over_one_session_at_once(before, make_after, late, caplog):
    """One of them takes it along; the other sends no cookie, and what it has set is dropped."""
    cookie, moved = before.begin(lambda session: session.update(a=1)), []
    after = make_after(type="cookie")

    def meet(request):
        assert see(request.session) == {"a": 1}
        moved.append(after.moved(cookie))
        request.session.update(late)

    assert "Set-Cookie" not in Visitor(after, cookie).request(meet).headers
    assert ("Changes of an ended session were dropped" in caplog.text) is bool(late)
    assert after.do(see, moved[0]) == {"a": 1}


def test_a_store_that_refuses_to_remove(before, make_after, old_store, caplog):
    """A session goes on in a cookie even if its store refuses to give it up."""
    cookie = before.begin(lambda session: session.update(a=1))

    def refuse(key, token=None):
        raise StoreError("refused")

    old_store.delete = refuse
    assert make_after(type="cookie").do(see, cookie) == {"a": 1}
    assert "could not be removed" in caplog.text


def test_a_logout_with_the_first_request(before, make_after):
    """A session that is ended by the request that takes it over is over there, too."""
    cookie = before.begin(lambda session: session.update(a=1))
    after = make_after(type="cookie")
    after.do(end, cookie)
    assert after.do(see, cookie) == before.do(see, cookie) == {}
