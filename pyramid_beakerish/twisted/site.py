"""A site whose requests have sessions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.web.server import Site

from ..errors import SettingsError
from ..sessions.manager import SessionManager
from ..settings import session_settings
from ..stores.memory import MemoryStore
from .endings import Endings
from .request import SessionRequest
from .session import TwistedSession

if TYPE_CHECKING:
    from collections.abc import Callable

log = Logger()

T = TypeVar("T")


class SessionSite(Site):  # type: ignore[misc]
    """A site whose requests have sessions: see `get_session`.

    ``options`` are session settings without a prefix, such as ``type``, ``data_dir``, ``secret``
    and ``timeout``, here 900 seconds by default, as in Twisted. ``reactor`` may be a
    ``twisted.internet.task.Clock``, which then sets the sessions' time. Raises `SettingsError`.

    Example::

        from twisted.web.resource import Resource

        site = SessionSite(Resource(), type="memory", timeout=1800)
    """

    def __init__(
        self,
        resource: Any,
        *,
        reactor: Any = None,
        session_class: type[TwistedSession] = TwistedSession,
        **options: Any,
    ) -> None:
        clock = time.time if reactor is None else reactor.seconds
        if reactor is None:
            # The import installs a reactor, unless the application has installed one before.
            from twisted.internet import reactor as main_reactor

            reactor = main_reactor
        super().__init__(resource, requestFactory=SessionRequest, reactor=reactor)
        settings, messages = session_settings(**{"timeout": 900, **options})
        if not settings.in_own_store or settings.transactional:
            raise SettingsError(
                ["Twisted serves sessions in stores of this package only, without transactions."]
            )
        for message in messages:
            log.warn("{message}", message=message)
        self.reads_cookies = settings.use_cookies
        self._session_class = session_class
        self._manager = SessionManager(settings, clock)
        self._manager.open()
        self._blocks = not isinstance(self._manager.records.store, MemoryStore)
        self._endings = Endings(self._manager, reactor, self.run)

    def make_session(self, header: str | None) -> TwistedSession:
        """Give the session of a visitor who sends this Cookie header."""
        return self._session_class(self._manager, header)

    def run(self, function: Callable[[], T]) -> Deferred[T]:
        """Call a function that uses the store: in a thread if that may block."""
        return deferToThread(function) if self._blocks else maybeDeferred(function)

    def find_session(self, uid: str) -> Deferred[TwistedSession]:
        """Give the session that has the id; fails with `KeyError` if there is none."""

        def find() -> TwistedSession:
            session = self.make_session(None).get_by_id(uid)
            if not isinstance(session, TwistedSession):
                raise KeyError("no session has this id")  # the id is a secret
            return session

        return self.run(find)

    def save(self, session: TwistedSession) -> Deferred[None]:
        """Store what has changed in a session. That of a request is saved with the response."""
        ended, before = tuple(key for _, key, *_ in session._ended), session._key
        if not (session._dirty or session._suspects or session._touch_due):
            saving: Deferred[None] = maybeDeferred(lambda: None)
        else:
            begun = session._begin_saving()
            saving = self.run(begun).addBoth(session._end_saving, begun)
        return saving.addCallback(lambda _: self._endings.follow(session, ended, before))

    def stopFactory(self) -> None:  # noqa: N802 - Twisted's name
        """Stop, and call no function any more when a session ends."""
        self._endings.forget()
        super().stopFactory()
