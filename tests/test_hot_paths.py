"""A guard of the paths that every request takes: what our functions call, and store commands.

Times depend on the machine, but these do not. A path that takes more than it does today fails; so
does one that takes less, for the table to be true. What others do when they are called depends on
their release, and is not counted. What to put into the table is printed, by Python 3.11, by

    .venv/bin/python -m tests.test_hot_paths
"""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from collections import Counter
from itertools import count
from unittest.mock import patch

import pytest
from pyramid.config import Configurator
from pyramid.response import Response
from webob import Request

import pyramid_beakerish
from pyramid_beakerish import cache_region
from pyramid_beakerish.testing import FrozenClock
from tests.redis_help import NOT_COUNTED
from tests.servers import running
from tests.servers.redis import RedisServer

OURS = os.path.dirname(pyramid_beakerish.__file__)

KINDS = {
    "untouched": lambda request: None,
    "read": lambda request: request.session.get("counter"),
    "write": lambda request: request.session.update(counter=request.session["counter"] + 1),
    "new": lambda request: request.session.update(counter=1),
}

#: In a request of each kind: the calls of our functions, what these call of others, which other
#: releases of Python count otherwise, and what a server is sent for it.
EXPECTED = {
    ("memory", "untouched"): (1, 2, ""),
    ("memory", "read"): (17, 15, ""),
    ("memory", "write"): (32, 28, ""),
    ("memory", "new"): (59, 53, ""),
    ("memory", "hit of a region"): (2, 1, ""),
    ("memory", "hit of a method"): (2, 1, ""),
    ("file", "untouched"): (1, 2, ""),
    ("file", "read"): (18, 25, ""),
    ("file", "write"): (49, 67, ""),
    ("file", "new"): (82, 104, ""),
    ("file", "hit of a region"): (25, 32, ""),
    ("file", "hit of a method"): (25, 32, ""),
    ("sqlite", "untouched"): (1, 2, ""),
    ("sqlite", "read"): (20, 19, ""),
    ("sqlite", "write"): (40, 35, ""),
    ("sqlite", "new"): (61, 54, ""),
    ("sqlite", "hit of a region"): (24, 17, ""),
    ("redis", "untouched"): (1, 2, ""),
    ("redis", "read"): (21, 23, "get 1"),
    ("redis", "write"): (44, 53, "evalsha 1, get 1, getrange 1, set 1"),
    ("redis", "new"): (62, 66, "set 1"),
    ("redis", "hit of a region"): (27, 21, "mget 1"),
    ("cookie", "untouched"): (1, 2, ""),
    ("cookie", "read"): (18, 15, ""),
    ("cookie", "write"): (48, 49, ""),
    ("cookie", "new"): (67, 57, ""),
}


class Site:
    """An application on a store, whose calls of our functions are counted."""

    def __init__(self, store, folder):
        self.server = running(RedisServer) if store == "redis" else None
        url = {"url": self.server.url} if self.server else {}
        where = {"data_dir": str(folder)} if store in ("file", "sqlite") else {}
        options = {"type": store, **url, **where}
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
        if kind == "hit of a method":
            return HOT.of(1)
        if kind == "new":
            self.environ = {**self.environ, "HTTP_COOKIE": ""}
        return self.visit(KINDS[kind])

    def cost(self, kind):
        """Give the calls of our functions and of others', and the commands, of the third time."""
        self.take(kind)
        self.take(kind)
        before = self.commands()
        ours, others = calls_of_ours(lambda: self.take(kind))
        sent = self.commands() - before
        return ours, others, ", ".join(sorted(f"{name} {number}" for name, number in sent.items()))

    def commands(self):
        """Give how often the server was sent each command by others than this."""
        if self.server is None:
            return Counter()
        with self.server.client() as client:
            stats = client.info("commandstats")
        counts = {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}
        return Counter({name: n for name, n in counts.items() if name not in NOT_COUNTED})


def cost(store, kind, folder):
    """Give what `Site.cost` does, of ids that are the same ones in each run.

    Where random ones have a file lock or a folder in common the later one costs less.
    """
    name, numbers = f"{store}-{kind}".replace(" ", "-"), count()

    def numbered(size):
        return f"{name}-{next(numbers)}".ljust(43, "_")

    with patch.object(secrets, "token_urlsafe", numbered):
        return Site(store, folder).cost(kind)


@cache_region("hot")
def hot(number):
    """Give what is cached."""
    return {"number": number}


class Hot:
    @cache_region("hot", ignore=("self",))
    def of(self, number):
        """Give what is cached."""
        return {"number": number}


HOT = Hot()


def is_ours(frame):
    """Tell whether a function of our package runs in the frame."""
    return frame is not None and frame.f_code.co_filename.startswith(OURS)


def calls_of_ours(work):
    """Count the calls of our functions in what the function does, and what they call of others."""
    counted = Counter()

    def note(frame, event, argument):
        if event == "c_call":
            counted["others"] += is_ours(frame)
        elif (
            event == "call" and frame.f_code.co_name[0] != "<"
        ):  # as comprehensions were up to 3.11
            counted["ours"] += is_ours(frame)
            counted["others"] += is_ours(frame.f_back) and not is_ours(frame)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted["ours"], counted["others"]


@pytest.mark.parametrize(("store", "kind"), EXPECTED)
def test_costs_what_it_cost(store, kind, tmp_path):
    """A request of this kind takes as many calls and commands as it did, and no more."""
    ours, others, sent = cost(store, kind, tmp_path)
    if sys.version_info[:2] != (3, 11):
        others = EXPECTED[store, kind][1]
    assert (ours, others, sent) == EXPECTED[store, kind]


if __name__ == "__main__":
    for store, kind in EXPECTED:
        with tempfile.TemporaryDirectory() as folder:
            found = cost(store, kind, folder)
        print(f"    {(store, kind)!r}: {found!r},".replace("'", '"'))
