"""Entries on memcached servers."""

from __future__ import annotations

import math
import time
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from ...errors import SettingsError, StoreUnavailable
from ...settings.addresses import read_addresses
from ..base import Entry, Store, encode_key
from ..facts import Advice, StoreFacts
from .server import Connection, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...settings import StoreSettings

#: Names that Beaker, or anybody else, gives do not begin like this.
PREFIX = b"beakerish:"

#: Before each value: the moment of expiry, in microseconds.
HEADER_SIZE = 8
MICRO = 1_000_000
NEVER = (1 << 64) - 1

# https://github.com/memcached/memcached/blob/master/doc/protocol.txt ("Expiration times"):
# more seconds than LONGEST_TTL are a moment, 0 is never, what is below 0 has expired.
LONGEST_TTL, LATEST_MOMENT = 30 * 86_400, 2**31 - 1
NO_TTL, EXPIRED = 0, -1

#: Seconds that an entry gets in addition at the server, which may end it too early: it counts whole
#: seconds, and when it hangs its ticks come late, at most by as long as an answer is waited for.
EARLY = 5

#: How often `create` tries, as an entry may be gone the moment after it was found.
MOST_ATTEMPTS = 10

# Copying a prepared hash takes half the time of making one (0.15 us, not 0.3).
_NAME = blake2b(digest_size=20)

MORE_MEMORY = Advice("give memcached more memory (-m)", "https://docs.memcached.org/serverguide/")
ELSEWHERE = Advice(
    "use another session.type", "https://github.com/memcached/memcached/wiki/Overview"
)


