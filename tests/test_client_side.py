"""Sessions that are in the visitor's cookie, as a whole: ``session.type = cookie``."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from pyramid.exceptions import ConfigurationExecutionError
from pyramid.interfaces import ISession
from webtest import TestApp
from zope.interface.verify import verifyObject

from pyramid_beakerish import SerializationError, SessionStateError, SessionTooLarge
from pyramid_beakerish.sessions.events import EndReason, Refusal, SessionEnded, SessionRefused
from pyramid_beakerish.sessions.sealed_cookie import CookieKey, CookieStore, SealedCookie
from pyramid_beakerish.settings import read_settings, session_settings
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.site import Site
from tests import scenarios

NAME = "beaker.session.id"
OLD, NEW = "o" * 40, "n" * 40
KINDS = {"signed": {}, "encrypted": {"secret": None, "encrypt_key": "e" * 40}}


@pytest.fixture
def clock():
    return FrozenClock()


@pytest.fixture(params=KINDS)
def site(request, clock):
    """Make an application whose sessions are in cookies, signed or encrypted."""

    def make(**options):
        return Site("cookie", clock, **{**KINDS[request.param], **options})

    return make


def refusals(site):
    return [event.reason for event in site.events if isinstance(event, SessionRefused)]


def test_contents_come_back(site):
    """What is put into a session is there at the next request, of whatever type it is."""
    visitor = site().stranger().put(n=1, cart=[("tea", 2.5)], text="é")
    assert visitor.contents() == {"n": 1, "cart": [("tea", 2.5)], "text": "é"}
    visitor.use(lambda session: session["cart"].append("x"))
    assert visitor.contents()["cart"] == [("tea", 2.5), "x"]
    visitor.use(lambda session: (session.pop("n"), session.modify("m", lambda n: n + 1, 0)))
    assert visitor.contents() == {"cart": [("tea", 2.5), "x"], "text": "é", "m": 1}


def test_it_is_a_session(site):
    """A session in a cookie is all that Pyramid asks for: id, flash messages, token, moments."""
    visitor = site().stranger().put(a=1)
    assert visitor.use(lambda session: verifyObject(ISession, session))
    created, session_id = visitor.use(lambda session: (session.created, session.id))
    visitor.use(lambda session: session.flash("hello"))
    token = visitor.use(lambda session: session.get_csrf_token())
    assert visitor.use(lambda session: session.get_csrf_token()) == token
    assert visitor.use(lambda session: session.pop_flash()) == ["hello"]
    assert visitor.use(lambda session: (session.created, session.id, session.new)) == (
        created,
        session_id,
        False,
    )
    assert visitor.use(lambda session: session.last_accessed) >= created


def test_nothing_for_those_who_only_look(site):
    """A visitor who has nothing is sent nothing, and a reader's cookie stays as it is."""
    application = site()
    stranger = application.stranger()
    assert stranger.use(dict) == {}
    assert stranger.set_cookies == []
    visitor = application.stranger().put(a=1, items=["tea"])
    visitor.use(dict)
    assert visitor.set_cookies == []


def test_encrypted_contents_cannot_be_read(clock):
    """Who has the cookie reads nothing in an encrypted one, and everything in a signed one."""
    for options, readable in ((KINDS["signed"], True), (KINDS["encrypted"], False)):
        visitor = Site("cookie", clock, **options).stranger().put(name="findable")
        value = visitor.cookies[NAME]
        found = b"findable" in base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
        assert found is readable


def test_a_changed_cookie_opens_nothing(site):
    """A cookie of which a byte was changed, or that was cut off, is a new session and no error."""
    application = site()
    value = application.stranger().put(a=1).cookies[NAME]
    changed = {
        value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :] for at in range(60)
    }
    cut = {value[:length] for length in range(0, len(value) - 1, 7)}
    for one in (*changed, *cut, "é", "A", "=", ".", "x" * 5000):
        assert application.stranger().keep({NAME: one}).use(dict) == {}
    assert set(refusals(application)) <= {Refusal.MALFORMED, Refusal.BAD_SIGNATURE}


