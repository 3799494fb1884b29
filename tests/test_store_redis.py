"""The Redis store on one server: the contract, ways to connect, names, times, answers."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import settings

from pyramid_beakerish.errors import StoreError, StoreUnavailable
from pyramid_beakerish.stores.redis import RedisStore
from pyramid_beakerish.testing.stores import stamped
from tests.redis_help import RedisSuite, age, empty
from tests.servers import own, running
from tests.servers.redis import RedisServer, SecureRedisServer
from tests.store_machine import StoreMachine


class TestContract(RedisSuite):
    def connect(self):
        return RedisStore(self.server.url)


class TestContractByResp3(RedisSuite):
    def connect(self):
        return RedisStore(self.server.url, {"protocol": "3"})


class TestContractByValkeyUrl(RedisSuite):
    def connect(self):
        return RedisStore(self.server.url.replace("redis://", "valkey://"))


class TestContractByTls(RedisSuite):
    kind = SecureRedisServer

    def connect(self):
        url = f"rediss://localhost:{self.server.tls_port}"
        # A context of OpenSSL for each connection takes its time where many are made at once.
        certificate = {"ssl_ca_certs": self.server.certificate, "socket_connect_timeout": 5}
        return RedisStore(url, certificate)


class TestContractByUnixSocket(RedisSuite):
    kind = SecureRedisServer

    def connect(self):
        return RedisStore(f"unix://{self.server.socket}")


class TestContractAsUser(RedisSuite):
    """A user who may do no more than what the documentation says that a store needs."""

    kind = SecureRedisServer

    def connect(self):
        options = {"username": "store", "password": "secret", "protocol": 2}
        return RedisStore(f"redis://127.0.0.1:{self.server.port}/0", options)


class RedisMachine(StoreMachine):
    def make_store(self, clock, folder):
        self.client = empty(running(RedisServer))
        return self.make_again()

    def make_again(self):
        return RedisStore(running(RedisServer).url)

    def pass_time(self, seconds):
        super().pass_time(seconds)
        age(self.client, seconds)


class WithoutDelete(RedisServer):
    options = (*RedisServer.options, "--rename-command", "DEL", "")


@pytest.fixture
def server():
    return running(RedisServer)


@pytest.fixture
def client(server):
    with empty(server) as client:
        yield client


@pytest.fixture
def store(server, client):
    return RedisStore(server.url)


class TestNames:
    def test_beakers_names_are_never_met(self, store, client):
        """All that the store keeps has names of its own, beside those of Beaker."""
        store.set("a", stamped(), None)
        assert client.keys("*") == [b"beakerish:a"]
        client.set("beaker_cache:a:a", "Beaker's")
        client.set("b", "somebody's")
        assert list(store.keys("")) == ["a"]
        assert store.load("b") is None

    @pytest.mark.parametrize("odd", ["*", "?", "[ab]", "\\", "a\\*"])
    def test_a_prefix_is_no_pattern(self, store, odd):
        """What means anything at all in a pattern means itself in a prefix."""
        for key in (odd + "1", "a1", "b1", "x", odd):
            store.set(key, stamped(), None)
        assert sorted(store.keys(odd)) == sorted({odd, odd + "1"})

    def test_many_keys(self, store, client):
        """Of many keys each is listed once, by SCAN and never by KEYS."""
        names = {f"beakerish:many:{number}": "x" * 8 for number in range(2500)}
        client.mset(names)
        client.config_resetstat()
        listed = list(store.keys("many:"))
        assert len(listed) == len(set(listed)) == 2500
        assert client.info("commandstats").keys() & {"cmdstat_keys", "cmdstat_scan"} == {
            "cmdstat_scan"
        }


class TestTimes:
    def test_the_server_ends_entries(self, store):
        """An entry is gone when its time is over, with nobody doing anything."""
        began = time.monotonic()
        store.set("k", stamped(), 0.05)
        while store.load("k") is not None:
            assert time.monotonic() < began + 10
        assert time.monotonic() - began >= 0.05

    @pytest.mark.parametrize(
        ("ttl", "milliseconds"),
        [(0.0001, 1), (0.0011, 2), (1.5, 1500), (-1.0, 1), (60 * 86400, 5_184_000_000)],
    )
    def test_milliseconds(self, store, client, ttl, milliseconds):
        """A time to live is rounded up to milliseconds, and is never nothing."""
        client.config_set("slowlog-log-slower-than", 0)
        client.slowlog_reset()
        store.set("k", stamped(), ttl)
        asked = [entry["command"] for entry in client.slowlog_get()]
        client.config_set("slowlog-log-slower-than", -1)
        (command,) = [command for command in asked if command.startswith(b"SET")]
        assert command.endswith(b" PX %d" % milliseconds)

    @pytest.mark.parametrize("ttl", [1e30, float("inf")])
    def test_the_longest(self, store, client, ttl):
        """What would be too long for the server is kept for a hundred years."""
        assert store.create("k", stamped(), ttl) is True
        assert client.pttl("beakerish:k") == pytest.approx(36_500 * 86_400_000, abs=10_000)

    def test_age(self, store, client):
        """The tests' way to let time pass ends an entry when its time is over, and not before."""
        store.set("k", stamped(), 10)
        age(client, 9)
        assert store.load("k") is not None
        age(client, 1)
        assert store.load("k") is None


