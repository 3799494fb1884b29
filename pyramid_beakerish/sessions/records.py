"""Records in a store: begun, read, changed, moved to another id, ended."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from ..errors import CorruptData, StoreError, StoreUnavailable
from .events import Refusal
from .record import NOTHING, Record, codec_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..settings import SessionSettings
    from ..stores.base import Store
    from .serializers import Serializer

    Change = Callable[[Mapping[str, bytes]], dict[str, bytes]]

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
        self._codec = codec_for(serializer)
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
            record = self._codec.decode(entry[0])
            idle, lifetime, interval = self._limits(record.own) if record.own else self._usual
            unused = now - record.accessed
            # Not only ``expires``: limits that were made stricter hold for the sessions that exist.
            over = unused >= idle or now - record.created >= lifetime
            over = over or (record.expires is not None and record.expires <= now)
        except (CorruptData, TypeError):
            raise NoRecord(Refusal.CORRUPT) from None
        if over:
            raise NoRecord(Refusal.EXPIRED)
        return record, entry[1], unused >= interval

    def create(self, key: str, own: Mapping[str, Any], values: dict[str, bytes]) -> Record:
        """Begin a session; never takes the place of another."""
        now = self._clock()
        record, value, ttl = self._revised(Record(now, now, None, {}, NOTHING), own, values)
        self._create(key, value, ttl)
        return record

    def update(
        self, key: str, record: Record, token: Any, own: Mapping[str, Any], change: Change
    ) -> tuple[Record, bool]:
        """Change a session, whatever others have done to it meanwhile.

        ``change`` gives the new values for the stored ones; it is called again on what another
        request has stored. With no token the record is read first. Gives the new record, and
        whether others' changes are in it. Raises `NoRecord` if the session has ended.
        """
        for attempt in range(MOST_CONFLICTS):
            if token is not None:
                revised, value, ttl = self._revised(record, own, change(record.values))
                if self.store.swap(key, token, value, ttl):
                    return revised, attempt > 0
            record, token, _ = self.load(key)
        raise StoreUnavailable("a session was changed by others again and again")

    def rotate(
        self, keys: tuple[str, str], record: Record, token: Any, own: Mapping[str, Any], change: Change
    ) -> tuple[Record, bool]:
        """Move a session from one key to another, changed; the old id opens nothing more.

        The new record is there before the old one goes: whatever breaks in between, the
        visitor's cookie still opens a session. Gives and raises what `update` does.
        """
        old_key, new_key = keys
        revised, value, ttl = self._revised(record, own, change(record.values))
        self._create(new_key, value, ttl)
        merged = False
        while token is None or not self.store.delete(old_key, token):
            try:
                record, token, _ = self.load(old_key)
            except NoRecord:
                self.end(new_key)
                raise
            merged = True
            revised, value, ttl = self._revised(record, own, change(record.values))
            self.store.set(new_key, value, ttl)
        return revised, merged

    def touch(self, key: str, record: Record, token: Any) -> bool:
        """Extend the idle time of a session that was only read; tell whether it was done.

        Somebody else's change at the same time extends it as well, so once is enough.
        """
        _, value, ttl = self._revised(record, NOTHING, record.values)
        return self.store.swap(key, token, value, ttl)

    def end(self, key: str) -> None:
        """End a session."""
        self.store.delete(key)

    def _create(self, key: str, value: bytes, ttl: float | None) -> None:
        if not self.store.create(key, value, ttl):
            raise StoreError("a new session id was in use already: the random source is broken")

    def _revised(
        self, record: Record, own: Mapping[str, Any], values: dict[str, bytes]
    ) -> tuple[Record, bytes, float | None]:
        """Give the record as it is after this use, what to store, and for how many seconds."""
        own = {**record.own, **own} if own else record.own
        idle, lifetime, interval = self._limits(own) if own else self._usual
        now = self._clock()
        # ``accessed`` moves only when an extension is due: the cookie is sent again whenever
        # it does, and a session written at every request has its cookie extended as well.
        accessed = now if now - record.accessed >= interval else record.accessed
        left = record.created + lifetime - now
        ttl = idle if idle < left else max(left, _SHORTEST_TTL)
        ttl = None if ttl == inf else ttl
        revised = Record(record.created, accessed, None if ttl is None else now + ttl, own, values)
        return revised, self._codec.encode(revised), ttl

    def _limits(self, own: Mapping[str, Any]) -> tuple[float, float, float]:
        """Give the seconds a session lives after its last use, and in all, and the touch interval."""
        settings = self._settings
        timeout, lifetime = own.get("timeout", settings.timeout), own.get("lifetime", settings.lifetime)
        interval = settings.touch_interval
        if own.get("timeout"):
            interval = min(interval, timeout / 10)
        idle = inf if timeout is None else timeout + interval
        return idle, inf if lifetime is None else lifetime, interval
