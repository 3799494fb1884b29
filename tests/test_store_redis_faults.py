"""The Redis store when its server is down, paused, full, a replica, or breaks connections."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from pyramid_beakerish.errors import StoreUnavailable
from pyramid_beakerish.stores.redis import RedisStore
from pyramid_beakerish.testing.stores import stamped
from pyramid_beakerish.testing.together import Background, in_threads
from tests.redis_help import empty, no_more_threads
from tests.servers import own, own_fixture, running
from tests.servers.process import HOST
from tests.servers.proxy import Cut, Proxy, unchanged
from tests.servers.redis import RedisServer, until
from tests.timing import note_timeouts, within

#: Seconds that no command may take, and what a busy machine adds to them.
LONGEST = 2.0

#: Everything that a store does.
METHODS = {
    "load": lambda store: store.load("k"),
    "load_many": lambda store: store.load_many(["k", "l"]),
    "create": lambda store: store.create("new", stamped(), 10),
    "swap": lambda store: store.swap("k", b"12345678", stamped(), 10),
    "set": lambda store: store.set("k", stamped(), 10),
    "delete": lambda store: store.delete("k"),
    "guarded delete": lambda store: store.delete("k", b"12345678"),
    "keys": lambda store: list(store.keys("")),
}


@contextmanager
def unavailable():
    """Expect `StoreUnavailable`, in time and without a word of the client library's."""
    with within(LONGEST), pytest.raises(StoreUnavailable) as caught:
        yield caught
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


server = own_fixture(RedisServer)


@pytest.fixture
def store(server):
    store = RedisStore(server.url)
    store.set("k", stamped(b"value"), None)
    yield store
    store.close()


@pytest.fixture
def proxy():
    server = running(RedisServer)
    empty(server).close()
    with Proxy(server.port) as proxy:
        yield proxy


def cut_after(proxy, size):
    """Cut off every connection once so many bytes of answers have passed."""
    left = size

    def cut(data):
        nonlocal left
        if len(data) > left:
            raise Cut(data[:left])
        left -= len(data)
        return data

    proxy.on_answer = cut


@pytest.fixture
def behind(proxy):
    """A store behind the proxy."""
    store = RedisStore(f"redis://{HOST}:{proxy.port}")
    store.set("k", stamped(b"value"), None)
    return store


class TestDown:
    @pytest.mark.parametrize("end", ["stop", "kill"])
    def test_every_method(self, server, store, end):
        """While the server is down every method says so at once; afterwards the first one works."""
        getattr(server, end)()
        for work in METHODS.values():
            with unavailable():
                work(store)
        server.start()
        assert store.load("k") is None

    @pytest.mark.parametrize("method", METHODS)
    def test_the_first_call_after_a_restart(self, server, store, method):
        """Connections that a restart has closed are noticed, by a read and by a write."""
        server.kill()
        server.start()
        METHODS[method](store)

    def test_threads_after_a_restart(self, server, store):
        """Each thread's connection was closed by the restart, and none of them fails."""
        barrier = threading.Barrier(8)

        def load(number):
            barrier.wait(30)
            return store.load("k")

        in_threads(8, load)
        server.kill()
        server.start()
        assert in_threads(8, load) == [None] * 8

    def test_idle_for_longer_than_the_server_keeps_a_connection(self, server, store):
        """A server that closes idle connections is no trouble."""
        with server.client() as client:
            client.client_kill_filter(_type="normal", skipme=True)
            assert store.create("new", stamped(), 10) is True
            client.client_kill_filter(_type="normal", skipme=True)
            assert store.load("k")


@pytest.mark.parametrize("of_ours", [True, False])
def test_no_more_threads(server, of_ours):
    """Where the system gives no thread to connect in, or to call a client in, a store says so."""
    store = RedisStore(server.url if of_ours else server.client())
    for work in METHODS.values():
        with no_more_threads(), unavailable() as caught:
            work(store)
        assert str(caught.value) == "the Redis server cannot be reached: can't start new thread"
    assert store.load("k") is None


