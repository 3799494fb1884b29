"""Records in a store: begun, read, changed, moved to another id, ended."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from ..errors import CorruptData, StoreError, StoreUnavailable
from .events import Refusal
from .record import NOTHING, Record, RecordCodec

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
        self._codec = RecordCodec(serializer)
        self._settings = settings
        self._default_limits = self._limits({})

    def load(self, key: str) -> tuple[Record, Any, bool]:
        """Give the record of a session, the token to change it with, and whether a touch is due.

        Raises `NoRecord`.
        """
        entry = self.store.load(key)
        if entry is None:
            raise NoRecord(Refusal.UNKNOWN)
        try:
            record = self._codec.decode(entry[0])
        except CorruptData:
            raise NoRecord(Refusal.CORRUPT) from None
        now = self._clock()
        idle, lifetime, interval = self._limits(record.own) if record.own else self._default_limits
        # Not only ``expires``: limits that were made stricter hold for the sessions that exist.
        if (
            (record.expires is not None and record.expires <= now)
            or record.accessed + idle <= now
            or record.created + lifetime <= now
        ):
            raise NoRecord(Refusal.EXPIRED)
        return record, entry[1], now - record.accessed >= interval

    def create(self, key: str, changes: Changes) -> Record:
        """Begin a session; never takes the place of another."""
        now = self._clock()
        record = self._changed(Record(now, now, None, {}, {}), changes.apply(NOTHING), changes.own)
        self._create(key, record)
        return record

    def update(self, key: str, record: Record, token: Any, changes: Changes) -> tuple[Record, bool]:
        """Apply changes to a session, whatever others have done to it meanwhile.

        With no token the record is read first. Gives the new record, and whether others' changes
        are in it. Raises `NoRecord` if the session has ended.
        """
        changed = self._changed(record, changes.apply(record.values), changes.own)
        for attempt in range(MOST_CONFLICTS):
            if token is not None and self.store.swap(key, token, *self._spell(changed)):
                return changed, attempt > 0
            record, token, _ = self.load(key)
            changed = self._changed(record, changes.merge(record.values), changes.own)
        raise StoreUnavailable("a session was changed by others again and again")

    def rotate(
        self, old_key: str, new_key: str, record: Record, token: Any, changes: Changes
    ) -> tuple[Record, bool]:
        """Move a session to a new id, with the changes applied; the old id opens nothing more.

        The new record is there before the old one goes: whatever breaks in between, the
        visitor's cookie still opens a session. Gives and raises what `update` does.
        """
        changed, merged = self._changed(record, changes.apply(record.values), changes.own), False
        self._create(new_key, changed)
        while token is None or not self.store.delete(old_key, token):
            try:
                record, token, _ = self.load(old_key)
            except NoRecord:
                self.end(new_key)
                raise
            merged = True
            changed = self._changed(record, changes.merge(record.values), changes.own)
            self.store.set(new_key, *self._spell(changed))
        return changed, merged

    def touch(self, key: str, record: Record, token: Any) -> bool:
        """Extend the idle time of a session that was only read; tell whether it was done.

        Somebody else's change at the same time extends it as well, so once is enough.
        """
        return self.store.swap(key, token, *self._spell(self._changed(record, record.values)))

    def end(self, key: str) -> None:
        """End a session."""
        self.store.delete(key)

    def _changed(
        self, record: Record, values: dict[str, bytes], own: Mapping[str, Any] = NOTHING
    ) -> Record:
        own = {**record.own, **own} if own else record.own
        idle, lifetime, interval = self._limits(own) if own else self._default_limits
        now = self._clock()
        # ``accessed`` moves only when an extension is due: the cookie is sent again whenever
        # it does, and a session written at every request has its cookie extended as well.
        accessed = now if now - record.accessed >= interval else record.accessed
        expires = _earlier(now + idle, record.created + lifetime)
        return Record(record.created, accessed, expires, own, values)

    def _spell(self, record: Record) -> tuple[bytes, float | None]:
        """Give the value to store, and how long from now."""
        value, expires = self._codec.encode(record), record.expires
        return value, None if expires is None else max(expires - self._clock(), _SHORTEST_TTL)

    def _limits(self, own: Mapping[str, Any]) -> tuple[float, float, float]:
        """Give the seconds a session lives after its last use, and in all, and the touch interval."""
        settings = self._settings
        timeout, lifetime = own.get("timeout", settings.timeout), own.get("lifetime", settings.lifetime)
        interval = settings.touch_interval
        if own.get("timeout"):
            interval = min(interval, timeout / 10)
        idle = inf if timeout is None else timeout + interval
        return idle, inf if lifetime is None else lifetime, interval

    def _create(self, key: str, record: Record) -> None:
        if not self.store.create(key, *self._spell(record)):
            raise StoreError("a new session id was in use already: the random source is broken")


def _earlier(one: float, other: float) -> float | None:
    ends = one if one < other else other
    return None if ends == inf else ends
