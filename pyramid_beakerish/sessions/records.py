"""Records in a store: begun, read, changed, moved to another id, ended."""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

from ..errors import StoreError, StoreUnavailable
from ..stores.base import WRITE_ID_SIZE, new_write_id
from .events import EndReason, Refusal, SessionEnded
from .ids import SEED_BYTES, store_key, successor_id
from .record import Record, check, frame_for
from .users import OneOfUser, UserIndex, UserSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ..serializers import Serializer
    from ..settings import SessionSettings
    from ..stores.base import Store

    Change = Callable[[Mapping[str, bytes]], dict[str, bytes]]

log = logging.getLogger(__name__)

#: Somebody else must have won so often in a row before a request gives up.
MOST_CONFLICTS = 100

#: The token of a session that is not stored yet.
NEW: Any = object()

_SHORTEST_TTL = 0.001  # a lifetime that ends during the request: no store takes a negative one


class NoRecord(Exception):
    """There is no session under the id."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


class Moved(Exception):
    """The session goes on under another key, as its id was renewed a moment ago."""

    def __init__(self, key: str, seed: str) -> None:
        super().__init__()
        self.key = key
        self.seed = seed


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
        notify: Callable[[object], None],
    ) -> None:
        self.store = store
        self._clock = clock
        self._notify = notify
        self._users = UserIndex(store, settings.lifetime)
        self._pack, self._unpack = frame_for(serializer)
        self._settings = settings
        self._usual = self._limits({})

    def load(self, key: str) -> tuple[Record, Any, bool]:
        """Give the record of a session, the token to change it with, and whether a touch is due.

        Raises `NoRecord`, and `Moved` where only the way to the record is.
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
            raise NoRecord(Refusal.IDLE if unused >= idle else Refusal.TOO_OLD)
        if record.own and "moved_to" in record.own:
            raise Moved(record.own["moved_to"], record.own["seed"])
        return record, entry[1], unused >= interval

    def save(
        self, key: str, record: Record, token: Any, own: Mapping[str, Any], values: dict[str, bytes]
    ) -> bool:
        """Store a record as it is after this use, with these values; tell whether it was stored.

        With a token only if nobody else has changed it; with `NEW` only if there is none yet.
        """
        if own:
            record.own = {**record.own, **own}
            if "user" in own:  # before the record is there, so that it can always be ended
                self._enter_user(key, own)
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
            key, record, token = self._find(key)
        raise _never_left_alone()

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
        for _ in range(MOST_CONFLICTS):
            if token is None:
                old_key, record, token = self._find(old_key)
            rotated = self._copy(new_key, record, own, change)
            if self.store.delete(old_key, token):
                return rotated
            self.store.delete(new_key)
            token = None
        raise _never_left_alone()

    def renew(
        self, session_id: str, record: Record, token: Any, own: Mapping[str, Any], change: Change
    ) -> tuple[str, Record] | None:
        """Have a session go on under a new id, to which the old one leads for the grace time.

        The requests under way with the old id change the same record, and their visitor is told
        the new id again (https://www.php.net/session_regenerate_id warns of lost answers).
        Gives the new id and the record; ``None`` if somebody else was changing the session: then
        nothing has happened, and the next request may try.
        """
        key, seed = store_key(session_id), secrets.token_hex(SEED_BYTES)
        new_id = successor_id(session_id, seed)
        new_key, now = store_key(new_id), self._clock()
        renewed = self._copy(new_key, record, {**own, "renewed": now}, change)
        if self._lead_on(key, record, token, new_key, seed):
            return new_id, renewed
        self.store.delete(new_key)
        return None

    def end(self, key: str, token: Any = None) -> None:
        """End a session, wherever it has moved to; with its token in one step, if it has not."""
        for _ in range(MOST_CONFLICTS):
            if token is not None and self.store.delete(key, token):
                return
            try:
                key, _, token = self._find(key)
            except NoRecord:
                self.store.delete(key)  # what is damaged, or has expired, leaves as well
                return
        raise _never_left_alone()

    # The sessions of a user

    def sessions_of(self, user: str, current: str | None) -> list[UserSession]:
        """Give the sessions of a user, the last used one first; ``current`` is a handle."""
        found = list(self._sessions_of(user, current))
        return sorted(found, key=lambda session: session.last_accessed, reverse=True)

    def end_sessions(self, user: str, sessions: Iterable[OneOfUser], reason: EndReason) -> None:
        """End these sessions of a user."""
        ended = list(sessions)
        for session in ended:
            self.end(session.key)
            event = SessionEnded(None, reason)
            log.log(event.level, event.says.format(event))
            self._notify(event)
        if ended:
            self._users.leave(user, [session.handle for session in ended if session.handle])

    def _sessions_of(self, user: str, current: str | None) -> Iterator[UserSession]:
        for handle, keys in self._users.keys(user).items():
            for key in reversed(keys):
                try:
                    key_now, record, _ = self._find(key)
                except NoRecord:
                    continue
                own = record.own
                if own.get("handle") == handle:
                    moments = record.created, record.accessed
                    yield UserSession(handle, *moments, own["about"], handle == current, key_now)
                    break

    def _enter_user(self, key: str, own: Mapping[str, Any]) -> None:
        user, handle, most = own["user"], own["handle"], self._settings.max_sessions_per_user
        if most is not None:
            others = [s for s in self.sessions_of(user, handle) if not s.is_current]
            self.end_sessions(user, others[most - 1 :], EndReason.TOO_MANY)
        self._users.enter(user, handle, key)

    # Helpers of several of them

    def _find(self, key: str) -> tuple[str, Record, Any]:
        """Give the record, its token and its key, wherever the session has moved to."""
        for _ in range(MOST_CONFLICTS):
            try:
                record, token, _ = self.load(key)
            except Moved as moved:
                key = moved.key
            else:
                return key, record, token
        raise NoRecord(Refusal.CORRUPT)

    def _lead_on(self, key: str, record: Record, token: Any, new_key: str, seed: str) -> bool:
        """Put the way to the new record in the place of the old one, for the grace time."""
        grace = self._settings.rotation_grace
        if grace is None:
            return self.store.delete(key, token)
        way = Record(record.created, self._clock(), None, {}, {})
        own = {"moved_to": new_key, "seed": seed, "timeout": grace}
        return self.save(key, way, token, own, {})

    def _copy(self, key: str, record: Record, own: Mapping[str, Any], change: Change) -> Record:
        copy = replace(record)
        all_own = {**record.own, **own}
        if not self.save(key, copy, NEW, all_own, change(record.values)):
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


def _never_left_alone() -> StoreUnavailable:
    return StoreUnavailable("a session was changed by others again and again")
