"""Which sessions belong to a user: to show them, and to end them from elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from msgpack import unpackb

from ..errors import StoreUnavailable
from ..serializers import pack
from ..stores.base import WRITE_ID_SIZE, new_write_id
from .events import EndReason, SessionEnded
from .no_record import NoRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ..settings import SessionSettings
    from ..stores.base import Store
    from .record import Record
    from .records import RecordStore
    from .session import Session

    #: The keys under which each session of a user may be, by the session's handle.
    Keys = dict[str, list[str]]

log = logging.getLogger(__name__)

#: Somebody else must have won so often in a row before a request gives up.
MOST_CONFLICTS = 100

#: Of a session that has so many keys those that lead to nothing are taken out. A change of its id
#: leaves one behind, and one more if it is given up half-way.
KEYS_OF_ONE = 3


def user_key(userid: str | int) -> str:
    """Name the index entry of a user, in a way that tells apart 7 and "7"."""
    name = f"{type(userid).__name__}:{userid}"
    return "user:" + blake2b(name.encode(), digest_size=20, person=b"user key").hexdigest()


class UserIndex:
    """An entry for each user, which names the keys of the user's sessions.

    A key is entered before its record is stored and may lead to nothing, as when a request dies in
    between: whose session it is, and whether it is there, the record tells. An entry lives for
    ever, as any session may be given a lifetime of its own.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def keys(self, user: str) -> Keys:
        """Give the keys of the user's sessions by their handles."""
        entry = self._store.load(user)
        return {} if entry is None else _read(entry[0])

    def enter(self, user: str, handle: str, key: str) -> None:
        """Enter a key of a session, unless it is; what leads to nothing may leave."""

        def entered(keys: Keys) -> Keys:
            known = keys.get(handle, [])
            if key in known:
                return keys
            if not 0 < len(known) < KEYS_OF_ONE:
                keys = self._alive(keys)
            return {**keys, handle: [*keys.get(handle, ()), key]}

        self._change(user, entered)

    def leave(self, user: str, handles: Iterable[str]) -> None:
        """Take sessions out."""
        gone = set(handles)
        self._change(user, lambda keys: {h: each for h, each in keys.items() if h not in gone})

    def _alive(self, keys: Keys) -> Keys:
        found = self._store.load_many([key for each in keys.values() for key in each])
        alive = {handle: [key for key in each if key in found] for handle, each in keys.items()}
        return {handle: each for handle, each in alive.items() if each}

    def _change(self, user: str, change: Callable[[Keys], Keys]) -> None:
        for _ in range(MOST_CONFLICTS):
            entry = self._store.load(user)
            before = {} if entry is None else _read(entry[0])
            after = change(before)
            if after == before:
                return
            value = new_write_id() + pack(after)
            if entry is None:
                stored = self._store.create(user, value, None)
            else:
                stored = self._store.swap(user, entry[1], value, None)
            if stored:
                return
        raise _never_left_alone()


@dataclass(frozen=True)
class UserSession:
    """One session of a user; moments are seconds since the epoch.

    ``about`` is what ``bind_user`` was told. The ``handle`` names it in a form; it opens nothing.
    """

    handle: str
    created: float
    last_accessed: float
    about: Mapping[str, Any]
    is_current: bool


