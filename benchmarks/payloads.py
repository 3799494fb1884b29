"""What a session of many keys costs: a read and a change of one key, and the bytes stored.

python -m benchmarks payloads
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import redis

from tests.servers.redis import RedisServer

from . import peers
from .harness import Rounds, Table, Target, pin
from .peers import BARE, BEAKER, OURS, THEIR_REDIS
from .servers import with_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .site import Site

SERVERS = (RedisServer,)
SIZES = (1, 10, 100, 1000, 10_000)
#: Those that take a server, whose peers load and store all of a session each time.
ON_SERVER = (1, 100, 1000)
WHOLE = "pickle.loads and dumps"
TITLES = {
    what: f"{what} one key of many, in memory: microseconds over {BARE}"
    for what in ("reading", "changing")
}


def tables(
    rounds: int = 15, sizes: tuple[int, ...] = SIZES, on_server: tuple[int, ...] = ON_SERVER
) -> Iterator[Table]:
    """Measure sessions in memory and in Redis, and what Redis is given to keep."""
    pin()
    large = column(sizes[-1])
    made = {column(keys): _in_memory(keys) for keys in sizes}
    for kind, work, at_most in (("read", "reading", 0.35), ("write", "changing", 0.5)):
        targets = [Target(large, OURS, WHOLE, at_most)]
        yield Table(TITLES[work], measured(made, kind, rounds), targets)
    yield from with_server(
        RedisServer, "large sessions in Redis", lambda server: in_redis(server, rounds, on_server)
    )
    yield from with_server(
        RedisServer, "bytes stored of a session", lambda server: stored_bytes(server, sizes)
    )


def column(keys: int) -> str:
    """Give the name of the column for so many keys."""
    return f"{keys:,} keys"


def measured(made: Mapping[str, Mapping[str, Site]], kind: str, rounds: int) -> dict[str, Rounds]:
    """Measure one kind of request to sessions of each size."""
    return {
        size: Rounds.of({n: site.timer(kind) for n, site in sites.items()}, rounds, base=BARE)
        for size, sites in made.items()
    }


def in_redis(server: RedisServer, rounds: int, sizes: tuple[int, ...]) -> Table:
    """Measure the same in Redis, where the bytes have a way to go."""
    pin(server.pid)
    makers = _makers(server.url)
    made = {
        column(keys): {BARE: _bare(), **{name: make(keys) for name, make in makers.items()}}
        for keys in sizes
    }
    table = Table(f"one key of many, in Redis, on another processor: microseconds over {BARE}")
    for kind in ("read", "write"):
        found = measured(made, kind, rounds)
        table.columns |= {f"{kind}, {size}": each for size, each in found.items()}
    return table


def stored_bytes(server: RedisServer, sizes: tuple[int, ...]) -> Table:
    """Give the bytes that Redis is given for a session."""
    target = Target(column(sizes[-1]), OURS, BEAKER, 0.6)
    table = Table("bytes stored of a session", targets=[target])
    with redis.Redis.from_url(server.url) as client:
        for keys in sizes:
            makers = _makers(server.url).items()
            found = {name: _largest(client, make, keys) for name, make in makers}
            table.columns[column(keys)] = Rounds.once(found)
    return table


def _makers(url: str) -> dict[str, Callable[[int], Site]]:
    options = {"type": "ext:redis", "url": url}
    return {
        OURS: lambda keys: peers.ours(keys, **options),
        BEAKER: lambda keys: peers.beaker(keys, **options),
        THEIR_REDIS: lambda keys: peers.session_redis(url, keys),
    }


def _in_memory(keys: int) -> dict[str, Site]:
    data = pickle.dumps({f"key {n}": f"some text of a usual length {n}" for n in range(keys)})
    whole = peers.one_call(lambda: pickle.dumps(pickle.loads(data)))
    return {BARE: _bare(), **peers.both(keys, type="memory"), WHOLE: whole}


def _bare() -> Site:
    return peers.one_call(object)


def _largest(client: redis.Redis, make: Callable[[int], Site], keys: int) -> float:
    client.flushdb()
    make(keys)
    return float(max(client.strlen(key) for key in client.scan_iter()))
