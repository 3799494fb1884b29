"""The faults of Beaker's regions on servers: each check fails on Beaker and holds here.

The numbers are those of the rows in which the faults were recorded. Beaker's regions are on
real servers; ours are too, if this package has a store of that type.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

import beaker.cache
import memcache
import pytest
from beaker.ext.memcached import MemcachedNamespaceManager
from beaker.ext.redisnm import RedisNamespaceManager
from beaker.util import SyncDict
from redis import Redis

from pyramid_beakerish.stores import OWN_STORES
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.together import Background, in_threads
from tests.cache_help import (
    PATIENCE,
    Beakers,
    Child,
    FailingStore,
    Held,
    Ours,
    make_regions,
    until,
)
from tests.servers import running
from tests.servers.memcached import MemcachedServer
from tests.servers.redis import RedisServer

pytestmark = [
    pytest.mark.usefixtures("own_caches"),
    pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning"),  # Beaker's
]


@pytest.fixture(autouse=True)
def own_clients(monkeypatch):
    """Close the connections that Beaker has made."""
    clients = SyncDict()
    monkeypatch.setattr(RedisNamespaceManager, "clients", clients)
    monkeypatch.setattr(MemcachedNamespaceManager, "clients", clients)
    yield
    for client in clients.dict.values():
        getattr(client, "close", None) and client.close()
        getattr(client, "disconnect_all", lambda: None)()


class Server:
    """A server, and how many commands it was sent."""

    def __init__(self, name):
        kind = {"redis": RedisServer, "memcached": MemcachedServer}[name]
        self.name = name
        self.url = running(kind).url

    def commands(self):
        with Redis.from_url(self.url) as client:
            return client.info("stats")["total_commands_processed"]


class OursThere(Ours):
    """This package's regions on the server."""

    lease, stale = {"lease": 0.2}, {"stale": 30}

    def __init__(self, server):
        self.server = server
        known = server.name in OWN_STORES
        store = FailingStore()
        self.where = {"type": server.name, "url": server.url} if known else {"type": store}
        self.clock = FrozenClock(time.time())
        self.commands = server.commands if known else lambda: store.asked
        self.use()
        self.regions["r"].clear()

    def use(self, **options):
        self.configure(self.clock, **self.where, **options)

    def caches(self, *names):
        regions = make_regions(self.clock, **dict.fromkeys(names, self.where))
        return [(each.get_or_create, each.clear) for each in regions.values()]

    def wait_until_expired(self, name):
        self.clock.advance(1)


class BeakersThere(Beakers):
    """Beaker's regions on the server."""

    lease, stale = {}, {}

    def __init__(self, server):
        self.server = server
        self.where = {"type": f"ext:{server.name}", "url": server.url}
        self.commands = server.commands
        self.use()

    def use(self, **options):
        self.configure(**self.where, **options)

    def caches(self, *names):
        caches = [beaker.cache.Cache(name, expire=60, **self.where) for name in names]
        return [
            (lambda key, creator, cache=cache: cache.get(key, createfunc=creator), cache.clear)
            for cache in caches
        ]

    def wait_until_expired(self, name):
        with Redis.from_url(self.server.url) as client:
            until(lambda: not client.keys(f"beaker_cache:*{name}*"))


def clearing_is_bounded(library, one, other):
    """Clear one of two caches, and see that the other one is left alone."""
    (get, clear), (get_other, _) = library.caches(one, other)
    for each in (get, get_other):
        each("key", lambda: "old")
    clear()
    assert get("key", lambda: "new") == "new"
    assert get_other("key", lambda: "new") == "old"


def row_71_redis(library):
    """Clearing foo leaves foo:bar alone."""
    clearing_is_bounded(library, "foo", "foo:bar")


def row_72_memcached(library):
    """Clearing one cache does not empty the server."""
    clearing_is_bounded(library, "one", "other")


def row_73_redis(library):
    """Who waits has the value soon after it is there."""

    @library.cache_region("r", "row 73")
    def load(run):
        time.sleep(0.02)
        made.append(time.monotonic())
        return 1

    def last_wait(run):
        made.clear()
        done = in_threads(4, lambda _: load(run) and time.monotonic())
        assert len(made) == 1
        return max(done) - made[0]

    made, now = [], time.time()
    assert min(last_wait(f"{now} {run}") for run in range(3)) < 0.15


def row_74_redis(library):
    """A process that is killed while it creates does not block another one."""
    library.use(**library.lease)
    creator = []

    @library.cache_region("r", "row 74")
    def load():
        return creator[0]()

    def hold(say):
        creator.append(lambda: say("begun") and time.sleep(PATIENCE))
        load()

    def ask(say):
        creator.append(lambda: "value")
        say(load())

    with contextlib.ExitStack() as children:
        holder = Child(hold)
        children.callback(holder.end)
        assert holder.says() == "begun"
        os.kill(holder.pid, signal.SIGKILL)
        waiter = Child(ask)
        children.callback(waiter.end)
        assert waiter.says(patience=3) == "value"


def row_75_redis(library):
    """A miss is a look, a claim and the value; the server counts what a script does, too."""

    @library.cache_region("r", "row 75")
    def load(term):
        return term

    load("first")
    before = library.commands()
    load(str(time.time()))
    after = library.commands()
    assert after - before - (library.commands() - after) <= 5


def row_76_redis(library):
    """While an expired value is made anew the others get the old one."""
    library.use(expire=1, **library.stale)
    creator = [lambda: "old"]

    @library.cache_region("r", "row 76")
    def load():
        return creator[0]()

    assert load() == "old"
    library.wait_until_expired("row 76")
    creator[0] = Held("new")
    renewal = Background(load)
    try:
        assert creator[0].begun.wait(PATIENCE)
        other = Background(load)
        assert other.ends(1)
        assert other.result() == "old"
    finally:
        creator[0].go.set()
        assert renewal.result() == "new"


def row_84_memcached(library):
    """Any text is an argument."""

    @library.cache_region("r", "row 84")
    def load(term):
        calls.append(term)
        return term

    calls = []
    for _ in "12":
        assert load("a\nb\tc\0d") == "a\nb\tc\0d"
    assert len(calls) == 1


CHECKS = {name: check for name, check in globals().items() if name.startswith("row_")}


def server_of(row):
    """Give the server that a check is about."""
    return Server(row.rpartition("_")[2])


@pytest.mark.parametrize("row", CHECKS)
def test_holds_here(row):
    """The check holds for this package."""
    CHECKS[row](OursThere(server_of(row)))


#: How Beaker fails: with a wrong answer, unless it is said otherwise.
FAILS_WITH = {"row_84_memcached": memcache.Client.MemcachedKeyCharacterError}


@pytest.mark.parametrize("row", CHECKS)
def test_fails_on_beaker(row):
    """The check is worth something: Beaker fails it."""
    with pytest.raises(FAILS_WITH.get(row, AssertionError)):
        CHECKS[row](BeakersThere(server_of(row)))
