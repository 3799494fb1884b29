"""A session that is watched while a request uses it: what is read, changed, stored and sent.

For developers of an application. A session that is not watched has none of this.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from ..stores.timed import TimedStore
from .records import RecordStore
from .sealed_cookie import CookieStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..stores.base import Store
    from ..stores.timed import Command
    from .manager import SessionManager
    from .record import Record, Values
    from .session import Session
    from .stored import StoredMapping as Watched
else:
    Watched = object

#: Why a cookie is sent, by the method that asks for it.
REASONS = {
    "_create": "the session is new",
    "_rotate": "the session has a new id, as after a login",
    "_renew": "the id was old enough to be renewed (session.renew_id_every)",
    "_load_successor": "another request has just renewed the id",
    "_follow": "another request has just renewed the id",
    "_go_on_with": "the session comes from an earlier configuration",
    "_load": "the cookie was not signed with the newest secret",
    "_slide": "the cookie's expiry is extended with the session's",
    "_update": "this session's own times, path, domain or user were set",
}
IN_COOKIE = "the session is in it and has changed"
REMOVED = "the session was ended, so the browser is to forget it"


@dataclass
class SessionWatch:
    """What was seen. Keys are in the order in which they were met."""

    commands: list[Command] = field(default_factory=list)
    read: dict[str, None] = field(default_factory=dict)
    changed: dict[str, None] = field(default_factory=dict)
    removed: dict[str, None] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    reason: str | None = None
    #: Whether the application is using the session, not a tool that looks on.
    looking: bool = False


class Watching(Watched):
    """What is put before a class of sessions, to tell ``watch`` what happens to a session."""

    watch: SessionWatch

    def __getitem__(self, key: str) -> Any:
        self._note(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """See `Session`."""
        self._note(key)
        return super().get(key, default)

    def __iter__(self) -> Iterator[str]:
        for key in super().__iter__():
            self._note(key)
            yield key

    def _note(self, key: str) -> None:
        if self.watch.looking:
            self.watch.read[key] = None

    @property
    def _told_id(self) -> str | None:
        return None if self._cookie is None else self._cookie[0]

    @property
    def cookie_reason(self) -> str | None:
        """Why a cookie was sent, or is going to be; ``None`` if none is."""
        if self._cookie is None:
            return None if self._remove_cookie is None else REMOVED
        return self.watch.reason or IN_COOKIE

    @property
    def stored_sizes(self) -> dict[str, int]:
        """How many bytes each key takes in the store, with its value; nothing is loaded."""
        return {key: len(key.encode()) + len(value) for key, value in (self._base or {}).items()}

    @property
    def stored_record(self) -> Record | None:
        """The record, as far as this request knows it."""
        return self._record

    @property
    def stored_fingerprint(self) -> str | None:
        """The name of this session in the log; ``None`` if it has no id."""
        return None if self._id is None else self._manager.fingerprint(self._id)


def _noting(name: str, reason: str) -> Any:
    """Give a method that calls the one of that name, and notes the reason if it sends a cookie."""

    def method(self: Watching, *arguments: Any) -> Any:
        before, told = self._told_id, self.watch.reason
        result = getattr(super(Watching, self), name)(*arguments)
        # Unless a method that it has called has given a better reason.
        if self._told_id != before and self.watch.reason is told:
            self.watch.reason = reason
        return result

    return method


for _name, _reason in REASONS.items():
    setattr(Watching, _name, _noting(_name, _reason))


class WatchedRecords(RecordStore):
    """Records that tell the watch which keys each write changes or removes."""

    def __init__(self, store: Store, manager: SessionManager, watch: SessionWatch) -> None:
        # A session in a cookie needs no commands, and its key is an id, which must not be shown.
        timed = store if isinstance(store, CookieStore) else TimedStore(store, watch.commands)
        rules = manager.settings, manager.serializer, manager.clock, manager.notify
        super().__init__(timed, *rules, manager.records.key_of)
        self._watch = watch

    def put(self, key: str, record: Record, token: Any, values: Values) -> bool:
        """See `RecordStore`."""
        before = record.values
        saved = super().put(key, record, token, values)
        if saved:
            changed = (name for name, value in values.items() if before.get(name) != value)
            self._watch.changed.update(dict.fromkeys(changed))
            self._watch.removed.update(dict.fromkeys(name for name in before if name not in values))
        return saved


@cache
def watched_class(kind: type[Session]) -> type[Session]:
    """Give a subclass that does what ``kind`` does, and tells its ``watch`` about it."""
    return type(f"Watched{kind.__name__}", (Watching, kind), {})


def watched_manager(manager: SessionManager, watch: SessionWatch) -> SessionManager:
    """Give a manager of the same sessions in the same store that tells the watch what it does."""

    def notify(event: object) -> None:
        watch.events.append(_described(event))
        manager.notify(event)

    store = manager.records.store  # first, so that it is opened once, not for each copy
    watched = copy.copy(manager)
    watched.notify = notify
    watched.__dict__["records"] = WatchedRecords(store, watched, watch)
    return watched


def _described(event: object) -> str:
    """Describe an event without the ids that `SessionRotated` holds."""
    reason = getattr(event, "reason", None)
    return type(event).__name__ + (f": {reason.value}" if reason else "")
