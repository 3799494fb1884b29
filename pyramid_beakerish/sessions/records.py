"""Records in a store: begun, read, changed, moved to another id, ended."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

from ..errors import StoreError, StoreUnavailable
from ..stores.base import WRITE_ID_SIZE, new_write_id
from .events import Refusal
from .record import Record, check, frame_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..serializers import Serializer
    from ..settings import SessionSettings
    from ..stores.base import Store

    Change = Callable[[Mapping[str, bytes]], dict[str, bytes]]

#: Somebody else must have won so often in a row before a request gives up.
MOST_CONFLICTS = 100

#: The token of a session that is not stored yet.
NEW: Any = object()

_SHORTEST_TTL = 0.001  # a lifetime that ends during the request: no store takes a negative one


class NoRecord(Exception):
    """There is no session under the id; ``record`` is what is left of one that has expired."""

    def __init__(self, refusal: Refusal, record: Record | None = None) -> None:
        super().__init__(refusal)
        self.refusal = refusal
        self.record = record


_new = object.__new__


class RecordStore:
    """Keeps the rules of a session's life on top of a store.

    A record is changed only by compare-and-swap, so that no request undoes another's
    change; and only while it exists, so that an ended session never comes back. A ``key`` is
    the `store_key` of a session's id.
    """

    def __init__(
        self,
        store: Store,
        settings: SessionSettings,
        serializer: Serializer,
        clock: Callable[[], float],
    ) -> None:
        self.store = store
        self._clock = clock
        self._pack, self._unpack = frame_for(serializer)
        self._settings = settings
        self._usual = self._limits({})

    def load(self, key: str) -> tuple[Record, Any, bool]:
        """Give the record of a session, the token to change it with, and whether a touch is due.

        Raises `NoRecord`.
        """
        entry = self.store.load(key)
        if entry is None:
            raise NoRecord(Refusal.UNKNOWN)
        now = self._clock()
        try:
            record = _new(Record)  # Record(...) is a call more
            fields = self._unpack(entry[0][WRITE_ID_SIZE:])
            record.created, record.accessed, record.expires, record.own, record.values = fields
            if record.own or type(record.values) is not dict:
                check(record)
            idle, lifetime, interval = self._limits(record.own) if record.own else self._usual
            unused = now - record.accessed
            # Not only ``expires``: limits that were made stricter hold for the sessions that exist.
            over = unused >= idle or now - record.created >= lifetime
            over = over or (record.expires is not None and record.expires <= now)
        except Exception as error:  # anything at all may be in a damaged store
            raise NoRecord(Refusal.CORRUPT) from error
        if over:
            raise NoRecord(Refusal.EXPIRED, record)
        return record, entry[1], unused >= interval

    def save(
        self, key: str, record: Record, token: Any, own: Mapping[str, Any], values: dict[str, bytes]
    ) -> bool:
        """Store a record as it is after this use, with these values; tell whether it was stored.

        With a token only if nobody else has changed it; with `NEW` only if there is none yet.
        """
        if own:
            record.own = {**record.own, **own}
        idle, lifetime, interval = self._limits(record.own) if record.own else self._usual
        now = self._clock()
        # ``accessed`` moves only when an extension is due: the cookie is sent again whenever
        # it does, and a session written at every request has its cookie extended as well.
        if now - record.accessed >= interval:
            record.accessed = now
        left = record.created + lifetime - now
        ttl = idle if idle < left else max(left, _SHORTEST_TTL)
        record.expires = None if ttl == inf else now + ttl
        record.values = values
        value = new_write_id() + self._pack(
            [record.created, record.accessed, record.expires, record.own, values]
        )
        if token is NEW:
            return self.store.create(key, value, None if ttl == inf else ttl)
        return self.store.swap(key, token, value, None if ttl == inf else ttl)

    def create(self, key: str, own: Mapping[str, Any], values: dict[str, bytes]) -> Record:
        """Begin a session; never takes the place of another."""
        now = self._clock()
        record = Record(now, now, None, {}, {})
        if not self.save(key, record, NEW, own, values):
            raise StoreError("a new session id was in use already: the random source is broken")
        return record

    def update(
        self, key: str, record: Record, token: Any, own: Mapping[str, Any], change: Change
    ) -> Record:
        """Change a session, whatever others have done to it meanwhile.

        ``change`` gives the new values for the stored ones; it is called again on what another
        request has stored. With no token the record is read first. Raises `NoRecord` if the
        session has ended.
        """
        for _ in range(MOST_CONFLICTS):
            if token is not None and self.save(key, record, token, own, change(record.values)):
                return record
            record, token, _ = self.load(key)
        raise StoreUnavailable("a session was changed by others again and again")

    def rotate(
        self,
        keys: tuple[str, str],
        record: Record,
        token: Any,
        own: Mapping[str, Any],
        change: Change,
    ) -> Record:
        """Move a session from one key to another, changed; the old id opens nothing more.

        The new record is there before the old one goes: whatever breaks in between, the
        visitor's cookie still opens a session. Raises `NoRecord` if the session has ended.
        """
        old_key, new_key = keys
        rotated = self._copy(new_key, record, own, change)
        while token is None or not self.store.delete(old_key, token):
            self.end(new_key)
            record, token, _ = self.load(old_key)
            rotated = self._copy(new_key, record, own, change)
        return rotated

    def end(self, key: str) -> None:
        """End a session."""
        self.store.delete(key)

    def _copy(self, key: str, record: Record, own: Mapping[str, Any], change: Change) -> Record:
        copy = replace(record)
        if not self.save(key, copy, NEW, own, change(record.values)):
            raise StoreError("a new session id was in use already: the random source is broken")
        return copy

    def _limits(self, own: Mapping[str, Any]) -> tuple[float, float, float]:
        """Give how long a session lives unused, and in all, and the touch interval, in seconds."""
        settings = self._settings
        timeout, lifetime = (
            own.get("timeout", settings.timeout),
            own.get("lifetime", settings.lifetime),
        )
        interval = settings.touch_interval
        if own.get("timeout"):
            interval = min(interval, timeout / 10)
        idle = inf if timeout is None else timeout + interval
        return idle, inf if lifetime is None else lifetime, interval
