"""The memcached store: its promises, on real servers."""

from __future__ import annotations

import select
import socket

import pytest

from pyramid_beakerish.errors import StoreError, StoreUnavailable
from pyramid_beakerish.stores.memcached.store import MemcachedStore, name_of
from pyramid_beakerish.testing import SessionSuite
from pyramid_beakerish.testing.stores import StoreSuite, stamped
from tests.servers import own, running
from tests.servers.memcached import MemcachedServer
from tests.servers.process import program
from tests.servers.proxy import Proxy, unchanged

KEYS = [f"key {number}" for number in range(60)]
DAY = 86_400


class Second(MemcachedServer):
    """Another server beside the one that other tests use."""


class Third(MemcachedServer):
    """One more."""


class OnPath(MemcachedServer):
    """A server that listens on a unix socket."""

    @property
    def path(self):
        """Where its socket is."""
        return str(self.folder / "sock")

    def command(self):
        """Run in the foreground."""
        return [program("memcached"), "-s", self.path, "-u", "root"]

    def answers(self):
        """Try to connect."""
        with socket.socket(socket.AF_UNIX) as sock:
            return sock.connect_ex(self.path) == 0


def emptied(*kinds):
    """Give the url of this run's servers of some kinds, which are empty now."""
    servers = [running(kind) for kind in kinds]
    for server in servers:
        server.empty()
    return "; ".join(server.url for server in servers)


class TestOneServer(StoreSuite):
    def make_store(self, clock, folder):
        return MemcachedStore(emptied(MemcachedServer), clock)


class TestSeveralServers(StoreSuite):
    def make_store(self, clock, folder):
        return MemcachedStore(emptied(MemcachedServer, Second, Third), clock)


class TestSessions(SessionSuite):
    def settings(self, folder):
        return {"session.type": "memcached", "session.url": running(MemcachedServer).url}


class TestSessionsOnSeveralServers(SessionSuite):
    def settings(self, folder):
        url = ",".join(running(kind).url for kind in (MemcachedServer, Second))
        return {"session.type": "ext:memcached", "session.url": url}


@pytest.fixture
def stores(clock):
    """Make stores that are closed after the test."""
    made = []

    def make(url):
        made.append(MemcachedStore(url, clock))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(stores):
    """A store on this run's server, which is empty."""
    return stores(emptied(MemcachedServer))


def test_a_system_without_poll(stores, monkeypatch):
    """Where there is no poll, as on Windows, connections are used again, and dead ones are not."""
    monkeypatch.delattr(select, "poll")
    server = running(MemcachedServer)
    server.empty()
    with Proxy(server.port) as proxy:
        store = stores(proxy.url)
        assert [store.load("k") for _ in range(3)] == [None] * 3
        assert proxy.accepted == 1
        proxy.cut_all()
        assert store.load("k") is None
        assert proxy.accepted == 2


def test_where_a_key_is_does_not_depend_on_the_order(stores):
    """Servers may be listed in any order; each has its share of the keys."""
    url = emptied(MemcachedServer, Second, Third)
    store = stores(url)
    for key in KEYS:
        store.set(key, stamped(), 10)
    again = stores(" ".join(reversed(url.split("; "))))
    assert set(again.load_many(KEYS)) == set(KEYS)
    alone = [stores(running(kind).url) for kind in (MemcachedServer, Second, Third)]
    shares = [len(store.load_many(KEYS)) for store in alone]
    assert sum(shares) == len(KEYS)
    assert min(shares) > 5


def test_one_server_more(stores):
    """With another server most keys stay where they are."""
    before = stores(emptied(MemcachedServer, Second))
    for key in KEYS:
        before.set(key, stamped(), 10)
    emptied(Third)
    kinds = (MemcachedServer, Second, Third)
    after = stores("; ".join(running(kind).url for kind in kinds))
    assert len(KEYS) / 2 < len(after.load_many(KEYS)) < len(KEYS)


