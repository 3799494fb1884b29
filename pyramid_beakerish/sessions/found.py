"""A mapping that is found by a cookie, and loaded from a record."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from ..errors import StoreUnavailable
from .ids import successor_id
from .mapping import EncodedMapping
from .no_record import Moved, NoRecord
from .record import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..settings import SessionSettings
    from ..stores.lease import Lease
    from .manager import SessionManager
    from .previous import Adopted
    from .record import Record


class FoundMapping(EncodedMapping):
    """Finds its record by a Cookie header, at first touch.

    ``header`` is the Cookie header of the request, ``None`` for a visitor without one.
    """

    _lasting = EncodedMapping._lasting | {
        *("_manager", "_settings", "_header", "_parked", "_failure", "_unavailable"),
        *("_lease", "_used", "_detached", "_writes_through"),
    }
    _own: Mapping[str, Any] = NOTHING  # what this session sets differently from the settings
    # The id, key, record and token of each session that this request has ended.
    _ended: tuple[tuple[str, str, Record, Any], ...] = ()
    _whole_header: str | None = None  # the whole ``_header``, once others of its cookies are tried
    _forced = False  # whether it is stored even if it is empty or unchanged
    _renewing = False  # whether its id is due to be renewed

    def __init__(self, manager: SessionManager, header: str | None) -> None:
        EncodedMapping.__init__(self, manager.serializer, manager.rotate_on)
        self._manager = manager
        self._settings: SessionSettings = manager.settings
        self._header = header
        self._record: Record | None = None  # the record that is stored
        self._token: Any = None  # the token to change it with, until something is stored
        self._id: str | None = None
        self._stored_id: str | None = None  # the record's; differs from ``_id`` when rotating
        self._key = ""  # where the record is stored
        self._parked: tuple[Any, ...] | None = None  # what was loaded, while nobody uses it
        self._failure: Exception | None = None  # what a write raises from now on
        self._unavailable: StoreUnavailable | None = None  # why the session is anonymous
        self._lease: Lease | None = None  # what `lock` holds
        self._used = False  # whether the response depends on the cookie
        # Whether a use must extend the idle time. It must, too, if loading found a cookie to be
        # due: another request may change the id once more before the session is stored.
        self._touch_due = False
        self._detached = False  # whether nothing of this request is stored any more
        # The cookie to send, if any: the id of what is really stored, and its own settings.
        self._cookie: tuple[str, Mapping[str, Any]] | None = None
        self._remove_cookie: Mapping[str, Any] | None = None  # or own settings of one to remove

    @property
    def id(self) -> str:
        """The id that the visitor's cookie carries; in a new session it is drawn when asked for."""
        self._touch()
        if self._id is None:
            self._id = self._manager.new_id()
        return self._id

    @abstractmethod
    def _fail(self, error: StoreUnavailable) -> None:
        """Raise that the store is unavailable, or go on without a session."""

    def park(self) -> None:
        """Forget for now that the session was used; the next use finds it loaded.

        What was read before the application runs does not count as its use.
        """
        if self._base is None or self._dirty or self._changed():
            return
        self._parked = self._base, self._values, self._suspects, self._touch_due, self._cookie
        self._base, self._values, self._suspects = None, {}, {}
        self._writable = self._used = False
        self._pass_over()

    def unpark(self, only_shown: bool) -> None:
        """Undo `park`, if nothing has used the session since.

        ``only_shown``: only a developer's tool has read it, so nothing is extended.
        """
        if self._parked is not None:
            self._take_back()
            if only_shown:
                self._pass_over()
            else:
                self._used = True

    def _take_back(self) -> None:
        parked: Any = self._parked
        self._base, self._values, self._suspects, self._touch_due, self._cookie = parked
        self._parked = None
        self._writable = self._failure is None and not self._writes_through

    def _pass_over(self) -> None:
        """Extend nothing, and send no cookie that was due on loading."""
        if self._touch_due:
            self._touch_due, self._cookie = False, None

    def _touch(self) -> None:
        if self._base is None:
            self._load()

    def _load(self) -> None:
        self._used = True
        if self._parked is not None:
            return self._take_back()
        manager = self._manager
        trusted = manager.cookie.find(self._header) if self._header else None
        if trusted is None:
            return self._find_nothing()
        session_id, key, is_current = trusted
        try:
            record, self._token, due = manager.records.load(key)
        except NoRecord as answer:
            return self._load_another(
                session_id, NoRecord(answer.refusal, session_id, answer.record)
            )
        except Moved as moved:
            return self._load_successor(session_id, moved)
        except StoreUnavailable as error:
            return self._fail(error)
        self._id = self._stored_id = session_id
        self._key, self._record, self._base = key, record, record.values
        self._writable = not self._writes_through
        self._touch_due = due or self._touch_due  # it may have been due when loaded before
        if not is_current:
            self._cookie, self._touch_due = (session_id, record.own), True
        if manager.renew_id_every is not None:
            self._renew_if_due(record)
        return None

    def _load_again(self) -> None:
        """Have the next use read the record again, under the id with which it was stored."""
        self._header = self._manager.cookie.request_header(str(self._stored_id))
        self._forget_values()
        self._base = None

    def _load_successor(self, session_id: str, moved: Moved) -> None:
        """Go on under the id that another request has drawn, and send it to the browser again."""
        cookie, whole = self._manager.cookie, str(self._header)
        found = cookie.request_header(successor_id(session_id, moved.seed))
        others = cookie.without(whole, session_id)
        self._whole_header = self._whole_header or whole
        self._header = found if others is None else f"{found}; {others}"
        self._load()
        if self._record is not None:
            self._cookie, self._touch_due = (self.id, self._record.own), True

    def _renew_if_due(self, record: Record) -> None:
        age = self._manager.clock() - record.own.get("renewed", record.created)
        if age >= self._settings.renew_id_every and not self._writes_through:
            self._renewing = self._unusual = self._touch_due = True

    def _load_another(self, session_id: str, answer: NoRecord) -> None:
        """Try the other cookies of the name: one of another path or domain may open a session."""
        others = self._manager.cookie.without(str(self._header), session_id)
        if others is None:
            return self._find_nothing(answer)
        self._whole_header, self._header = self._whole_header or self._header, others
        self._load()
        # Last, as a subscriber may use the session.
        self._manager.refuse(answer.refusal, session_id)
        return None

    def _find_nothing(self, answer: NoRecord | None = None) -> None:
        """Go on with a session of the earlier configuration, or begin one."""
        manager, adopted = self._manager, None
        # They may be left from a session that was there until it was loaded again.
        self._touch_due, self._cookie = False, None
        try:
            adopted = manager.adopt(self._whole_header or self._header)
        except NoRecord as earlier:
            answer = earlier
        except StoreUnavailable as error:
            return self._fail(error)
        if adopted is not None:
            return self._go_on_with(adopted)
        self._begin()
        if answer is not None:
            manager.refuse(answer.refusal, answer.session_id)
        elif self._header:
            manager.refuse(manager.cookie.refusal(self._header))
        return None

    def _go_on_with(self, adopted: Adopted) -> None:
        self._begin()
        self._id = self._stored_id = adopted.session_id
        self._key, self._record, self._token = adopted.key, adopted.record, adopted.token
        self._base, self._cookie = adopted.record.values, (adopted.session_id, adopted.record.own)
        self._touch_due = True
        if adopted.event is not None:
            self._manager.notify(adopted.event)

    def _begin(self) -> None:
        self._id = self._stored_id = self._record = self._token = None
        self._base = NOTHING
        self._writable = not self._writes_through

    def _start_over(self) -> None:
        self._forget_values()
        self._own = NOTHING
        self._forced = self._dirty = self._touch_due = self._renewing = False
        self._begin()
