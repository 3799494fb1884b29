"""A guard of the paths that every request takes: function calls of ours, and store commands.

Times depend on the machine, but these do not. A path that takes more than it does today fails; so
does one that takes less, for the table to be true. What to put into it is printed by

    .venv/bin/python -m tests.test_hot_paths
"""

from __future__ import annotations

import os
import sys
from collections import Counter

import pytest
from pyramid.config import Configurator
from pyramid.response import Response
from webob import Request

import pyramid_beakerish
from pyramid_beakerish import cache_region
from pyramid_beakerish.testing import FrozenClock
from tests.servers import running
from tests.servers.redis import RedisServer

OURS = os.path.dirname(pyramid_beakerish.__file__)

KINDS = {
    "untouched": lambda request: None,
    "read": lambda request: request.session.get("counter"),
    "write": lambda request: request.session.update(counter=request.session["counter"] + 1),
    "new": lambda request: request.session.update(counter=1),
}

#: The calls of our functions in a request of each kind, and what a server is sent for it.
EXPECTED = {
    ("memory", "untouched"): (1, ""),
    ("memory", "read"): (17, ""),
    ("memory", "write"): (32, ""),
    ("memory", "new"): (59, ""),
    ("redis", "untouched"): (1, ""),
    ("redis", "read"): (21, "get 1"),
    ("redis", "write"): (44, "evalsha 1, get 1, getrange 1, set 1"),
    ("redis", "new"): (62, "set 1"),
    ("cookie", "untouched"): (1, ""),
    ("cookie", "read"): (17, ""),
    ("cookie", "write"): (47, ""),
    ("cookie", "new"): (67, ""),
    ("memory", "hit of a region"): (2, ""),
    ("redis", "hit of a region"): (27, "mget 1"),
}


class Site:
    """An application on a store, whose calls of our functions are counted."""

    def __init__(self, store):
        self.server = running(RedisServer) if store == "redis" else None
        url = {"url": self.server.url} if self.server else {}
        options = {"type": store, **url}
        settings = {"session.secret": "s" * 32, "cache.regions": "hot", "cache.hot.expire": "60"}
        settings |= {f"session.{name}": value for name, value in options.items()}
        if store != "cookie":  # in which nothing is cached
            settings |= {f"cache.hot.{name}": value for name, value in options.items()}
        config = Configurator(settings={**settings, "beakerish.clock": FrozenClock()})
        config.include(pyramid_beakerish)
        config.add_view(lambda request: Response(str(request.environ["work"](request))))
        self.app = config.make_wsgi_app()
        self.environ = Request.blank("/").environ
        self.visit(KINDS["new"])

    def visit(self, work):
        """Make a request, whose view calls the function; keep the cookie that it is given."""
        sent = []
        environ = {**self.environ, "work": work}
        self.app(environ, lambda status, headers, error=None: sent.extend(headers))
        for name, value in sent:
            if name == "Set-Cookie":
                self.environ = {**self.environ, "HTTP_COOKIE": value.split(";")[0]}

    def take(self, kind):
        """Do once what this kind of request does."""
        if kind == "hit of a region":
            return hot(1)
        if kind == "new":
            self.environ = {**self.environ, "HTTP_COOKIE": ""}
        return self.visit(KINDS[kind])

    def cost(self, kind):
        """Give the calls of our functions, and the commands, of the third time."""
        self.take(kind)
        self.take(kind)
        before = self.commands()
        calls = calls_of_ours(lambda: self.take(kind))
        sent = self.commands() - before
        return calls, ", ".join(sorted(f"{name} {number}" for name, number in sent.items()))

    def commands(self):
        """Give how often the server was sent each command by others than this."""
        if self.server is None:
            return Counter()
        with self.server.client() as client:
            stats = client.info("commandstats")
        counts = {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}
        return Counter({name: n for name, n in counts.items() if name in COMMANDS})


#: Commands of a store; what runs inside of a script counts, too.
COMMANDS = ("get", "mget", "getrange", "set", "evalsha", "eval", "del", "expire", "pexpire")


@cache_region("hot")
def hot(number):
    """Give what is cached."""
    return {"number": number}


def calls_of_ours(work):
    """Count the calls of functions in our package that the function makes."""
    calls = 0

    def note(frame, event, argument):
        nonlocal calls
        code = frame.f_code
        # A comprehension is a call up to Python 3.11.
        if event == "call" and code.co_filename.startswith(OURS) and code.co_name[0] != "<":
            calls += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize(("store", "kind"), EXPECTED)
def test_costs_what_it_cost(store, kind):
    """A request of this kind takes as many calls and commands as it did, and no more."""
    assert Site(store).cost(kind) == EXPECTED[store, kind]


if __name__ == "__main__":
    for store, kind in EXPECTED:
        print(f"    {(store, kind)!r}: {Site(store).cost(kind)!r},".replace("'", '"'))
