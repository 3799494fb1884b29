"""``session.format = beaker``, and Beaker's types that have no store of ours: real applications."""

from __future__ import annotations

import logging
import pickle

import pytest
from beaker.container import MemoryNamespaceManager
from beaker.ext.sqla import SqlaNamespaceManager
from beaker.session import CookieSession
from beaker.util import SyncDict
from pyramid.httpexceptions import HTTPFound
from pyramid.interfaces import ISession
from pyramid.response import Response
from zope.interface.verify import verifyObject

from pyramid_beakerish import SessionStateError
from tests.rivals import KEY, SECRET, SHELVES, BeakersFormat, PyramidBeaker, set_cookie

TYPES = ["memory", "file", "dbm", "cookie", "ext:database", "ext:sqla", "own"]
KEPT = [store for store in TYPES if store != "cookie"]
NO_STORE_YET = [store for store in KEPT if store not in ("memory", "file")]

kept = pytest.mark.parametrize("store", KEPT)
one_type = pytest.mark.parametrize("store", ["file"])
both_kinds = pytest.mark.parametrize("store", ["file", "cookie"])


@pytest.fixture(autouse=True)
def own_databases(monkeypatch):
    """Close the databases that a test has opened: Beaker keeps each as long as the process."""
    engines = SyncDict()
    monkeypatch.setattr(SqlaNamespaceManager, "binds", engines)
    monkeypatch.setattr(SqlaNamespaceManager, "tables", SyncDict())
    yield
    for engine in engines.dict.values():
        engine.dispose()


@pytest.fixture
def package():
    """This package alone, with Beaker's sessions."""
    return BeakersFormat


@pytest.fixture(params=TYPES)
def store(request):
    """Each of Beaker's types that needs no server."""
    return request.param


def neighbour(site, monkeypatch):
    """Give the same application with pyramid_beaker, over the same sessions."""
    spaces = MemoryNamespaceManager.namespaces
    other = PyramidBeaker("memory", site.folder, monkeypatch)
    monkeypatch.setattr(MemoryNamespaceManager, "namespaces", spaces)
    settings = {key: value for key, value in site.settings.items() if key != "session.format"}
    other.settings, other.store = settings, site.store
    return other


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


def reasons(caplog):
    """Give the lines of the log that say why Beaker keeps the sessions."""
    said = [record.getMessage() for record in caplog.records]
    return [line for line in said if line.startswith("Beaker keeps")]


@pytest.mark.parametrize("store", NO_STORE_YET)
def test_one_line_says_why(site, caplog):
    """Where nobody asked for Beaker's sessions one line of the log says why they are used."""
    del site.settings["session.format"]
    site.visitor(a=1).get("a")
    why = f"session.type = {site.store} has no store of pyramid_beakerish yet"
    if site.store == "own":
        why = "session.namespace_class is an option of Beaker's own sessions"
    assert reasons(caplog) == [f"Beaker keeps the sessions: {why}."]


@pytest.mark.parametrize("store", ["cookie"])
def test_one_line_says_why_for_a_cookie(site, caplog):
    """Sessions in the cookie are Beaker's without being asked for, and one line says so."""
    del site.settings["session.format"]
    assert site.visitor(a=1).get("a") == 1
    assert len(reasons(caplog)) == 1


def test_nothing_is_said_where_it_was_asked_for(site, caplog):
    """With ``session.format = beaker`` nobody has to be told."""
    site.visitor(a=1)
    assert reasons(caplog) == []


