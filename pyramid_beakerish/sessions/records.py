"""Records in a store: begun, read, changed, moved to another id, ended."""

from __future__ import annotations

import secrets
from dataclasses import replace
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError, StoreError
from ..settings import missing_requirements
from ..stores import open_store
from ..stores.base import WRITE_ID_SIZE, new_write_id
from .contention import MOST_CONFLICTS, never_left_alone
from .events import Refusal
from .ids import SEED_BYTES, store_key, successor_id
from .no_record import Ended, Moved, NoRecord
from .parts import Parts
from .record import ADOPTED, Record, check, frame_for
from .users import Users

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..serializers import Serializer
    from ..settings import SessionSettings
    from ..stores.base import Store
    from .record import Values

    Change = Callable[[Values], Values]

#: The token of a session that is not stored yet.
NEW: Any = object()

_SHORTEST_TTL = 0.001  # for a lifetime that ends during the request: stores refuse a negative one

_NEVER = -inf


def open_records(
    settings: SessionSettings,
    serializer: Serializer,
    clock: Callable[[], float],
    notify: Callable[[object], None] = lambda event: None,
) -> RecordStore:
    """Open the store that the settings describe; raises `SettingsError` if it cannot be opened."""
    problems = missing_requirements(settings)
    if problems:
        raise SettingsError(problems)
    store = _open_store(settings, clock)
    store.prepare()
    return RecordStore(store, settings, serializer, clock, notify)


def _open_store(settings: SessionSettings, clock: Callable[[], float]) -> Store:
    if "encrypt_key" not in settings.given:
        return open_store(settings, clock)
    from ..stores.encrypted import EncryptedStore  # which needs cryptography

    return EncryptedStore.from_settings(settings, clock)


