"""``session.type = cookie``: a session that is in the visitor's cookie, as a whole.

Nothing is kept on the server, so nothing there can end such a session: a copy of its cookie opens
it until its time is over. Of two requests at once the last one to be answered wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import SessionStateError, SessionTooLarge
from .manager import SessionManager
from .mapping import UNSET
from .record import NOTHING
from .records import RecordStore
from .sealed_cookie import SealedCookie, VisitorsCookie
from .session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .users import UserSessions

T = TypeVar("T")

#: Browsers need not keep a longer one (https://datatracker.ietf.org/doc/html/rfc6265#section-6.1),
#: and OWASP ASVS 5.0, 3.3.5 asks for no longer one.
LONGEST_COOKIE = 4096

#: What a record takes beside its keys and values: the id, moments, lengths, a nonce or a hash.
FRAME = 160

NOT_IN_A_COOKIE = "a session in a cookie is known to nobody but its visitor"


class ClientSideManager(SessionManager):
    """What all sessions in cookies have in common: no store."""

    def _open_records(self) -> RecordStore:
        self._sealed = SealedCookie(self.settings, self.clock)
        cookie = VisitorsCookie(self._sealed)
        return RecordStore(cookie, self.settings, self.serializer, self.clock, self.notify)

    def of_visitor(self) -> SessionManager:
        """Give a manager for one request, whose store is the visitor's cookie."""
        records, own = _twin(self.records), _twin(self)
        own.cookie = records.store = VisitorsCookie(self._sealed)
        own.__dict__["records"] = records
        if own.previous is not None:
            own.previous = own.previous.into(own)
        return own


class ClientSideSession(Session):
    """A session that is in the visitor's cookie.

    It has what every session has, but for what takes a server's memory: `bind_user` and
    `sessions_of` raise `SessionStateError`, `get_by_id` finds nothing, `lock` locks nobody out, and
    nothing can be written once the response is on its way.

    Example::

        manager = ClientSideManager(settings)
        session = ClientSideSession(manager, "beaker.session.id=...")
    """

    def __init__(self, manager: ClientSideManager, header: str | None) -> None:
        super().__init__(manager.of_visitor(), header)

    def __setitem__(self, key: str, value: Any) -> None:
        before = self._values.get(key, UNSET)
        super().__setitem__(key, value)
        try:
            self._refuse_if_too_large()
        except SessionTooLarge:
            self._take_out(key, before)
            raise

    def persist(self) -> None:
        """Have the response's cookie hold what has changed.

        Raises `SessionTooLarge` if it would be too long, and what `Session.persist` raises.
        """
        before = self._manager.records.store.load(self._key)
        super().persist()
        stored = self._manager.records.store.load(self._key)
        if stored is not None and stored != before:
            self._cookie = self.id, self._own_of_record()
            self._refuse_if_too_large()

    def bind_user(self, userid: str | int, **about: str | float | bool | None) -> None:
        """Raise `SessionStateError`: nobody could list or end this session."""
        raise SessionStateError(NOT_IN_A_COOKIE)

    def sessions_of(self, userid: str | int | None = None) -> UserSessions:
        """Raise `SessionStateError`: nobody has a list."""
        raise SessionStateError(NOT_IN_A_COOKIE)

    def get_by_id(self, session_id: str) -> None:
        """Give ``None``: a session of this type is not found by its id."""

    def lock(self, wait: float = 10.0, seconds: float = 60.0) -> None:
        """Lock nobody out, as Beaker's sessions in cookies do not."""

    def _prepare_to_write(self, key: str | None = None) -> None:
        self._refuse_if_late("a session in a cookie cannot be changed")
        super()._prepare_to_write(key)

    def _take_out(self, key: str, before: Any) -> None:
        if before is UNSET:
            del self._values[key], self._suspects[key]
        else:
            self._values[key] = before

    def _refuse_if_too_large(self) -> None:
        sizes = self._sizes()
        attributes = self._manager.cookie._attributes(self._own_of_record(), https=True)
        data = FRAME + sum(sizes.values())
        length = len(self._settings.key) + 1 + 4 * data // 3 + len(attributes)
        if length > LONGEST_COOKIE:
            largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:3]
            raise SessionTooLarge(
                f"the session's cookie would have {length} bytes of at most {LONGEST_COOKIE}; the "
                f"largest keys are {', '.join(map(ascii, largest))}: keep less, or use another "
                "session.type"
            )

    def _sizes(self) -> dict[str, int]:
        """Give how many bytes each key takes with its value."""
        kept: Mapping[str, bytes] = self._base or NOTHING
        encoded = {key: kept[key] for key in kept if key not in self._gone}
        encoded |= {key: self._encode(key) for key in self._suspects}
        return {key: len(key.encode()) + len(value) + 4 for key, value in encoded.items()}


def _twin(one: T) -> T:
    # copy.copy takes four times as long, and each request has two made.
    twin = object.__new__(type(one))
    twin.__dict__.update(vars(one))
    return twin
