"""All sessions of a store, for the operator of the application to count, look at and end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .events import EndReason
from .ids import STORE_KEY_PREFIX
from .no_record import Moved, NoRecord
from .users import user_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .manager import SessionManager
    from .record import Record

#: With fewer characters, somebody who mistypes might end the wrong session.
SHORTEST_FINGERPRINT = 6


class CannotList(Exception):
    """The store cannot tell which sessions it has."""


@dataclass(frozen=True)
class StoredSession:
    """One session as it is stored; moments are seconds since the epoch, sizes are bytes.

    ``fingerprint`` names the session here and in the log. ``user`` names its user, ``about`` is
    what `bind_user` was told.
    """

    fingerprint: str
    created: float
    last_accessed: float
    expires: float | None
    sizes: Mapping[str, int]
    handle: str | None
    about: Mapping[str, Any]
    user: str | None = field(repr=False)
    key: str = field(repr=False)
    record: Record = field(repr=False, compare=False)
    token: Any = field(repr=False, compare=False)

    @property
    def size(self) -> int:
        """How many bytes its keys and values take."""
        return sum(self.sizes.values())


class Administration:
    """Every session of one configuration. Looking at a session does not count as using it.

    Raises `CannotList` if all sessions are asked for, and the store cannot list its keys: then
    only the sessions of a user can be found.

    Example::

        from pyramid_beakerish.sessions.manager import SessionManager

        sessions = Administration(SessionManager(settings)).sessions()
        with_carts = [session for session in sessions if "cart" in session.sizes]
    """

    def __init__(self, manager: SessionManager) -> None:
        self._records = manager.records
        self._loads = manager.serializer.loads
        self._fingerprint = manager.fingerprint.of_key

    def keys(self, beginning: str = "") -> list[str]:
        """Give the store's keys of all sessions whose fingerprint has this ``beginning``."""
        found = self._records.store.keys(STORE_KEY_PREFIX)
        if found is None:
            raise CannotList
        if not beginning:
            return list(found)
        return [key for key in found if self._fingerprint(key).startswith(beginning)]

    def sessions(
        self, keys: Iterable[str] | None = None, seen: Callable[[], object] = lambda: None
    ) -> Iterator[StoredSession]:
        """Give the sessions of these keys, or all; those that have ended meanwhile are left out.

        ``seen`` is called for each key.
        """
        for key in self.keys() if keys is None else keys:
            try:
                record, token, _ = self._records.load(key)
            except (NoRecord, Moved):
                continue
            finally:
                seen()
            yield self._stored_session(key, record, token)

    def sessions_of(self, userid: str | int) -> list[StoredSession]:
        """Give the sessions of a user, the last used one first; on any store."""
        found = self._records.users.sessions_of(user_key(userid), None)
        return [self._stored_session(one.key, one.record, one.token) for one in found]

    def value(self, session: StoredSession, key: str) -> Any:
        """Decode a value of a session; raises `CorruptData` if it cannot be read."""
        return self._loads(session.record.values[key])

    def end(self, session: StoredSession) -> None:
        """End a session: its cookie opens nothing from now on."""
        if session.user is None:
            self._records.end(session.key, session.record, session.token)
        else:
            self._records.users.end(session.user, [session], EndReason.REVOKED)

    def sweep(self) -> int:
        """Remove what has expired, and tell how much; nothing where a server does it by itself."""
        return self._records.store.sweep()

    def _stored_session(self, key: str, record: Record, token: Any) -> StoredSession:
        own = record.own
        return StoredSession(
            fingerprint=self._fingerprint(key),
            created=record.created,
            last_accessed=record.accessed,
            expires=record.expires,
            sizes={name: _size(name, value) for name, value in record.values.items()},
            handle=own.get("handle"),
            about=own.get("about", {}),
            user=own.get("user"),
            key=key,
            record=record,
            token=token,
        )


def _size(name: str, value: Any) -> int:
    return len(name.encode()) + (len(value) if type(value) is bytes else 0)  # else it is damaged
