"""``session.type = cookie``: a session that is in the visitor's cookie, as a whole.

Nothing is kept on the server, so nothing there can end such a session: a copy of its cookie opens
it until its time is over. Of two requests at once the last one to be answered wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import SessionStateError, SessionTooLarge
from ..stores.base import WRITE_ID_SIZE, Entry, Store
from .cookie import SessionCookie, Trusted, sent_values
from .ids import store_key
from .manager import SessionManager
from .mapping import UNSET
from .record import NOTHING
from .records import RecordStore
from .seals import Encrypted, Seals, Signed
from .session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..settings import SessionSettings
    from .users import UserSessions

T = TypeVar("T")

#: Browsers need not keep a longer one (https://datatracker.ietf.org/doc/html/rfc6265#section-6.1),
#: and OWASP ASVS 5.0, 3.3.5 asks for no longer one.
LONGEST_COOKIE = 4096

#: What a record takes beside its keys and values: the id, moments, lengths, a nonce or a hash.
FRAME = 160

#: Between a session's id and its record.
AFTER_ID = b"."

NOT_IN_A_COOKIE = "a session in a cookie is known to nobody but its visitor"


class VisitorsCookie(SessionCookie, Store):
    """A cookie that holds the record of its session, for the time of one request.

    It takes the place of the cookie with an id, and of the store: what is stored is what the next
    cookie will hold.
    """

    seals: Seals

    def __init__(self, cookie: SealedCookie) -> None:
        self.__dict__.update(vars(cookie))  # which are the same for all visitors
        self._records: dict[str, bytes] = {}

    def find(self, header: str) -> Trusted | None:
        """Give the session of the first cookie that was sealed here; see `SessionCookie`."""
        for value in sent_values(header, self._settings.key):
            opened = self.seals.open(value)
            if opened is not None:
                session_id, _, record = opened[0].partition(AFTER_ID)
                trusted = Trusted(session_id.decode(), store_key(session_id.decode()), opened[1])
                self._records = {trusted.key: record}
                return trusted
        return None

    def without(self, header: str, session_id: str) -> None:
        """Give nothing: whatever this one held, no other cookie is asked."""

    def _value(self, session_id: str) -> str:
        record = self._records[store_key(session_id)]
        return self.seals.close(session_id.encode() + AFTER_ID + record)

    # As a store: the records rule over expiry themselves.

    @classmethod
    def from_settings(cls, settings: SessionSettings, clock: Callable[[], float]) -> VisitorsCookie:  # type: ignore[override]
        """Make the cookie of nobody."""
        return cls(SealedCookie(settings, clock))

    def load(self, key: str) -> Entry | None:
        """Give what the cookie holds, or what has been stored since."""
        value = self._records.get(key)
        return None if value is None else (value, value[:WRITE_ID_SIZE])

    def create(self, key: str, value: bytes, ttl: float | None) -> bool:
        """Store what the next cookie holds."""
        self._records[key] = value
        return True

    def swap(self, key: str, token: Any, value: bytes, ttl: float | None) -> bool:
        """Store what the next cookie holds: nobody else can have changed it."""
        return self.create(key, value, ttl)

    def set(self, key: str, value: bytes, ttl: float | None) -> None:
        """Store what the next cookie holds."""
        self._records[key] = value

    def delete(self, key: str, token: Any = None) -> bool:
        """Let the next cookie hold nothing."""
        return self._records.pop(key, None) is not None

    def keys(self, prefix: str) -> Iterator[str] | None:
        """Give ``None``: there is nothing to list."""
        return None


class SealedCookie(SessionCookie):
    """What the cookies of all visitors have in common."""

    def __init__(self, settings: SessionSettings, clock: Callable[[], float]) -> None:
        super().__init__(settings, clock)
        given = settings.given
        kind = Encrypted if "encrypt_key" in given else Signed
        secrets = given.get("encrypt_key") or settings.secret or given.get("validate_key", ())
        self.seals = Seals([kind(secret, settings.key) for secret in secrets])


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
