"""What a hit of a cache region costs, in microseconds: each decorated function gives a dictionary.

python -m benchmarks regions
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import pickle
import random
import tempfile
import time
from threading import Thread
from typing import TYPE_CHECKING, Any

import beaker.cache
import cachetools.func
import cashews
import django.conf
import redis
from django.core.cache import caches
from dogpile.cache import make_region

from pyramid_beakerish import cache_region, set_cache_regions_from_settings
from pyramid_beakerish.testing import FrozenClock
from tests.servers.redis import RedisServer

from . import promises
from .harness import Table, Target, in_same_rounds, pin
from .peers import BEAKER, OURS
from .servers import with_server
from .sessions import GET, IN_MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Function = Callable[[int], dict[str, Any]]
    Decorator = Callable[[Function], Function]

SERVERS = (RedisServer,)
SIZES = (1, 1000, 100_000)
ONE = "1 entry"
THREADS = 8
#: More entries than there are, for the caches that are bounded.
ROOM = 10 * SIZES[-1]
CALLS, SLOW_CALLS = 2000, 100
TTL = 3600
IN_MEMORY_TITLE = "hit of a region in memory: microseconds"
LOCAL, DOGPILE, DJANGO, TTL_CACHE = f"{OURS}, local", "dogpile.cache", "Django", "cachetools"
CASHEWS, LRU_CACHE = "cashews, awaited", "functools.lru_cache"


def result(number: int) -> dict[str, Any]:
    return {"number": number, "text": "some text"}


def tables(rounds: int = 31, entries: tuple[int, ...] = SIZES) -> Iterator[Table]:
    """Measure regions in memory, in files and in Redis."""
    pin()
    yield in_memory(rounds, entries)
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        yield in_files(folder, rounds, entries[-1])
    few = entries[:2]
    yield from with_server(
        RedisServer, "regions in Redis", lambda server: in_redis(server, rounds, few)
    )


def in_memory(rounds: int, entries: tuple[int, ...]) -> Table:
    """Measure hits with few and many entries, and of several threads."""
    decorators = {
        **without_copies(ROOM),
        DOGPILE: make_region().configure("dogpile.cache.memory", TTL).cache_on_arguments(),
        DJANGO: djangos(BACKEND="django.core.cache.backends.locmem.LocMemCache"),
        CASHEWS: cashews_in_memory(),
    }
    many_threads = f"{ONE}, {THREADS} threads"
    targets = [
        Target(ONE, OURS, BEAKER, 0.18),
        Target(ONE, OURS, TTL_CACHE, 0.35),
        Target(many_threads, OURS, OURS, 1.0, other_column=ONE),
    ]
    timers = {column(number): timers_of(decorators, number, CALLS) for number in entries}
    del decorators[CASHEWS]  # an event loop belongs to one thread
    timers[many_threads] = {
        name: functools.partial(together, filled(decorate, 1))
        for name, decorate in decorators.items()
    }
    return Table(IN_MEMORY_TITLE, in_same_rounds(timers, rounds), targets)


def without_copies(room: int, clock: Callable[[], float] = time.time) -> dict[str, Decorator]:
    """Give the caches in memory that keep the object itself, with room for so many."""
    return {
        OURS: ours(clock, type="memory", max_entries=room),
        BEAKER: beakers(type="memory"),
        TTL_CACHE: lambda function: cachetools.func.ttl_cache(room, TTL, clock)(function),
        LRU_CACHE: functools.lru_cache(room),
    }


def in_files(folder: str, rounds: int, entries: int) -> Table:
    """Measure hits in files and in SQLite; Beaker's one pickle cannot be filled in that time."""
    mine = {name: os.path.join(folder, name) for name in ("file", "sqlite", "beaker")}
    decorators = {f"{OURS}, {n}": ours(type=n, data_dir=mine[n]) for n in ("file", "sqlite")}
    beakers_file = {BEAKER: beakers(type="file", data_dir=mine["beaker"])}
    many = column(entries)
    timers = {
        ONE: timers_of({**decorators, **beakers_file}, 1, SLOW_CALLS),
        many: timers_of(decorators, entries, SLOW_CALLS),
    }
    targets = [Target(ONE, f"{OURS}, sqlite", BEAKER, 0.4)]
    targets += [Target(many, name, name, 1.5, other_column=ONE) for name in decorators]
    title = "hit of a region in files, in memory: microseconds"
    return Table(title, in_same_rounds(timers, rounds), targets)


def in_redis(server: RedisServer, rounds: int, entries: tuple[int, ...]) -> Table:
    """Measure hits on a server, beside one get() of the client and the decoding of its value."""
    pin(server.pid)
    url = server.url
    client = redis.Redis.from_url(url)

    def floor(function: Function) -> Function:
        def cached(number: int) -> dict[str, Any]:
            key = f"{function.__name__}:{number}"
            return pickle.loads(client.get(key) or keep(key, function(number)))

        return cached

    def keep(key: str, found: object) -> bytes:
        client.set(key, pickle.dumps(found))
        return pickle.dumps(found)

    dogpile = make_region().configure("dogpile.cache.redis", TTL, arguments={"url": url})
    decorators = {
        OURS: ours(type="ext:redis", url=url),
        LOCAL: ours(type="ext:redis", url=url, local=TTL),
        BEAKER: beakers(type="ext:redis", url=url),
        DOGPILE: dogpile.cache_on_arguments(),
        DJANGO: djangos(BACKEND="django.core.cache.backends.redis.RedisCache", LOCATION=url),
        GET: floor,
    }
    targets = [
        Target(ONE, OURS, GET, 1.0),
        Target(ONE, LOCAL, GET, 0.01),
    ]
    title = "hit of a region in Redis, on another processor: microseconds"
    return sizes(title, decorators, entries, SLOW_CALLS, rounds, targets)


