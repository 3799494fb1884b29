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
    from collections.abc import Callable, Iterator

    from .site import Site

SERVERS = (RedisServer,)
SIZES = (1, 10, 100, 1000, 10_000)
LARGE = f"{SIZES[-1]:,} keys"
WHOLE = "pickle.loads and dumps"
TITLES = {
    what: f"{what} one key of many, in memory: microseconds over {BARE}"
    for what in ("reading", "changing")
}


def tables(rounds: int = 15) -> Iterator[Table]:
    """Measure sessions in memory, and what Redis is given to keep."""
    pin()
    made = {keys: _contestants(keys) for keys in SIZES}
    for kind, work, at_most in (("read", "reading", 0.35), ("write", "changing", 0.5)):
        table = Table(TITLES[work], targets=[Target(LARGE, OURS, WHOLE, at_most)])
        for keys, contestants in made.items():
            timers = {name: site.timer(kind) for name, site in contestants.items()}
            table.columns[f"{keys:,} keys"] = Rounds.of(timers, rounds, base=BARE)
        yield table
    yield from with_server(RedisServer, "bytes stored of a session", stored_bytes)


def stored_bytes(server: RedisServer) -> Table:
    """Give the bytes that Redis is given for a session."""
    table = Table("bytes stored of a session", targets=[Target(LARGE, OURS, BEAKER, 0.6)])
    with redis.Redis.from_url(server.url) as client:
        options = {"type": "ext:redis", "url": server.url}
        contestants = {
            OURS: lambda keys: peers.ours(keys, **options),
            BEAKER: lambda keys: peers.beaker(keys, **options),
            THEIR_REDIS: lambda keys: peers.session_redis(server.url, keys),
        }
        for keys in SIZES:
            found = {name: _largest(client, make, keys) for name, make in contestants.items()}
            table.columns[f"{keys:,} keys"] = Rounds.once(found)
    return table


def _contestants(keys: int) -> dict[str, Site]:
    data = pickle.dumps({f"key {n}": f"some text of a usual length {n}" for n in range(keys)})
    whole = peers.one_call(lambda: pickle.dumps(pickle.loads(data)))
    return {BARE: peers.one_call(object), **peers.both(keys, type="memory"), WHOLE: whole}


def _largest(client: redis.Redis, make: Callable[[int], Site], keys: int) -> float:
    client.flushdb()
    make(keys)
    return float(max(client.strlen(key) for key in client.scan_iter()))
