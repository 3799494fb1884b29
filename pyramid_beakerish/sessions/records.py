"""Records in a store: begun, read, changed, moved to another id, ended."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from ..errors import CorruptData, StoreError, StoreUnavailable
from .events import Refusal
from .ids import store_key
from .record import Record, RecordCodec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..settings import SessionSettings
    from ..stores.base import Store
    from .record import Changes
    from .serializers import Serializer

#: Somebody else must have won so often in a row before a request gives up.
MOST_CONFLICTS = 100

_SHORTEST_TTL = 0.001  # a lifetime that ends during the request: no store takes a negative one


class NoRecord(Exception):  # noqa: N818 - an answer, not an error
    """There is no session under the id."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


class RecordStore:
    """Keeps the rules of a session's life on top of a store.

    A record is changed only by compare-and-swap, so that no request undoes another's
    change; and only while it exists, so that an ended session never comes back.
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
        self._codec = RecordCodec(serializer)
        self._timeout = inf if settings.timeout is None else settings.timeout
        self._lifetime = inf if settings.lifetime is None else settings.lifetime
        self._touch_interval = settings.touch_interval
        self._idle = self._timeout + self._touch_interval

    def load(self, session_id: str) -> tuple[Record, Any, bool]:
        """Give the record of a session, the token to change it with, and whether a touch is due.

        Raises `NoRecord`.
        """
        entry = self.store.load(store_key(session_id))
        if entry is None:
            raise NoRecord(Refusal.UNKNOWN)
        try:
            record = self._codec.decode(entry[0])
        except CorruptData:
            raise NoRecord(Refusal.CORRUPT) from None
        now = self._clock()
        if self._has_ended(record, now):
            raise NoRecord(Refusal.EXPIRED)
        return record, entry[1], now - record.accessed >= self._interval(record.own)

    def create(self, session_id: str, changes: Changes) -> Record:
        """Begin a session; never takes the place of another."""
        now = self._clock()
        record = Record(now, now, None, dict(changes.own), changes.apply({}))
        record.expires = self._expires(record, now)
        self._create(session_id, record)
        return record

    def update(self, session_id: str, record: Record, token: Any, changes: Changes) -> Record:
        """Apply changes to a session, whatever others have done to it meanwhile.

        With no token the record is read first. Raises `NoRecord` if the session has ended.
        """
        changed = self._changed(record, changes.apply(record.values), changes.own)
        for _ in range(MOST_CONFLICTS):
            if token is not None and self._swap(session_id, token, changed):
                return changed
            record, token, _ = self.load(session_id)
            changed = self._changed(record, changes.merge(record.values), changes.own)
        raise StoreUnavailable("a session was changed by others again and again")

    def rotate(
        self, old_id: str, new_id: str, record: Record, token: Any, changes: Changes
    ) -> Record:
        """Move a session to a new id, with the changes applied; the old id opens nothing more.

        The new record is there before the old one goes: whatever breaks in between, the
        visitor's cookie still opens a session. Raises `NoRecord` if the session has ended.
        """
        changed = self._changed(record, changes.apply(record.values), changes.own)
        self._create(new_id, changed)
        while token is None or not self.store.delete(store_key(old_id), token):
            try:
                record, token, _ = self.load(old_id)
            except NoRecord:
                self.end(new_id)
                raise
            changed = self._changed(record, changes.merge(record.values), changes.own)
            self.store.set(store_key(new_id), self._codec.encode(changed), self._ttl(changed))
        return changed

    def touch(self, session_id: str, record: Record, token: Any) -> bool:
        """Extend the idle time of a session that was only read; tell whether it was done.

        Somebody else's change at the same time extends it as well, so once is enough.
        """
        return self._swap(session_id, token, self._changed(record, record.values, {}))

    def end(self, session_id: str) -> None:
        """End a session."""
        self.store.delete(store_key(session_id))

    def _changed(self, record: Record, values: dict[str, bytes], own: Mapping[str, Any]) -> Record:
        # ``accessed`` moves only when an extension is due: the cookie is sent again whenever
        # it does, and a session written at every request has its cookie extended as well.
        now = self._clock()
        due = now - record.accessed >= self._interval(record.own)
        own = {**record.own, **own} if own else record.own
        changed = Record(record.created, now if due else record.accessed, None, own, values)
        changed.expires = self._expires(changed, now)
        return changed

    def _has_ended(self, record: Record, now: float) -> bool:
        if record.expires is not None and record.expires <= now:
            return True
        # Settings that were made stricter apply to the sessions that exist already.
        expires = self._expires(record, record.accessed)
        return expires is not None and expires <= now

    def _expires(self, record: Record, used: float) -> float | None:
        idle, lifetime = self._limits(record.own) if record.own else (self._idle, self._lifetime)
        ends = used + idle
        if record.created + lifetime < ends:
            ends = record.created + lifetime
        return None if ends == inf else ends

    def _limits(self, own: Mapping[str, Any]) -> tuple[float, float]:
        timeout, lifetime = own.get("timeout", self._timeout), own.get("lifetime", self._lifetime)
        idle = inf if timeout is None else timeout + self._interval(own)
        return idle, inf if lifetime is None else lifetime

    def _interval(self, own: Mapping[str, Any]) -> float:
        timeout: float | None = own.get("timeout") if own else None
        return self._touch_interval if timeout is None else min(self._touch_interval, timeout / 10)

    def _create(self, session_id: str, record: Record) -> None:
        value, ttl = self._codec.encode(record), self._ttl(record)
        if not self.store.create(store_key(session_id), value, ttl):
            raise StoreError("a new session id was in use already: the random source is broken")

    def _swap(self, session_id: str, token: Any, record: Record) -> bool:
        value, ttl = self._codec.encode(record), self._ttl(record)
        return self.store.swap(store_key(session_id), token, value, ttl)

    def _ttl(self, record: Record) -> float | None:
        if record.expires is None:
            return None
        return max(record.expires - self._clock(), _SHORTEST_TTL)
