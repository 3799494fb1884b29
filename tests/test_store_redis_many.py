"""The Redis store on several servers, Sentinel's and a cluster's, and by a client of one's own."""

from __future__ import annotations

from contextlib import suppress

import pytest
import redis

from pyramid_beakerish.errors import SettingsError, StoreUnavailable
from pyramid_beakerish.stores.redis import RedisStore
from pyramid_beakerish.testing.stores import stamped
from pyramid_beakerish.testing.together import in_threads
from tests.redis_help import RedisSuite, empty
from tests.servers import own, running
from tests.servers.process import HOST
from tests.servers.redis import ClusterRedisServer, RedisServer, WatchedRedisServer, until
from tests.test_store_redis_faults import LONGEST, METHODS
from tests.timing import within


def by_sentinel(server):
    """Give a store that asks the server's sentinel, and before it one that is not there."""
    sentinels = f"{HOST}:1, {HOST}:{server.sentinel.port}"
    return RedisStore(None, {"sentinels": sentinels, "service_name": "mymaster"})


def in_cluster(server, **options):
    """Give a store on the cluster."""
    return RedisStore(server.url, {"cluster": "true", **options})


class TestSentinelContract(RedisSuite):
    kind = WatchedRedisServer

    def connect(self):
        return by_sentinel(self.server)


class TestClusterContract(RedisSuite):
    kind = ClusterRedisServer

    def nodes(self):
        return list(self.server)

    def connect(self):
        return in_cluster(self.server)


class TestClientContract(RedisSuite):
    def connect(self):
        return RedisStore(self.server.client())


class TestClusterClientContract(TestClusterContract):
    def connect(self):
        startup = [redis.cluster.ClusterNode(HOST, self.server.port)]
        return RedisStore(
            None, {"client_factory": lambda: redis.RedisCluster(startup_nodes=startup)}
        )


def timed(work):
    """Call the function; give what it returned or None if it was unavailable, in time."""
    with within(LONGEST), suppress(StoreUnavailable):
        return work()
    return None


class TestSentinel:
    def test_failover(self):
        """When the master dies the store goes on with the one that Sentinel names instead."""
        with own(WatchedRedisServer) as server:
            store = by_sentinel(server)
            value = stamped(b"value")
            store.set("k", value, None)
            until(lambda: server.replica.client().exists("beakerish:k"))
            server.kill()
            with pytest.raises(StoreUnavailable):
                store.load("k")
            server.wait_for_failover()
            assert store.load("k")[0] == value
            assert store.swap("k", value[:8], stamped(b"after"), None) is True

    @pytest.mark.usefixtures("usual_waits")
    def test_a_master_that_hangs(self):
        """A master that hangs costs a second, until Sentinel has named another one."""
        with own(WatchedRedisServer) as server:
            store = by_sentinel(server)
            store.set("k", stamped(), None)
            until(lambda: server.replica.client().exists("beakerish:k"))
            server.pause()
            try:
                timed(lambda: store.load("k"))
                server.wait_for_failover()
                assert store.load("k") is not None
            finally:
                server.resume()

    @pytest.mark.usefixtures("usual_waits")
    def test_sentinels_that_hang(self):
        """While no sentinel answers no connection is made, and that takes half a second."""
        with own(WatchedRedisServer) as server:
            store = by_sentinel(server)
            server.sentinel.pause()
            with within(0.5), pytest.raises(StoreUnavailable):
                store.load("k")
            server.sentinel.resume()
            assert store.load("k") is None

    def test_an_unknown_service(self):
        """A name that no sentinel knows is a server that cannot be reached."""
        server = running(WatchedRedisServer)
        sentinels = f"{HOST}:{server.sentinel.port}"
        store = RedisStore("redis:///0", {"sentinels": sentinels, "service_name": "other"})
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            store.load("k")

    def test_a_database(self):
        """The URL tells the database, and what else is not for the sentinels to tell."""
        server = running(WatchedRedisServer)
        sentinels = f"{HOST}:{server.sentinel.port}"
        options = {"sentinels": sentinels, "service_name": "mymaster", "sentinel.db": "0"}
        RedisStore("redis:///3", options).set("k", stamped(), 10)
        with server.client() as client:
            client.select(3)
            assert client.exists("beakerish:k")


