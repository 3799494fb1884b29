"""What a Redis store tells of its servers: version, memory, persistence, eviction."""

from __future__ import annotations

import pytest
import redis

from pyramid_beakerish.errors import StoreUnavailable
from pyramid_beakerish.stores.redis import RedisStore
from pyramid_beakerish.stores.redis.facts import facts_told
from pyramid_beakerish.testing.stores import stamped
from tests.servers import own, own_fixture, running
from tests.servers.process import HOST
from tests.servers.redis import (
    ClusterRedisServer,
    RedisServer,
    SecureRedisServer,
    WatchedRedisServer,
)
from tests.test_store_redis_many import by_sentinel, in_cluster

server = own_fixture(RedisServer)


def stores_of(server):
    """Every way to one server."""
    yield RedisStore(server.url)
    yield RedisStore(server.url, {"protocol": "3"})
    yield RedisStore(redis.Redis(HOST, server.port))
    yield RedisStore(redis.Redis(HOST, server.port, protocol=3))


def facts(server):
    """Give what all stores on the server agree about, without the memory that is used."""
    told = [store.inspect() for store in stores_of(server)]
    for each in told:
        assert each.pop("used") > 0
        assert each.pop("free", 1) > 0
    assert all(each == told[0] for each in told)
    return told[0]


def test_a_server_without_persistence(server):
    """A server that writes nothing to disk and has no limit is told as such."""
    found = facts(server)
    assert found.pop("remedies").keys() == {"persistent", "evicts"}
    version = server.client().info("server")["redis_version"]
    assert found == {
        "reach": "network",
        "version": f"Redis {version}",
        "persistent": False,
        "evicts": False,
    }


@pytest.mark.parametrize(("name", "value"), [("appendonly", "yes"), ("save", "3600 1")])
def test_persistence(server, name, value):
    """A server that appends to a file, or writes snapshots, keeps what it has."""
    server.client().config_set(name, value)
    assert facts(server)["persistent"] is True


@pytest.mark.parametrize(
    ("limit", "policy", "evicts"),
    [
        (0, "allkeys-lru", False),
        (2**26, "noeviction", False),
        (2**26, "allkeys-lru", True),
        (2**26, "volatile-ttl", True),
    ],
)
def test_eviction(server, limit, policy, evicts):
    """Entries leave before their time where there is a limit, and a policy that lets them."""
    with server.client() as client:
        client.config_set("maxmemory-policy", policy)
        client.config_set("maxmemory", limit)
    assert facts(server)["evicts"] is evicts
    store = RedisStore(server.url)
    told = store.inspect()
    assert told.get("free", 0) == (limit and limit - told["used"])
    store.close()


def test_what_has_left_is_told(server):
    """Entries that have left before their time are counted, with the remedy."""
    store = RedisStore(server.url)
    with server.client() as client:
        client.config_set("maxmemory-policy", "allkeys-random")
        store.set("k", stamped(b"x" * 2**20), None)
        client.config_set("maxmemory", client.info("memory")["used_memory"] - 2**19)
        while not client.info("stats")["evicted_keys"]:
            store.set("k", stamped(b"x"), None)
    (remark,) = store.inspect()["remarks"]
    assert "evicted before they expired: raise maxmemory." in remark.text
    assert remark.link.startswith("https://redis.io/")
    store.close()


class Managed(RedisServer):
    """A server whose provider keeps CONFIG to himself."""

    options = (*RedisServer.options, "--rename-command", "CONFIG", "")


class ManagedAppending(Managed):
    options = (*Managed.options, "--appendonly", "yes")


@pytest.mark.parametrize(
    ("kind", "told"), [(Managed, {}), (ManagedAppending, {"persistent": True})]
)
def test_a_managed_server(kind, told):
    """Without CONFIG all is told but for whether there are snapshots."""
    with own(kind) as server:
        found = facts(server)
    assert {name: found[name] for name in found.keys() & {"persistent"}} == told
    assert found["version"].startswith("Redis ")


def test_a_user_who_may_not_ask():
    """A user with the rights of a store, and no more, learns that it answers."""
    server = running(SecureRedisServer)
    url = f"redis://store:secret@{HOST}:{server.port}/0"
    store = RedisStore(url, {"protocol": 2})
    assert store.inspect().keys() == {"reach", "remedies"}
    store.close()


def test_a_user_who_may_ask(server):
    """The two rights that the documentation names are all that it takes to be told everything."""
    rights = ["+get", "+info", "+config|get"]
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "asker", "on", ">word", "~beakerish:*", *rights)
    store = RedisStore(f"redis://asker:word@{HOST}:{server.port}")
    assert store.inspect().keys() == RedisStore(server.url).inspect().keys()
    store.close()


def test_a_server_that_is_down(server):
    """Where nobody answers there is nothing to tell."""
    store = RedisStore(server.url)
    server.kill()
    with pytest.raises(StoreUnavailable):
        store.inspect()


def test_sentinel():
    """With Sentinel the master tells of itself."""
    store = by_sentinel(running(WatchedRedisServer))
    assert store.inspect()["persistent"] is False
    store.close()


def test_a_cluster():
    """A cluster is as good as the worst of its servers, and as large as all of them."""
    server = running(ClusterRedisServer)
    other = server.others[0].client()
    store = in_cluster(server)
    try:
        other.config_set("maxmemory", 2**26)
        other.config_set("maxmemory-policy", "allkeys-lru")
        other.config_set("save", "3600 1")
        told = store.inspect()
        assert told["version"].count("Redis") == 1
        assert told["used"] > other.info("memory")["used_memory"]
        assert (told["evicts"], told["persistent"]) == (True, False)
        assert "free" not in told
        for node in server:
            node.client().config_set("maxmemory", 2**26)
            node.client().config_set("save", "3600 1")
        told = store.inspect()
        assert told["persistent"] is True
        assert told["free"] == 3 * 2**26 - told["used"]
    finally:
        for node in server:
            for name, value in (("maxmemory", 0), ("maxmemory-policy", "noeviction"), ("save", "")):
                node.client().config_set(name, value)
        store.close()


def test_valkey(server):
    """Valkey is called by its own name, though it tells a version of Redis as well."""
    info = server.client().info()
    told = facts_told([{**info, "server_name": "valkey", "valkey_version": "8.1.3"}], [])
    assert told["version"] == "Valkey 8.1.3"