def sizes(
    title: str,
    decorators: dict[str, Decorator],
    entries: tuple[int, ...],
    calls: int,
    rounds: int,
    targets: list[Target],
) -> Table:
    """Measure hits of entries taken at random, with each number of entries."""
    timers = {column(number): timers_of(decorators, number, calls) for number in entries}
    return Table(title, in_same_rounds(timers, rounds), targets)


def column(entries: int) -> str:
    """Give the name of the column for so many entries."""
    return ONE if entries == 1 else f"{entries:,} entries"


def timers_of(
    decorators: dict[str, Decorator], entries: int, calls: int
) -> dict[str, Callable[[], float]]:
    """Give what measures a hit of each, with so many entries."""
    functions = {name: filled(decorate, entries) for name, decorate in decorators.items()}
    return {n: functools.partial(random_hits, f, entries, calls) for n, f in functions.items()}


def random_hits(function: Function, entries: int, calls: int) -> float:
    """Give the time of a hit of entries that are drawn anew for each round.

    Else the same few are asked again and again, whose keys are remembered and whose bytes are in
    the processor's caches, however many entries there are.
    """
    return hits(function, [random.randrange(entries) for _ in range(calls)])


def filled(decorate: Decorator, entries: int) -> Function:
    """Give a function that is cached with so many results."""
    name = f"result_{next(_serial)}"
    made = []

    def function(number: int) -> dict[str, Any]:
        made.append(number)
        return result(number)

    function.__name__ = function.__qualname__ = name  # by which caches tell functions apart
    cached = decorate(function)
    hits(cached, list(range(entries)))
    hits(cached, [0])
    if len(made) != entries:
        raise RuntimeError("this cache keeps nothing")
    return cached


_serial = itertools.count()


def hits(function: Function, numbers: list[int]) -> float:
    """Give the time of a call with these numbers."""
    if asyncio.iscoroutinefunction(function):
        return _loop.run_until_complete(_hits_awaited(function, numbers))
    function(0)
    began = time.perf_counter()
    for number in numbers:
        function(number)
    return (time.perf_counter() - began) / len(numbers) * 1e6


def together(function: Function) -> float:
    """Give the time of a call where several threads call, all of them together."""
    numbers = [0] * CALLS
    working = [Thread(target=hits, args=(function, numbers)) for _ in range(THREADS)]
    began = time.perf_counter()
    for thread in working:
        thread.start()
    for thread in working:
        thread.join(60)
    return (time.perf_counter() - began) / CALLS / THREADS * 1e6


def ours(clock: Callable[[], float] = time.time, **options: Any) -> Decorator:
    """Give the decorator of a region of ours, which keeps its promises."""
    name, frozen = f"r{next(_serial)}", FrozenClock()
    configure({f"checked_{name}": options}, frozen)
    promises.check_region(cache_region(f"checked_{name}"), frozen, TTL)
    _regions[name] = options
    configure(_regions, clock)
    return cache_region(name)


_regions: dict[str, dict[str, Any]] = {}


def configure(regions: dict[str, dict[str, Any]], clock: Callable[[], float]) -> None:
    """Have these regions, and no others."""
    settings = {"cache.regions": ", ".join(regions), "beakerish.clock": clock}
    for name, options in regions.items():
        settings |= {f"cache.{name}.{o}": str(v) for o, v in {"expire": TTL, **options}.items()}
    set_cache_regions_from_settings(settings)


def beakers(**options: Any) -> Decorator:
    """Give the decorator of a region of Beaker's."""
    name = f"b{next(_serial)}"
    beaker.cache.cache_regions[name] = {"expire": TTL, **options}
    # Made anew for each function: what one decorator is given twice has one cache for both.
    return lambda function: beaker.cache.cache_region(name)(function)


def djangos(**options: Any) -> Decorator:
    """Give a decorator that keeps results in one of Django's caches, which has none of its own."""
    everything = {"MAX_ENTRIES": ROOM} if "LOCATION" not in options else {}
    name = f"d{next(_serial)}"
    if not django.conf.settings.configured:
        django.conf.settings.configure(CACHES={"default": options})
    django.conf.settings.CACHES[name] = {**options, "OPTIONS": everything}
    caches.settings = caches.configure_settings(None)
    cache = caches[name]

    def decorate(function: Function) -> Function:
        def cached(number: int) -> dict[str, Any]:
            key = f"{function.__name__}:{number}"
            found = cache.get(key)
            if found is None:
                found = function(number)
                cache.set(key, found, TTL)
            return found

        return cached

    return decorate


def cashews_in_memory() -> Decorator:
    """Give the decorator of a cache of cashews, which is one for coroutines."""
    cache = cashews.Cache()
    cache.setup("mem://", size=ROOM)

    def decorate(function: Function) -> Function:
        async def coroutine(number: int) -> dict[str, Any]:
            return function(number)

        coroutine.__name__ = coroutine.__qualname__ = function.__name__
        return cache(ttl=TTL)(coroutine)

    return decorate


_loop = asyncio.new_event_loop()


async def _hits_awaited(function: Callable[..., Any], numbers: list[int]) -> float:
    began = time.perf_counter()
    for number in numbers:
        await function(number)
    return (time.perf_counter() - began) / len(numbers) * 1e6
