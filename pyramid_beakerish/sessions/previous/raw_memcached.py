"""Where Beaker keeps sessions on memcached servers."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from pymemcache import Client, MemcacheError

from ...errors import CorruptData, StoreUnavailable
from .raw import ANSWER, CONNECT, KEY, LARGEST

if TYPE_CHECKING:
    from ...serializers.foreign_pickles import ForeignPickles
    from ...settings import SessionSettings

# Both python-memcached and bmemcached mark what they have pickled or compressed with these flags.
_PICKLED, _COMPRESSED = 1, 8


class MemcachedRaw:
    """A text for each session, under ``<id>_session``, on one of the servers."""

    def __init__(self, settings: SessionSettings, pickles: ForeignPickles) -> None:
        self._servers = [_address(server) for server in str(settings.url).split(";")]
        self._pickles = pickles

    def read(self, session_id: str) -> Any:
        """Give the text of a session; see `RawStore.read`."""
        # Each library has its own way to choose among servers: all are asked.
        for server in self._servers:
            found = self._ask(server, "get", session_id)
            if found is not None:
                return self._text(*found)
        return None

    def remove(self, session_id: str) -> bool:
        """Remove a session; tell whether it was there."""
        removed = [self._ask(server, "delete", session_id) for server in self._servers]
        return any(removed)

    def _text(self, value: bytes, flags: int) -> Any:
        try:
            if flags & _COMPRESSED:
                value = zlib.decompressobj().decompress(value, LARGEST)
            return self._pickles.loads(value) if flags & _PICKLED else value.decode()
        except (zlib.error, UnicodeDecodeError):
            raise CorruptData("what Beaker has stored is not text") from None

    def _ask(self, server: str, command: str, session_id: str) -> Any:
        # Each visitor is adopted once: no connection is kept open for that, or shared with a fork.
        client = Client(
            server,
            deserializer=lambda key, value, flags: (value, flags),
            connect_timeout=CONNECT,
            timeout=ANSWER,
            default_noreply=False,
        )
        try:
            return getattr(client, command)(f"{session_id}_{KEY}")
        except (MemcacheError, OSError) as error:
            raise StoreUnavailable(f"Beaker's memcached: {type(error).__name__}") from None
        finally:
            client.close()


def _address(server: str) -> str:
    """Give the address as pymemcache spells it: python-memcached puts the family before it."""
    family, _, rest = server.strip().partition(":")
    return rest if family in ("inet", "inet6") else server.strip()