class TestScripts:
    def test_a_server_that_has_forgotten_them(self, store, client):
        """A swap and a guarded delete serve where the server has never seen their scripts."""
        store.set("k", stamped(), None)
        client.script_flush()
        assert store.swap("k", store.load("k")[1], stamped(), None) is True
        client.script_flush()
        assert store.delete("k", store.load("k")[1]) is True

    def test_one_round_trip(self, store, client):
        """A swap is one command, once the server knows its script."""
        store.set("k", stamped(), None)
        store.swap("k", store.load("k")[1], stamped(), None)
        token = store.load("k")[1]
        before = client.info("stats")["total_commands_processed"]
        assert store.swap("k", token, stamped(), 10) is True
        # The client's own question, EVALSHA and the two commands of the script.
        assert client.info("stats")["total_commands_processed"] - before == 4


class TestAnswers:
    def test_another_type(self, store, client):
        """A name under which somebody keeps another type of value is an error, and tells no key."""
        client.rpush("beakerish:secret-key", "x")
        for work in (
            lambda: store.load("secret-key"),
            lambda: store.swap("secret-key", b"12345678", stamped(), None),
            lambda: store.delete("secret-key", b"12345678"),
        ):
            with pytest.raises(StoreError) as caught:
                work()
            assert not isinstance(caught.value, StoreUnavailable)
            assert str(caught.value) == "the Redis server refused a command (WRONGTYPE)"
        assert store.load("other") is None

    def test_a_command_that_is_not_there(self):
        """An answer that quotes the command is not told on, as it quotes keys and contents."""
        with own(WithoutDelete) as server, pytest.raises(StoreError) as caught:
            RedisStore(server.url).delete("secret-key")
        assert str(caught.value) == "the Redis server refused a command (ResponseError)"
        assert caught.value.__cause__ is None

    def test_a_command_that_is_not_permitted(self):
        """A user who may not do what a store does makes it unavailable, whoever is to blame."""
        with own(RedisServer) as server:
            server.client().execute_command("ACL SETUSER", "default", "-set")
            with pytest.raises(StoreUnavailable) as caught:
                RedisStore(server.url).set("k", stamped(), None)
        message = "the Redis server does not permit the user the commands of a store"
        assert str(caught.value) == message

    def test_no_redis_server(self, tmp_path):
        """Whatever answers in another protocol is an error of the contract's."""

        class Silent(BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

        web = HTTPServer(("127.0.0.1", 0), Silent)
        threading.Thread(
            target=web.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        try:
            with pytest.raises(StoreError):
                RedisStore(f"redis://127.0.0.1:{web.server_port}").load("k")
        finally:
            web.shutdown()
            web.server_close()


@pytest.mark.parametrize("login", ["store:wrong@", "nobody:secret@", ":wrong@"])
def test_a_wrong_user(login):
    """Who is refused cannot use the store, and reads neither user nor password in the error."""
    server = running(SecureRedisServer)
    with pytest.raises(StoreUnavailable) as caught:
        RedisStore(f"redis://{login}127.0.0.1:{server.port}").load("k")
    assert str(caught.value) == "the Redis server refuses the user or the password"


def test_a_database_that_is_not_there(server):
    """A number beyond the server's databases is told as such, not by a word of its answer."""
    with pytest.raises(StoreUnavailable) as caught:
        RedisStore(f"redis://127.0.0.1:{server.port}/999").load("k")
    assert str(caught.value) == "the Redis server has no database with the number in the url"


def test_no_password():
    """A server that has got a password meanwhile refuses those who do not know it."""
    with own(RedisServer) as server:
        store = RedisStore(server.url)
        assert store.load("k") is None
        server.client().config_set("requirepass", "secret")
        store.close()
        with pytest.raises(StoreUnavailable, match="refuses the user or the password"):
            store.load("k")


def test_a_certificate_that_nobody_knows():
    """A server whose certificate is not known is never spoken to."""
    server = running(SecureRedisServer)
    with pytest.raises(StoreUnavailable):
        RedisStore(f"rediss://localhost:{server.tls_port}").load("k")


def test_user_and_password_in_the_url():
    """User and password may stand in the URL, also in that of a socket."""
    server = running(SecureRedisServer)
    for url in (
        f"redis://store:secret@127.0.0.1:{server.port}",
        f"unix://store:secret@{server.socket}?db=0",
    ):
        store = RedisStore(url)
        store.set("k", stamped(b"x"), 10)
        assert store.load("k")[0].endswith(b"x")


TestAnySequence = RedisMachine.TestCase
TestAnySequence.settings = settings(max_examples=25, stateful_step_count=25)
