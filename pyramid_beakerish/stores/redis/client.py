"""Redis through a client of redis-py: a cluster, or a client that the application made."""

from __future__ import annotations

import os
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from redis import RedisCluster

from .deadline import within
from .server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from redis import Redis

R = TypeVar("R")

SCANNED_AT_ONCE = 1000


class Client(Server):
    """Calls a client, for at most ``seconds`` at a time.

    ``make`` gives a client when one is first needed, and another in the child of a
    fork, where the locks of the first one may never be free again.
    """

    def __init__(self, make: Callable[[], Redis | RedisCluster], seconds: float) -> None:
        self._make = make
        self._seconds = seconds
        self._made: tuple[int, Redis | RedisCluster] | None = None

    def ask(self, name: str, *arguments: bytes) -> Any:
        """Send a command that does no harm if it is obeyed twice."""
        return self._call(lambda client: client.execute_command(name, *arguments))

    def tell(self, name: str, *arguments: bytes) -> Any:
        """Send a command that is never sent again, unless the application's client does so."""
        return self.ask(name, *arguments)

    def ask_each(self, name: str, *arguments: bytes) -> list[Any]:
        """Send a command to the server, or to each server of the cluster that takes writes."""
        return self._call(partial(_ask_each, (name, *arguments)))

    def get_many(self, names: Sequence[bytes]) -> Sequence[bytes | None]:
        """Give the values of several names, in one round trip to each server concerned."""
        values: Sequence[bytes | None] = self._call(partial(_get_many, names))
        return values

    def scan(self, pattern: bytes) -> Iterator[bytes]:
        """List the names that match, some perhaps twice."""
        names = self._call(lambda client: client.scan_iter(match=pattern, count=SCANNED_AT_ONCE))
        while some := within(self._seconds, lambda: list(islice(names, SCANNED_AT_ONCE))):
            yield from some

    def close(self) -> None:
        """Let go of the client; another one is made when it is needed."""
        self._made = None

    def _call(self, work: Callable[[Any], R]) -> R:
        return within(self._seconds, lambda: work(self._client()))

    def _client(self) -> Redis | RedisCluster:
        if self._made is None or self._made[0] != os.getpid():
            self._made = os.getpid(), self._make()
        return self._made[1]


def _ask_each(command: Sequence[Any], client: Any) -> list[Any]:
    if isinstance(client, RedisCluster):
        nodes = client.get_primaries()
        return [client.execute_command(*command, target_nodes=node) for node in nodes]
    return [client.execute_command(*command)]


def _get_many(names: Sequence[bytes], client: Any) -> Any:
    return client.mget_nonatomic(names) if isinstance(client, RedisCluster) else client.mget(names)
