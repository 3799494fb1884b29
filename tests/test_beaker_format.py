"""``session.format = beaker``: what a view can do, on each of Beaker's types."""

from __future__ import annotations

import pytest
from pyramid.httpexceptions import HTTPFound
from pyramid.interfaces import ISession
from pyramid.response import Response
from zope.interface.verify import verifyObject

from pyramid_beakerish import CorruptData, SessionStateError
from tests.beaker_types import TYPES, both_kinds, kept, neighbour, one_type
from tests.rivals import BeakersFormat, set_cookie

pytestmark = pytest.mark.usefixtures("own_databases")


@pytest.fixture
def package():
    """This package alone, with Beaker's sessions."""
    return BeakersFormat


@pytest.fixture(params=TYPES)
def store(request):
    """Each of Beaker's types that needs no server."""
    return request.param


def test_a_counter(site):
    """What is stored in one request is there in the next."""
    visitor = site.visitor()
    for number in range(3):
        assert visitor.do(lambda session: session.setdefault("n", 0)) == number
        visitor.do(lambda session: session.update(n=session["n"] + 1))
    del_key = visitor.do(lambda session: session.pop("n"))
    assert (del_key, visitor.get("n")) == (3, None)


def test_it_is_a_session(site):
    """The session has all that Pyramid asks for, when it is new and later."""
    visitor = site.visitor()
    assert visitor.do(lambda session: verifyObject(ISession, session))
    visitor.set(a=1)
    assert visitor.do(lambda session: verifyObject(ISession, session))


def test_created_and_new(site):
    """A session is new until something of it was stored, and knows since when it is there."""
    visitor = site.visitor()
    began = int(site.clock.now)
    assert visitor.do(lambda session: (session.new, session.created)) == (True, began)
    visitor.set(a=1)
    site.clock.advance(60)
    assert visitor.do(lambda session: (session.new, session.created)) == (False, began)


def test_flash(site):
    """Messages wait in their queues for the next page, and are shown once."""
    visitor = site.visitor()
    visitor.do(lambda session: [session.flash(each) for each in ("one", "two", "one")])
    visitor.do(lambda session: session.flash("one", allow_duplicate=False))
    visitor.do(lambda session: session.flash("other", "queue"))
    assert visitor.do(lambda session: session.peek_flash()) == ["one", "two", "one"]
    assert visitor.do(lambda session: session.pop_flash()) == ["one", "two", "one"]
    assert visitor.do(lambda session: session.pop_flash()) == []
    assert visitor.do(lambda session: session.pop_flash("queue")) == ["other"]


def test_csrf(site):
    """The token stays the same until a new one is asked for."""
    visitor = site.visitor()
    token = visitor.do(lambda session: session.get_csrf_token())
    assert visitor.do(lambda session: session.get_csrf_token()) == token
    new = visitor.do(lambda session: session.new_csrf_token())
    assert token != new == visitor.do(lambda session: session.get_csrf_token())


@both_kinds
def test_a_constant_csrf_token(site):
    """With ``constant_csrf_token`` every session has that one."""
    site.set(constant_csrf_token="the token")
    for _ in range(2):
        assert site.visitor().do(lambda session: session.get_csrf_token()) == "the token"


@pytest.mark.parametrize("end", ["invalidate", "delete"])
def test_an_ended_session_is_over(site, end):
    """Who has logged out is logged out, under another id, and can begin anew at once."""
    visitor = site.visitor(user="alice")
    old = visitor.do(lambda session: session.id)

    def log_out(session):
        getattr(session, end)()
        assert (session.get("user"), session.id == old) == (None, False)
        session.flash("See you soon.")

    visitor.do(log_out)
    assert visitor.get("user") is None
    assert visitor.do(lambda session: session.pop_flash()) == ["See you soon."]


@kept
@pytest.mark.parametrize("end", ["invalidate", "delete", "regenerate_id"])
def test_an_old_cookie_opens_nothing(site, end, monkeypatch):
    """The record of an id that is no longer used is gone, for pyramid_beaker as well."""
    visitor = site.visitor(user="alice")
    old = visitor.do(lambda session: session.id)
    thief = visitor.thief()
    visitor.do(lambda session: getattr(session, end)())
    assert thief.get("user") is None
    assert thief.do(lambda session: session.get_by_id(old)) is None
    assert neighbour(site, monkeypatch).visitor(thief.cookies).get("user") is None


