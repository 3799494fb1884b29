"""What a session in Redis costs a Pyramid request, beside pyramid_beaker and one bare command.

A server of its own runs on the other core. Each round times every contestant once for each kind of
request, and beside them an application whose view calls redis-py's ``client.get()`` or ``set()``
once: what that takes longer than a view that does nothing is the floor. Ratios are of times within
a round, and what is printed are their medians. In a loop that does nothing else the same command
takes about 0.8 of that, as the processor's caches then hold nothing but it.

    python -m benchmarks.redis_sessions [rounds]
"""

from __future__ import annotations

import os
import sys
from statistics import median

import pyramid_beaker
import redis
from pyramid.config import Configurator
from pyramid.response import Response

import pyramid_beakerish
from tests.servers import own
from tests.servers.redis import RedisServer

from .core import KINDS, SECRET, Contestant

#: What is to be reached: shares of one ``get()`` or ``set()``, and of what pyramid_beaker takes.
TARGETS = {"read": ("get", 1.0, 0.38), "write": ("get", 2.0, 0.75), "new": ("set", 1.2, None)}
VALUE = b"x" * 200


class Visitor(Contestant):
    """An application with a session in Redis; a new visitor is one without a cookie."""

    def environ(self, kind):
        environ = super().environ("write" if kind == "new" else kind)
        if kind == "new":
            environ.pop("HTTP_COOKIE", None)
        return environ


def pin(server):
    """Put this process on one core and the server on another, where there are two."""
    if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1:
        ours, others, *_ = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {ours})
        os.sched_setaffinity(server.pid, {others})


class Floor(Contestant):
    """An application whose view sends one command by redis-py's client."""

    def __init__(self, command):
        self.cookie = None
        config = Configurator()
        config.add_route("page", "/")
        config.add_view(lambda request: Response(str(bool(command()))), route_name="page")
        self.app = config.make_wsgi_app()


def contestants(url):
    """Give both packages with the same settings, each with a session under way."""
    settings = {"session.secret": SECRET, "session.timeout": "1200", "session.url": url}
    both = []
    for package in (pyramid_beakerish, pyramid_beaker):
        contestant = Visitor(package, {"session.type": "ext:redis", **settings})
        contestant.begin()
        both.append(contestant)
    return both


def a_round(bare, both, floors):
    """Time everything once; give microseconds over the bare request, by kind, and the floors."""
    times = {}
    for kind in (*KINDS, "new"):
        base = bare.time("untouched")
        times[kind] = [contestant.time(kind) - base for contestant in both]
        for name, floor in floors.items():
            times[kind, name] = floor.time("untouched") - base
    return times


def report(kind, rounds):
    """Print a line; tell whether all targets were reached."""
    ours, theirs = (median(times[kind][who] for times in rounds) for who in (0, 1))
    floor, of_floor, of_theirs = TARGETS.get(kind, ("get", None, None))
    ratio = median(times[kind][0] / times[kind, floor] for times in rounds)
    other = median(times[kind][0] / times[kind][1] for times in rounds)
    line = f"{kind:<12}{ours:>8.1f}{theirs:>10.1f}"
    if of_floor is None:
        print(line)
        return True
    reached = ratio <= of_floor and (of_theirs is None or other <= of_theirs)
    wanted = f"{of_floor:.2f}" + (f" / {of_theirs:.2f}" if of_theirs else "")
    print(f"{line}{ratio:>10.3f} of {floor}{other:>8.3f}   {wanted}{'' if reached else '  missed'}")
    return reached


def main(rounds=25):
    """Measure and print; tell whether all targets were reached."""
    with own(RedisServer) as server:
        pin(server)
        both = contestants(server.url)
        bare = Contestant()
        with redis.Redis.from_url(server.url) as client:
            floors = {
                "get": Floor(lambda: client.get("floor")),
                "set": Floor(lambda: client.set("floor", VALUE, px=1_200_000)),
            }
            a_round(bare, both, floors)
            measured = [a_round(bare, both, floors) for _ in range(rounds)]
    gets = median(times["read", "get"] for times in measured)
    sets = median(times["new", "set"] for times in measured)
    print("sessions in Redis, microseconds over the same request without sessions")
    print(f"one get() in a view takes {gets:.1f}, one set() {sets:.1f}")
    print(f"{'':<12}{'ours':>8}{'beaker':>10}{'to floor':>17}{'beaker':>8}   target")
    reached = [report(kind, measured) for kind in (*KINDS, "new")]
    return all(reached)


if __name__ == "__main__":
    import logging

    logging.disable()
    main(*map(int, sys.argv[1:]))
