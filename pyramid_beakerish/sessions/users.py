"""Which sessions belong to a user: to show them, and to end them from elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Protocol, overload

from msgpack import unpackb

from ..errors import StoreUnavailable
from ..serializers import pack
from ..stores.base import WRITE_ID_SIZE, new_write_id
from .contention import MOST_CONFLICTS, never_left_alone
from .events import EndReason, SessionEnded
from .no_record import NoRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..settings import SessionSettings
    from ..stores.base import Entry, Store
    from .record import Record
    from .records import RecordStore
    from .session import Session

    #: The keys under which each session of a user may be, by the session's handle.
    Keys = dict[str, list[str]]

log = logging.getLogger(__name__)

#: A session that changes its id is under two keys for a moment, and a request that dies then leaves
#: one behind. With so many keys of one session, the store is asked which of them exist.
KEYS_OF_ONE = 3


def user_key(userid: str | int) -> str:
    """Give the name of a user in what is stored; those of 7 and "7" differ."""
    return _hashed(f"{type(userid).__name__}:{userid}")


def _hashed(name: str) -> str:
    return "user:" + blake2b(name.encode(), digest_size=20, person=b"user key").hexdigest()


class UserIndex:
    """An entry for each user, which names the keys of the user's sessions.

    A key is entered before its record is stored, and leads to nothing if the request dies in
    between: only the record tells whether there is a session, and whose it is. The key is entered
    again when the record is stored, as another request may have removed it meanwhile. An entry does
    not expire, as a session may have any lifetime; it goes with the last session that is ended.

    Applications that share a store have separate entries if their cookies have different names.
    """

    def __init__(self, store: Store, cookie: str) -> None:
        self._store = store
        self._cookie = cookie

    def keys(self, user: str) -> Keys:
        """Give the keys of the user's sessions by their handles."""
        entry = self._store.load(self._name(user))
        return {} if entry is None else _read(entry[0])

    def enter(self, user: str, handle: str, key: str) -> None:
        """Enter a key of a session, and take out sessions of the user that are no longer there."""
        # Written even if unchanged: a request that is about to remove the key has to look again.
        self._change(user, lambda keys: self._entered(keys, handle, key), even_if_same=True)

    def keep(self, user: str, handle: str, key: str) -> None:
        """Enter a key of a session that is in use, if it is missing."""

        def kept(keys: Keys) -> Keys:
            return keys if key in keys.get(handle, ()) else self._entered(keys, handle, key)

        self._change(user, kept)

    def _entered(self, keys: Keys, handle: str, key: str) -> Keys:
        if handle not in keys or len(keys[handle]) >= KEYS_OF_ONE:
            keys = self._alive(keys)
        others = [other for other in keys.get(handle, ()) if other != key]
        return {**keys, handle: [*others, key]}

    def leave(self, user: str, handles: Iterable[str]) -> None:
        """Take sessions out."""
        gone = set(handles)
        self._change(user, lambda keys: {h: each for h, each in keys.items() if h not in gone})

    def _alive(self, keys: Keys) -> Keys:
        found = self._store.load_many([key for each in keys.values() for key in each])
        alive = {handle: [key for key in each if key in found] for handle, each in keys.items()}
        return {handle: each for handle, each in alive.items() if each}

    def _name(self, user: str) -> str:
        return _hashed(f"{self._cookie} {user}")  # no cookie's name has a blank

    def _change(
        self, user: str, change: Callable[[Keys], Keys], *, even_if_same: bool = False
    ) -> None:
        name = self._name(user)
        for _ in range(MOST_CONFLICTS):
            entry = self._store.load(name)
            keys = {} if entry is None else _read(entry[0])
            changed = change(keys)
            is_needless = changed == keys and not even_if_same
            if is_needless or self._put(name, entry, changed):
                return
        raise never_left_alone("the sessions of a user")

    def _put(self, name: str, entry: Entry | None, keys: Keys) -> bool:
        value = new_write_id() + pack(keys)
        if entry is None:
            return self._store.create(name, value, None)
        if not keys:
            return self._store.delete(name, entry[1])
        return self._store.swap(name, entry[1], value, None)


class OneOfUser(Protocol):
    """What it takes to end a session of a user: its name in the user's list, and where it is."""

    @property
    def handle(self) -> str | None: ...

    @property
    def key(self) -> str: ...

    @property
    def record(self) -> Record: ...

    @property
    def token(self) -> Any: ...


@dataclass(frozen=True)
class UserSession:
    """One session of a user; moments are seconds since the epoch.

    ``about`` is what ``bind_user`` was told. The ``handle`` names it in forms, and opens nothing.
    """

    handle: str
    created: float
    last_accessed: float
    about: Mapping[str, Any]
    is_current: bool
    key: str = field(repr=False, compare=False)
    record: Record = field(repr=False, compare=False)
    token: Any = field(repr=False, compare=False)


