"""The servers that only Beaker has a back end for, as stores of ours."""

from __future__ import annotations

import pickle
import time

import pymongo
import pymongo.errors
import pytest
import redis
from beaker.ext.redisclusternm import RedisClusterNamespaceManager
from beaker.util import SyncDict

from pyramid_beakerish.errors import SettingsError, StoreUnavailable
from pyramid_beakerish.settings import store_settings
from pyramid_beakerish.stores import open_store
from pyramid_beakerish.stores.beaker.servers import MongoNamespace
from pyramid_beakerish.testing import FrozenClock, SessionSuite, StoreSuite
from pyramid_beakerish.testing.stores import stamped
from tests.rivals import Boobytrap, planted
from tests.servers import own, running
from tests.servers.process import HOST, PATIENCE, free_port
from tests.servers.redis import RedisServer


class RedisClusterNode(RedisServer):
    """A cluster of one node, which has all slots."""

    def __init__(self, folder):
        super().__init__(folder)
        self._bus = free_port()

    def command(self):
        """Run in the foreground, with a file of the cluster's own."""
        options = {"enabled": "yes", "port": self._bus, "config-file": self.folder / "nodes.conf"}
        words = [
            str(word) for name, value in options.items() for word in (f"--cluster-{name}", value)
        ]
        return [*super().command(), *words]

    def start(self):
        """Start the node, and give it the slots if it has none yet."""
        super().start()
        deadline = time.monotonic() + PATIENCE
        with redis.Redis(HOST, self.port) as client:
            if not client.execute_command("CLUSTER", "SLOTS"):
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
                assert time.monotonic() < deadline
                time.sleep(0.02)


@pytest.fixture(scope="module", autouse=True)
def own_clients():
    """Beaker keeps its clients as long as the process; here they are closed."""
    clients = SyncDict()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(RedisClusterNamespaceManager, "clients", clients)
        yield
    for client in clients.dict.values():
        client.close()


def cluster():
    """Give the address of the tests' cluster, emptied."""
    node = running(RedisClusterNode)
    with redis.Redis(HOST, node.port) as client:
        client.flushall()
    return f"redis://{HOST}:{node.port}"


class TestRedisCluster(StoreSuite):
    """Expiry is by the clock that the store is given; the server only removes."""

    def make_store(self, clock, folder):
        return open_store(store_settings(type="ext:rediscluster", urls=cluster()), clock)


class TestSessionsInRedisCluster(SessionSuite):
    def settings(self, folder):
        return {"session.type": "ext:rediscluster", "session.urls": cluster()}


def test_a_planted_pickle_in_redis():
    """What an intruder has put into Redis is not loaded, and the key is absent."""
    url = cluster()
    store = open_store(store_settings(type="ext:rediscluster", urls=url), FrozenClock())
    store.set("k", stamped(), None)
    with redis.Redis.from_url(url) as client:
        (key,) = client.keys("beaker_cache:beakerish_*:entry")
        client.set(key, planted(b""))
        assert store.load("k") is None
        assert not Boobytrap.sprung
        client.set(key, pickle.dumps(b""))
    assert store.load("k") is None


def test_redis_removes_what_has_expired():
    """The server is told for how long to keep an entry."""
    url = cluster()
    store = open_store(store_settings(type="ext:rediscluster", urls=url), FrozenClock())
    store.set("k", stamped(), 59.5)
    with redis.Redis.from_url(url) as client:
        (key,) = client.keys("beaker_cache:beakerish_*:entry")
        assert client.ttl(key) in (59, 60)


def test_redis_is_down():
    """A cluster that is not there is `StoreUnavailable`, until the first call after it has come."""
    node = own(RedisClusterNode)
    urls = f"redis://{HOST}:{node.port}"
    store = open_store(store_settings(type="ext:rediscluster", urls=urls), FrozenClock())
    store.prepare()
    with pytest.raises(StoreUnavailable, match="Beaker's back end failed with redis"):
        store.load("k")
    with node:
        store.set("k", stamped(), None)
        assert store.load("k")


@pytest.fixture
def mongo_client():
    """A client of a MongoDB that is not there."""
    url = f"mongodb://{HOST}:{free_port()}/x"
    with pymongo.MongoClient(url, serverSelectionTimeoutMS=20) as client:
        yield client


@pytest.fixture
def mongo(mongo_client):
    """A store with that client."""
    return open_store(store_settings(type="ext:mongodb", url=mongo_client), FrozenClock())


def test_mongodb_is_down(mongo):
    """A MongoDB that cannot be reached is no mistake at the start, and then `StoreUnavailable`."""
    mongo.prepare()
    with pytest.raises(StoreUnavailable, match=r"pymongo\.errors\.ServerSelectionTimeoutError"):
        mongo.load("k")


def test_mongodb_cannot_be_used(mongo, mongo_client):
    """Each method says so where the client has been closed."""
    mongo_client.close()
    for work in (
        lambda: mongo.load("k"),
        lambda: mongo.set("k", stamped(), 60),
        lambda: mongo.delete("k"),
        mongo.sweep,
    ):
        with pytest.raises(StoreUnavailable, match=r"pymongo\.errors\.InvalidOperation"):
            work()


@pytest.mark.parametrize("ttl", [None, 60])
def test_mongodb_cannot_be_used_once_it_is_locked(mongo, mongo_client, ttl):
    """What is written and removed under Beaker's lock goes to the same client."""
    mongo_client.close()
    namespace = mongo._open("n")
    assert type(namespace) is MongoNamespace
    with pytest.raises(pymongo.errors.InvalidOperation):
        namespace.set_value("entry", b"value", expiretime=ttl)
    with pytest.raises(pymongo.errors.InvalidOperation):
        del namespace["entry"]


def test_mongodb_without_a_url():
    """What the manager needs and lacks is a mistake in the settings."""
    store = open_store(store_settings(type="ext:mongodb"), FrozenClock())
    with pytest.raises(SettingsError, match=r"MongoNamespace refuses its options: .*'url'"):
        store.prepare()
