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
    _own: Mapping[str, Any] = NOTHING  # what is set otherwise than the settings do
    # The id, the key, the record and the token of each that this request has ended.
    _ended: tuple[tuple[str, str, Record, Any], ...] = ()
    _whole_header: str | None = None  # where others of its cookies have been tried
    _forced = False  # whether it is stored even if it is empty, or nothing has changed
    _renewing = False  # whether its id is due to be renewed

    def __init__(self, manager: SessionManager, header: str | None) -> None:
        EncodedMapping.__init__(self, manager.serializer, manager.rotate_on)
        self._manager = manager
        self._settings: SessionSettings = manager.settings
        self._header = header
        self._record: Record | None = None  # the record that is stored
        self._token: Any = None  # to change it with, until something has been stored
        self._id: str | None = None
        self._stored_id: str | None = None  # of the record; another than ``_id`` when rotating
        self._key = ""  # where the record is stored
        self._parked: tuple[Any, ...] | None = None  # what was loaded, while nobody uses it
        self._failure: Exception | None = None  # what a write raises from now on
        self._unavailable: StoreUnavailable | None = None  # why there is no session, if anonymous
        self._lease: Lease | None = None  # what `lock` holds
        self._used = False  # so that the answer depends on the cookie
        # Whether a use must extend the idle time. So it must where a cookie was found to be due on
        # loading: until the session is stored, another request may change its id once more.
        self._touch_due = False
        self._detached = False  # from the store: nothing of this request is stored any more
        # What the browser has to be told: the id and attributes of what is really stored.
        self._cookie: tuple[str, Mapping[str, Any]] | None = None
        self._remove_cookie: Mapping[str, Any] | None = None  # with these attributes

    @property
    def id(self) -> str:
        """The id that the visitor's cookie carries; a new session draws it when asked."""
        self._touch()
        if self._id is None:
            self._id = self._manager.new_id()
        return self._id

    @abstractmethod
    def _fail(self, error: StoreUnavailable) -> None:
        """Raise that the store is unavailable, or go on without a session."""

    def park(self) -> None:
        """Forget for a while that the session was used; the next use finds it loaded.

        What was read before the application is asked is not its use yet.
        """
        if self._base is None or self._dirty or self._changed():
            return
        self._parked = self._base, self._values, self._suspects, self._touch_due, self._cookie
        self._base, self._values, self._suspects = None, {}, {}
        self._writable = self._used = False
        self._pass_over()

    def unpark(self, only_shown: bool) -> None:
        """Take note that nobody else has used the session since.

        ``only_shown``: a developer's tool was the only reader, so that nothing is extended.
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
        self._touch_due = due or self._touch_due  # loaded again, it may have been due before
        if not is_current:
            self._cookie, self._touch_due = (session_id, record.own), True
        if manager.renew_id_every is not None:
            self._renew_if_due(record)
        return None

    def _load_again(self) -> None:
        """Have the next use read the record anew, under the id that it was stored with."""
        self._header = self._manager.cookie.request_header(str(self._stored_id))
        self._forget_values()
        self._base = None

    def _load_successor(self, session_id: str, moved: Moved) -> None:
        """Go on under the id that another request has drawn, and tell the browser once more."""
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
        """Look behind a cookie that opens nothing: one of another path or domain may be alive."""
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
        # What was due of a session that was there, and is not when it is loaded again.
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
