"""Sessions that Beaker has stored on the server, or in the cookie itself."""

from __future__ import annotations

import hmac
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...errors import CorruptData
from ..cookie import sent_values
from ..events import Refusal
from ..no_record import NoRecord
from .envelope import Envelope, contents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...serializers.foreign_pickles import ForeignPickles
    from ...settings import SessionSettings
    from .earlier import Contents, EarlierSession
    from .raw import RawStore

#: The ids that Beaker draws: ``uuid4().hex``.
_ID = re.compile(r"[0-9a-f]{32}").fullmatch
_SIGNATURE_LENGTH = 40  # of HMAC-SHA1 in hexadecimal


class BeakerSessions:
    """The sessions of Beaker's ``Session``: an id in the cookie, signed where there is a secret.

    ``clock`` gives seconds since the epoch.
    """

    def __init__(
        self,
        settings: SessionSettings,
        store: Callable[[], RawStore],
        pickles: ForeignPickles,
        clock: Callable[[], float],
    ) -> None:
        self.timeout = settings.timeout
        self.settings = settings
        self.envelope = Envelope(settings, pickles)
        self.clock = clock
        self._make_store = store

    @cached_property
    def store(self) -> RawStore:
        """Where the records are; made when it is first asked for."""
        return self._make_store()

    def open(self) -> None:
        """Make the store; no server is contacted."""
        self.store  # noqa: B018 - made when it is first asked for

    def find(self, header: str) -> Iterator[EarlierSession]:
        """Give the sessions whose ids are in the header; see `Earlier.find`."""
        settings = self.settings
        for value in _signed_values(header, settings.key, settings.secret):
            if _ID(value):
                yield _StoredSession(self, value)


class _StoredSession:
    def __init__(self, sessions: BeakerSessions, session_id: str) -> None:
        self._sessions = sessions
        self.name = session_id

    def read(self) -> Contents:
        sessions = self._sessions
        text = sessions.store.read(self.name)
        if text is None:
            raise NoRecord(Refusal.UNKNOWN)
        return contents(sessions.envelope.opened(text), sessions.settings, sessions.clock())

    def forget(self) -> bool:
        return self._sessions.store.remove(self.name)


class BeakerCookies:
    """The sessions of Beaker's ``CookieSession``, each as a whole in a signed cookie.

    ``clock`` gives seconds since the epoch.
    """

    def __init__(
        self, settings: SessionSettings, pickles: ForeignPickles, clock: Callable[[], float]
    ) -> None:
        self.timeout = settings.timeout
        self.settings = settings
        self.envelope = Envelope(settings, pickles)
        self.clock = clock

    def open(self) -> None:
        """Nothing to open."""

    def find(self, header: str) -> Iterator[EarlierSession]:
        """Give the sessions that are in the header; see `Earlier.find`."""
        secrets = self.settings.given.get("validate_key", ())
        if secrets:
            for value in _signed_values(header, self.settings.key, secrets):
                yield _CookieSession(self, value)


class _CookieSession:
    def __init__(self, cookies: BeakerCookies, value: str) -> None:
        self._cookies = cookies
        self._value = value

    @cached_property
    def _data(self) -> dict[str, Any]:
        return self._cookies.envelope.opened(self._value)

    @property
    def name(self) -> str:
        # Each change of a session makes another cookie: all they have in common is the id inside.
        session_id = self._data.get("_id")
        if not isinstance(session_id, str):
            raise CorruptData("a session of Beaker's has no id")
        return session_id

    def read(self) -> Contents:
        return contents(self._data, self._cookies.settings, self._cookies.clock())

    def forget(self) -> bool:
        return True  # it cannot be removed: the browser has it


def _signed_values(header: str, name: str, secrets: Sequence[str]) -> Iterator[str]:
    """Give what the cookies of the name hold; the last one first, as Beaker takes that.

    Without secrets they are not signed.
    """
    for value in reversed(sent_values(header, name)):
        if not secrets:
            yield value
        elif value.isascii() and any(_is_signed(value, secret) for secret in secrets):
            yield value[_SIGNATURE_LENGTH:]


def _is_signed(value: str, secret: str) -> bool:
    signed = value[_SIGNATURE_LENGTH:].encode()
    signature = hmac.new(secret.encode(), signed, "sha1").hexdigest()
    return hmac.compare_digest(signature, value[:_SIGNATURE_LENGTH])
