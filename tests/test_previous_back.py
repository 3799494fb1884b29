"""Sessions of this package, and others, that become Beaker's: the way back."""

from __future__ import annotations

import decimal
import logging
import time

import beaker.session
import pytest
from pyramid.config import Configurator
from pyramid.response import Response
from pyramid.threadlocal import get_current_request
from webtest import TestApp

from pyramid_beakerish import SessionAdopted, StoreUnavailable
from pyramid_beakerish.stores.file.store import FileStore
from pyramid_beakerish.testing import FrozenClock
from tests import beaker_peer
from tests.beaker_peer import KEY, PLAIN, fill, see
from tests.beaker_records import SECRET, Place, Way
from tests.previous_help import Here
from tests.rivals import Visitor

pytestmark = pytest.mark.usefixtures("own_databases")


@pytest.fixture(autouse=True)
def own_time(monkeypatch):
    """Give Beaker its clock back after each test."""
    monkeypatch.setattr(beaker.session, "time", beaker.session.time)


@pytest.fixture
def before(tmp_path):
    """The application with sessions of this package."""
    place = Place(Way("file"), tmp_path)
    return Here({**place.settings, "session.previous": "none"})


@pytest.fixture
def back(tmp_path):
    """The same, on the way back: with those of Beaker."""
    place = Place(Way("file"), tmp_path)
    return Here({**place.settings, "session.format": "beaker"})


BEAKERS_FORMAT = {"session.format": "beaker"}


def test_on_the_way_back(before, back, tmp_path):
    """Sessions of this package become Beaker's, once, and pyramid_beaker goes on with them."""
    cookie = before.begin(fill)
    created = before.do(lambda session: session.created, cookie)
    assert repr(back.do(see, cookie)) == repr(before_was := back.do(see, back.moved(cookie)))
    assert before_was["user"] == PLAIN["user"]
    assert before.do(see, cookie) == {}
    moved = back.moved(cookie)
    assert back.do(lambda session: (session.created, session.new), cookie) == (created, False)
    there = beaker_peer.serve(Place(Way("file"), tmp_path).settings, "see", moved)
    assert there["seen"] == repr(before_was)
    back.do(lambda session: session.invalidate(), moved)
    assert back.do(see, cookie) == back.do(see, moved) == {}


def test_the_way_back_is_told(before, back, caplog):
    """Each session that has become Beaker's is counted, logged, and told by an event, once."""
    caplog.set_level(logging.INFO)
    cookies = [before.begin(fill), before.begin(fill)]
    for cookie in (*cookies, *cookies):
        assert back.do(see, cookie)["user"] == PLAIN["user"]
    assert [event.count for event in back.adopted] == [1, 2]
    assert f"was adopted: {back.adopted[1].fingerprint}, number 2." in caplog.text


def test_who_is_told_may_use_the_session(before, tmp_path):
    """A subscriber to the event finds the session that has just become Beaker's."""
    seen = []
    config = Configurator(settings={**Place(Way("file"), tmp_path).settings, **BEAKERS_FORMAT})
    config.include("pyramid_beakerish")
    config.add_view(lambda request: Response(request.session["user"]))
    told = SessionAdopted
    config.add_subscriber(lambda _: seen.append(see(get_current_request().session)), told)
    app = TestApp(config.make_wsgi_app())
    app.get("/", headers={"Cookie": before.begin(fill)})
    assert [found["user"] for found in seen] == [PLAIN["user"]]


SEALED = [{"validate_key": SECRET}, {"validate_key": SECRET, "encrypt_key": "e" * 40}]


@pytest.mark.parametrize("keys", SEALED, ids=["signed", "encrypted"])
def test_sessions_in_cookies_on_the_way_back(keys):
    """What was in a cookie of this package goes on in Beaker's, which pyramid_beaker reads."""
    settings = {"session.type": "cookie"} | {f"session.{name}": keys[name] for name in keys}
    before, back = Here(settings), Here({**settings, **BEAKERS_FORMAT})
    cookie = before.begin(fill)
    visitor = Visitor(back, cookie)
    assert visitor.do(lambda session: (session.new, session["user"])) == (False, PLAIN["user"])
    moved = f"{KEY}={visitor.cookie}"
    assert beaker_peer.serve(settings, "see", moved)["seen"] == repr(before.do(see, cookie))
    assert len(back.adopted) == 1
    ids = {back.do(lambda session: session.id, sent) for sent in (cookie, cookie, moved)}
    assert len(ids) == 1  # the requests of one page are one session
    end = Visitor(back, cookie)
    end.do(lambda session: session.invalidate())
    assert back.do(see, f"{KEY}={end.cookie}") == {}