class Users:
    """The users' sessions of one configuration: entered, listed, ended."""

    def __init__(
        self, records: RecordStore, settings: SessionSettings, notify: Callable[[object], None]
    ) -> None:
        self._records = records
        self._most = settings.max_sessions_per_user
        self._notify = notify
        self._index = UserIndex(records.store, settings.key)

    def enter(self, key: str, own: Mapping[str, Any]) -> None:
        """Enter a session that is about to be stored, or is stored now."""
        self._index.enter(own["user"], own["handle"], key)

    def keep(self, key: str, own: Mapping[str, Any]) -> None:
        """Enter a session that is in use again, if the store has lost its user's list.

        This also counts as a use of the list: a full server evicts what was not used for longest.
        """
        self._index.keep(own["user"], own["handle"], key)

    def make_room(self, own: Mapping[str, Any]) -> None:
        """End those of its user's other sessions that are too many now."""
        user, handle = own["user"], own["handle"]
        if self._most is not None:
            before = self._before(user, handle)
            self.end(user, before[self._most - 1 :], EndReason.TOO_MANY)

    def _before(self, user: str, handle: str) -> list[UserSession]:
        """Give the sessions that were entered before this one; none if this one has ended."""
        # Of two logins at once only the later one ends the other's session, not each the other's.
        earlier = set(takewhile(lambda other: other != handle, self._index.keys(user)))
        sessions = self.sessions_of(user, handle)
        is_alive = any(one.is_current for one in sessions)
        return [one for one in sessions if is_alive and one.handle in earlier]

    def sessions_of(self, user: str, current: str | None) -> list[UserSession]:
        """Give the sessions of a user, the last used one first; ``current`` is a handle."""
        for _ in range(MOST_CONFLICTS):
            keys = self._index.keys(user)
            found = [self._session(handle, keys[handle], handle == current) for handle in keys]
            # One that was not found may have moved to another key since the index was read.
            if None not in found or self._index.keys(user) == keys:
                alive = [session for session in found if session is not None]
                return sorted(alive, key=lambda session: session.last_accessed, reverse=True)
        raise never_left_alone("the sessions of a user")

    def end(self, user: str, sessions: Sequence[OneOfUser], reason: EndReason) -> None:
        """End these sessions of a user, whatever ids they are given meanwhile."""
        handles = [session.handle for session in sessions if session.handle]
        if not handles:
            return
        self._end_all(user, sessions)
        for _ in handles:
            event = SessionEnded(None, reason)
            log.log(event.level, event.says.format(event))
            self._notify(event)
        self._index.leave(user, handles)

    def _end_all(self, user: str, sessions: Sequence[OneOfUser]) -> None:
        """End them until none is left: if an id changes meanwhile, the new key is in the index."""
        handles = {session.handle for session in sessions}
        for _ in range(MOST_CONFLICTS):
            for session in sessions:
                self._records.end(session.key, session.record, session.token)
            sessions = [one for one in self.sessions_of(user, None) if one.handle in handles]
            if not sessions:
                return
        raise never_left_alone("the sessions of a user")

    def _session(self, handle: str, keys: list[str], is_current: bool) -> UserSession | None:
        """Give the session that is under one of the keys, if it is there."""
        for key in reversed(keys):
            with suppress(NoRecord):
                place = key, record, _ = self._records.find(key)
                if record.own.get("handle") == handle:
                    return UserSession(
                        handle,
                        record.created,
                        record.accessed,
                        record.own["about"],
                        is_current,
                        *place,
                    )
        return None


class UserSessions(Sequence[UserSession]):
    """The sessions of a user at the time of asking, the last used one first.

    Looking at a session does not count as using it. Sessions end at once, except for the visitor's
    own, which ends when it is saved, as with ``invalidate``.

    Example::

        for other in session.sessions_of("bob"):
            print(other.about, other.last_accessed)
        session.sessions_of("bob").end_others()
    """

    def __init__(self, users: Users, user: str, visitor: Session) -> None:
        self._users = users
        self._user = user
        self._visitor = visitor
        self._unavailable = visitor._manager.unavailable
        self._sessions = users.sessions_of(user, visitor.handle)

    @overload
    def __getitem__(self, index: int) -> UserSession: ...

    @overload
    def __getitem__(self, index: slice) -> list[UserSession]: ...

    def __getitem__(self, index: int | slice) -> UserSession | list[UserSession]:
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
            raise self._unavailable(error) from error
        if len(others) < len(ended):
            self._visitor.invalidate()
        return bool(ended)


def _read(value: bytes) -> Keys:
    """Give what is in an index entry; a damaged one counts as absent, as a damaged record does."""
    try:
        keys: Keys = unpackb(value[WRITE_ID_SIZE:])
        names = [name for handle, each in keys.items() for name in (handle, *each)]
        whole = all(type(each) is list for each in keys.values()) and {*map(type, names)} <= {str}
    except Exception:  # anything at all may be in a damaged store
        whole = False
    if not whole:
        log.error(
            "The list of a user's sessions is damaged: its sessions cannot be listed or ended."
        )
        return {}
    return keys