def test_regenerate_id_keeps_the_data(site):
    """Under the new id there is what was there before, and another CSRF token."""
    visitor = site.visitor(user="bob")
    token = visitor.do(lambda session: session.get_csrf_token())
    old, created = visitor.do(lambda session: (session.id, session.created))
    site.clock.advance(60)
    new_token = visitor.do(lambda session: session.regenerate_id() or session.get_csrf_token())
    now = visitor.do(lambda s: (s["user"], s.get_csrf_token(), s.created, s.id == old))
    assert now == ("bob", new_token, created, False)
    assert new_token != token


def test_the_id_changes_at_login(site):
    """To set the key that Pyramid's ``remember`` sets gives the session another id."""
    visitor = site.visitor(a=1)
    old = visitor.do(lambda session: session.id)
    visitor.do(lambda session: session.update({"auth.userid": "bob"}))
    assert visitor.do(lambda session: session.id) != old
    assert visitor.do(dict) == {"a": 1, "auth.userid": "bob"}


@kept
def test_a_new_session_can_change_its_id(site):
    """An id that was never stored leaves nothing behind when it is changed, or ended."""
    visitor = site.visitor()
    visitor.do(lambda session: session.regenerate_id())
    visitor.do(lambda session: session.invalidate() or session.invalidate())
    assert visitor.do(dict) == {}


def test_the_applications_keys_alone_show(site):
    """What Beaker keeps among the data does not show, and is not taken out with it."""
    visitor = site.visitor(user="u")
    views = [dict, list, len, lambda session: list(session.items())]
    assert [visitor.do(view) for view in views] == [{"user": "u"}, ["user"], 1, [("user", "u")]]
    assert visitor.do(lambda session: session.popitem()) == ("user", "u")
    visitor.set(a=1)
    visitor.do(lambda session: session.clear())
    assert visitor.do(lambda session: (dict(session), session.path)) == ({}, "/")
    assert visitor.do(lambda session: session.created) == int(site.clock.now)


@kept
def test_a_key_that_is_beakers_in_cookies_only(site):
    """``_id`` is the application's, as MongoDB has it, where the cookie is not the session."""
    visitor = site.visitor(user="u", _id="507f")
    assert visitor.do(dict) == {"user": "u", "_id": "507f"}


def test_its_repr_shows_nothing(site):
    """What is in a session is not in its repr, nor in that of the factory."""
    visitor = site.visitor(user="alice")
    assert visitor.do(repr) == "<PyramidBeakerSession>"


@pytest.mark.parametrize("https", [False, True], ids=["http", "https"])
def test_the_cookies_attributes(site, https):
    """By default the cookie is guarded from scripts and other sites, and secure where it can be."""
    response = site.visitor().request(lambda request: request.session.update(a=1), https=https)
    expected = {"path": "/", "samesite": "Lax", "httponly": ""}
    assert set_cookie(response)[1] == expected | ({"secure": ""} if https else {})


@both_kinds
def test_the_cookies_attributes_are_obeyed(site):
    """What is said about the cookie in the settings is what is sent."""
    site.set(cookie_domain="example.com", cookie_path="/app", secure="true", httponly="false")
    site.set(samesite="strict", key="another_name", cookie_expires="3600")
    response = site.visitor().request(lambda request: request.session.update(a=1))
    attributes = set_cookie(response)[1]
    assert response.headers["Set-Cookie"].strip().startswith("another_name=")
    assert attributes.pop("expires").endswith("GMT")
    assert attributes == {
        "domain": "example.com",
        "path": "/app",
        "secure": "",
        "samesite": "Strict",
    }


@both_kinds
def test_domain_and_path_of_one_session(site):
    """A view can choose the domain and the path of its own visitor's cookie."""
    visitor = site.visitor(a=1)

    def choose(request):
        session = request.session
        session.domain, session.path = ".example.com", "/here"
        assert (session.domain, session.path) == (".example.com", "/here")

    attributes = set_cookie(visitor.request(choose))[1]
    assert (attributes["domain"], attributes["path"]) == (".example.com", "/here")


@both_kinds
def test_no_cookie_where_none_is_wanted(site):
    """With ``use_cookies = false`` none is sent."""
    site.set(use_cookies="false")
    response = site.visitor().request(lambda request: request.session.update(a=1))
    assert "Set-Cookie" not in response.headers


def test_reading_sends_no_cookie_to_strangers(site):
    """Who only looks on gets no session."""
    response = site.visitor().request(lambda request: request.session.get("a"))
    assert "Set-Cookie" not in response.headers
    assert response.headers["Vary"] == "Cookie"


@both_kinds
def test_a_page_with_the_cookie_is_kept_out_of_shared_caches(site):
    """A response that sets the cookie is private and varies by the cookie."""
    response = site.visitor().request(lambda request: request.session.update(a=1))
    assert response.headers["Cache-Control"] == "private"
    assert response.headers["Vary"] == "Cookie"


