"""``session.type = cookie``: a session that is in the visitor's cookie, as a whole.

Nothing is kept on the server, so the server cannot end a session: a copy of its cookie opens it
until it expires. Of two requests at the same time, the last one to be answered wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import SerializationError, SessionStateError, SessionTooLarge
from .manager import SessionManager
from .mapping import ATOMS, UNSET
from .record import NOTHING
from .records import RecordStore
from .sealed_cookie import LONGEST_COOKIE, CookieKey, CookieStore, SealedCookie
from .session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .previous import Adopted
    from .record import Record
    from .users import UserSessions

#: The bytes that a key and its value take besides themselves, for their lengths.
LENGTHS = 4

NOT_IN_A_COOKIE = "not possible with session.type = cookie: the server has no list of sessions"


class ClientSideManager(SessionManager):
    """What all sessions in cookies have in common: no store."""

    cookie: SealedCookie

    make_cookie = SealedCookie

    def _open_records(self) -> RecordStore:
        self.cookie.seals  # noqa: B018 - made when it is first asked for
        rules = self.settings, self.serializer, self.clock, self.notify
        return RecordStore(CookieStore(), *rules, key_of=CookieKey)

    def check_size(self, key: Any, record: Record) -> None:
        """Raise `SessionTooLarge` for a record whose cookie would be longer than browsers keep."""
        excess = len(self.cookie.seal(key)) - self.cookie.longest_value(record.own)
        if excess > 0:
            raise _too_large(excess, {name: len(value) for name, value in record.values.items()})


class ClientSideSession(Session):
    """A session that is in the visitor's cookie.

    It does what every session does, except what a server has to remember: `bind_user` and
    `sessions_of` raise `SessionStateError`, `get_by_id` finds nothing, and `lock` locks nobody out.
    Nothing can be written once the response is on its way.

    Example::

        manager = ClientSideManager(settings)
        session = ClientSideSession(manager, "beaker.session.id=...")
    """

    _manager: ClientSideManager
    _key: Any  # a `CookieKey`, where something is stored
    #: How many more bytes there is room for, at least; ``None`` until something is set.
    _left: float | None = None
    _sealed: tuple[str, Mapping[str, Any]] | None = None  # ``_cookie`` as it was last sealed
    #: Removes the session where it was adopted from; tells whether it was there.
    _forget_earlier: Callable[[], bool] | None = None

    def __setitem__(self, key: str, value: Any) -> None:
        before = self._values.get(key, UNSET)
        super().__setitem__(key, value)
        try:
            encoded = self._encode(key)
        except SerializationError:
            self._take_out(key, before)
            raise
        if type(value) in ATOMS:
            self._suspects[key] = encoded  # saves encoding it again: 0.5 us of 20
        # Measuring all keys each time took 4 us of 36. Until the cookie is nearly full it is enough
        # to subtract what each one takes, as if it replaced nothing.
        left = self._left_at_first() if self._left is None else self._left
        left = self._left = left - len(key.encode()) - len(encoded) - LENGTHS
        if left < 0:
            self._measure(key, before)

    def persist(self) -> None:
        """Have the response's cookie hold what has changed.

        Raises `SessionTooLarge` if it would be too long, and what `Session.persist` raises.
        """
        before = getattr(self._key, "record", None)
        adopted = self._changed() if self._forget_earlier is not None else None
        super().persist()
        record = getattr(self._key, "record", None)
        due = self._cookie is not None and self._cookie is not self._sealed
        if record is not None and (due or record is not before):
            self._seal()
        if adopted is not None and not self._detached:
            self._leave_earlier(adopted)

    def bind_user(self, userid: str | int, **about: str | float | bool | None) -> None:
        """Raise `SessionStateError`: nobody could list or end this session."""
        raise SessionStateError(NOT_IN_A_COOKIE)

    def sessions_of(self, userid: str | int | None = None) -> UserSessions:
        """Raise `SessionStateError`: nobody has a list."""
        raise SessionStateError(NOT_IN_A_COOKIE)

    def get_by_id(self, session_id: str) -> None:
        """Give ``None``: a session of this type is not found by its id."""

    def lock(self, wait: float = 10.0, seconds: float = 60.0) -> None:
        """Lock nobody out, just like Beaker's sessions in cookies."""

    def _prepare_to_write(self, key: str | None = None) -> None:
        self._refuse_if_late("a session in a cookie cannot be changed")
        super()._prepare_to_write(key)

    def _go_on_with(self, adopted: Adopted) -> None:
        super()._go_on_with(adopted)
        self._forget_earlier = adopted.forget

    def _leave_earlier(self, changed: Mapping[str, bytes]) -> None:
        """Remove the session where it was adopted from; if it is gone there, send nothing of it."""
        forget: Any = self._forget_earlier
        self._forget_earlier = None
        if not forget():
            self._cookie, self._detached = None, True
            if changed:
                self._drop(changed)

    def _seal(self) -> None:
        cookie, own = self._manager.cookie, self._own_of_record()
        value = cookie.seal(self._key)
        excess = len(value) - cookie.longest_value(own)
        if excess > 0:
            self._cookie = self._sealed  # what has been stored before stays
            raise _too_large(excess, self._sizes())
        self._cookie = self._sealed = value, own

    # What there is room for, when something is set

    def _left_at_first(self) -> float:
        cookie, record = self._manager.cookie, self._record
        if record is None:
            return cookie.room(NOTHING)
        return cookie.room(record.own) - len(self._key.record)

    def _measure(self, key: str, before: Any) -> None:
        """Undo the setting of the key, and raise, if there really is no room for it."""
        sizes = self._sizes()
        left = self._manager.cookie.room(self._own_of_record()) - sum(sizes.values())
        self._left = max(left, 0)
        if left < 0:
            self._take_out(key, before)
            raise _too_large(-left * 4 / 3, sizes)

    def _take_out(self, key: str, before: Any) -> None:
        if before is UNSET:
            del self._values[key], self._suspects[key]
        else:
            self._values[key], self._suspects[key] = before, None

    def _sizes(self) -> dict[str, int]:
        """Give how many bytes each key takes with its value."""
        kept: Mapping[str, bytes] = self._base or NOTHING
        encoded = {key: kept[key] for key in kept if key not in self._gone}
        encoded |= {key: self._encode(key) for key in self._suspects}
        return {k: len(k.encode()) + len(value) + LENGTHS for k, value in encoded.items()}


def _too_large(excess: float, sizes: Mapping[str, int]) -> SessionTooLarge:
    largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:3]
    return SessionTooLarge(
        f"the session's cookie would have {LONGEST_COOKIE + excess:.0f} bytes of at most "
        f"{LONGEST_COOKIE}; the largest keys are {', '.join(map(ascii, largest))}: keep less, or "
        "use another session.type"
    )
