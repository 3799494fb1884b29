"""Records in a store: begun, read, changed, moved to another id, ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import CorruptData, StoreError, StoreUnavailable
from .events import Refusal
from .ids import store_key
from .record import Changes, Record, RecordCodec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..settings import SessionSettings
    from ..stores.base import Store
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
        self._timeout = settings.timeout
        self._lifetime = settings.lifetime
        self._touch_interval = settings.touch_interval
        self._reads_extend = settings.save_accessed_time

    def load(self, session_id: str) -> tuple[Record, Any]:
        """Give the record of a session and the token to change it with; or raise `NoRecord`."""
        entry = self.store.load(store_key(session_id))
        if entry is None:
            raise NoRecord(Refusal.UNKNOWN)
        value, token = entry
        try:
            record = self._codec.decode(value)
            expires = self._expires(record, record.accessed)
        except CorruptData:
            raise NoRecord(Refusal.CORRUPT) from None
        now = self._clock()
        if record.expires is not None and record.expires <= now:
            raise NoRecord(Refusal.EXPIRED)
        # Settings that were made stricter apply to the sessions that exist already.
        if expires is not None and expires <= now:
            raise NoRecord(Refusal.EXPIRED)
        return record, token

    def create(self, session_id: str, changes: Changes) -> Record:
        """Begin a session; never takes the place of another."""
        now = self._clock()
        record = Record(now, now, None, dict(changes.own), changes.apply({}))
        record.expires = self._expires(record, now)
        if not self._create(store_key(session_id), record):
            raise StoreError("a new session id was in use already: the random source is broken")
        return record

    def update(self, session_id: str, record: Record, token: Any, changes: Changes) -> Record:
        """Apply changes to a session, whatever others have done to it meanwhile.

        With no token the record is read first. Raises `NoRecord` if the session has ended.
        """
        key = store_key(session_id)
        changed = self._changed(record, changes.apply(record.values), changes.own)
        for _ in range(MOST_CONFLICTS):
            if token is not None and self._swap(key, token, changed):
                return changed
            record, token = self.load(session_id)
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
        if not self._create(store_key(new_id), changed):
            raise StoreError("a new session id was in use already: the random source is broken")
        while token is None or not self.store.delete(store_key(old_id), token):
            try:
                record, token = self.load(old_id)
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
        touched = self._changed(record, record.values, {})
        return self._swap(store_key(session_id), token, touched)

    def end(self, session_id: str) -> None:
        """End a session."""
        self.store.delete(store_key(session_id))

    def is_touch_due(self, record: Record) -> bool:
        """Tell whether the record's last extension is so long ago that a use must extend it."""
        return self._clock() - record.accessed >= self._touch_interval_of(record)

    def reads_extend(self, record: Record) -> bool:
        """Tell whether a request that only reads has to extend the idle time now."""
        return self._reads_extend and self.is_touch_due(record)

    def _changed(
        self, record: Record, values: dict[str, bytes], own: Mapping[str, Any]
    ) -> Record:
        # ``accessed`` moves only when an extension is due: the cookie is sent again whenever
        # it does, and a session written at every request has its cookie extended as well.
        now = self._clock()
        accessed = now if self.is_touch_due(record) else record.accessed
        changed = Record(record.created, accessed, None, {**record.own, **own}, values)
        changed.expires = self._expires(changed, now)
        return changed

    def _expires(self, record: Record, used: float) -> float | None:
        own = record.own
        if own:
            return self._own_expires(record, used)
        ends = None if self._timeout is None else used + self._timeout + self._touch_interval
        if self._lifetime is None:
            return ends
        return _earlier(ends, record.created + self._lifetime)

    def _own_expires(self, record: Record, used: float) -> float | None:
        timeout = _seconds(record.own, "timeout", self._timeout)
        lifetime = _seconds(record.own, "lifetime", self._lifetime)
        idle = None if timeout is None else used + timeout + self._touch_interval_of(record)
        return _earlier(idle, None if lifetime is None else record.created + lifetime)

    def _touch_interval_of(self, record: Record) -> float:
        timeout = _seconds(record.own, "timeout", None) if record.own else None
        return self._touch_interval if timeout is None else min(self._touch_interval, timeout / 10)

    def _ttl(self, record: Record) -> float | None:
        if record.expires is None:
            return None
        return max(record.expires - self._clock(), _SHORTEST_TTL)

    def _create(self, key: str, record: Record) -> bool:
        return self.store.create(key, self._codec.encode(record), self._ttl(record))

    def _swap(self, key: str, token: Any, record: Record) -> bool:
        return self.store.swap(key, token, self._codec.encode(record), self._ttl(record))


def _earlier(one: float | None, other: float | None) -> float | None:
    ends = [moment for moment in (one, other) if moment is not None]
    return min(ends, default=None)


def _seconds(own: Mapping[str, Any], name: str, default: float | None) -> float | None:
    seconds = own.get(name, default)
    if seconds is not None and not isinstance(seconds, (int, float)):
        raise CorruptData("a session record is not of the expected form")
    return seconds
