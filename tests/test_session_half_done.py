"""Sessions of which a part was stored, and another part failed or was taken back."""

from __future__ import annotations

import pytest

from pyramid_beakerish import LockTimeout, SerializationError, StoreError, StoreUnavailable
from pyramid_beakerish.sessions.events import SessionChangesDropped, SessionCreated
from pyramid_beakerish.sessions.manager import SessionManager
from pyramid_beakerish.sessions.session import Session
from pyramid_beakerish.settings import session_settings
from pyramid_beakerish.testing import FrozenClock
from tests.scenarios import FragileStore

SECRET = "not a secret, but as long as one has to be"


class Place:
    """A store, and the sessions that a browser's cookie opens there."""

    def __init__(self, **options):
        self.clock = FrozenClock()
        self.store = FragileStore(self.clock, [])
        self.events = []
        given = {"type": self.store, "secret": SECRET, **options}
        settings, _ = session_settings(**given)
        self.manager = SessionManager(settings, self.clock, self.notify)

    def notify(self, event):
        self.events.append(event)

    def open(self, cookie=None):
        return Session(self.manager, cookie)

    def begin(self, **contents):
        session = self.open()
        session.update(contents)
        session.persist()
        return sent(session)

    def contents(self, cookie):
        return dict(self.open(cookie))


def sent(session):
    header = session.finish({})
    return header and header.split(";")[0]


@pytest.fixture
def place():
    return Place()


def test_a_slow_read_sends_no_cookie_over_a_newer_one():
    """A read that finds the session moved or ended meanwhile leaves the cookie to who did it."""
    place = Place(cookie_expires="30d")
    cookie = place.begin(a=1)
    place.clock.advance(3600)
    slow = place.open(cookie)
    dict(slow)
    quick = place.open(cookie)
    quick["auth.userid"] = "u"
    quick.persist()
    slow.persist()
    assert sent(slow) is None
    assert place.contents(sent(quick))["auth.userid"] == "u"


def signed_anew(**options):
    """Give a place with a new secret, and a cookie that the old one has signed."""
    new = Place(secret=f"{SECRET} as well\n{SECRET}", **options)
    return new, Place(type=new.store).begin(a=1)


def test_a_slow_read_with_an_old_signature_sends_no_ended_id():
    """An id that a login has ended meanwhile is not signed anew."""
    place, cookie = signed_anew()
    slow, quick = place.open(cookie), place.open(cookie)
    assert dict(slow) == dict(quick) == {"a": 1}
    quick["auth.userid"] = "u"
    quick.persist()
    slow.persist()
    assert sent(slow) is None
    assert not any(isinstance(event, SessionChangesDropped) for event in place.events)
    assert place.contents(sent(quick))["auth.userid"] == "u"


def test_who_only_looks_on_has_no_cookie_signed_anew():
    """A cookie is sent for those who use the session, be it after somebody has looked at it."""
    place, cookie = signed_anew()
    for used in (False, True):
        for looks_again in (False, True):
            session = place.open(cookie)
            dict(session)
            session.park()
            if used:
                dict(session)
            elif looks_again:
                session.unpark(True)
            session.persist()
            assert (sent(session) is not None) is used


def test_a_request_that_does_not_count_sends_no_cookie():
    """What was due when the session was loaded is left to a request that is stored."""
    place, cookie = signed_anew()
    session = place.open(cookie)
    dict(session)
    session.abandon()
    assert sent(session) is None


def test_without_a_store_no_cookie_is_signed_anew():
    """A request that goes on without a session sends no cookie of one."""
    place, cookie = signed_anew(on_store_error="anonymous")
    session = place.open(cookie)
    session["b"] = 2
    place.store.fail("swap")
    session.persist()
    assert sent(session) is None


def test_a_late_use_renews_no_id():
    """Once the response is on its way nobody can be told a new id, so the old one stays."""
    place = Place(renew_id_every="15m")
    cookie = place.begin(a=1)
    place.clock.advance(3600)
    session = place.open(cookie)
    session.finish({})
    session["b"] = 2
    place.clock.advance(3600)
    assert place.contents(cookie) == {"a": 1, "b": 2}