@pytest.mark.parametrize(
    ("store", "library", "options"),
    [
        ("ext:redis", "redis", {"url": "redis://localhost:1/0"}),
        ("ext:memcached", "memcache", {"url": "localhost:1", "lock_dir": "locks"}),
        ("ext:mongodb", "pymongo", {"url": "mongodb://localhost:1/sessions"}),
    ],
)
def test_types_with_a_server_are_configured(
    package, store, library, options, tmp_path, monkeypatch, caplog
):
    """With a client library for it each type is configured, and its server is not contacted."""
    (tmp_path / f"{library}.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    site = package("memory", tmp_path, monkeypatch)
    site.set(type=store, **options)
    del site.settings["session.format"]
    caplog.set_level(logging.WARNING)
    assert site.start()
    why = f"session.type = {store} has no store of pyramid_beakerish yet"
    assert reasons(caplog) == [f"Beaker keeps the sessions: {why}."]


CONTENTS = {"user": "u", "n": 3, "cart": ["one", {"two": 2.0}], "none": None}


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_pyramid_beakers_sessions_are_read(site, monkeypatch, serializer):
    """A visitor of a server with pyramid_beaker has the same session on a server with this one."""
    site.set(data_serializer=serializer)
    other = neighbour(site, monkeypatch)
    there = other.visitor(**CONTENTS)
    token = there.do(lambda session: session.get_csrf_token())
    there.do(lambda session: session.flash("hello"))
    here = site.visitor(f"{KEY}={there.cookie}")
    seen = here.do(lambda session: {key: session[key] for key in CONTENTS})
    assert seen == CONTENTS
    assert here.do(lambda session: session.get_csrf_token()) == token
    assert here.do(lambda session: session.peek_flash()) == ["hello"]
    assert here.do(lambda session: session.new) is False


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_pyramid_beaker_reads_these_sessions(site, monkeypatch, serializer):
    """A visitor of a server with this package has the same session on one with pyramid_beaker."""
    site.set(data_serializer=serializer)
    here = site.visitor(**CONTENTS)
    token = here.do(lambda session: session.get_csrf_token())
    here.do(lambda session: session.flash("hello"))
    other = neighbour(site, monkeypatch)
    there = other.visitor(f"{KEY}={here.cookie}")
    seen = there.do(lambda session: {key: session[key] for key in CONTENTS})
    assert seen == CONTENTS
    assert there.do(lambda session: session.get_csrf_token()) == token
    assert there.do(lambda session: session.peek_flash()) == ["hello"]


@kept
def test_both_serve_one_visitor_in_turns(site, monkeypatch):
    """What one server has written the other goes on with, and back."""
    other = neighbour(site, monkeypatch)
    here = site.visitor(n=1)
    cookies = f"{KEY}={here.cookie}"
    servers = [other.visitor(cookies), site.visitor(cookies)] * 2
    for number, visitor in enumerate(servers, 1):
        assert visitor.get("n") == number
        visitor.set(n=number + 1)
    assert here.get("n") == 5


class Tagged(CookieSession):
    """A session class of the application's own."""

    tag = "mine"


def test_a_session_class_of_ones_own(package, tmp_path, monkeypatch):
    """With ``session_class`` sessions are of that class, be they kept in the cookie."""
    site = package("memory", tmp_path, monkeypatch)
    site.set(session_class=Tagged, validate_key=SECRET)
    visitor = site.visitor(user="u")
    assert visitor.do(lambda session: session.tag) == "mine"
    old = visitor.do(lambda session: session.id)
    visitor.do(lambda session: session.regenerate_id())
    assert visitor.do(lambda session: (session["user"], session.id == old)) == ("u", False)


@pytest.mark.parametrize("store", ["own"])
def test_a_backend_of_ones_own_gets_its_options(site):
    """What nobody here knows is handed on to a ``namespace_class``."""
    site.visitor(user="u")
    assert str(site.folder) in {shelf for shelf, _ in SHELVES}


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
def test_a_damaged_record_is_an_error(site):
    """What cannot be read is an error by default, as Beaker does it."""
    visitor = site.visitor(user="u")
    site.damage(lambda data: data[:7])
    with pytest.raises((EOFError, ValueError, pickle.PickleError)):
        visitor.get("user")


@one_type
@pytest.mark.filterwarnings("ignore:Invalidating corrupt session")
def test_a_damaged_record_is_a_new_session_if_told(site):
    """With ``invalidate_corrupt`` it is a new session."""
    site.set(invalidate_corrupt="true")
    visitor = site.visitor(user="u")
    site.damage(lambda data: data[:7])
    assert visitor.get("user") is None