@pytest.mark.usefixtures("usual_waits")
class TestSilent:
    def test_paused(self, server, store):
        """A paused server costs a second, with a connection and without; then all is well."""
        server.pause()
        try:
            for method in ("load", "swap", "keys"):
                with unavailable():
                    METHODS[method](store)
        finally:
            server.resume()
        assert store.load("k")[0].endswith(b"value")

    def test_how_long_is_waited(self, server, monkeypatch):
        """A connection is waited for half a second, and an answer for one."""
        waits = note_timeouts(monkeypatch)
        RedisStore(server.url).load("k")
        assert waits == {0.5, 1.0}

    def test_a_host_that_swallows_everything(self):
        """Where nobody ever accepts, the half second to connect is all that is waited."""
        with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
            listener.bind((HOST, 0))
            listener.listen(0)  # one more fits into the queue, so that others get no answer
            for sock in (first, second):
                sock.setblocking(False)
                sock.connect_ex(listener.getsockname())
            with within(0.5), unavailable():
                RedisStore(f"redis://{HOST}:{listener.getsockname()[1]}").load("k")

    def test_names_that_cannot_be_looked_up(self, monkeypatch):
        """While the look-up of names hangs, the half second to connect is all that is waited."""
        go_on = threading.Event()
        # Nothing else makes a resolver hang here: no packet may leave this machine.
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: go_on.wait(30) and [])
        try:
            with within(0.5), unavailable():
                RedisStore("redis://redis.example").load("k")
        finally:
            go_on.set()

    def test_slow(self):
        """Each answer is waited for as long as ``socket_timeout`` says."""
        with own(RedisServer) as server:
            store = RedisStore(server.url, {"socket_timeout": "0.1"})
            assert store.load("k") is None
            server.pause()
            assert min(time_of_failure(store) for _ in range(3)) < 0.6  # by itself it takes 1
            server.resume()


def time_of_failure(store):
    """Give the seconds after which a load fails."""
    began = time.monotonic()
    with unavailable():
        store.load("k")
    return time.monotonic() - began


class TestFull:
    def test_maxmemory(self, server, store):
        """A full server refuses what is new and keeps what it has; what is ended makes room."""
        with server.client() as client:
            client.config_set("maxmemory", 1)
            value, token = store.load("k")
            for method in ("create", "set"):
                with pytest.raises(StoreUnavailable, match="is full: its maxmemory is used up"):
                    METHODS[method](store)
            with pytest.raises(StoreUnavailable, match="is full"):
                store.swap("k", token, stamped(), None)
            assert store.load("k") == (value, token)
            assert store.delete("k", token) is True
            client.config_set("maxmemory", 0)
        assert store.create("k", stamped(), None) is True

    def test_a_disk_that_takes_nothing(self, server, store):
        """A server that cannot save takes no writes, and says why."""
        with server.client() as client:
            client.config_set("save", "1 1")
            (server.folder / "dump.rdb").mkdir()
            client.execute_command("BGSAVE")
            until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
            with pytest.raises(StoreUnavailable, match="cannot write to its disk"):
                store.set("k", stamped(), None)
            assert store.load("k")

    def test_replica(self, server, store):
        """A replica is read and not written; the connections to it are not used again."""
        with own(RedisServer) as master, server.client() as client:
            client.replicaof(HOST, master.port)
            token = store.load("k")[1]
            for work in (
                lambda: store.set("k", stamped(), None),
                lambda: store.swap("k", token, stamped(), None),
                lambda: store.delete("k"),
            ):
                with pytest.raises(StoreUnavailable, match="takes no writes: it is a replica"):
                    work()
            client.replicaof("NO", "ONE")
            store.set("k", stamped(), None)

    def test_too_few_replicas(self, server, store):
        """A server that wants replicas before it takes writes has none."""
        with server.client() as client:
            client.config_set("min-replicas-to-write", 1)
            with pytest.raises(StoreUnavailable, match="has too few replicas"):
                store.set("k", stamped(), None)

    def test_a_user_who_may_not_do_all_that_a_script_does(self, server, store):
        """Rights that are missing within a script are missing rights, too."""
        token = store.load("k")[1]
        with server.client() as client:
            rights = "~beakerish:* +get +set +eval +evalsha"
            client.execute_command("ACL", "SETUSER", "poor", "on", ">secret", *rights.split())
        poor = RedisStore(f"redis://poor:secret@{HOST}:{server.port}")
        for work in (
            lambda: poor.swap("k", token, stamped(), None),
            lambda: poor.delete("k", token),
        ):
            with pytest.raises(StoreUnavailable, match="does not permit the user the commands"):
                work()

    def test_too_many_clients(self, server, store):
        """A server that accepts no more clients is unavailable to a new one."""
        with server.client() as client:
            client.config_set("maxclients", 2)
            store.load("k")
            with unavailable():
                RedisStore(server.url).load("k")
            assert store.load("k")


#: What Redis 6 answers where the command that fails is in a script.
OF_REDIS_6 = b"-ERR Error running script (call to f_c89b): @user_script:2: @user_script: 2: %b\r\n"