class RecordStore:
    """Applies the rules of a session's life on top of a store.

    A record is changed only by compare-and-swap, so that no request undoes another's
    change; and only while it exists, so that an ended session never comes back. A ``key`` is
    what ``key_of`` gives for a session's id.
    """

    def __init__(
        self,
        store: Store,
        settings: SessionSettings,
        serializer: Serializer,
        clock: Callable[[], float],
        notify: Callable[[object], None],
        key_of: Callable[[str], str] = store_key,
    ) -> None:
        self.store = store
        self.key_of = key_of
        self._clock = clock
        self.users = Users(self, settings, notify)
        self._pack, self._unpack = frame_for(serializer)
        self._settings = settings
        self._usual = self._limits({})

    def load(self, key: str) -> tuple[Record, Any, bool]:
        """Give the record of a session, the token to change it with, and whether a touch is due.

        Raises `NoRecord`, or `Moved` if the record is under another key now.
        """
        entry = self.store.load(key)
        if entry is None:
            raise NoRecord(Refusal.UNKNOWN)
        now = self._clock()
        try:
            created, accessed, expires, own, values = self._unpack(entry[0][WRITE_ID_SIZE:])
            if type(values) is dict:
                for name in values:
                    if type(name) is not str:
                        raise TypeError(name)
            else:
                values = Parts(values)
            record = Record(created, accessed, expires, own, values)
            if own or type(own) is not dict:
                check(record)
            idle, lifetime, interval = self._limits(own) if own else self._usual
            unused, age = now - accessed, now - created
            # Not only ``expires``: limits that were made stricter apply to existing sessions, too.
            # Written so that a session with damaged times (NaN) is over, not everlasting.
            alive = _NEVER < unused < idle and _NEVER < age < lifetime
            alive = alive and (expires is None or expires > now)
        except Exception as error:  # anything at all may be in a damaged store
            raise NoRecord(Refusal.CORRUPT) from error
        if alive and "moved_to" not in own:
            return record, entry[1], not -interval < unused < interval
        raise Moved(own["moved_to"], own["seed"]) if alive else _over(record, unused, age, idle)

    def put(self, key: str, record: Record, token: Any, values: Values) -> bool:
        """Store a record, in use now, with these values; tell whether it was stored.

        With a token it is stored only if nobody else has changed it; with `NEW` only if there is
        none yet.
        """
        idle, lifetime, interval = self._limits(record.own) if record.own else self._usual
        now = self._clock()
        # ``accessed`` changes only when an extension is due, and whenever it does the cookie is
        # sent again: so that of a session that every request writes is extended as well.
        extended = not -interval < now - record.accessed < interval  # or the clock was set back
        if extended:
            record.accessed = now
        left = record.created + lifetime - now
        ttl = idle if idle < left else max(left, _SHORTEST_TTL)
        record.expires = None if ttl == inf else now + ttl
        if record.own:
            ttl = max(ttl, record.own.get(ADOPTED, 0) - now)
        value = new_write_id() + self._pack(
            [record.created, record.accessed, record.expires, record.own, values]
        )
        if token is NEW:
            stored = self.store.create(key, value, None if ttl == inf else ttl)
        else:
            stored = self.store.swap(key, token, value, None if ttl == inf else ttl)
        record.values = values  # only now: the store may have refused them
        if extended and stored and "user" in record.own:  # not stored: it may have ended meanwhile
            self.users.keep(key, record.own)
        return stored

    def save(
        self, key: str, record: Record, token: Any, own: Mapping[str, Any], values: Values
    ) -> bool:
        """Do what `put` does, and let ``own`` take the place of settings for this session."""
        if own:
            record.own = {**record.own, **own}
            if "user" in own:
                return self._save_listed(key, record, token, own, values)
        return self.put(key, record, token, values)

    def _save_listed(
        self, key: str, record: Record, token: Any, own: Mapping[str, Any], values: Values
    ) -> bool:
        """Save a session so that its user can end it at any moment."""
        self.users.enter(key, own)
        stored = self.put(key, record, token, values)
        if stored:
            self.users.enter(key, own)
            self.users.make_room(own)
        return stored

    def create(self, key: str, own: Mapping[str, Any], values: Values) -> Record:
        """Begin a session; it never replaces another one."""
        now = self._clock()
        record = Record(now, now, None, {}, {})
        if not self.save(key, record, NEW, own, values):
            raise _in_use()
        return record

    def update(
        self, key: str, record: Record, token: Any, own: Mapping[str, Any], change: Change
    ) -> Record:
        """Change a session, whatever others have done to it meanwhile.

        ``change`` takes the stored values and gives the new ones; it is called again with what
        another request has stored. Without a token the record is read first. Raises `NoRecord`
        if the session has ended, and `Moved` if it goes on under another key.
        """
        for _ in range(MOST_CONFLICTS):
            if token is not None and self.save(key, record, token, own, change(record.values)):
                return record
            record, token, _ = self.load(key)
        raise never_left_alone("a session")

    def rotate(
        self,
        keys: tuple[str, str],
        record: Record,
        token: Any,
        own: Mapping[str, Any],
        change: Change,
    ) -> Record:
        """Change a session and move it to another key; the old id opens nothing any more.

        The new record is stored before the old one is removed: whatever breaks in between, the
        visitor's cookie still opens a session. Raises `NoRecord` if the session has ended, and
        `Moved` if it goes on under another key.
        """
        old_key, new_key = keys
        for _ in range(MOST_CONFLICTS):
            if token is None:
                record, token, _ = self.load(old_key)
            rotated = self._copy(new_key, record, own, change)
            if self._leave(old_key, record, token):
                return rotated
            self.store.delete(new_key)
            token = None
        raise never_left_alone("a session")

    def renew(
        self, session_id: str, record: Record, token: Any, own: Mapping[str, Any], change: Change
    ) -> tuple[str, str, Record] | None:
        """Give a session a new id, to which the old one leads for the grace time.

        Requests under way with the old id change the same record, and send the new id again
        (https://www.php.net/session_regenerate_id warns of lost answers). Gives the new id, its
        key and the record; ``None`` if somebody else has changed the session meanwhile: then
        nothing has happened, and the next request may try.
        """
        key, seed = self.key_of(session_id), secrets.token_hex(SEED_BYTES)
        new_id = successor_id(session_id, seed)
        new_key, now = self.key_of(new_id), self._clock()
        renewed = self._copy(new_key, record, {**own, "renewed": now}, change)
        if self._lead_on(key, record, token, new_key, seed):
            return new_id, new_key, renewed
        self.store.delete(new_key)
        return None

    def end(self, key: str, record: Record, token: Any) -> bool:
        """End a session, wherever it has moved to; in one step, if nobody has changed it.

        Tells whether it was there.
        """
        for _ in range(MOST_CONFLICTS):
            if token is not None and self._leave(key, record, token):
                return True
            try:
                key, record, token = self.find(key)
            except NoRecord:
                return False
        raise never_left_alone("a session")

    def find(self, key: str) -> tuple[str, Record, Any]:
        """Give the record, its token and its key, wherever the session has moved to."""
        for _ in range(MOST_CONFLICTS):
            try:
                record, token, _ = self.load(key)
            except Moved as moved:
                key = moved.key
            else:
                return key, record, token
        raise NoRecord(Refusal.CORRUPT)

    def _leave(self, key: str, record: Record, token: Any) -> bool:
        """Make the key open nothing any more, if nobody has changed the record meanwhile."""
        ttl = self._taken(record)
        if ttl == 0:
            return self.store.delete(key, token)
        ended = new_write_id() + self._pack([0, 0, 0, {}, {}])  # a record that expired long ago
        return self.store.swap(key, token, ended, None if ttl == inf else ttl)

    def _taken(self, record: Record) -> float:
        """Give the seconds for which an earlier configuration's cookie could revive the session."""
        until: float = record.own.get(ADOPTED, 0)
        return max(0, until - self._clock())

    def _lead_on(self, key: str, record: Record, token: Any, new_key: str, seed: str) -> bool:
        """Replace the old record by the way to the new one, for the grace time."""
        grace = self._settings.rotation_grace
        if grace is None:
            return self._leave(key, record, token)
        kept = {name: value for name, value in record.own.items() if name == ADOPTED}
        way = Record(record.created, self._clock(), None, kept, {})
        own = {"moved_to": str(new_key), "seed": seed, "timeout": grace, "lifetime": None}
        return self.save(key, way, token, own, {})

    def _copy(self, key: str, record: Record, own: Mapping[str, Any], change: Change) -> Record:
        # An earlier configuration's cookie leads only to the old key.
        kept = {name: value for name, value in record.own.items() if name != ADOPTED}
        copy = replace(record, own={})
        if not self.save(key, copy, NEW, {**kept, **own}, change(record.values)):
            raise _in_use()
        return copy

    def _limits(self, own: Mapping[str, Any]) -> tuple[float, float, float]:
        """Give how many seconds a session lives unused, and in all, and the touch interval."""
        settings = self._settings
        timeout, lifetime = (
            own.get("timeout", settings.timeout),
            own.get("lifetime", settings.lifetime),
        )
        interval = settings.touch_interval
        if own.get("timeout"):
            interval = min(interval, timeout / 10)
        expires = own.get("cookie_expires", settings.cookie_expires)
        if type(expires) in (int, float):  # its cookie has to be sent again before that
            interval = min(interval, expires / 10)
        idle = inf if timeout is None else timeout + interval
        return idle, inf if lifetime is None else lifetime, interval


def _over(record: Record, unused: float, age: float, idle: float) -> NoRecord:
    if record.expires == 0:  # as `_leave` has stored it
        return Ended(Refusal.UNKNOWN)
    return NoRecord(_refusal(unused, age, idle), record=record)


def _refusal(unused: float, age: float, idle: float) -> Refusal:
    if not isfinite(unused + age):
        return Refusal.CORRUPT
    return Refusal.IDLE if unused >= idle else Refusal.TOO_OLD


def _in_use() -> StoreError:
    return StoreError("a new session id was in use already: the random source is broken")
