"""What a session in memcached costs a request, beside one get of the client and pyramid_beaker.

The server has a processor of its own, as it would on another host. Each round asks every contestant
once for each kind of request; what is printed are medians over the rounds, of the time a request
takes longer than one without sessions and of its ratios within a round. The floor is pymemcache's
``get`` of a value of the same size, called by a view: alone in a loop it takes less, as the
processor's caches then hold nothing but its own code.

    python -m benchmarks.memcached [rounds]
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from statistics import median

import pyramid_beaker
from pymemcache.client.base import Client
from pyramid.response import Response

import pyramid_beakerish
from tests.servers import own, remove_folders
from tests.servers.memcached import MemcachedServer

from .core import SECRET, Contestant

#: As large as the record of the session that is read.
VALUE = bytes(100)

#: What is to be reached: a read, as shares of the floor and of what pyramid_beaker takes.
OF_FLOOR, OF_BEAKER = 1.15, 0.45


def pin(server):
    """Give the server and this process a processor each, where there are two."""
    processors = sorted(getattr(os, "sched_getaffinity", lambda pid: ())(0))
    if len(processors) > 1:
        os.sched_setaffinity(0, processors[:1])
        for thread in os.listdir(f"/proc/{server.pid}/task"):
            os.sched_setaffinity(int(thread), processors[1:2])


def floor(url):
    """Give an application whose view gets a value by the client alone."""
    client = Client(url, no_delay=True, timeout=1, default_noreply=False)
    client.set("floor", VALUE)
    return Contestant(view=lambda request: Response(str(len(client.get("floor")))))


def sessions(package, url, folder):
    """Give an application with a session under way, which keeps its promises."""
    settings = {
        "session.type": "ext:memcached",
        "session.url": url,
        "session.secret": SECRET,
        "session.timeout": "1200",
    }
    if package is pyramid_beaker:
        settings["session.lock_dir"] = folder
    contestant = Contestant(package, settings)
    contestant.begin()
    return contestant


def measure(url, folder, rounds):
    """Give, round by round, what the floor and the reads and writes of both packages take."""
    bare, client = Contestant(), floor(url)
    ours, theirs = (sessions(p, url, folder) for p in (pyramid_beakerish, pyramid_beaker))
    timed = [(client, "read"), (ours, "read"), (theirs, "read"), (ours, "write"), (theirs, "write")]
    found = []
    for _ in range(rounds):
        base = bare.time("untouched")
        found.append([contestant.time(kind) - base for contestant, kind in timed])
    return found


def ratio(found, one, other):
    """Give the median of the ratio of two columns."""
    return median(row[one] / row[other] for row in found)


def main(rounds=25):
    with own(MemcachedServer) as server, tempfile.TemporaryDirectory() as folder:
        pin(server)
        found = measure(server.url, folder, rounds)
    remove_folders()
    get, read, their_read, write, their_write = (median(c) for c in zip(*found, strict=True))
    print("\nmicroseconds over the same request without sessions, memcached on another processor")
    print(
        f"{'':<20}{'ours':>8}{'get':>8}{'ratio':>8}{'target':>8}{'beaker':>8}{'ratio':>8}{'target':>8}"
    )
    of_get, of_beaker = ratio(found, 1, 0), ratio(found, 1, 2)
    print(
        f"{'memcached':<10}{'read':<10}{read:>8.1f}{get:>8.1f}{of_get:>8.2f}{OF_FLOOR:>8.2f}"
        f"{their_read:>8.1f}{of_beaker:>8.2f}{OF_BEAKER:>8.2f}"
    )
    print(
        f"{'memcached':<10}{'write':<10}{write:>8.1f}{get:>8.1f}{ratio(found, 3, 0):>8.2f}{'':>8}"
        f"{their_write:>8.1f}{ratio(found, 3, 4):>8.2f}"
    )
    return of_get <= OF_FLOOR and of_beaker <= OF_BEAKER


if __name__ == "__main__":
    logging.disable()
    main(*map(int, sys.argv[1:]))
