"""A cookie that holds the whole session, which nobody but this application can have written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..stores.base import WRITE_ID_SIZE, Entry, Store
from .cookie import SessionCookie, Trusted, sent_values
from .ids import store_key
from .seals import Encrypted, Seals, Signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..settings import SessionSettings

#: Between a session's id and its record.
AFTER_ID = b"."


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