def test_one_server_of_several_is_down(stores):
    """Its keys alone are unavailable, are stored nowhere else, and are not loaded from there."""
    url = emptied(MemcachedServer)
    with own(Second) as lost:
        store = stores(f"{url}; {lost.url}")
        for key in KEYS:
            store.set(key, stamped(b"old"), 10)
        held = len(stores(lost.url).load_many(KEYS))
        lost.kill()
        assert len(stores(url).load_many(KEYS)) == len(KEYS) - held
        refused = [key for key in KEYS if not _is_available(store, key)]
        assert len(refused) == held > 5
        with pytest.raises(StoreUnavailable):
            store.load_many(KEYS)
        lost.start()
        assert [key for key in KEYS if store.load(key) is None] == refused


def _is_available(store, key):
    try:
        store.set(key, stamped(b"new"), 10)
    except StoreUnavailable:
        return False
    return True


def test_round_trips(proxy, stores):
    """Several entries are loaded with one command, and no other method takes more than two."""
    store = stores(proxy.url)
    sent = []
    proxy.on_request = lambda data: sent.append(data.split()[0].decode()) or data

    def commands(work):
        sent.clear()
        work()
        return sent

    assert commands(lambda: store.create("k", stamped(), 10)) == ["add"]
    assert commands(lambda: store.create("k", stamped(), 10)) == ["add", "gets"]
    assert commands(lambda: store.load("k")) == ["gets"]
    assert commands(lambda: store.load_many(["k", "l", "m"])) == ["gets"]
    _, token = store.load("k")
    assert commands(lambda: store.swap("k", token, stamped(), 10)) == ["cas"]
    assert commands(lambda: store.set("k", stamped(), 10)) == ["set"]
    _, token = store.load("k")
    assert commands(lambda: store.delete("k", token)) == ["cas"]
    store.set("k", stamped(), 10)
    assert commands(lambda: store.delete("k")) == ["gets", "delete"]


def test_a_unix_socket(stores):
    """A server may be named by the path of its socket; without it the store is unavailable."""
    with own(OnPath) as server:
        store = stores(f"unix:{server.path}")
        assert store.create("k", stamped(b"value"), 10)
        assert store.load("k")[0].endswith(b"value")
        server.kill()
        with pytest.raises(StoreUnavailable, match="sock cannot be used"):
            store.load("k")


def test_a_host_by_its_name(stores):
    """Of the addresses of a name, the one where the server listens is found."""
    server = running(MemcachedServer)
    store = stores(f"localhost:{server.port}")
    store.set("k", stamped(b"value"), 10)
    assert store.load("k")[0].endswith(b"value")


def ttl_at_server(key):
    """Ask the server for how many seconds it will keep the entry, -1 for ever."""
    answer = running(MemcachedServer).say(b"mg " + name_of(key) + b" t")
    return int(answer.partition(b"t")[2])


@pytest.mark.parametrize(
    ("ttl", "least"),
    [
        (0.05, 1),
        (1, 1),
        (20.5, 21),
        (30 * DAY - 1, 30 * DAY - 1),
        (30 * DAY, 30 * DAY),
        (31 * DAY, 31 * DAY),
        (365 * DAY, 365 * DAY),
    ],
)
def test_how_long_the_server_keeps_an_entry(store, ttl, least):
    """The server keeps an entry for its time to live, and some seconds longer, at any length.

    It counts whole seconds, in ticks that come late where it hangs. One that was stopped for 0.3
    seconds dropped an entry at once that had two to live.
    """
    for write in (store.set, store.create):
        store.delete("k")
        write("k", stamped(), ttl)
        assert store.load("k") is not None
        assert least + 3 <= ttl_at_server("k") <= least + 10


@pytest.mark.parametrize("ttl", [None, 1000 * 365 * DAY, 1e15])
def test_for_ever(store, ttl):
    """What never expires, or after a time that memcached cannot write, the server keeps."""
    store.set("k", stamped(), ttl)
    assert store.load("k") is not None
    assert ttl_at_server("k") == -1


def test_guarded_delete_leaves_nothing(store):
    """What was removed by its token is gone at the server, too, and may be made anew at once."""
    store.set("k", stamped(), 10)
    assert store.delete("k", store.load("k")[1])
    assert running(MemcachedServer).say(b"get " + name_of("k")) == b"END"
    assert store.create("k", stamped(), 10)


