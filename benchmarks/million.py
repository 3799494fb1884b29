"""A million sessions and a million cache entries: the memory they take, and what a hit then costs.

python -m benchmarks million
"""

from __future__ import annotations

import itertools
import os
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import pyramid_beaker
import redis

import pyramid_beakerish
from pyramid_beakerish.testing import FrozenClock
from tests.servers.redis import RedisServer

from . import peers, promises, regions
from .harness import Rounds, Table, pin
from .peers import BEAKER, OURS, THEIR_REDIS
from .servers import with_server
from .site import TIMEOUT, Site, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERVERS = (RedisServer,)
ENTRIES, IN_REDIS = 1_000_000, 100_000
#: Seconds after which one who fills his memory is given up.
PATIENCE = 200.0
HITS = "hit of a region in memory, of few entries and of many: microseconds"
#: The share of them that come anew when all have expired.
AFTERWARDS = 2


def tables(entries: int = ENTRIES, in_redis: int = IN_REDIS, rounds: int = 31) -> Iterator[Table]:
    """Measure sessions in memory and in Redis, and entries in memory."""
    yield sessions_in_memory(entries)
    yield from with_server(
        RedisServer, "sessions in Redis", lambda server: sessions_in_redis(server, in_redis)
    )
    yield entries_in_memory(entries)
    pin()
    yield hits(entries, rounds)


def sessions_in_memory(sessions: int) -> Table:
    """Give the memory that processes take for it."""
    found = {name: in_child(_resident_sessions, name, sessions) for name in (OURS, BEAKER)}
    return _memory(f"{sessions:,} sessions of one number in memory", found, sessions)


def entries_in_memory(entries: int) -> Table:
    """Give the memory that processes take for it."""
    names = (OURS, BEAKER, regions.TTL_CACHE, regions.LRU_CACHE)
    found = {name: in_child(_resident_entries, name, entries) for name in names}
    return _memory(f"{entries:,} entries of a region in memory", found, entries)


def sessions_in_redis(server: RedisServer, sessions: int) -> Table:
    """Give the memory that Redis takes, by its own account."""
    table = Table(f"{sessions:,} sessions of one number in Redis")
    found = {}
    with redis.Redis.from_url(server.url) as client:
        options = {"type": "ext:redis", "url": server.url}
        contestants = {
            OURS: lambda: peers.ours(**options),
            BEAKER: lambda: peers.beaker(**options),
            THEIR_REDIS: lambda: peers.session_redis(server.url),
        }
        for name, make in contestants.items():
            client.flushdb()
            site = make()
            before = client.info("memory")["used_memory"]
            site.arrive(sessions)
            found[name] = (client.info("memory")["used_memory"] - before) / sessions
    table.columns["bytes per session"] = Rounds.once(found)
    return table


def hits(entries: int, rounds: int) -> Table:
    """Measure what a hit takes among few and among very many."""
    decorators = regions.without_copies(2 * entries)
    some = (1, 1000, entries // 10, entries)
    return regions.sizes(HITS, decorators, some, 2000, rounds, [])


def _memory(title: str, found: dict[str, tuple[float, float]], number: int) -> Table:
    table = Table(title)
    full, later = ({name: both[n] for name, both in found.items()} for n in (0, 1))
    table.columns["bytes each"] = Rounds.once({n: b / number for n, b in full.items()})
    table.columns["MB"] = Rounds.once({n: b / 1e6 for n, b in full.items()})
    table.columns["MB, half as many later"] = Rounds.once({n: b / 1e6 for n, b in later.items()})
    table.notes.append(f"later: {number // AFTERWARDS:,} more have come when all had expired")
    return table


def in_child(work: Callable[..., Any], *arguments: Any) -> Any:
    """Call the function in a process of its own, whose memory nothing else has used."""
    with get_context("fork").Pool(1) as pool:
        return pool.apply_async(work, arguments).get(PATIENCE)


def _resident_sessions(name: str, sessions: int) -> tuple[float, float]:
    clock = FrozenClock()
    settings = settings_of(type="memory")
    site = Site(lambda config: config.include(pyramid_beaker), settings)
    if name == OURS:
        settings |= {"session.max_entries": str(2 * sessions), "beakerish.clock": clock}
        promises.check(settings)
        site = Site(lambda config: config.include(pyramid_beakerish), settings)
    site.begin()
    return _growth(site.arrive, sessions, lambda: clock.advance(2 * TIMEOUT))


def _resident_entries(name: str, entries: int) -> tuple[float, float]:
    clock = FrozenClock()
    cached = regions.without_copies(2 * entries, clock)[name](regions.result)
    numbers = itertools.count()

    def call(times: int) -> None:
        for number in itertools.islice(numbers, times):
            cached(number)

    return _growth(call, entries, lambda: clock.advance(2 * regions.TTL))


def _growth(
    add: Callable[[int], None], number: int, expire: Callable[[], None]
) -> tuple[float, float]:
    """Give the bytes that this process has more when so many are there, and when more came."""
    add(1000)  # so that all is there that does not grow
    before = resident()
    add(number)
    full = resident()
    expire()
    add(number // AFTERWARDS)
    return full - before, resident() - before


def resident() -> int:
    """Give the bytes of memory that this process has."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