class MemcachedStore(Store):
    """Keeps entries on one memcached or several, for any number of hosts.

    ``url`` names the servers, with ``;`` between several: ``host:port`` (11211), or ``unix:/path``.
    Each entry is on one of them. While a server is down its entries are unavailable, and no other
    server takes its place, as entries that were removed meanwhile would come back when it does. A
    server forgets everything when it is started again, and the least recently used entries when it
    is full. ``clock`` gives seconds since the epoch (`time.time`); all hosts must agree on it.
    Raises `ValueError` for a ``url`` that names no servers.

    Example::

        store = MemcachedStore("cache1:11211; cache2:11211")  # nothing is contacted yet
    """

    # Memcached counts whole seconds, and ends an entry early: so the expiry that counts is in
    # the entry's header. The server's own comes some seconds later, and only frees the memory.

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self._servers = [Server(address) for address in read_addresses(url)]
        self._clock = clock

    @classmethod
    def from_settings(cls, settings: StoreSettings, clock: Callable[[], float]) -> MemcachedStore:
        """Make the store from the servers that ``url`` names; nothing is contacted yet."""
        try:
            return cls(settings.url, clock)  # type: ignore[arg-type]
        except ValueError as refusal:
            raise SettingsError([f"{settings.key_prefix}url {refusal}"]) from refusal

    def load(self, key: str) -> Entry | None:
        """Give the value under the key and its token, or ``None``."""
        name = name_of(key)
        return self._entry(*self._server(name).ask(Connection.gets, name))

    def load_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        """Give the entries found under several keys, in one round trip to each server concerned."""
        names = {name_of(key): key for key in keys}
        shares: dict[Server, list[bytes]] = {}
        for name in names:
            shares.setdefault(self._server(name), []).append(name)
        found = [server.ask(Connection.gets_many, share) for server, share in shares.items()]
        entries = {name: self._entry(*item) for items in found for name, item in items.items()}
        return {names[name]: entry for name, entry in entries.items() if entry is not None}

    def create(self, key: str, value: bytes, ttl: float | None) -> bool:
        """Store the value only if the key is absent; tell whether it was stored."""
        name, data, expire = self._written(key, value, ttl)
        server = self._server(name)
        for _ in range(MOST_ATTEMPTS):
            if server.ask(Connection.add, name, data, expire):
                return True
            present, cas = server.ask(Connection.gets, name)
            if self._entry(present, cas) is not None:
                return False
            if present is None:
                continue  # gone meanwhile
            # Expired, though the server still has it; if this gives None it has gone
            # from there meanwhile.
            replaced = server.ask(Connection.cas, name, data, cas, expire)
            if replaced is not None:
                return bool(replaced)
        raise StoreUnavailable("memcached neither has an entry nor stores one, and gave no reason")

    def swap(self, key: str, token: Any, value: bytes, ttl: float | None) -> bool:
        """Store the value only if the entry is still the one that ``load`` gave."""
        return self._replace(token, *self._written(key, value, ttl))

    def set(self, key: str, value: bytes, ttl: float | None) -> None:
        """Store the value, whatever was there."""
        name, data, expire = self._written(key, value, ttl)
        if not self._server(name).ask(Connection.set, name, data, expire):
            raise StoreUnavailable("memcached has not stored a value, and gave no reason")

    def delete(self, key: str, token: Any = None) -> bool:
        """Remove the entry, with a token only if it is unchanged; tell whether it was removed."""
        name = name_of(key)
        if token is None:
            return self.load(key) is not None and bool(
                self._server(name).ask(Connection.delete, name)
            )
        # No command removes an entry only if it is unchanged; this one replaces it with
        # an entry that has already expired, and so is never seen.
        return self._replace(token, name, b"", EXPIRED)

    def keys(self, prefix: str) -> None:
        """Give ``None``: memcached cannot list its keys."""

    def inspect(self) -> StoreFacts:
        """Tell the versions of the servers, and how much of their memory is used."""
        answers = [server.ask(Connection.stats) for server in self._servers]
        used = sum(int(answer[b"bytes"]) for answer in answers)
        room = sum(int(answer[b"limit_maxbytes"]) for answer in answers)
        facts = StoreFacts(
            version=", ".join(sorted({f"memcached {a[b'version'].decode()}" for a in answers})),
            reach="network",
            persistent=False,
            evicts=True,
            remedies={"persistent": ELSEWHERE, "evicts": MORE_MEMORY},
            entries=sum(int(answer[b"curr_items"]) for answer in answers),
            used=used,
            free=room - used,
        )
        lost = sum(int(answer[b"evictions"]) for answer in answers)
        if lost:
            facts["remarks"] = (
                Advice(
                    f"{lost} entries were evicted before they expired: {MORE_MEMORY.text}.",
                    MORE_MEMORY.link,
                ),
            )
        return facts

    def close(self) -> None:
        """Close all connections that nobody uses; the store may be used again."""
        for server in self._servers:
            server.close()

    def _server(self, name: bytes) -> Server:
        """Give the server that has the entry, by rendezvous hashing."""
        servers = self._servers
        # Computing a weight takes 1 us.
        return servers[0] if len(servers) == 1 else max(servers, key=lambda s: s.weight(name))

    def _entry(self, data: bytes | None, cas: bytes) -> Entry | None:
        if data is None:
            return None
        expires = int.from_bytes(data[:HEADER_SIZE], "big")
        if expires <= self._clock() * MICRO:
            return None
        return data[HEADER_SIZE:], (cas, expires)

    def _written(self, key: str, value: bytes, ttl: float | None) -> tuple[bytes, bytes, int]:
        """Give the name, the data and the time to live that a command writes."""
        expires = NEVER if ttl is None else min(int((self._clock() + ttl) * MICRO), NEVER)
        return name_of(key), expires.to_bytes(HEADER_SIZE, "big") + value, ttl_at_server(ttl)

    def _replace(self, token: Any, name: bytes, data: bytes, expire: int) -> bool:
        cas, expires = token
        if expires <= self._clock() * MICRO:
            return False
        return bool(self._server(name).ask(Connection.cas, name, data, cas, expire))


def name_of(key: str) -> bytes:
    """Give the name of a key's entry: always a legal one, which shows nothing of the key."""
    digest = _NAME.copy()
    digest.update(encode_key(key))
    return PREFIX + digest.hexdigest().encode()


def ttl_at_server(ttl: float | None) -> int:
    """Give the time to live as memcached takes it: never shorter, a few seconds longer."""
    if ttl is None:
        return NO_TTL
    seconds = math.ceil(ttl) + EARLY
    if seconds <= LONGEST_TTL:
        return seconds
    # By the real clock, which is the server's as well.
    moment = math.ceil(time.time()) + seconds
    return moment if moment <= LATEST_MOMENT else NO_TTL
