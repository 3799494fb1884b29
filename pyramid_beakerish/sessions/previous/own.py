"""Sessions of this package under other settings: another store, serializer, secret or cookie."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...serializers import serializer_for
from ..cookie import SessionCookie
from ..record import ADOPTED
from ..records import RecordStore, open_records
from ..sealed_cookie import CookieStore, SealedCookie
from .earlier import Contents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...serializers import Serializer
    from ...settings import SessionSettings
    from ..cookie import Trusted
    from .earlier import EarlierSession


class OwnSessions:
    """The sessions that these settings have stored; ``clock`` gives seconds since the epoch."""

    make_cookie: Callable[..., SessionCookie] = SessionCookie

    def __init__(self, settings: SessionSettings, clock: Callable[[], float]) -> None:
        self.timeout = settings.timeout
        self.serializer = serializer_for(settings.data_serializer, settings.pickle_classes)
        self._cookie = self.make_cookie(settings, clock)
        self._settings = settings
        self._clock = clock

    @cached_property
    def records(self) -> RecordStore:
        """The records; opened when they are first asked for."""
        return open_records(self._settings, self.serializer, self._clock)

    def open(self) -> None:
        """Open the store now."""
        self.records  # noqa: B018 - made when it is first asked for

    def find(self, header: str) -> Iterator[EarlierSession]:
        """Give the sessions whose ids are in the header; see `Earlier.find`."""
        rest: str | None = header
        while rest:
            trusted = self._cookie.find(rest)
            if trusted is None:
                return
            yield _OwnSession(self.records, self.serializer, trusted)
            rest = self._cookie.without(rest, trusted.session_id)


class OwnCookies(OwnSessions):
    """The sessions that are in the cookies; ``clock`` gives seconds since the epoch."""

    make_cookie = SealedCookie

    @cached_property
    def records(self) -> RecordStore:
        """The records, each in its key."""
        settings, serializer = self._settings, self.serializer
        return RecordStore(CookieStore(), settings, serializer, self._clock, lambda event: None)


class _OwnSession:
    def __init__(self, records: RecordStore, serializer: Serializer, trusted: Trusted) -> None:
        self._records = records
        self._serializer = serializer
        self._place: tuple[str, Any, Any] = trusted.key, None, None
        self.name = trusted.session_id

    def read(self) -> Contents:
        self._place = self._records.find(self._place[0])
        record = self._place[1]
        loads = self._serializer.loads
        values = {key: loads(value) for key, value in record.values.items()}
        own = {name: value for name, value in record.own.items() if name != ADOPTED}
        return Contents(values, record.created, record.accessed, own)

    def forget(self) -> bool:
        # Not just deleted: it may have been adopted from a cookie, which would bring it back.
        return self._records.end(*self._place)
