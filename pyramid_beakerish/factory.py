"""Pyramid's session factory: settings in, the session of a request out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pyramid.interfaces import ISessionFactory
from pyramid.threadlocal import get_current_registry
from webob.request import BaseRequest
from zope.interface import implementer

from .pyramid_session import PyramidSession, SessionUnavailable
from .sessions.manager import SessionManager

if TYPE_CHECKING:
    from collections.abc import Callable

    from .settings import SessionSettings


@implementer(ISessionFactory)
class SessionFactory:
    """Makes the session of each request, from one configuration.

    ``clock`` gives the time in seconds since the epoch.

    Example::

        settings, _ = session_settings(type="memory")
        config.set_session_factory(SessionFactory(settings))
    """

    def __init__(self, settings: SessionSettings, clock: Callable[[], float] = time.time) -> None:
        self._configure(settings)
        manager_class, self.session_class = self._classes()
        self._manager = manager_class(settings, clock, notify, SessionUnavailable)

    def _classes(self) -> tuple[type[SessionManager], Any]:
        if self._settings.type == "cookie":
            from .client_side import ClientSideManager, PyramidClientSideSession

            return ClientSideManager, PyramidClientSideSession
        if not self.transactional:
            return SessionManager, PyramidSession
        from .request_transaction import PyramidTransactionalSession  # needs an extra

        return SessionManager, PyramidTransactionalSession

    def _configure(self, settings: SessionSettings) -> None:
        self._settings = settings
        self._options = settings.given  # these are pyramid_beaker's names
        self._cookie_on_exception = settings.cookie_on_exception
        self._constant_csrf_token = settings.constant_csrf_token
        self._reads_cookies = settings.use_cookies

    @property
    def transactional(self) -> bool:
        """Whether its sessions take part in the transactions of pyramid_tm."""
        return self._settings.transactional and self._settings.in_own_store

    def open(self) -> None:
        """Open the store now; raises `SettingsError` if it cannot be opened."""
        self._manager.open()

    def __call__(self, request: Any) -> Any:
        header = request.environ.get("HTTP_COOKIE") or cookie_header_of_double(request)
        session = self.session_class(self._manager, header if self._reads_cookies else None)
        session._join(request)
        return session

    def __repr__(self) -> str:
        # The debug toolbar shows this, so it names no options: factories of one class look alike.
        return f"<pyramid_beakerish {type(self).__name__}>"


def notify(event: object) -> None:
    """Send an event to the subscribers of the application that is running."""
    get_current_registry().notify(event)


def cookie_header_of_double(request: Any) -> str | None:
    """Give the Cookie header of a `pyramid.testing.DummyRequest`, which has only a dictionary."""
    if isinstance(request, BaseRequest):
        return None
    cookies = getattr(request, "cookies", None) or {}
    return "; ".join(f"{name}={value}" for name, value in cookies.items()) or None
