"""What a session costs a request where four processes serve at once, as they do under gunicorn.

python -m benchmarks processes
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING

from tests.servers import own, remove_folders
from tests.servers.redis import RedisServer

from . import peers
from .harness import Rounds, Table, unpin
from .peers import BARE, BEAKER, OURS, THEIR_REDIS
from .servers import are_there
from .sessions import IN_MEMORY
from .site import REQUESTS, WARM_UP, Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.pool import Pool

SERVERS = (RedisServer,)
PROCESSES = (1, 4)
#: How often each process makes the requests of a round: the fewer, the more counts the start of it.
REPEATED = 5
#: Seconds after which processes are given up.
PATIENCE = 60.0


def tables(rounds: int = 9, repeated: int = REPEATED) -> Iterator[Table]:
    """Measure sessions that processes share, each process with a visitor of its own."""
    unpin()
    with ExitStack() as stack:
        stack.callback(remove_folders)
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=IN_MEMORY))
        sites = {BARE: Site(), **_in_files(folder)}
        if are_there(RedisServer, what="processes on Redis"):
            sites |= _on_redis(stack.enter_context(own(RedisServer)).url)
        timers = {
            f"{kind}, {number} of them": {
                name: partial(
                    _all_of_them, stack.enter_context(_pool(site, number)), number, kind, repeated
                )
                for name, site in sites.items()
            }
            for kind in ("read", "write")
            for number in PROCESSES
        }
        table = Table(f"processes that serve at once: microseconds over {BARE}, all together")
        for column, each in timers.items():
            table.columns[column] = Rounds.of(each, rounds, base=BARE)
        yield table


def _in_files(folder: str) -> dict[str, Site]:
    def at(name: str) -> dict[str, str]:
        return {"data_dir": os.path.join(folder, name)}

    files = peers.both(type="file", **at("files"))
    return {
        f"{OURS}, file": files[OURS],
        f"{OURS}, sqlite": peers.ours(type="sqlite", **at("sqlite")),
        f"{BEAKER}, file": files[BEAKER],
    }


def _on_redis(url: str) -> dict[str, Site]:
    both = peers.both(type="ext:redis", url=url)
    return {
        f"{OURS}, Redis": both[OURS],
        f"{BEAKER}, Redis": both[BEAKER],
        THEIR_REDIS: peers.session_redis(url),
    }


def _pool(site: Site, processes: int) -> Pool:
    return get_context("fork").Pool(processes, _begin, (site,))


_sites: list[Site] = []


def _begin(site: Site) -> None:
    _sites.append(site)
    if site.cookie:  # there are sessions
        site.begin()


def _all_of_them(pool: Pool, processes: int, kind: str, repeated: int) -> float:
    """Give the time of a request where each process makes as many, and all begin at once."""
    began = time.perf_counter()
    pool.starmap_async(_some_requests, [(kind, repeated)] * processes, 1).get(PATIENCE)
    each = repeated * (REQUESTS + WARM_UP)
    return (time.perf_counter() - began) / each / processes * 1e6


def _some_requests(kind: str, repeated: int) -> None:
    timer = _sites[0].timer(kind if _sites[0].cookie else "untouched")
    for _ in range(repeated):
        timer()