def test_a_session_that_is_over_on_the_way_back():
    """One that was in a cookie and is over does not become Beaker's, nor is that an error."""
    clock = FrozenClock(now=time.time())
    settings = {"session.type": "cookie", "session.validate_key": SECRET, "beakerish.clock": clock}
    cookie = Here({**settings, "session.timeout": "1h"}).begin(fill)
    clock.advance(3700)
    back = Here({**settings, "session.timeout": "1h", **BEAKERS_FORMAT})
    assert back.do(see, cookie) == {}
    assert back.adopted == []


def test_what_beaker_finds_too_long_for_a_cookie(caplog):
    """A session that fits into a cookie of ours alone is a new one, with a line in the log."""
    settings = {"session.type": "cookie", "session.validate_key": SECRET}
    prices = [decimal.Decimal(number) for number in range(250)]
    cookie = Here(settings).begin(lambda session: session.update(a=prices))
    assert Here({**settings, **BEAKERS_FORMAT}).do(see, cookie) == {}
    assert "Cookie value is too long to store" in caplog.text


def test_what_is_the_cookies_own_goes_back(before, back):
    """The path and the domain that one session has set are kept."""

    def shop(session):
        session["user"] = "u"
        session.path = "/"
        session.domain = "example.com"

    before.begin(fill)
    cookie = of_header(before, shop)
    assert back.do(lambda session: (session.path, session.domain), cookie) == ("/", "example.com")


@pytest.mark.parametrize("kind", ["file", "cookie"])
def test_keys_that_would_become_beakers(tmp_path, caplog, kind):
    """What the application keeps under a key that is Beaker's stays behind, and that is told."""
    settings = {"session.type": kind, "session.secret": SECRET, "session.validate_key": SECRET}
    if kind == "file":
        settings |= {"session.data_dir": str(tmp_path)}
    before, back = Here(settings), Here({**settings, **BEAKERS_FORMAT})
    named = {"_domain": "evil.example", "_path": 5, "_accessed_time": "x", "_creation_time": None}
    cookie = before.begin(lambda session: session.update(named, user="u"))
    see_all = back.do(lambda session: (dict(session), session.path, session.domain), cookie)
    assert see_all == ({"user": "u"}, "/", None)
    assert "'_accessed_time', '_creation_time', '_domain', '_path'" in caplog.text
    assert back.do(see, back.moved(before.begin(fill)))["user"] == PLAIN["user"]


def of_header(application, work):
    """Give the Cookie header for a cookie that is another domain's."""
    response = Visitor(application).request(lambda request: work(request.session))
    return response.headers["Set-Cookie"].partition(";")[0]


def test_what_beaker_cannot_store(before, tmp_path, caplog):
    """A value that Beaker's serializer refuses is no reason to lose the session: it waits."""
    settings = Place(Way("file", serializer="json"), tmp_path).settings
    earlier = {"session.previous.type": "file", "session.previous.data_dir": str(tmp_path)}
    earlier["session.previous.secret"] = SECRET
    back = Here({**settings, **earlier, "session.format": "beaker"})
    cookie = before.begin(lambda session: session.update(a={1, 2}))
    assert back.do(see, cookie) == {}
    assert "session['a'] cannot be stored" in caplog.text
    assert before.do(see, cookie) == {"a": {1, 2}}


def test_the_store_is_down_on_the_way_back(before, back, monkeypatch):
    """A session that cannot be asked for is a 503, and no new session."""
    cookie = before.begin(fill)

    def fails(store, key):
        raise StoreUnavailable("down")

    monkeypatch.setattr(FileStore, "load", fails)
    Visitor(back, cookie).request(lambda request: see(request.session), status=503)
    monkeypatch.undo()
    assert back.do(see, cookie)["user"] == PLAIN["user"]


