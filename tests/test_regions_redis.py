"""What a region costs a real Redis server."""

from __future__ import annotations

import pytest

from pyramid_beakerish.stores.redis import RedisStore
from pyramid_beakerish.testing import FrozenClock
from tests.cache_help import Asking, Held, make_regions, until
from tests.redis_help import commands, empty, no_more_threads
from tests.servers import running
from tests.servers.redis import RedisServer


@pytest.fixture
def client():
    with empty(running(RedisServer)) as client:
        yield client


@pytest.fixture
def regions(client):
    """The region of two hosts; the server knows its scripts and its marker."""
    url = running(RedisServer).url
    made = [make_regions(FrozenClock(), r={"type": RedisStore(url)})["r"] for _ in range(2)]
    made[0].get_or_create("another key", lambda: 1)
    yield made
    for region in made:
        region.settings.type.close()


def test_a_miss_and_a_hit(client, regions):
    """A miss is three round trips: it looks, claims and swaps, by a script. A hit is one."""
    ask = regions[0].get_or_create
    miss = {"mget": 1, "set": 2, "evalsha": 1, "getrange": 1}
    assert commands(client, lambda: ask("k", lambda: 1)) == miss
    assert commands(client, lambda: ask("k", lambda: 2)) == {"mget": 1}


def test_no_more_threads(regions):
    """A function is called where no thread can begin, in which the store would connect."""
    regions[0].get_or_create("k", lambda: 1)
    regions[0].settings.type.close()
    with no_more_threads():
        assert regions[0].get_or_create("k", lambda: 2) == 2
    assert regions[0].get_or_create("k", lambda: 3) == 1
    assert regions[0].stats().errors == 1


def test_many_threads_and_a_cold_key(client, regions):
    """Twenty threads of one host, and then one of another, make one creation."""
    creator = Held(1)

    def ask():
        threads = [Asking(regions[0], creator) for _ in range(20)]
        assert creator.begun.wait(10)
        until(lambda: regions[0].stats().waits >= 19)
        creator.go.set()
        assert [each.result() for each in threads] == [1] * 20

    assert sum(commands(client, ask).values()) <= 100
    assert Asking(regions[1], creator).result() == 1
    assert creator.calls == 1
