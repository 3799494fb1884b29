"""Sessions on a real Redis server: every promise, and what each request costs the server."""

from __future__ import annotations

from http.cookiejar import CookieJar, DefaultCookiePolicy

import pyramid_beaker
import pytest
from pyramid.config import Configurator
from pyramid.response import Response
from webtest import TestApp

import pyramid_beakerish
from pyramid_beakerish.stores.redis import RedisStore
from pyramid_beakerish.testing import FrozenClock, SessionSuite
from pyramid_beakerish.testing.site import Site
from tests.redis_help import commands, empty
from tests.servers import own, running
from tests.servers.redis import RedisServer


class TestSessions(SessionSuite):
    def settings(self, folder):
        server = running(RedisServer)
        empty(server).close()
        return {"session.type": "redis", "session.url": server.url}


@pytest.fixture
def client():
    with empty(running(RedisServer)) as client:
        yield client


@pytest.fixture
def site(client):
    return Site(RedisStore(running(RedisServer).url), FrozenClock())


#: Each is one round trip; the two commands of its script are counted as well.
SWAP = {"evalsha": 1, "getrange": 1, "set": 1}
DELETE = {"evalsha": 1, "getrange": 1, "del": 1}


def change(session):
    session["n"] = session["n"] + 1


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        pytest.param(lambda session: None, {}, id="untouched"),
        pytest.param(lambda session: session["n"], {"get": 1}, id="read"),
        pytest.param(lambda session: [session["n"] for _ in range(5)], {"get": 1}, id="5 reads"),
        pytest.param(change, {"get": 1, **SWAP}, id="write"),
        pytest.param(lambda session: session.update(n=1), {"get": 1}, id="write of the same"),
        pytest.param(lambda session: session["list"].append(1), {"get": 1, **SWAP}, id="inside"),
        pytest.param(lambda session: session.flash("x"), {"get": 1, **SWAP}, id="flash"),
        pytest.param(lambda session: session.invalidate(), {"get": 1, **DELETE}, id="invalidate"),
    ],
)
def test_an_existing_session(site, client, work, expected):
    """A request reads with one command, and writes with one more; else it asks nothing."""
    know_scripts(site.stranger().put(n=1))
    browser = site.stranger().put(n=1, list=[])
    assert commands(client, lambda: browser.use(work)) == expected


def know_scripts(browser):
    """Have the server know the scripts: one that it does not know is sent, and counted, twice."""
    browser.use(change)
    browser.use(lambda session: session.invalidate())


@pytest.mark.parametrize(
    ("cookies", "work", "expected"),
    [
        pytest.param({}, lambda session: session.get("n"), {}, id="read, no cookie"),
        pytest.param({}, lambda session: session.update(n=1), {"set": 1}, id="new"),
        pytest.param({}, lambda session: session.get_csrf_token(), {"set": 1}, id="token"),
        pytest.param({"beaker.session.id": "x" * 107}, dict, {}, id="bad signature"),
    ],
)
def test_no_session(site, client, cookies, work, expected):
    """A new session is one command, and a visitor who has none costs nothing."""
    browser = site.stranger().keep(cookies)
    assert commands(client, lambda: browser.use(work)) == expected


def test_a_session_that_is_gone(site, client):
    """A cookie whose session is gone costs one command and stores nothing."""
    browser = site.stranger().put(n=1)
    client.flushall()
    assert commands(client, lambda: browser.use(dict)) == {"get": 1}
    assert client.dbsize() == 0


def test_the_server_is_down():
    """While the server is down a session is a 503; at the first request afterwards all is well."""
    with own(RedisServer) as server:
        site = Site(RedisStore(server.url), FrozenClock())
        browser = site.stranger().put(n=1)
        server.kill()
        browser.use(lambda session: session["n"])
        assert browser.response.status_int == 503
        browser.use(lambda session: None)
        assert browser.response.status_int == 200
        server.start()
        assert browser.put(n=2).contents() == {"n": 2}


def test_a_server_that_takes_no_writes(client):
    """A read is served by a full server, though its use cannot be recorded."""
    clock = FrozenClock()
    with own(RedisServer) as server:
        site = Site(RedisStore(server.url), clock)
        browser = site.stranger().put(n=1)
        server.client().config_set("maxmemory", 1)
        clock.advance(3600)
        assert browser.use(lambda session: session["n"]) == 1
        assert browser.response.status_int == 200


@pytest.mark.parametrize("theirs_first", [True, False])
def test_beakers_own_sessions(client, theirs_first):
    """Asked for by name, Beaker keeps its sessions there, and pyramid_beaker goes on with them."""
    packages = [pyramid_beakerish, pyramid_beaker]
    if theirs_first:
        packages.reverse()
    first, second = (in_beakers_format(package) for package in packages)
    cookie = first.get("/").headers["Set-Cookie"].partition(";")[0]
    assert second.get("/", headers={"Cookie": cookie}).text == "2"
    assert first.get("/", headers={"Cookie": cookie}).text == "3"
    assert all(name.startswith(b"beaker_cache:") for name in client.keys("*"))


def in_beakers_format(package):
    """Give an application with either package that counts its visits."""
    settings = {"session.type": "ext:redis", "session.url": running(RedisServer).url}
    settings |= {"session.secret": "only these tests sign with this one"}
    if package is pyramid_beakerish:
        settings["session.format"] = "beaker"
    config = Configurator(settings=settings)
    config.include(package)
    config.add_route("count", "/")
    config.add_view(count, route_name="count")
    # Cookies are sent by hand.
    return TestApp(
        config.make_wsgi_app(), cookiejar=CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    )


def count(request):
    session = request.session
    session["n"] = session.get("n", 0) + 1
    return Response(str(session["n"]))
