"""What can be set for the Redis store, and which mistakes are found at configuration."""

from __future__ import annotations

import pytest
import redis

from pyramid_beakerish.errors import SettingsError
from pyramid_beakerish.settings import (
    beaker_options,
    beaker_region_options,
    read_settings,
)
from pyramid_beakerish.stores import open_store
from pyramid_beakerish.stores.redis import RedisStore

URL = "redis://localhost:1/0"
SECRET = "a secret of the tests, long enough for anybody"
SENTINEL = {"redis.sentinels": "a:1, b", "redis.service_name": "mymaster"}


def read(options):
    """Read settings of sessions in Redis, strictly."""
    written = {"type": "redis", "secret": SECRET, "url": URL, **options}
    settings = {f"session.{name}": value for name, value in written.items() if value is not None}
    return read_settings(settings)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"type": "ext:redis"},
        {"url": "rediss://user:pw@localhost:1/2?socket_timeout=3"},
        {"url": "valkey://localhost"},
        {"url": "valkeys://localhost", "redis.ssl_cert_reqs": "none"},
        {"url": "unix:///run/redis.sock?db=3"},
        {"url": redis.Redis()},
        {"redis.socket_timeout": "0.25", "redis.socket_keepalive": "no", "redis.db": "3"},
        {"redis.socket_timeout": "none", "redis.socket_connect_timeout": 2},
        {"redis.username": "u", "redis.password": "007"},
        {"redis.ssl_check_hostname": "false", "url": "rediss://localhost"},
        {"url": None, **SENTINEL},
        {"url": "rediss://user:pw@/1", "redis.sentinel.password": "pw", **SENTINEL},
        {"redis.cluster": "true"},
        {"redis.cluster": "true", "redis.require_full_coverage": "false"},
        {"url": None, "redis.startup_nodes": "a:1\nb:2, [::1]:3"},
        {"url": None, "redis.client_factory": "redis.Redis"},
        {"redis.socket_timeout": 0.5, "redis.client_name": "12"},
    ],
)
def test_right(options):
    """Every way to a server is configured, without a message, and nothing is contacted."""
    settings = read(options)
    assert settings.messages == ()
    assert settings.session.format == "beakerish"
    store = open_store(settings.session)
    assert isinstance(store, RedisStore)
    store.close()


NO_URL = (
    "session.url is no URL of a Redis server: use redis://host:6379/0, rediss:// or unix:///path."
)


