"""How long the package waits for servers: longer in the tests, but where that is what they test.

Its own waits tell a server that is down from one that is slow. A machine on which many tests run at
once may stall for longer, and tests of something else would fail.
"""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from pyramid_beakerish.stores.memcached import server as memcached
from pyramid_beakerish.stores.redis import connections, options
from pyramid_beakerish.stores.sql import database, engine, postgresql

#: Seconds.
LONG = 30.0

#: Where the package has its waits, their names, and what is in their place.
WAITS = [
    (vars(memcached), "CONNECT_TIMEOUT", LONG),
    (vars(memcached), "ANSWER_TIMEOUT", LONG),
    (options.DEFAULTS, "socket_connect_timeout", LONG),
    (options.DEFAULTS, "socket_timeout", LONG),
    (vars(options), "TIMEOUT", LONG),
    (vars(connections), "SOON", LONG),
    (vars(engine), "POOL", LONG),
    (engine.BOUNDS["psycopg"], "connect_timeout", int(LONG)),
    (engine.BOUNDS["psycopg"], "options", f"-c statement_timeout={LONG * 1000:.0f}"),
    (vars(postgresql), "ANSWER", LONG),
    (engine.BOUNDS["pymysql"], "connect_timeout", LONG),
    (engine.BOUNDS["pymysql"], "read_timeout", LONG),
    (engine.BOUNDS["pymysql"], "write_timeout", LONG),
    (vars(database), "PATIENCE", LONG),
]
USUAL = [place[name] for place, name, _ in WAITS]


@contextmanager
def long_waits():
    """Have the package wait longer."""
    with pytest.MonkeyPatch.context() as patch:
        for place, name, wait in WAITS:
            patch.setitem(place, name, wait)
        yield


@contextmanager
def usual_waits():
    """Have it wait as it does for its users, among longer waits."""
    with pytest.MonkeyPatch.context() as patch:
        for (place, name, _), wait in zip(WAITS, USUAL, strict=True):
            patch.setitem(place, name, wait)
        yield