class Users:
    """The users' sessions of one configuration: entered, listed, ended."""

    def __init__(
        self, records: RecordStore, settings: SessionSettings, notify: Callable[[object], None]
    ) -> None:
        self._records = records
        self._most = settings.max_sessions_per_user
        self._notify = notify
        self._index = UserIndex(records.store)

    def enter(self, key: str, own: Mapping[str, Any]) -> None:
        """Enter a session that is about to be stored; too many of its user's end before."""
        user, handle = own["user"], own["handle"]
        if self._most is not None:
            others = [one for one in self.sessions_of(user, handle) if not one.is_current]
            self.end(user, others[self._most - 1 :], EndReason.TOO_MANY)
        self._index.enter(user, handle, key)

    def confirm(self, key: str, own: Mapping[str, Any]) -> None:
        """Enter a session again that is stored now, if it was taken out as it was not yet there."""
        self._index.enter(own["user"], own["handle"], key)

    def sessions_of(self, user: str, current: str | None) -> list[UserSession]:
        """Give the sessions of a user, the last used one first; ``current`` is a handle."""
        for _ in range(MOST_CONFLICTS):
            keys = self._index.keys(user)
            found = [self._session(handle, keys[handle], current) for handle in keys]
            # One that is not there may have got another key after it was looked up.
            if None not in found or self._index.keys(user) == keys:
                alive = [session for session in found if session is not None]
                return sorted(alive, key=lambda session: session.last_accessed, reverse=True)
        raise _never_left_alone()

    def end(self, user: str, sessions: Sequence[UserSession], reason: EndReason) -> None:
        """End these sessions of a user, whatever ids they get meanwhile."""
        for session in sessions:
            self._end(user, session.handle)
            event = SessionEnded(None, reason)
            log.log(event.level, event.says.format(event))
            self._notify(event)
        if sessions:
            self._index.leave(user, [session.handle for session in sessions])

    def _end(self, user: str, handle: str) -> None:
        # Oldest key first: whoever is moving the session to another one fails then. Who has
        # moved it already had entered the other key before.
        ended: set[str] = set()
        for _ in range(MOST_CONFLICTS):
            keys = [key for key in self._index.keys(user).get(handle, ()) if key not in ended]
            if not keys:
                return
            for place in self._places(handle, keys):
                self._records.end(*place)
            ended.update(keys)
        raise _never_left_alone()

    def _session(self, handle: str, keys: list[str], current: str | None) -> UserSession | None:
        """Give the session, which is under one of the keys if it is there."""
        records = [record for _, record, _ in self._places(handle, keys)]
        if not records:
            return None
        # What was left by a change of the id that broke is used no more.
        record = max(records, key=lambda record: record.accessed)
        about = record.own["about"]
        return UserSession(handle, record.created, record.accessed, about, handle == current)

    def _places(self, handle: str, keys: Iterable[str]) -> Iterator[tuple[str, Record, Any]]:
        """Give where records of the session are."""
        for key in keys:
            with suppress(NoRecord):
                place = self._records.find(key)
                if place[1].own.get("handle") == handle:
                    yield place


class UserSessions(Sequence[UserSession]):
    """The sessions of a user, as they were when they were asked for; the last used one first.

    To look at them is no use of them. What ends a session takes effect at once, but for the
    visitor's own, which ends when the request is saved, as by ``invalidate``.

    Example::

        for other in session.sessions_of("bob"):
            print(other.about, other.last_accessed)
        session.sessions_of("bob").end_others()
    """

    def __init__(self, users: Users, user: str, visitor: Session) -> None:
        self._users = users
        self._user = user
        self._visitor = visitor
        self._sessions = users.sessions_of(user, visitor.handle)

    def __getitem__(self, index: Any) -> Any:
        return self._sessions[index]

    def __len__(self) -> int:
        return len(self._sessions)

    def end(self, handle: str) -> bool:
        """End the session of the handle; tell whether the user had one."""
        return self._end([one for one in self if one.handle == handle])

    def end_others(self) -> bool:
        """End all but the visitor's own; tell whether there were others."""
        return self._end([one for one in self if not one.is_current])

    def end_all(self) -> bool:
        """End all of them; tell whether there were any."""
        return self._end(self._sessions)

    def _end(self, ended: Sequence[UserSession]) -> bool:
        others = [one for one in ended if not one.is_current]
        try:
            self._users.end(self._user, others, EndReason.REVOKED)
        except StoreUnavailable as error:
            raise self._visitor._manager.unavailable(error) from error
        if len(others) < len(ended):
            self._visitor.invalidate()
        return bool(ended)


def _read(value: bytes) -> Keys:
    keys: Keys = unpackb(value[WRITE_ID_SIZE:])
    return keys


def _never_left_alone() -> StoreUnavailable:
    return StoreUnavailable("the sessions of a user were changed by others again and again")