def test_what_was_stored_keeps_its_cookie(place):
    """A failure after an explicit ``persist`` does not take back the id that it gave."""
    session = place.open(place.begin(a=1))
    session["auth.userid"] = "u"
    session.persist()
    session["x"] = object()
    with pytest.raises(SerializationError) as caught:
        session.persist()
    session.abandon(caught.value)
    assert place.contents(sent(session)) == {"a": 1, "auth.userid": "u"}


def test_a_stored_logout_removes_the_cookie(place):
    """A failure after a logout was stored by ``persist`` does not leave the cookie behind."""
    session = place.open(place.begin(a=1))
    session.invalidate()
    session.persist()
    session.abandon()
    assert "Max-Age=0" in session.finish({})


def test_logout_fails_aloud_without_a_store():
    """Even where visitors are served anonymously, a logout that cannot be done is an error."""
    place = Place(on_store_error="anonymous")
    cookie = place.begin(a=1)
    session = place.open(cookie)
    session.invalidate()
    place.store.fail("delete")
    with pytest.raises(StoreUnavailable):
        session.persist()
    assert sent(session) is None
    place.store.fail("load")
    session = place.open(cookie)
    assert dict(session) == {}
    with pytest.raises(StoreUnavailable):
        session.invalidate()
    place.store.mend()
    assert place.contents(cookie) == {"a": 1}


@pytest.mark.parametrize("act", [Session.invalidate, Session.regenerate_id])
def test_revert_takes_back_data_only(place, act):
    """An end or a new id stays after ``revert``, and its cookie is right."""
    old = place.begin(a=1)
    session = place.open(old)
    act(session)
    session["b"] = 1
    session.revert()
    session.persist()
    assert place.contents(old) == {}
    assert place.contents(sent(session)) in ({}, {"a": 1})


def test_a_session_that_ended_elsewhere_sends_no_cookie(place):
    """Limits that are set on a session which has ended meanwhile reach no browser."""
    cookie = place.begin(a=1)
    session, other = place.open(cookie), place.open(cookie)
    session.set_lifetime(timeout=60)
    session.persist()
    session["b"] = 1
    other.invalidate()
    other.persist()
    session.persist()
    session.set_lifetime(timeout=60)
    session.persist()
    assert sent(session) is None


def test_a_lock_ends_with_the_request(place):
    """When the response is on its way others can lock the session, whoever serves requests."""
    cookie = place.begin(a=1)
    session = place.open(cookie)
    session.lock()
    session.finish({})
    place.open(cookie).lock(wait=0)


def test_a_lock_loses_no_change_in_place(place):
    """What was changed inside a value before ``lock`` is not read anew."""
    cookie = place.begin(cart=[1])
    session = place.open(cookie)
    session["cart"].append(2)
    session.lock()
    session.lock()
    session.persist()
    session.unlock()
    assert place.contents(cookie) == {"cart": [1, 2]}


def test_locks_without_a_store(place):
    """A lock that cannot be had is an error, one that cannot be released ends by itself."""
    cookie = place.begin(a=1)
    session, other = place.open(cookie), place.open(cookie)
    session.lock()
    with pytest.raises(LockTimeout):
        other.lock(wait=0)
    place.store.fail("load", "delete")
    session.unlock()
    place.store.fail("create")
    with pytest.raises(StoreUnavailable):
        other.lock()


def test_an_anonymous_visitor_needs_no_lock():
    """Where visitors are served without a store there is nobody to keep out."""
    place = Place(on_store_error="anonymous")
    session = place.open(place.begin(a=1))
    assert session["a"] == 1
    place.store.fail("create")
    session.lock()
    assert session["a"] == 1


def test_what_is_set_after_it_was_modified(place):
    """What is set last counts, be it what `modify` had made of what others have changed now."""
    cookie = place.begin(n=0)
    session, other = place.open(cookie), place.open(cookie)
    session.modify("n", lambda n: n + 1)
    session["n"] = 1
    other["n"] = 5
    other.persist()
    session.persist()
    assert place.contents(cookie) == {"n": 1}


def test_what_is_modified_after_it_was_removed(place):
    """A key that was modified and removed begins anew with the default."""
    session = place.open(place.begin(n=0))
    session.modify("n", lambda n: n + 1)
    assert session.pop("n") == 1
    assert session.modify("n", lambda n: n + 1, 5) == 6


