"""``session.format = beaker``: the faults of Beaker's sessions that are repaired from outside."""

from __future__ import annotations

import contextlib
import copy
import json
import pickle
import threading
from datetime import timedelta
from itertools import product

import pytest
from pyramid.response import Response

from pyramid_beakerish import SerializationError, SessionStateError
from pyramid_beakerish.testing.together import Background
from tests.beaker_types import TYPES, both_kinds, kept, one_type
from tests.file_help import files
from tests.rivals import KEY, BeakersFormat, set_cookie

pytestmark = pytest.mark.usefixtures("own_databases")


@pytest.fixture
def package():
    """This package alone, with Beaker's sessions."""
    return BeakersFormat


@pytest.fixture(params=TYPES)
def store(request):
    """Each of Beaker's types that needs no server."""
    return request.param


def late(work):
    """Give a view that calls the function with the session while its body is sent."""

    def view(request):
        session = request.session

        def body():
            work(session)
            yield b"done"

        return Response(app_iter=body())

    return view


# Writes after the response


CHANGES_OF_THE_COOKIE = {
    "regenerate_id": lambda session: session.regenerate_id(),
    "domain": lambda session: setattr(session, "domain", "example.com"),
    "path": lambda session: setattr(session, "path", "/x"),
    "cookie_expires": lambda session: setattr(session, "cookie_expires", False),
}


@both_kinds
@pytest.mark.parametrize("change", CHANGES_OF_THE_COOKIE.values(), ids=CHANGES_OF_THE_COOKIE)
def test_the_cookie_cannot_be_changed_late(site, change):
    """What changes the cookie is an error once the headers were sent."""
    visitor = site.visitor(user="u")
    with pytest.raises(SessionStateError):
        visitor.request(late(change))
    assert visitor.get("user") == "u"


@kept
def test_a_session_that_has_just_begun_can_be_written_to_late(site):
    """A late write to a session whose cookie went out with the response is stored."""
    visitor = site.visitor()

    def view(request):
        request.session["a"] = 1
        return late(lambda session: session.update(b=2))(request)

    visitor.request(view)
    assert visitor.do(dict) == {"a": 1, "b": 2}


@kept
def test_a_late_logout_ends_the_record(site):
    """A session that is ended after the headers were sent is over."""
    visitor = site.visitor(user="u")
    visitor.request(late(lambda session: session.invalidate()))
    assert visitor.get("user") is None


def test_a_late_write_of_a_failed_request_is_dropped(site):
    """What a failed request writes late goes the way of all that it has written."""
    site.set(cookie_on_exception="false")
    visitor = site.visitor(user="old")

    def fail(request):
        request.add_finished_callback(lambda request: request.session.update(user="new"))
        request.add_finished_callback(lambda request: request.session.invalidate())
        request.session["user"] = "half done"
        raise ZeroDivisionError

    visitor.request(fail, status=500)
    assert visitor.get("user") == "old"


# The mapping


COPIES = {
    "or": lambda session: session | {},
    "ror": lambda session: {} | session,
    "copy": lambda session: session.copy(),
    "copy.copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda session: pickle.loads(pickle.dumps(session)),
    "json": lambda session: json.loads(json.dumps(session.__json__(None))),
}


@both_kinds
@pytest.mark.parametrize("work", COPIES.values(), ids=COPIES)
def test_copies_are_plain(site, work):
    """Every copy is a dictionary of what the application has stored."""
    made = site.visitor(a=[1]).do(work)
    assert (made, type(made)) == ({"a": [1]}, dict)


@both_kinds
def test_a_session_is_updated_in_place(site):
    """With ``|=`` a session takes in what a dictionary holds, and stays itself."""
    visitor = site.visitor(a=1)

    def update(session):
        before = session
        session |= {"b": 2}
        return session is before

    assert visitor.do(update)
    assert visitor.do(dict) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("store", "key"),
    [
        *product(["file", "cookie"], ["_accessed_time", "_creation_time", "_domain", "_path"]),
        ("cookie", "_id"),
    ],
)
def test_beakers_own_keys_are_not_the_applications(site, key):
    """To set or remove a key under which Beaker keeps its own data is an error that says so."""
    visitor = site.visitor(user="u")

    def write(session):
        with pytest.raises(ValueError, match=key):
            session[key] = "mine"
        with pytest.raises(ValueError, match=key):
            del session[key]

    visitor.do(write)
    response = visitor.request(lambda request: request.session.regenerate_id())
    assert "mine" not in response.headers["Set-Cookie"]


@both_kinds
@pytest.mark.parametrize("save", ["save", "changed"])
def test_an_untouched_session_is_stored_when_asked_to(site, save):
    """A session that is saved without a look at it is stored."""
    visitor = site.visitor()
    visitor.do(lambda session: getattr(session, save)())
    assert visitor.do(lambda session: session.new) is False