class TestRedis6:
    @pytest.mark.parametrize(
        ("said", "reason"),
        [
            (b"-OOM command not allowed when used memory > 'maxmemory'.", "is full"),
            (b"-READONLY You can't write against a read only replica.", "it is a replica"),
            (b"-MISCONF Redis is configured to save RDB snapshots", "cannot write to its disk"),
            (b"The user executing the script can't run this command", "does not permit"),
        ],
    )
    def test_what_a_script_is_refused(self, proxy, behind, said, reason):
        """Why a script was refused is understood, though it is in the middle of the answer."""
        token = behind.load("k")[1]
        proxy.on_answer = lambda data: OF_REDIS_6 % said
        with pytest.raises(StoreUnavailable, match=reason):
            behind.swap("k", token, stamped(), None)

    def test_a_replica(self, proxy, behind):
        """The connections to what turns out to be a replica are not used again."""
        token = behind.load("k")[1]
        proxy.on_answer = lambda data: OF_REDIS_6 % b"-READONLY You can't write"
        with pytest.raises(StoreUnavailable):
            behind.swap("k", token, stamped(), None)
        proxy.on_answer = unchanged
        accepted = proxy.accepted
        assert behind.load("k")
        assert proxy.accepted == accepted + 1


class TestBroken:
    @pytest.mark.parametrize("size", [0, 1, 4, 5, 12, 20])
    def test_a_read_is_cut(self, proxy, behind, size):
        """However much of an answer arrives, it is never taken for one, nor for that to another."""
        behind.close()
        for method in ("load", "load_many", "keys", "delete", "set"):
            cut_after(proxy, size)
            with unavailable():
                METHODS[method](behind)
        proxy.on_answer = unchanged
        assert behind.load("other") is None
        behind.set("other", stamped(b"other"), None)
        assert behind.load("other")[0].endswith(b"other")

    def test_a_read_of_an_idle_connection(self, proxy, behind):
        """A read on a connection that breaks under it is done again, once, on a new one."""
        cut_after(proxy, 1)
        with unavailable():
            behind.load("k")
        proxy.on_answer = unchanged
        assert behind.load("k")
        proxy.cut_all()
        assert behind.load("k")

    def test_the_other_connections(self, proxy, behind):
        """Once a connection has broken the idle ones, which are as old, are not tried in turn."""
        proxy.hold(b"\nGET\r", 2)
        in_threads(2, lambda _: behind.load("k"))
        proxy.on_request = unchanged
        cut_after(proxy, 1)
        with unavailable():
            behind.load("k")
        proxy.on_answer = unchanged
        accepted = proxy.accepted
        assert behind.load("k")
        assert proxy.accepted == accepted + 1

    def test_a_write_whose_answer_is_lost(self, proxy, behind):
        """A write that has happened is known to have, by its id, though its answer was lost."""
        behind.swap("k", b"12345678", stamped(), None)  # the server knows the script now
        proxy.cut_in_answer()
        assert behind.create("new", stamped(b"created"), None) is True
        value, token = behind.load("new")
        assert value.endswith(b"created")
        proxy.cut_in_answer()
        assert behind.swap("new", token, stamped(b"swapped"), None) is True
        assert behind.load("new")[0].endswith(b"swapped")

    def test_a_script_that_is_not_known(self, proxy, behind):
        """The lost answer that a script is not known leaves the entry as it was."""
        token = behind.load("k")[1]
        running(RedisServer).client().script_flush()
        proxy.cut_in_answer()
        with unavailable():
            behind.swap("k", token, stamped(b"swapped"), None)
        assert behind.load("k")[0].endswith(b"value")

    def test_a_write_that_may_not_have_happened(self, proxy, behind):
        """Of a write that may or may not have happened nobody says that it has not."""
        token = behind.load("k")[1]
        for work in (
            lambda: behind.create("k", stamped(), None),
            lambda: behind.swap("k", b"12345678", stamped(), None),
            lambda: behind.swap("other", b"12345678", stamped(), None),
            lambda: behind.delete("k", token),
        ):
            proxy.cut_in_answer()
            with unavailable():
                work()

    def test_no_write_is_sent_twice(self, proxy, behind):
        """A write that guards something is never sent again, whatever happens to its answer."""
        token = behind.load("k")[1]
        for work in (
            lambda: behind.create("k", stamped(), None),
            lambda: behind.swap("k", token, stamped(), None),
            lambda: behind.delete("k", b"12345678"),
        ):
            sent = []
            proxy.on_request = lambda data, sent=sent: sent.append(data) or data
            proxy.cut_in_answer()
            with suppress(StoreUnavailable):
                work()
            writes = [piece for piece in sent if b"\nNX\r" in piece or b"EVAL" in piece]
            assert len(writes) == 1

    @pytest.mark.usefixtures("usual_waits")
    def test_an_answer_that_was_long_waited_for(self):
        """Who has waited long for an answer that never came waits for no other."""
        with own(RedisServer) as server, Proxy(server.port) as proxy:
            store = RedisStore(f"redis://{HOST}:{proxy.port}", {"socket_timeout": 5})
            store.set("k", stamped(), None)
            for method in ("load", "create"):
                store.load("k")
                server.pause()
                accepted = proxy.accepted
                cut = Background(lambda: time.sleep(0.6) or proxy.cut_all())
                with unavailable():
                    METHODS[method](store)
                assert proxy.accepted == accepted
                cut.result()
                server.resume()