def test_cookies_that_are_not_remembered(site, monkeypatch):
    """Few or many visitors, here or elsewhere before: each cookie opens its own session."""
    monkeypatch.setattr("pyramid_beakerish.sessions.sealed_cookie.MOST_REMEMBERED", 3)
    application = site()
    visitors = [application.stranger().put(n=n) for n in range(7)]
    for _ in range(2):
        assert [visitor.contents()["n"] for visitor in visitors] == [*range(7)]
    elsewhere = site()
    for n, visitor in enumerate(visitors):
        moved = elsewhere.stranger().keep(visitor.cookies)
        assert [moved.contents(), moved.contents()] == [{"n": n}] * 2
        moved.put(m=n)
        assert moved.contents() == {"n": n, "m": n}
        assert visitor.contents() == {"n": n}


def test_a_bounded_number_is_remembered(clock, monkeypatch):
    """However many cookies are sent, those that are remembered take no more than so much memory."""
    monkeypatch.setattr("pyramid_beakerish.sessions.sealed_cookie.MOST_REMEMBERED", 3)
    cookie = SealedCookie(session_settings(type="cookie", secret=NEW)[0], clock)
    for number in range(10):
        key = CookieKey(f"id {number}")
        key.record = b"record"
        assert cookie.find(f"{NAME}={cookie.seal(key)}").session_id == key
        assert len(cookie._opened) <= 3


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_cookie_that_is_over_hides_none(site, clock, order):
    """Of two cookies of the name, as of two paths, the one whose session is alive is found."""
    here = site()
    over = here.stranger().put(a="over").cookies
    clock.advance(30 * 86400)
    alive = here.stranger().put(a="alive").cookies
    sent = [f"{name}={value}" for each in (over, alive) for name, value in each.items()]
    header = "; ".join(sent[at] for at in order)
    visitor = here.stranger()
    assert visitor.visit(lambda request: dict(request.session), Cookie=header) == {"a": "alive"}
    assert visitor.visit(lambda request: dict(request.session), Cookie=sent[0]) == {}


def test_another_name_or_kind_is_another_key(site, clock):
    """What was sealed for one cookie, or in one way, opens no other with the same secret."""
    value = site().stranger().put(a=1).cookies[NAME]
    assert site(key="other").stranger().keep({"other": value}).contents() == {}
    same = {"secret": "e" * 40}
    signed = Site("cookie", clock, **same).stranger().put(a=1).cookies
    assert (
        Site("cookie", clock, secret=None, encrypt_key="e" * 40).stranger().keep(signed).contents()
        == {}
    )


@pytest.mark.parametrize("accessed", ["true", "false"])
@pytest.mark.parametrize("option", ["secret", "encrypt_key", "validate_key"])
def test_keys_are_replaced(clock, option, accessed):
    """The newest key seals, all open; what an older one has sealed is sealed anew."""

    def application(keys):
        options = {"secret": None, option: keys, "save_accessed_time": accessed}
        return Site("cookie", clock, **options)

    visitor = application(OLD).stranger().put(a=1)
    both = application(f"{NEW}\n{OLD}").stranger().keep(visitor.cookies)
    assert both.use(dict) == {"a": 1}
    assert both.cookies != visitor.cookies
    assert application(NEW).stranger().keep(both.cookies).contents() == {"a": 1}
    assert application(NEW).stranger().keep(visitor.cookies).contents() == {}


def test_times(site, clock):
    """A session ends when it was not used, or is as old, as the settings say, whoever has it."""
    application = site(timeout=600, lifetime=3600)
    visitor = application.stranger().put(a=1)
    copied = visitor.twin()
    for _ in range(5):
        clock.advance(500)
        assert visitor.use(dict) == {"a": 1}
    assert copied.use(dict) == {}
    assert refusals(application) == [Refusal.IDLE]
    clock.advance(500)
    visitor.use(dict)
    clock.advance(600)
    assert visitor.use(dict) == {}
    assert refusals(application)[1:] == [Refusal.TOO_OLD]


def test_remember_me(site, clock):
    """One session may have limits of its own, and its cookie lives as long."""
    visitor = site(timeout=600).stranger()
    visitor.use(
        lambda session: (session.set_lifetime(timeout=7200, cookie_expires=7200), session.save())
    )
    assert "Max-Age=7200" in visitor.set_cookies[0]
    clock.advance(5000)
    assert not visitor.use(lambda session: session.new)


