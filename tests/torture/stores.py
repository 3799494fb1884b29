"""The stores under torture: their settings, what breaks of each, and what that may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.servers.memcached import MemcachedServer
from tests.servers.postgresql import PostgreSQLServer
from tests.servers.redis import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.servers.process import Server


class DurableRedisServer(RedisServer):
    """Redis that has written to disk what it has acknowledged."""

    options = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")


class Tortured(NamedTuple):
    """A store: ``server`` is killed and paused; ``keeps`` tells whether a restart loses nothing."""

    settings: Callable[[Any], dict[str, str]]
    server: type[Server] | None = None
    keeps: bool = True


STORES = {
    "file": Tortured(lambda folder: {"session.type": "file", "session.data_dir": str(folder)}),
    "sqlite": Tortured(lambda folder: {"session.type": "sqlite", "session.data_dir": str(folder)}),
    "redis": Tortured(
        lambda server: {"session.type": "redis", "session.url": server.url}, DurableRedisServer
    ),
    "redis without persistence": Tortured(
        lambda server: {"session.type": "redis", "session.url": server.url},
        RedisServer,
        keeps=False,
    ),
    "memcached": Tortured(
        lambda server: {"session.type": "memcached", "session.url": server.url},
        MemcachedServer,
        keeps=False,
    ),
    "postgresql": Tortured(
        lambda server: {"session.type": "sql", "session.url": server.url}, PostgreSQLServer
    ),
}
