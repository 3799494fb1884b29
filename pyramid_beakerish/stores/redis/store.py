"""Entries on a Redis server."""

from __future__ import annotations

import re
from math import ceil
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from ...settings.convert import LONGEST
from ..base import PROBE, WRITE_ID_SIZE, Entry, Store, decode_key
from .errors import FAILURES, AnswerLost, translated, translating_errors
from .facts import facts_told
from .options import open_server
from .server import Script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ...settings import StoreSettings
    from ..facts import StoreFacts
    from .server import Server

NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})

#: What Beaker stores begins with ``beaker_cache:``.
PREFIX = b"beakerish:"

#: Only an entry that is still there, and still the one that was read, is replaced.
SWAP = Script(
    f"""if redis.call('GETRANGE', KEYS[1], 0, {WRITE_ID_SIZE - 1}) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], unpack(ARGV, 3))
return 1"""
)
DELETE_UNCHANGED = Script(
    f"""if redis.call('GETRANGE', KEYS[1], 0, {WRITE_ID_SIZE - 1}) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])"""
)

#: What SCAN does not take literally: https://redis.io/docs/latest/commands/keys/
GLOB = re.compile(rb"([*?\[\]\\])")


class RedisStore(Store):
    r"""Keeps entries on a Redis or Valkey server, which several hosts may share.

    ``url`` is ``redis://``, ``rediss://`` for TLS, or ``unix://`` and a path, each with user and
    password if need be; or a client of redis-py's. ``options`` are those of redis-py's connections,
    and ``cluster``, ``startup_nodes``, ``sentinels``, ``service_name`` and ``client_factory``. By
    default connecting may take 0.5 s (``socket_connect_timeout``), an answer 1 s
    (``socket_timeout``), and no command takes more than 2 s. Nothing is contacted before the first
    use. The server measures the time to live, to the millisecond. Raises `SettingsError`, with
    ``key_prefix`` before the names of options.

    Example::

        store = RedisStore("redis://:password@localhost:6379/0", {"socket_timeout": 2})
    """

    write_id_is_token = True

    def __init__(
        self, url: Any, options: Mapping[str, Any] = NO_OPTIONS, *, key_prefix: str = ""
    ) -> None:
        self._server: Server = open_server(url, options, key_prefix)

    @classmethod
    def from_settings(cls, settings: StoreSettings, clock: Callable[[], float]) -> RedisStore:
        """Make the store from ``url`` and ``redis.*``; the server has its own clock."""
        given = settings.backend.items()
        options = {name[6:]: value for name, value in given if name.startswith("redis.")}
        return cls(settings.url, options, key_prefix=settings.key_prefix)

    def load(self, key: str) -> Entry | None:
        """Give the value under the key and its write id, or ``None``."""
        try:  # `translating_errors` is spelt out, as every request calls this: 0.4 us less
            value = self._server.ask("GET", named(key))
        except FAILURES as error:
            raise translated(error) from None
        return None if value is None else (value, value[:WRITE_ID_SIZE])

    @translating_errors
    def load_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        """Give the entries found under several keys, in one round trip to each server concerned."""
        keys = list(keys)
        values = self._server.get_many([named(key) for key in keys]) if keys else ()
        found = zip(keys, values, strict=True)
        return {key: (value, value[:WRITE_ID_SIZE]) for key, value in found if value is not None}

    def create(self, key: str, value: bytes, ttl: float | None) -> bool:
        """Store the value only if the key is absent; tell whether it was stored."""
        try:  # spelt out as in `load`
            return bool(self._server.tell("SET", named(key), value, b"NX", *expiry(ttl)))
        except AnswerLost as lost:
            return self._is_written(key, value, lost)
        except FAILURES as error:
            raise translated(error) from None

    @translating_errors
    def swap(self, key: str, token: Any, value: bytes, ttl: float | None) -> bool:
        """Store the value only if the entry is still the one that ``load`` gave."""
        try:
            return bool(self._server.run(SWAP, named(key), token, value, *expiry(ttl)))
        except AnswerLost as lost:
            return self._is_written(key, value, lost)

    @translating_errors
    def set(self, key: str, value: bytes, ttl: float | None) -> None:
        """Store the value, whatever was there."""
        self._server.ask("SET", named(key), value, *expiry(ttl))

    @translating_errors
    def delete(self, key: str, token: Any = None) -> bool:
        """Remove the entry, with a token only if it is unchanged; tell whether it was removed."""
        if token is None:
            return bool(self._server.ask("DEL", named(key)))
        return bool(self._server.run(DELETE_UNCHANGED, named(key), token))

    def keys(self, prefix: str) -> Iterator[str]:
        """List the keys that begin with the prefix; the server examines all keys that it has."""
        names = self._names(GLOB.sub(rb"\\\1", named(prefix)) + b"*")
        return (decode_key(name[len(PREFIX) :]) for name in names)

    def inspect(self) -> StoreFacts:
        """Tell the version, the memory, and what becomes of entries when a server is full or stops.

        What the user may not ask for, or a managed server tells nobody, is left out.
        """
        self.load(PROBE)
        return facts_told(self._told("INFO"), self._told("CONFIG", b"GET", b"save"))

    def close(self) -> None:
        """Close the connections that are idle; the store may be used again."""
        self._server.close()

    @translating_errors
    def _told(self, name: str, *arguments: bytes) -> list[Any]:
        try:
            return self._server.ask_each(name, *arguments)
        except ResponseError:  # forbidden, renamed or unknown
            return []

    @translating_errors
    def _names(self, pattern: bytes) -> dict[bytes, None]:
        # SCAN may give a name twice, while the server's table grows or shrinks.
        return dict.fromkeys(self._server.scan(pattern))

    @translating_errors
    def _is_written(self, key: str, value: bytes, lost: AnswerLost) -> bool:
        """Tell that a write whose answer was lost has happened; raise if that is not known."""
        entry = self.load(key)
        if entry is None or entry[1] != value[:WRITE_ID_SIZE]:
            raise lost
        return True


def named(key: str) -> bytes:
    """Give the name of a key on the server."""
    return PREFIX + key.encode("utf-8", "surrogatepass")  # `encode_key` with one call less


def expiry(ttl: float | None) -> tuple[bytes, ...]:
    """Spell a time to live: what is to live for a moment must not end at once."""
    if ttl is None:
        return ()
    return b"PX", b"%d" % max(1, ceil(min(ttl, LONGEST) * 1000))
