"""What a session costs a request, over the same request without sessions, in microseconds.

python -m benchmarks sessions
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import redis
from pymemcache.client.base import Client

from tests.servers.memcached import MemcachedServer
from tests.servers.redis import RedisServer

from . import peers
from .harness import Limit, Rounds, Table, Target, pin
from .peers import BARE, BEAKER, OURS, SIGNED, THEIR_REDIS
from .servers import with_server
from .site import KINDS, SECRET, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS = (RedisServer, MemcachedServer)
ROUNDS, THREADS = 81, 8
HAND_MADE, ONE_FILE, ONE_SELECT = "hand-made session", "one file", "one SELECT"
GET, SET = "client.get()", "client.set()"
#: Who is not asked for what has nothing to do with sessions.
FLOORS = frozenset((HAND_MADE, ONE_FILE, ONE_SELECT, GET, SET))
#: What sessions may cost a request that does not touch them, in microseconds.
UNTOUCHED = 0.2
#: A file system in memory, where it is the code that is measured and not the disk.
IN_MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None


def tables(rounds: int = ROUNDS) -> Iterator[Table]:
    """Measure sessions in each kind of store."""
    pin()
    yield in_memory(rounds)
    yield in_cookies(rounds)
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        yield in_files("files in memory", folder, rounds)
    with tempfile.TemporaryDirectory() as folder:
        yield in_files("files on this machine's disk", folder, rounds)
    yield from with_server(
        RedisServer, "sessions in Redis", lambda server: in_redis(server, rounds)
    )
    yield from with_server(
        MemcachedServer, "sessions in memcached", lambda server: in_memcached(server, rounds)
    )


def in_memory(rounds: int) -> Table:
    contestants = {**peers.both(type="memory"), HAND_MADE: peers.hand_made()}
    targets = [
        Target("read", OURS, BEAKER, 0.20),
        Target("write", OURS, BEAKER, 0.27),
        Target("new", OURS, BEAKER, 0.40),
        Target("read", OURS, HAND_MADE, 1.3),
    ]
    table = measure("sessions in memory", contestants, rounds, targets)
    return with_threads(table, contestants, rounds)


def in_cookies(rounds: int) -> Table:
    signed = peers.both(type="cookie", validate_key=SECRET)
    encrypted = peers.both(type="cookie", validate_key=SECRET, encrypt_key=SECRET)
    contestants = {**signed, **peers.in_cookies()}
    contestants |= {f"{name}, encrypted": site for name, site in encrypted.items()}
    peers.wait_for_next_second()
    targets = [Target(kind, OURS, SIGNED, 0.5) for kind in ("read", "write")]
    of_beaker = (f"{OURS}, encrypted", f"{BEAKER}, encrypted", 0.5)
    targets += [Target(kind, *of_beaker) for kind in ("read", "write")]
    return measure("sessions in cookies", contestants, rounds, targets)


def in_files(where: str, folder: str, rounds: int) -> Table:
    found = peers.both(type="file", data_dir=os.path.join(folder, "sessions"))
    sqlite = peers.ours(type="sqlite", data_dir=os.path.join(folder, "sqlite"))
    contestants = {OURS: found[OURS], f"{OURS}, sqlite": sqlite, BEAKER: found[BEAKER]}
    contestants |= {ONE_FILE: peers.one_file(folder), ONE_SELECT: peers.one_select(folder)}
    targets = [
        Target("read", OURS, BEAKER, 0.13),
        Target("write", OURS, BEAKER, 0.33),
        Target("read", f"{OURS}, sqlite", BEAKER, 0.12),
        Target("write", f"{OURS}, sqlite", BEAKER, 0.28),
    ]
    return measure(f"sessions in {where}", contestants, rounds, targets)


def in_redis(server: RedisServer, rounds: int) -> Table:
    pin(server.pid)
    client = redis.Redis.from_url(server.url)
    client.set("floor", peers.VALUE)
    contestants = {
        **peers.both(type="ext:redis", url=server.url),
        THEIR_REDIS: peers.session_redis(server.url),
        GET: peers.one_call(lambda: client.get("floor")),
        SET: peers.one_call(lambda: client.set("floor", peers.VALUE, px=1_200_000)),
    }
    targets = [
        Target("read", OURS, GET, 1.0),
        Target("read", OURS, BEAKER, 0.38),
        Target("read", OURS, THEIR_REDIS, 0.38),
        Target("write", OURS, GET, 2.0),
        Target("write", OURS, BEAKER, 0.75),
        Target("write", OURS, THEIR_REDIS, 0.75),
        Target("new", OURS, SET, 1.2),
        Target("new", OURS, THEIR_REDIS, 0.25),
    ]
    table = measure("sessions in Redis, on another processor", contestants, rounds, targets)
    return with_threads(table, contestants, rounds)


def in_memcached(server: MemcachedServer, rounds: int) -> Table:
    pin(server.pid)
    client = Client(server.url, no_delay=True, timeout=1, default_noreply=False)
    client.set("floor", peers.VALUE)
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:  # Beaker's locks are files
        contestants = {
            **peers.both(type="ext:memcached", url=server.url, lock_dir=folder),
            GET: peers.one_call(lambda: client.get("floor")),
        }
        targets = [Target("read", OURS, GET, 1.15), Target("read", OURS, BEAKER, 0.45)]
        title = "sessions in memcached, on another processor"
        return measure(title, contestants, rounds, targets)


def measure(title: str, contestants: dict[str, Site], rounds: int, targets: list[Target]) -> Table:
    """Have each contestant answer each kind of request, in turns with a site without sessions."""
    bare = Site()
    mine = [name for name in contestants if name.startswith(OURS)]
    limits = [Limit("untouched", name, UNTOUCHED) for name in mine]
    table = Table(f"{title}: microseconds over {BARE}", targets=[*limits, *targets])
    for kind in KINDS:
        timers = {BARE: bare.timer("untouched")}
        asked = (
            item for item in contestants.items() if kind != "untouched" or item[0] not in FLOORS
        )
        timers |= {name: site.timer(kind) for name, site in asked}
        table.columns[kind] = Rounds.of(timers, rounds, base=BARE)
    return table


def with_threads(table: Table, contestants: dict[str, Site], rounds: int) -> Table:
    """Add the times in several threads, of fewer rounds, as each has so many more requests."""
    writers = {name: site for name, site in contestants.items() if site.cookie}
    for kind, sites in (("read", contestants), ("write", writers)):
        table.columns[f"{kind}, {THREADS} threads"] = in_threads(kind, sites, -(-rounds // 3))
    return table


def in_threads(kind: str, contestants: dict[str, Site], rounds: int) -> Rounds:
    """Give the time that this takes in requests of several threads, all of them together."""
    timers = {name: site.threads_timer(kind, THREADS) for name, site in contestants.items()}
    timers[BARE] = Site().threads_timer("untouched", THREADS)
    return Rounds.of(timers, rounds, base=BARE)
