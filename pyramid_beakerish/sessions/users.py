"""Which sessions belong to a user: to show them, and to end them from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

from msgpack import unpackb

from ..errors import StoreUnavailable
from ..serializers import pack
from ..stores.base import WRITE_ID_SIZE, new_write_id
from .events import EndReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..stores.base import Store
    from .records import RecordStore
    from .session import Session

    #: The keys under which each session of a user may be, by the session's handle.
    Keys = dict[str, list[str]]

#: Somebody else must have won so often in a row before a request gives up.
MOST_CONFLICTS = 100

#: A session that changes its id is for a moment under two keys, and one is left by who dies then.
KEYS_OF_ONE = 3


def user_key(userid: str | int) -> str:
    """Name the index entry of a user, in a way that tells apart 7 and "7"."""
    name = f"{type(userid).__name__}:{userid}"
    return "user:" + blake2b(name.encode(), digest_size=20, person=b"user key").hexdigest()


class UserIndex:
    """An entry for each user, which names the keys of the user's sessions.

    A key is entered before its record is stored and may lead to nothing, as when a request dies in
    between: whose session it is, and whether it is there, the record tells. An entry lives for
    ``lifetime`` seconds, which no session outlives, ``None`` for ever.
    """

    def __init__(self, store: Store, lifetime: float | None) -> None:
        self._store = store
        self._lifetime = lifetime

    def keys(self, user: str) -> Keys:
        """Give the keys of the user's sessions by their handles."""
        entry = self._store.load(user)
        return {} if entry is None else _read(entry[0])

    def enter(self, user: str, handle: str, key: str) -> None:
        """Enter a key of a session; what is not there any more of the user's others leaves."""

        def entered(keys: Keys) -> Keys:
            if handle not in keys:
                keys = self._alive(keys)
            others = [other for other in keys.get(handle, ()) if other != key]
            return {**keys, handle: [*others, key][-KEYS_OF_ONE:]}

        self._change(user, entered)

    def leave(self, user: str, handles: Iterable[str]) -> None:
        """Take sessions out."""
        gone = set(handles)
        self._change(user, lambda keys: {h: each for h, each in keys.items() if h not in gone})

    def _alive(self, keys: Keys) -> Keys:
        found = self._store.load_many([key for each in keys.values() for key in each])
        return {handle: each for handle, each in keys.items() if any(key in found for key in each)}

    def _change(self, user: str, change: Callable[[Keys], Keys]) -> None:
        for _ in range(MOST_CONFLICTS):
            entry = self._store.load(user)
            value = new_write_id() + pack(change({} if entry is None else _read(entry[0])))
            if entry is None:
                stored = self._store.create(user, value, self._lifetime)
            else:
                stored = self._store.swap(user, entry[1], value, self._lifetime)
            if stored:
                return
        raise StoreUnavailable("the sessions of a user were changed by others again and again")


class OneOfUser(Protocol):
    """What it takes to end a session of a user: where it is, and its name in the user's list."""

    @property
    def key(self) -> str: ...

    @property
    def handle(self) -> str | None: ...


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
    key: str = field(repr=False, compare=False)


class UserSessions(Sequence[UserSession]):
    """The sessions of a user, as they were when they were asked for; the last used one first.

    To look at them is no use of them. What ends a session takes effect at once, but for the
    visitor's own, which ends when the request is saved, as by ``invalidate``.

    Example::

        for other in session.sessions_of("bob"):
            print(other.about, other.last_accessed)
        session.sessions_of("bob").end_others()
    """

    def __init__(self, records: RecordStore, user: str, visitor: Session) -> None:
        self._records = records
        self._user = user
        self._visitor = visitor
        self._sessions = records.sessions_of(user, visitor.handle)

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
        self._records.end_sessions(self._user, others, EndReason.REVOKED)
        if len(others) < len(ended):
            self._visitor.invalidate()
        return bool(ended)


def _read(value: bytes) -> Keys:
    keys: Keys = unpackb(value[WRITE_ID_SIZE:])
    return keys