def write_late(value):
    """Give a view that reads the session, and writes to it while its body is sent."""

    def view(request):
        session = request.session
        session.get("user")

        def body():
            session["user"] = value
            yield b"done"

        return Response(app_iter=body())

    return view


@kept
def test_a_late_write_is_stored(site):
    """What is written to an existing session after the headers were sent is stored at once."""
    visitor = site.visitor(user="old")
    visitor.request(write_late("new"))
    assert visitor.get("user") == "new"


def test_a_late_write_that_needs_the_cookie_is_refused(site):
    """Where the cookie would have to be sent, and is not any more, a late write is an error."""
    visitor = site.visitor(user="old") if site.store == "cookie" else site.visitor()
    with pytest.raises(SessionStateError):
        visitor.request(write_late("new"))


def test_a_write_in_a_response_callback(site):
    """A response callback of the application is early enough to write to the session."""
    visitor = site.visitor(a=1)

    def view(request):
        request.session.get("a")
        request.add_response_callback(lambda request, response: request.session.update(b=2))

    visitor.request(view)
    assert visitor.do(dict) == {"a": 1, "b": 2}


def fail(request):
    """Write to the session, and raise what an exception view answers."""
    request.session["user"] = "half done"
    raise ZeroDivisionError


def redirect(request):
    """Write to the session, and raise a redirect."""
    request.session["user"] = "redirected"
    raise HTTPFound("/")


@both_kinds
def test_a_failed_request_without_its_cookie(site):
    """With ``cookie_on_exception = false`` what failed is not stored, and a redirect is."""
    site.set(cookie_on_exception="false")
    visitor = site.visitor(user="old")
    visitor.request(fail, status=500)
    assert visitor.get("user") == "old"
    visitor.request(redirect)
    assert visitor.get("user") == "redirected"


@both_kinds
def test_a_failed_request_with_its_cookie(site):
    """By default a request for which an exception view answers is stored."""
    visitor = site.visitor(user="old")
    visitor.request(fail, status=500)
    assert visitor.get("user") == "half done"


def test_an_uncaught_error_stores_nothing(site):
    """A request that nobody answers for ends no session and changes none."""
    visitor = site.visitor(user="old")

    def view(request):
        request.session.invalidate()
        request.session["user"] = "new"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        visitor.request(view)
    assert visitor.get("user") == "old"


def test_a_session_ends_after_its_timeout(site):
    """A session that was not used for longer than the timeout is empty."""
    site.set(timeout="600")
    visitor = site.visitor(user="u")
    site.clock.advance(599)
    assert visitor.get("user") == "u"
    site.clock.advance(601)
    assert visitor.get("user") is None


@one_type
def test_beakers_session_api(site):
    """What Beaker's sessions can do, these can do."""
    visitor = site.visitor(user="u")

    def use(session):
        assert session.has_key("user")
        assert session.accessed()
        assert not session.dirty()
        session["user"] = "v"
        assert session.dirty()
        session.revert()
        assert session["user"] == "u"
        session.lock()
        session.unlock()
        return session.id, session.last_accessed, session["_creation_time"]

    site.clock.advance(60)
    session_id, last_accessed, created = visitor.do(use)
    assert (last_accessed, created) == (site.clock.now - 60,) * 2
    found = visitor.do(lambda session: session.get_by_id(session_id))
    assert found["user"] == "u"


@one_type
def test_a_session_is_saved_when_asked_to(site):
    """With save() a session without contents is stored, and with persist() at once."""
    visitor = site.visitor()
    visitor.do(lambda session: session.save())
    assert visitor.do(lambda session: session.new) is False

    def store_and_fail(request):
        request.session["user"] = "u"
        request.session.persist()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        visitor.request(store_and_fail)
    assert visitor.get("user") == "u"


@one_type
@pytest.mark.parametrize("said", [None, "true"])
def test_a_damaged_record_is_a_new_session(site, said, caplog):
    """What cannot be read is a new session and a line in the log, which does not show the id."""
    if said:
        site.set(invalidate_corrupt=said)
    visitor = site.visitor(user="u")
    session_id = visitor.do(lambda session: session.id)
    site.damage(lambda data: data[:7])
    assert visitor.get("user") is None
    assert visitor.do(lambda session: session.get_by_id(session_id)) is None
    assert "cannot be read, and a new one is begun" in caplog.text
    assert session_id not in caplog.text


@one_type
def test_a_damaged_record_is_an_error_if_told(site):
    """With ``invalidate_corrupt = false`` it is an error, as Beaker does it."""
    site.set(invalidate_corrupt="false")
    visitor = site.visitor(user="u")
    site.damage(lambda data: data[:7])
    with pytest.raises(CorruptData):
        visitor.get("user")