def test_a_modified_value_that_is_changed_in_place(place):
    """A change in place after ``modify`` is kept when somebody else has stored something."""
    cookie = place.begin(a=1)
    session, other = place.open(cookie), place.open(cookie)
    session.modify("cart", lambda cart: [*cart, "a"], [])
    session["cart"].append("b")
    session.modify("n", lambda n: n + 1, 0)
    session.modify("n", lambda n: n + 1, 0)
    other["other"] = 1
    other.persist()
    session.persist()
    assert place.contents(cookie) == {"a": 1, "other": 1, "cart": ["a", "b"], "n": 2}


@pytest.mark.parametrize("key", [b"x", 1, type("Key", (str,), {})("x")], ids=repr)
def test_keys_are_strings(place, key):
    """A key of another type is refused before anything is stored, also before an end."""
    cookie = place.begin(a=1)
    session = place.open(cookie)
    session.invalidate()
    session[key] = 1
    with pytest.raises(SerializationError, match="keys are strings"):
        session.persist()
    assert place.contents(cookie) == {"a": 1}


@pytest.mark.parametrize("expires", [float("inf"), 1e12, 0.5, -1])
def test_impossible_lifetimes(place, expires):
    """A lifetime that no cookie can tell is refused where it is set."""
    with pytest.raises(ValueError, match="at least 1 s"):
        place.open(place.begin(a=1)).set_lifetime(cookie_expires=expires)


def test_a_subscriber_may_use_the_session(place):
    """When a refusal is told, the session can be used already."""
    session = place.open("beaker.session.id=nonsense")
    place.notify = lambda event: session.flash("expired")
    place.manager.notify = place.notify
    assert session.peek_flash() == ["expired"]


def test_what_cannot_be_read_is_absent_in_a_conflict(place):
    """A stored value that nobody can read fails no save."""
    cookie = place.begin(a=1)
    session, other = place.open(cookie), place.open(cookie)
    session.flash("mine")
    other["a"] = 2
    other.persist()
    record, token, _ = place.manager.records.load(other._key)
    values = {**record.values, "_f_": b"\xc1"}
    assert place.manager.records.save(other._key, record, token, {}, values)
    session.persist()
    assert place.open(cookie).peek_flash() == ["mine"]


def test_the_cookie_is_removed_where_it_was(place):
    """A second ``invalidate`` does not forget where the first one's cookie stands."""
    cookie = place.begin(a=1)
    session = place.open(cookie)
    session.path = "/app"
    session.persist()
    session = place.open(cookie)
    session.invalidate()
    session.invalidate()
    session.persist()
    assert "; Path=/app;" in session.finish({})


def test_nothing_is_removed_that_was_not_there(place):
    """A visitor with other cookies only is told to forget none."""
    session = place.open("lang=en")
    session.invalidate()
    session.persist()
    assert session.finish({}) is None


def test_asking_for_an_id_is_no_attack(place):
    """``get_by_id`` of an id that nobody has tells of no refused cookie."""
    session = place.open(place.begin(a=1))
    assert session.get_by_id("x" * 43) is None
    assert session.get_by_id(session.id)["a"] == 1
    assert [type(event) for event in place.events] == [SessionCreated]


def test_no_repr_shows_what_is_stored(place):
    """Records and cookies print neither contents nor ids, as reporters print locals."""
    cookie = place.begin(a="content")
    trusted = place.manager.cookie.find(cookie)
    assert trusted.session_id not in repr(trusted)
    assert "content" not in repr(place.manager.records.load(trusted.key)[0])


def _set(session):
    session["n"] = 2


def _count(session):
    session.modify("n", lambda n: n + 1, 1)


@pytest.mark.parametrize("method", ["swap", "create"])
@pytest.mark.parametrize("change", [_set, _count])
def test_what_was_done_beside_a_refused_value(place, method, change):
    """A store that refuses a value as too large takes the rest, once, when that value is gone."""
    cookie = place.begin(a=1, n=1, read=[]) if method == "swap" else None
    session = place.open(cookie)
    session["a"] = 2
    read = session.setdefault("read", [])
    change(session)
    session["big"] = "as large as one likes"
    place.store.fail(method, error=lambda: StoreError("object too large"))
    with pytest.raises(StoreError):
        session.persist()
    place.store.mend()
    del session["big"]
    read.append("and changed since")
    session.persist()
    expected = {"a": 2, "n": 2, "read": ["and changed since"]}
    assert place.contents(sent(session) or cookie) == expected