def test_logout(site):
    """A logout takes the cookie away; what nobody can do is take back a copy of it."""
    application = site()
    visitor = application.stranger().put(a=1)
    copied = visitor.twin()
    visitor.use(lambda session: session.invalidate())
    assert visitor.cookies == {}
    assert any(
        isinstance(event, SessionEnded) and event.reason is EndReason.LOGOUT
        for event in application.events
    )
    assert copied.contents() == {"a": 1}
    copied.use(lambda session: (session.invalidate(), session.update(b=2)))
    assert copied.contents() == {"b": 2}


def test_a_new_id(site, clock):
    """The id changes at login, and by itself where that is wanted; the contents stay."""
    application = site(renew_id_every=900)
    visitor = application.stranger().put(a=1)
    first = visitor.use(lambda session: session.id)
    visitor.use(lambda session: session.regenerate_id())
    second = visitor.use(lambda session: session.id)
    clock.advance(900)
    visitor.use(dict)
    third = visitor.use(lambda session: session.id)
    assert len({first, second, third}) == 3
    assert visitor.contents() == {"a": 1}


def test_too_large(site):
    """What does not fit is refused when it is set, with the largest keys, and is not kept."""
    application = site()
    visitor = application.stranger().put(large="x" * 1500, small=1, larger="y" * 1000)

    def work(session):
        session["small"] = 2
        with pytest.raises(SessionTooLarge, match="'huge', 'large', 'larger'"):
            session["huge"] = "z" * 2000
        with pytest.raises(SessionTooLarge, match=r"have 63\d\d bytes of at most 4096"):
            session["small"] = "z" * 2000
        return dict(session)

    kept = {"large": "x" * 1500, "small": 2, "larger": "y" * 1000}
    assert visitor.use(work) == kept
    assert visitor.contents() == kept
    assert len(visitor.set_cookies[0]) <= 4096


def test_too_large_in_place(site):
    """What grows in place is refused when it is to be sent, and nothing is."""
    visitor = site().stranger().put(items=[])
    before = visitor.cookies
    with pytest.raises(SessionTooLarge, match="'items'"):
        visitor.use(lambda session: session["items"].extend(["x" * 100] * 40))
    assert visitor.cookies == before


def test_nothing_is_sent_with_the_answer_to_what_is_too_large():
    """An error page for it leaves the browser what it had; what was stored before is sent."""
    site = scenarios.Site(settings={"session.type": "cookie", "session.secret": NEW})
    site.error_page(SessionTooLarge)(lambda error, request: "too large")

    @site.page("grow")
    def grow(request):
        if request.params:
            request.session["kept"] = 1
            request.session.persist()
        request.session.setdefault("items", []).extend(["x" * 100] * 40)

    browser = TestApp(site.app)
    response = browser.get("/grow")
    assert (response.text, scenarios.set_cookies(response)) == ("too large", [])
    assert browser.get("/grow?first").text == "too large"
    assert browser.get("/look").json == {"kept": 1}


@pytest.mark.parametrize("serializer", ["msgpack", "json", "pickle"])
def test_what_is_taken_is_sent(site, serializer):
    """Whatever its size, a value is refused by the line that sets it, or comes back."""
    application = site(data_serializer=serializer)
    refused = 0
    for size in range(2500, 3000, 23):
        visitor = application.stranger().put(a=1)
        kept = visitor.use(lambda session, value="x" * size: _taken(session, "b", value))
        refused += not kept
        assert visitor.contents().get("b") == ("x" * size if kept else None)
    assert 0 < refused < 22


@pytest.mark.parametrize("value", [0, "x" * 50])
def test_little_by_little(site, value):
    """Of many values set one after the other each is refused, or is there at the next request."""
    visitor = site().stranger()
    taken = visitor.use(
        lambda session: [key for key in map(str, range(999)) if _taken(session, key, value)]
    )
    assert 10 < len(taken) < 500
    assert visitor.contents() == dict.fromkeys(taken, value)


def test_up_to_the_last_byte(site):
    """What grows in place is refused from the first byte on that browsers need not keep."""
    visitor = site().stranger("https").put(items=[""])

    def grow(size):
        visitor.use(lambda session: session["items"].__setitem__(0, "x" * size))
        return len(visitor.set_cookies[0])

    longest = grow(2700)
    for size in range(2701, 3000):
        with suppress(SessionTooLarge):
            longest = grow(size)
    assert longest == 4096


def _taken(session, key, value):
    try:
        session[key] = value
    except SessionTooLarge:
        return False
    return True