class TestCluster:
    def test_many_at_once(self):
        """Entries of all servers are loaded together, each server asked once for several."""
        server = running(ClusterRedisServer)
        clients = [empty(node) for node in server]
        store = in_cluster(server)
        keys = [f"k{number}" for number in range(30)]
        for key in keys:
            store.set(key, stamped(key.encode()), 60)
        found = store.load_many([*keys, "absent"])
        assert {key: value[8:].decode() for key, (value, _) in found.items()} == {
            key: key for key in keys
        }
        assert sorted(store.keys("k")) == sorted(keys)
        assert all(client.dbsize() for client in clients)

    @pytest.mark.usefixtures("usual_waits")
    def test_silent_and_down(self):
        """Silent or down, a cluster costs two seconds at most; the first command after that works.

        So it does for a store that was made while the cluster was down.
        """
        with own(ClusterRedisServer) as server:
            store = in_cluster(server)
            value = stamped()
            store.set("k", value, None)
            server.pause()
            try:
                for method in ("swap", "load_many"):
                    assert timed(lambda method=method: METHODS[method](store)) is None
            finally:
                server.resume()
            server.wait_until_ok()
            assert store.load("k")[0] == value
            server.kill()
            assert timed(lambda: store.load("k")) is None
            new = in_cluster(server)
            assert timed(lambda: new.load("k")) is None
            server.start()
            assert store.create("k", stamped(), None) is True
            assert new.load("k") is not None

    def test_moved(self):
        """An entry is found where its slot has moved to."""
        server = running(ClusterRedisServer)
        store = in_cluster(server)
        value = stamped()
        store.set("moved", value, None)
        move_slot(server, "beakerish:moved")
        assert store.load("moved")[0] == value
        assert store.swap("moved", value[:8], stamped(), None) is True

    def test_threads(self):
        """When threads count in a cluster no count is lost."""
        server = running(ClusterRedisServer)
        empty(server).close()
        store = in_cluster(server)
        nodes = [f"{HOST}:{node.port}" for node in server]
        other = RedisStore(None, {"startup_nodes": ", ".join(nodes)})
        store.set("count", stamped(b"0"), None)

        def count(number):
            for _ in range(20):
                while True:
                    value, token = (store, other)[number % 2].load("count")
                    if store.swap("count", token, stamped(b"%d" % (int(value[8:]) + 1)), None):
                        break

        in_threads(4, count)
        assert store.load("count")[0][8:] == b"80"

    def test_no_cluster(self):
        """A server that belongs to no cluster cannot be used as one."""
        with pytest.raises(StoreUnavailable):
            in_cluster(running(RedisServer)).load("k")


def move_slot(server, name):
    """Give the slot of a name, with its entries, to another server of the cluster."""
    slot = server.client().cluster("keyslot", name)
    nodes = {node.client().cluster("myid").decode(): node for node in server}
    (source,) = [node for node in nodes.values() if node.client().cluster("countkeysinslot", slot)]
    target_id, target = next(item for item in nodes.items() if item[1] is not source)
    source_id = source.client().cluster("myid").decode()
    target.client().execute_command(f"CLUSTER SETSLOT {slot} IMPORTING {source_id}")
    source.client().execute_command(f"CLUSTER SETSLOT {slot} MIGRATING {target_id}")
    source.client().migrate(HOST, target.port, name, 0, 5000)
    for node in (target, source):
        node.client().execute_command(f"CLUSTER SETSLOT {slot} NODE {target_id}")


class TestClient:
    def test_a_factory(self):
        """The callable is called when a client is first needed."""
        server = running(RedisServer)
        made = []

        def factory():
            made.append(server.client())
            return made[-1]

        store = RedisStore(None, {"client_factory": factory})
        assert made == []
        store.set("k", stamped(), 10)
        store.load("k")
        assert len(made) == 1

    @pytest.mark.usefixtures("usual_waits")
    def test_its_own_patience_is_bounded(self):
        """A client that would wait for a minute is waited for as long as for any command."""
        with own(RedisServer) as server:
            store = RedisStore(redis.Redis(HOST, server.port, socket_timeout=60))
            store.set("k", stamped(), None)
            server.pause()
            try:
                assert timed(lambda: store.load("k")) is None
            finally:
                server.resume()

    @pytest.mark.parametrize(
        "client", [object(), redis.Redis(decode_responses=True)], ids=["object", "text"]
    )
    def test_what_is_no_client(self, client):
        """What is no client, or one that makes texts of answers, is refused."""
        with pytest.raises(SettingsError, match=r"^url is no redis\.Redis or redis\.RedisCluster"):
            RedisStore(client)
        store = RedisStore(None, {"client_factory": lambda: client})
        with pytest.raises(SettingsError, match=r"^redis\.client_factory gives what is no redis"):
            store.load("k")
