"""What a session costs a Pyramid request, beside pyramid_beaker, in one run.

Each round runs every contestant once for each kind of request, one after the other, so that
whatever else the machine does meets them all. What is printed are medians over the rounds: of
the time a request takes longer than in the same application without sessions, and of the ratio
of these times within a round.

    python -m benchmarks.core [rounds]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from statistics import median

import pyramid_beaker
from pyramid.config import Configurator
from pyramid.response import Response
from webob import Request

import pyramid_beakerish

from .regions import memory_hits
from .stores import growths

SECRET = "not a secret, but as long as one has to be"
REQUESTS = 200
#: The one before has filled the processor's caches with its own code.
WARM_UP = 50

#: What is to be reached, as shares of what pyramid_beaker takes.
TARGETS = {
    "memory": {"read": 0.22, "write": 0.30},
    "file": {"read": 0.15, "write": 0.36},
    "sqlite": {"read": 0.12, "write": 0.28},
}
#: What pyramid_beaker is given where it does not have the type.
INSTEAD = {"sqlite": "file"}
REGION_TARGET = 0.20
#: How much longer a store may take with many entries than with one.
GROWTH_TARGET = 1.5


def untouched(session_of):
    return "x"


def read(session_of):
    return str(session_of.session.get("counter"))


def write(session_of):
    session = session_of.session
    session["counter"] = session.get("counter", 0) + 1
    return "x"


KINDS = {"untouched": untouched, "read": read, "write": write}


def page(request):
    return Response(KINDS[request.environ["benchmark.kind"]](request))


class Contestant:
    """An application, with the sessions of one package or none, and this view."""

    def __init__(self, package=None, settings=None, view=page):
        config = Configurator(settings=settings)
        if package is not None:
            config.include(package)
        config.add_route("page", "/")
        config.add_view(view, route_name="page")
        self.app = config.make_wsgi_app()
        self.cookie = None

    def request(self, kind):
        """Make one request; give its headers and its body."""
        sent = []
        body = self.app(
            self.environ(kind), lambda status, headers, error=None: sent.extend(headers)
        )
        return sent, b"".join(body).decode()

    def begin(self):
        """Begin a session, go on with it, and see that it is kept."""
        headers, _ = self.request("write")
        cookies = [value for name, value in headers if name == "Set-Cookie"]
        self.cookie = cookies[0].split(";")[0].strip()
        self.request("write")
        _, counter = self.request("read")
        if counter != "2":
            raise RuntimeError("this contestant keeps no sessions")

    def environ(self, kind):
        environ = {**Request.blank("/").environ, "benchmark.kind": kind}
        return {**environ, "HTTP_COOKIE": self.cookie} if self.cookie else environ

    def time(self, kind):
        """Give the microseconds that a request takes."""
        app, environ = self.app, self.environ(kind)
        for _ in range(WARM_UP):
            app(environ.copy(), start_response)
        began = time.perf_counter()
        for _ in range(REQUESTS):
            app(environ.copy(), start_response)
        return (time.perf_counter() - began) / REQUESTS * 1e6


def start_response(status, headers, exc_info=None):
    pass


def contestants(type_name, folder):
    """Give both packages with the same settings, each with a session under way."""
    both = {}
    for package in (pyramid_beakerish, pyramid_beaker):
        kept_in = type_name
        if package is pyramid_beaker:
            kept_in = INSTEAD.get(type_name, type_name)
        settings = {"session.type": kept_in, "session.secret": SECRET, "session.timeout": "1200"}
        if kept_in != "memory":
            settings["session.data_dir"] = os.path.join(folder, type_name, package.__name__)
        both[package] = Contestant(package, settings)
        both[package].begin()
    return both


def measure(type_name, folder, rounds):
    """Give, for each kind of request, the overheads of both packages round by round."""
    bare = Contestant()
    both = contestants(type_name, folder)
    overheads = {kind: [] for kind in KINDS}
    for kind in KINDS:  # warm up
        for contestant in both.values():
            contestant.time(kind)
    for _ in range(rounds):
        for kind in KINDS:
            base = bare.time("untouched")
            overheads[kind].append([contestant.time(kind) - base for contestant in both.values()])
    return overheads


def report(type_name, overheads):
    """Print a table; tell whether all targets were reached."""
    reached = True
    for kind, pairs in overheads.items():
        ours, theirs = (median(column) for column in zip(*pairs, strict=True))
        target = TARGETS[type_name].get(kind)
        line = f"{type_name:<8}{kind:<12}{ours:>8.2f}{theirs:>10.2f}"
        if target is None:
            print(line)
            continue
        ratio = median(one / other for one, other in pairs)
        reached = reached and ratio <= target
        print(f"{line}{ratio:>8.3f}{target:>8.2f}{'' if ratio <= target else '  missed'}")
    return reached


def main(rounds=25):
    reached = True
    print("microseconds over the same request without sessions")
    print(f"{'':<20}{'ours':>8}{'beaker':>10}{'ratio':>8}{'target':>8}")
    # Memory first, where it is the code that is measured and not the disk.
    shared_memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=shared_memory) as folder:
        for type_name in TARGETS:
            reached = report(type_name, measure(type_name, folder, rounds)) and reached
        growth = growths(folder)
    print("the same on this machine's disk")
    with tempfile.TemporaryDirectory() as folder:
        for type_name in ("file", "sqlite"):
            reached = report(type_name, measure(type_name, folder, rounds)) and reached
    print("\nmicroseconds of a call to a store with one entry, and with many")
    for each in growth:
        reached = reached and each.ratio <= GROWTH_TARGET
        print(f"{each}{GROWTH_TARGET:>8.2f}")
    print("\nmicroseconds of a hit of a memory region")
    for hit in memory_hits():
        reached = reached and hit.ratio <= REGION_TARGET
        print(f"{hit}{REGION_TARGET:>8.2f}")
    return reached


if __name__ == "__main__":
    import logging

    logging.disable()
    main(*map(int, sys.argv[1:]))