@pytest.mark.parametrize(
    ("options", "sentences"),
    [
        (
            {"redis.socket_timeot": "1"},
            [
                (
                    "session.redis.socket_timeot is no option of redis-py's connections. "
                    "Did you mean session.redis.socket_timeout?"
                )
            ],
        ),
        ({"redis.max_connections": "9"}, ["session.redis.max_connections is no option of redis"]),
        ({"redis.ssl_ca_certs": "x"}, ["session.redis.ssl_ca_certs is no option of redis-py's"]),
        (
            {"redis.socket_timeout": "soon"},
            ["session.redis.socket_timeout is not a number: use a number such as 0.5, or none."],
        ),
        ({"redis.socket_timeout": []}, ["session.redis.socket_timeout is not a number: "]),
        ({"redis.socket_keepalive": "perhaps"}, ["session.redis.socket_keepalive is not a bool"]),
        (
            {"redis.retry_on_timeout": "true"},
            ["session.redis.retry_on_timeout would remove the time limit"],
        ),
        ({"redis.decode_responses": "1"}, ["session.redis.decode_responses would change what"]),
        ({"redis.host": "h"}, ["session.redis.host is given by the url: leave it out."]),
        ({"redis.protocol": "4"}, ["session.redis.* is refused by redis-py: protocol must be"]),
        (
            {"url": f"{URL}?decode_responses=1&nonsense=2"},
            [
                "session.url says decode_responses, which would change what is stored",
                "session.url says nonsense, which is no option of redis-py's connections.",
            ],
        ),
        ({"url": "localhost:6379"}, [NO_URL]),
        ({"url": "redis://localhost:x"}, [NO_URL]),
        ({"url": "redis://localhost/sessions"}, [NO_URL]),
        ({"url": "redis://localhost?socket_timeout=soon"}, [NO_URL]),
        ({"url": object()}, ["session.url is no redis.Redis or redis.RedisCluster with"]),
        ({"redis.service_name": "s"}, ["session.redis.service_name needs redis.sentinels."]),
        (
            {"url": None, "redis.sentinels": "a"},
            ["session.redis.sentinels needs redis.service_name."],
        ),
        (SENTINEL, ["session.redis.sentinels tell the server's host, so the url must not: "]),
        (
            {**SENTINEL, "url": None, "redis.sentinels": "a:b"},
            ["session.redis.sentinels is no list of hosts: use host:port, with commas between"],
        ),
        (
            {**SENTINEL, "url": None, "redis.sentinels": ":1"},
            ["session.redis.sentinels is no list of hosts"],
        ),
        (
            {**SENTINEL, "url": None, "redis.sentinel.passwrd": "pw"},
            [
                (
                    "session.redis.sentinel.passwrd is no option of redis-py's connections. "
                    "Did you mean session.redis.sentinel.password?"
                )
            ],
        ),
        (
            {**SENTINEL, "redis.cluster": "true"},
            ["session.redis.sentinels cannot go with redis.cluster: leave one of them out."],
        ),
        (
            {"redis.cluster": "true", "url": "unix:///run/redis.sock"},
            [
                "session.redis.cluster has neither unix sockets nor databases: use a url such as",
                "session.redis.cluster needs the host of a node in the url.",
            ],
        ),
        (
            {"redis.cluster": "true", "url": "redis://localhost/3"},
            ["session.redis.cluster has neither unix sockets nor databases"],
        ),
        (
            {"redis.cluster": "true", "url": "redis:///0"},
            ["session.redis.cluster needs the host of a node in the url."],
        ),
        (
            {"redis.cluster": "true", "redis.read_from_replicas": "true"},
            ["session.redis.read_from_replicas would let a session be read in an older state"],
        ),
        ({"redis.cluster": "perhaps"}, ["session.redis.cluster is not a boolean"]),
        (
            {"redis.client_factory": "redis.Redis", "redis.socket_timeout": "1"},
            [
                "session.redis.client_factory gives the client, so the url would have no",
                "session.redis.socket_timeout has no effect on your own client",
            ],
        ),
        (
            {"url": None, "redis.client_factory": "redis.Rediss"},
            ["session.redis.client_factory cannot be imported"],
        ),
    ],
)
def test_wrong(options, sentences):
    """A mistake is told at configuration, by the key as it was written, without the value."""
    with pytest.raises(SettingsError) as caught:
        read(options)
    problems = sorted(caught.value.problems)
    assert len(problems) == len(sentences)
    for problem, sentence in zip(problems, sorted(sentences), strict=True):
        assert problem.startswith(sentence)


def test_no_server():
    """A store that is made without settings needs a server as well."""
    with pytest.raises(SettingsError, match=r"^url is missing: it says where the server is\.$"):
        RedisStore(None)


def test_a_region():
    """A region has the same options, in which Beaker's decorators know it as Beaker does."""
    settings = {
        "session.secret": SECRET,
        "cache.regions": "a",
        "cache.type": "redis",
        "cache.url": URL,
        "cache.redis.socket_timeout": "3",
    }
    read = read_settings(settings)
    assert read.messages == ()
    assert isinstance(open_store(read.regions["a"]), RedisStore)
    for_beaker = beaker_region_options(read.regions["a"])
    assert for_beaker["type"] == "ext:redis"
    assert "redis.socket_timeout" not in for_beaker
    with pytest.raises(SettingsError, match=r"^cache\.a\.redis\.timeot is no option"):
        read_settings({**settings, "cache.a.redis.timeot": "3"})


def test_not_for_others():
    """Options of redis-py have no effect, and say so, where it is not our store that reads them."""
    settings = {"session.secret": SECRET, "session.redis.db": "3", "session.timeout": "60"}
    (message,) = read_settings(settings).messages
    assert message == (
        "session.redis.db has no effect: only session.type = ext:redis or redis reads it."
    )
    settings |= {"session.type": "ext:redis", "session.url": URL, "session.format": "beaker"}
    read_of_beaker = read_settings(settings)
    (message,) = read_of_beaker.messages
    assert message.endswith("Beaker keeps the sessions and has no such option.")
    assert "redis.db" not in beaker_options(read_of_beaker.session)


def test_nothing_secret_is_shown():
    """No repr of what the settings are made into shows a URL, a user or a password."""
    settings = read({"url": "redis://user:passwd@localhost", "redis.client_name": "hidden"})
    for shown in (repr(settings.session), repr(open_store(settings.session))):
        assert "passwd" not in shown
        assert "hidden" not in shown