@pytest.mark.parametrize("of_error_page", ["get_csrf_token", "save", "invalidate", "accessed"])
def test_an_error_page_after_the_store_was_down(before, tmp_path, monkeypatch, of_error_page):
    """What the page of an outage does with the session is not stored in the place of the old."""
    config = Configurator(settings={**Place(Way("file"), tmp_path).settings, **BEAKERS_FORMAT})
    config.include("pyramid_beakerish")
    config.add_view(lambda request: Response(request.session.get("user", "nobody")))

    def sorry(error, request):
        getattr(request.session, of_error_page)()
        return Response(status=503)

    config.add_exception_view(sorry, context=StoreUnavailable)
    app = TestApp(config.make_wsgi_app())
    cookie = {"Cookie": before.begin(fill)}

    def fails(store, key):
        raise StoreUnavailable("down")

    monkeypatch.setattr(FileStore, "load", fails)
    assert "Set-Cookie" not in app.get("/", headers=cookie, status=503).headers
    monkeypatch.undo()
    assert app.get("/", headers=cookie).text == PLAIN["user"]


@pytest.mark.parametrize("store", ["file", "dbm", "sqlite"])
def test_another_request_was_faster_on_the_way_back(tmp_path, monkeypatch, store):
    """Of two requests of one page the slow one goes on with what the other has stored."""
    place = {"type": "file", "data_dir": str(tmp_path / "before"), "secret": SECRET}
    earlier = {f"session.previous.{name}": said for name, said in place.items()}
    before = Here({f"session.{name}": said for name, said in place.items()})
    back = Here({**Place(Way(store), tmp_path).settings, **earlier, **BEAKERS_FORMAT})
    cookie, load = before.begin(fill), FileStore.load

    def slow(store, key):
        found = load(store, key)
        monkeypatch.undo()
        assert back.do(see, cookie)["user"] == PLAIN["user"]
        return found

    monkeypatch.setattr(FileStore, "load", slow)
    assert back.do(see, cookie)["user"] == PLAIN["user"]
    assert len(back.adopted) == 1


def test_what_is_too_large_for_beakers_server(before, tmp_path, caplog):
    """What memcached drops without a word is not removed where it was."""
    earlier = Place(Way("file"), tmp_path).settings
    previous = {key.replace("session.", "session.previous."): earlier[key] for key in earlier}
    back = Here({**Place(Way("memcached"), tmp_path).settings, **previous, **BEAKERS_FORMAT})
    cookie = before.begin(lambda session: session.update(user="u", large="x" * 2_000_000))
    assert back.do(see, cookie) == {}
    assert "not adopted: what Beaker has stored is not there" in caplog.text
    assert before.do(lambda session: session["user"], cookie) == "u"


def test_unsigned_on_the_way_back(tmp_path):
    """Without a secret ids are derived, and sent, without one."""
    settings = Place(Way("file", signed=False), tmp_path).settings
    before = Here({**settings, "session.previous": "none"})
    back = Here({**settings, "session.format": "beaker"})
    cookie = before.begin(fill)
    assert back.do(see, cookie)["user"] == PLAIN["user"]
    assert len(back.moved(before.begin(fill)).partition("=")[2]) == 32


def test_there_and_back_and_there_again(tmp_path):
    """What was adopted from a cookie and has ended stays ended, wherever it was meanwhile."""
    settings = {"session.type": "file", "session.data_dir": str(tmp_path), "session.secret": SECRET}
    old = {"session.type": "cookie", "session.key": "old", "session.validate_key": SECRET}
    earlier = {key.replace("session.", "session.previous."): old[key] for key in old}
    there = Here({**settings, **earlier, "session.previous.format": "beaker"})
    back = Here({**settings, **BEAKERS_FORMAT})
    cookie = of_header(Here({**old, **BEAKERS_FORMAT}), fill)
    moved = back.moved(there.moved(cookie))
    back.do(lambda session: session.invalidate(), moved)
    assert there.do(see, cookie) == {}