def test_what_is_replaced_takes_no_room(site):
    """There is room for what a cookie has room for, however often it is set."""
    visitor = site().stranger().put(a="x" * 2000)
    visitor.use(lambda session: [session.update(a=letter * 2000) for letter in "xyz"])
    assert visitor.contents() == {"a": "z" * 2000}
    with pytest.raises(SessionTooLarge):
        visitor.put(b="x" * 1000)
    visitor.use(lambda session: (session.pop("a"), session.update(b="x" * 1000)))
    assert visitor.contents() == {"b": "x" * 1000}


def test_a_path_takes_room(site):
    """A session's own path is in the cookie twice, and leaves less room for contents."""
    path = "/" + "p" * 1000
    visitor = site().stranger().put(a=1)
    visitor.use(lambda session: setattr(session, "path", path))
    assert not visitor.use(lambda session: _taken(session, "b", "x" * 1200))
    assert visitor.use(lambda session: _taken(session, "b", "x" * 800))
    assert visitor.contents() == {"a": 1, "b": "x" * 800}

    def both(session):
        session["b"] = "x" * 1500
        session.path = path

    with pytest.raises(SessionTooLarge):
        site().stranger().use(both)


def test_the_largest_that_fits_is_sent(site):
    """Just below the limit everything is kept, in a cookie that browsers take."""
    visitor = site().stranger().put(a="x" * 2700)
    assert visitor.contents() == {"a": "x" * 2700}
    assert len(visitor.set_cookies[0]) <= 4096


def test_values_that_cannot_be_kept(site):
    """A value that would not come back as it was is the error that it always is."""
    with pytest.raises(SerializationError, match="session\\['a'\\]"):
        site().stranger().put(a=object())


@pytest.mark.parametrize("before", [{}, {"a": 1}], ids=["new", "set before"])
def test_what_was_refused_is_not_sent(site, before):
    """Whoever catches that error has the session as it was, and the rest of the request is kept."""

    def work(session):
        with pytest.raises(SerializationError):
            session["a"] = object()
        session["b"] = 2

    visitor = site().stranger().put(**before)
    visitor.use(work)
    assert visitor.contents() == {**before, "b": 2}


def test_what_takes_a_server(site):
    """What cannot be had without a server's memory says so, or does no harm."""
    visitor = site().stranger().put(a=1)

    def work(session):
        with pytest.raises(SessionStateError, match="server has no list"):
            session.bind_user("bob")
        with pytest.raises(SessionStateError, match="server has no list"):
            session.sessions_of("bob")
        session.lock()
        session.unlock()
        return session.get_by_id(session.id)

    assert visitor.use(work) is None


def test_late_writes(site):
    """What is written when the response is on its way cannot be sent, and is an error."""
    application = site()
    kept = []
    visitor = application.stranger().put(a=1)
    visitor.use(lambda session: (dict(session), kept.append(session)))
    with pytest.raises(SessionStateError, match="response has been sent"):
        kept[0]["b"] = 1


def test_settings(clock):
    """A key is needed, and what is about a server's store is told to have no effect."""
    with pytest.raises(ConfigurationExecutionError, match=r"needs session\.validate_key"):
        Site("cookie", clock, secret=None)
    said = read_settings(
        {
            "session.type": "cookie",
            "session.secret": NEW,
            "session.max_sessions_per_user": "3",
            "session.data_dir": "/x",
        }
    ).messages
    assert said == (
        "session.max_sessions_per_user has no effect: a session in a cookie is in no store.",
        "session.data_dir has no effect: only session.type = dbm, file or sqlite reads it.",
    )


def test_as_a_store(clock):
    """What holds the record for the time of a request keeps the contract of a store."""
    settings, _ = session_settings(type="cookie", secret=NEW)
    store, key = CookieStore.from_settings(settings, clock), CookieKey("k")
    assert store.create(key, b"w" * 100, None)
    value, token = store.load(key)
    assert value == b"w" * 100
    assert store.swap(key, token, b"x" * 100, None)
    assert store.load(key)[0] == b"x" * 100
    assert store.keys("") is None
    assert store.delete(key)
    assert store.load(key) is None
    assert not store.delete(key)
    assert store.inspect() == {}


def test_no_repr_shows_an_id():
    """A traceback with locals shows neither the id nor what is in the cookie."""
    assert repr(CookieKey("an id")) == "<CookieKey>"
