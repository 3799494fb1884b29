"""What visitors and cached functions see of a memcached that comes and goes."""

from __future__ import annotations

import logging
import time

import pytest

from pyramid_beakerish.cache.region import Region
from pyramid_beakerish.errors import StoreError
from pyramid_beakerish.settings import RegionSettings
from pyramid_beakerish.stores.memcached.store import MemcachedStore
from pyramid_beakerish.testing.site import Site
from tests.servers import own_fixture, running
from tests.servers.memcached import MemcachedServer
from tests.timing import within

DAY = 86_400


server = own_fixture(MemcachedServer)


@pytest.fixture
def store(server):
    store = MemcachedStore(server.url)
    yield store
    store.close()


@pytest.fixture
def site(store):
    return Site(store, time.time)


def test_a_server_that_is_killed(server, site):
    """Requests that use the session are a 503 meanwhile; then nobody is logged in, by an error."""
    visitor = site.stranger().put(user="u")
    server.kill()
    for work in (dict, lambda session: session.update(a=1), lambda session: session.invalidate()):
        visitor.twin().use(work)
        bystander = visitor.twin()
        bystander.use(work)
        assert bystander.response.status_code == 503
    server.start()
    assert visitor.contents() == {}
    assert visitor.put(user="v").contents() == {"user": "v"}


def test_an_ended_session_after_a_restart(server, site):
    """A session that was ended, or lost with the server, is not revived by a slow request."""
    visitor = site.stranger().put(user="u")
    slow = visitor.twin()

    def lose_it(session):
        assert session["user"] == "u"
        server.kill()
        server.start()
        session["late"] = 1

    slow.use(lose_it)
    assert slow.response.status_code == 200
    assert slow.contents() == visitor.contents() == {}


@pytest.mark.usefixtures("usual_waits")
def test_a_server_that_is_paused(server, site):
    """A request waits at most two seconds for a silent server, and the next is served again."""
    visitor = site.stranger().put(user="u")
    server.pause()
    try:
        with within(2):
            visitor.use(dict)
    finally:
        server.resume()
    assert visitor.response.status_code == 503
    assert visitor.contents() == {"user": "u"}


def test_anonymous_service(server, store):
    """Where it is asked for, pages are served without a session while the server is down."""
    site = Site(store, time.time, on_store_error="anonymous")
    visitor = site.stranger().put(user="u")
    server.kill()
    assert visitor.use(dict) == {}
    assert visitor.response.status_code == 200


def test_a_session_that_is_too_large(site):
    """It is an error that tells why, and the session stays as it was."""
    visitor = site.stranger().put(user="u")
    with pytest.raises(StoreError, match="object too large"):
        visitor.put(large="x" * 2_000_000)
    assert visitor.contents() == {"user": "u"}


def region_on(server, **options):
    """Give a region whose results are kept on the server."""
    settings = RegionSettings(name="r", type="memcached", url=server.url, **options)
    return Region(settings)


@pytest.mark.parametrize("expire", [60, 31 * DAY, None])
def test_a_region(server, expire):
    """A region keeps results for as long as it is told, more than 30 days too, for all hosts."""
    one, other = region_on(server, expire=expire), region_on(server, expire=expire)
    assert one.get_or_create("a key\nwith blanks", lambda: [1]) == [1]
    assert other.get_or_create("a key\nwith blanks", lambda: [2]) == [1]
    one.invalidate("a key\nwith blanks")
    assert other.get_or_create("a key\nwith blanks", lambda: [3]) == [3]


def test_a_region_whose_server_is_down(server, caplog):
    """The function is called meanwhile, and what it returns is kept again once it is back."""
    region = region_on(server)
    region.get_or_create("k", lambda: 1)
    server.kill()
    assert region.get_or_create("k", lambda: 2) == 2
    assert region.stats().errors == 1
    server.start()
    assert region.get_or_create("k", lambda: 3) == 3
    assert region.get_or_create("k", lambda: 4) == 3


def test_a_result_that_is_too_large(server, caplog):
    """It is not kept, the caller gets it, and one line of the log says why."""
    region = region_on(server)
    for number in range(2):
        assert region.get_or_create("k", lambda: "x" * 2_000_000 + str(number))[-1] == str(number)  # noqa: B023
    said = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(said) == 1
    assert "object too large" in said[0]
    assert "xxx" not in said[0]


def test_no_files(tmp_path, monkeypatch):
    """Nothing is written to the disk, no lock either."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with_locks = MemcachedStore(running(MemcachedServer).url)
    site = Site(with_locks, time.time)
    visitor = site.stranger().put(user="u")
    visitor.use(lambda session: session.lock())
    with_locks.close()
    assert list(tmp_path.iterdir()) == []