def test_keys_of_others(store):
    """A name never meets one that Beaker, or the application, has given."""
    server = running(MemcachedServer)
    server.say(b"set k 0 0 5\r\nother")
    assert store.load("k") is None
    store.set("k", stamped(), 10)
    assert store.delete("k")
    assert server.say(b"get k").endswith(b"other\r\nEND")


def test_what_is_not_ours(store):
    """An entry under our name that this package never wrote is absent, and is replaced."""
    running(MemcachedServer).say(b"set " + name_of("k") + b" 0 0 3\r\nabc")
    assert store.load("k") is None
    assert store.create("k", stamped(), 10)


def test_a_value_over_the_limit(store):
    """A value that is too large is an error that tells why, and leaves what was there."""
    value = stamped(b"old")
    store.set("k", value, 10)
    token = store.load("k")[1]
    large = stamped(bytes(3_000_000))
    for work in (
        lambda: store.swap("k", token, large, 10),
        lambda: store.create("new", large, 10),
        lambda: store.set("other", large, 10),
    ):
        with pytest.raises(StoreError, match=r"object too large for cache.*option -I") as caught:
            work()
        assert not isinstance(caught.value, StoreUnavailable)
    assert store.load("k") == (value, token)
    assert store.load_many(["new", "other"]) == {}


class Small(MemcachedServer):
    """With little memory."""

    options = ("-m", "2")


class Full(MemcachedServer):
    """With little memory, and told to refuse what no longer fits."""

    options = ("-m", "2", "-M")


def test_eviction(stores):
    """What was evicted is gone: it is not swapped, not removed, and never comes back."""
    with own(Small) as server:
        store = stores(server.url)
        store.set("k", stamped(bytes(8000)), 100)
        _, token = store.load("k")
        fill(store)
        assert store.load("k") is None
        assert not store.swap("k", token, stamped(), 100)
        assert not store.delete("k", token)
        assert not store.delete("k")
        assert store.load("k") is None
        assert store.create("k", stamped(b"new"), 100)


def fill(store):
    """Store what is far more than a small server has room for."""
    for number in range(2000):
        store.set(f"key {number}", stamped(bytes(8000)), 100)


def test_a_full_server(stores):
    """A server that refuses what no longer fits makes the store unavailable for writes alone."""
    with own(Full) as server:
        store = stores(server.url)
        with pytest.raises(StoreUnavailable, match="out of memory"):
            fill(store)
        assert store.load("key 0") is not None
        assert store.delete("key 0")


@pytest.fixture
def proxy():
    """A proxy before this run's server, which is empty."""
    emptied(MemcachedServer)
    with Proxy(running(MemcachedServer).port) as proxy:
        yield proxy


def before(proxy, command, work):
    """Have the function called just before the proxy passes on the next such command."""

    def handler(data):
        if data.startswith(command):
            proxy.on_request = unchanged
            work()
        return data

    proxy.on_request = handler


@pytest.mark.parametrize("command", [b"gets", b"cas"])
def test_create_while_the_expired_entry_goes(proxy, stores, store, clock, command):
    """A create succeeds though what had expired was removed by the server at that moment."""
    store.set("k", stamped(), 10)
    clock.advance(10)
    server = running(MemcachedServer)
    before(proxy, command, lambda: server.say(b"delete " + name_of("k")))
    assert stores(proxy.url).create("k", stamped(b"mine"), 10)
    assert store.load("k")[0].endswith(b"mine")


def test_create_while_another_creates(proxy, stores, store, clock):
    """Of two that replace what had expired one is told that it did."""
    store.set("k", stamped(), 10)
    clock.advance(10)
    before(proxy, b"cas", lambda: store.create("k", stamped(b"theirs"), 10))
    assert not stores(proxy.url).create("k", stamped(b"mine"), 10)
    assert store.load("k")[0].endswith(b"theirs")


def test_delete_while_another_deletes(proxy, stores, store):
    """Of two that remove an entry one is told that it did."""
    store.set("k", stamped(), 10)
    before(proxy, b"delete", lambda: store.delete("k"))
    assert not stores(proxy.url).delete("k")