# Cookies of others


def cookie_of_somebody(site):
    """Give the value of the cookie of a visitor who has a session."""
    return site.visitor(user="u").cookie


NEIGHBOURS = {
    "none": "",
    "with quotes": 'x="a;b"; ',
    "with JSON": 'prefs={"a": "b"}; ',
    "not ASCII": "name=J\xfcrgen; ",
    "without a name": "=a; b; ",
    "with a bad name": "a b,c=d; ",
    "of the name with a blank before": f"x {KEY}=evil; ",
}


@pytest.mark.parametrize("before", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_neighbours_do_not_hide_the_session(site, before):
    """Whatever else the browser sends, in whatever order, the session is found."""
    cookie = f"{KEY}={cookie_of_somebody(site)}"
    for sent in (before + cookie, f"{cookie}; {before}".rstrip("; ")):
        assert site.visitor(sent).get("user") == "u"


@pytest.mark.parametrize("junk", ["", "junk", "a\x00b", "\xff"])
def test_a_namesake_does_not_hide_the_session(site, junk):
    """A cookie of the same name that the server has not signed is passed over."""
    cookie, junk = f"{KEY}={cookie_of_somebody(site)}", f"{KEY}={junk}"
    for sent in (f"{junk}; {cookie}", f"{cookie}; {junk}"):
        assert site.visitor(sent).get("user") == "u"


@pytest.mark.parametrize("value", ["junk", "0" * 60])
def test_a_cookie_that_was_not_signed_here_is_no_error(site, value):
    """Whatever stands in the cookie, its visitor is served: Beaker raises for a whole session."""
    visitor = site.visitor(f"{KEY}={value}")
    assert visitor.do(lambda session: session.new) is True
    visitor.set(user="u")
    assert visitor.thief().get("user") == "u"


@kept
@pytest.mark.parametrize("value", ["a\x00b", "a\x01", "\x7f", '"\\000"', "\xe9", "", "a" * 300])
def test_ids_that_no_server_draws(site, value):
    """Without a secret, too, control characters and the like are no id, nor what is too long."""
    del site.settings["session.secret"]
    visitor = site.visitor(f"{KEY}={value}")
    assert visitor.do(lambda session: (session.new, len(session.id))) == (True, 32)


@both_kinds
def test_no_cookie_is_read_where_none_is_wanted(site):
    """With ``use_cookies = false`` a cookie opens nothing, and its attributes can still be set."""
    cookie = f"{KEY}={cookie_of_somebody(site)}"
    site.start(use_cookies="false")
    visitor = site.visitor(cookie)
    assert visitor.get("user") is None
    assert visitor.do(lambda s: setattr(s, "domain", "example.com") or s.domain) == "example.com"


# Storing


def unstorable():
    """Give a value that no serialiser takes."""
    return threading.Lock()


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_what_cannot_be_stored_destroys_nothing(site, serializer):
    """A value that cannot be stored is an error that names its key; what was stored stays."""
    site.set(data_serializer=serializer)
    visitor = site.visitor(user="u")
    with pytest.raises(SerializationError, match=r"session\['lock'\]"):
        visitor.do(lambda session: session.update(user="v", lock=unstorable()))
    assert visitor.do(dict) == {"user": "u"}


@kept
def test_what_was_put_inside_destroys_nothing(site):
    """The same goes for what was put into a value of a session that is otherwise only read."""
    visitor = site.visitor(cart=[1])
    with pytest.raises(SerializationError, match=r"session\['cart'\]"):
        visitor.do(lambda session: session["cart"].append(unstorable()))
    assert visitor.get("cart") == [1]


class Moody:
    """A serialiser that takes every value, but not all together."""

    def dumps(self, data):
        """Refuse a dictionary with more than one key of the application."""
        if {"a", "b"} <= data.keys():
            raise OverflowError("too much")
        return json.dumps(data).encode()

    def loads(self, data):
        """Give what was stored."""
        return json.loads(data)


@one_type
def test_what_cannot_be_stored_together(site):
    """Where no single value is at fault the error speaks of the session."""
    site.set(data_serializer=Moody())
    visitor = site.visitor(a=1)
    with pytest.raises(SerializationError, match="The session cannot be stored: too much"):
        visitor.set(b=2)
    assert visitor.do(dict) == {"a": 1}


@one_type
def test_reading_stores_nothing_where_it_is_no_use(site):
    """With ``save_accessed_time = false`` what was changed inside of a value is not looked at."""
    site.set(save_accessed_time="false")
    visitor = site.visitor(cart=[1])
    visitor.do(lambda session: session["cart"].append(unstorable()))
    assert visitor.get("cart") == [1]


@one_type
def test_all_is_stored_with_auto(site):
    """With ``auto`` a session is stored whatever was done, and checked like any other."""
    site.set(auto="true")
    visitor = site.visitor(cart=[1])
    visitor.do(lambda session: session["cart"].append(2))
    assert visitor.get("cart") == [1, 2]
    with pytest.raises(SerializationError):
        visitor.do(lambda session: session["cart"].append(unstorable()))
    assert visitor.get("cart") == [1, 2]


# Locks


def fail_late(request):
    """Lock the session and fail."""
    request.session.lock()
    raise RuntimeError


@pytest.mark.parametrize("store", ["file", "dbm"])
@pytest.mark.parametrize(
    "work",
    [
        lambda request: request.session.lock(),
        lambda request: request.session.lock() or request.session.lock(),
        lambda request: request.session.lock() or request.session.update(user="u"),
        lambda request: request.session.lock() or request.session.regenerate_id(),
        lambda request: request.session.lock() or request.session.invalidate(),
        fail_late,
    ],
    ids=["once", "twice", "write", "regenerate_id", "invalidate", "failure"],
)
def test_a_forgotten_lock_ends_with_the_request(site, work):
    """Who does not unlock a session keeps others out no longer than the request takes."""
    visitor = site.visitor(user="u")
    thief = visitor.thief()
    with contextlib.suppress(RuntimeError):
        visitor.request(work)
    Background(lambda: thief.set(n=1)).result()
    assert thief.get("n") == 1


@one_type
def test_unlock(site):
    """A session can be unlocked in time, and unlocking what is not locked does nothing."""
    visitor = site.visitor(n=1)

    def use(session):
        session.lock()
        session.unlock()
        session.unlock()
        Background(lambda: visitor.thief().set(n=2)).result()

    visitor.do(use)


# Beaker's own attributes


@pytest.mark.parametrize("store", ["memory", "file", "cookie"])
def test_an_attribute_of_the_cookie_can_be_set(site, store):
    """A session's own ``cookie_expires`` and ``samesite`` are those of the cookie that is sent."""

    def remember(request):
        request.session.cookie_expires = timedelta(days=30)
        request.session.samesite = "Strict"
        assert request.session.cookie_expires == timedelta(days=30)

    attributes = set_cookie(site.visitor(a=1).request(remember))[1]
    assert attributes["expires"].endswith("GMT")
    assert attributes["samesite"] == "Strict"


@both_kinds
def test_an_attribute_of_beakers_session_can_be_set(site):
    """What Beaker's session has is set there, and what it has not is an error."""

    def use(session):
        session.timeout = 5
        assert session.timeout == session._beaker._session().timeout == 5
        with pytest.raises(AttributeError, match="tiemout"):
            session.tiemout = 5
        with pytest.raises(AttributeError):
            session.new = True

    site.visitor(a=1).do(use)


def test_no_session_in_the_cookie_by_an_id(package, tmp_path, monkeypatch):
    """Where the cookie holds the session there is none to be had by its id."""
    site = package("cookie", tmp_path / "data", monkeypatch)
    visitor = site.visitor(a=1)
    assert visitor.do(lambda session: session.get_by_id(session.id)) is None


@kept
def test_get_by_id_whatever_is_said_about_cookies(site):
    """A session is found by its id where ``use_cookies`` is given, and none by another id."""
    site.set(use_cookies="true")
    visitor = site.visitor(a=1)
    assert visitor.do(lambda session: session.get_by_id(session.id)["a"]) == 1
    assert visitor.do(lambda session: session.get_by_id("0" * 32)) is None


def test_last_accessed(site):
    """A session knows when it was used before; a new one was not."""
    visitor = site.visitor()
    assert visitor.do(lambda session: session.last_accessed) is None
    visitor.set(a=1)
    before = site.clock.now
    site.clock.advance(60)
    assert visitor.do(lambda session: session.last_accessed) == before


def test_a_new_session_can_be_reverted(site):
    """To revert a session that has just begun empties it."""

    def write_and_revert(session):
        session["a"] = 1
        session.revert()
        return dict(session), bool(session.id)

    assert site.visitor().do(write_and_revert) == ({}, True)


# What ended sessions leave


@pytest.mark.parametrize("store", ["file", "dbm"])
@pytest.mark.parametrize("end", ["invalidate", "regenerate_id"])
def test_an_ended_session_leaves_no_file(site, end):
    """The file of an id that is no longer used is gone, not just empty."""
    visitor = site.visitor(user="u")
    old = visitor.do(lambda session: session.id)
    assert [path for path in files(site.folder) if old in path.name]
    visitor.do(lambda session: getattr(session, end)())
    assert [path.name for path in files(site.folder) if old in path.name] == []
