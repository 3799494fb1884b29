"""Pyramid's session factory: settings in, the session of a request out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPServiceUnavailable
from pyramid.interfaces import ISession, ISessionFactory
from pyramid.threadlocal import get_current_registry, get_current_request
from webob.request import BaseRequest
from zope.interface import implementer

from .errors import StoreUnavailable
from .sessions.components import ComponentRegistry, everywhere
from .sessions.manager import SessionManager
from .sessions.session import Session
from .visit import SESSIONS, Visit

if TYPE_CHECKING:
    from collections.abc import Callable

    from .settings import SessionSettings
    from .signed_cookie import SignedCookieFactory

#: Where the registry of an application has its session components.
COMPONENTS = "pyramid_beakerish_components"


class SessionUnavailable(StoreUnavailable, HTTPServiceUnavailable):  # type: ignore[misc]
    """The session store cannot be used: a 503, unless the application has a view for it."""

    def __init__(self, error: StoreUnavailable) -> None:
        HTTPServiceUnavailable.__init__(self, "The session store is unavailable. Try again later.")
        self.error = error


@implementer(ISession)
class PyramidSession(Visit, Session):  # type: ignore[misc]
    """`request.session`."""

    def lock(self, wait: float = 10.0, seconds: float = 60.0) -> None:
        """See `Session`."""
        super().lock(wait, seconds)
        request = get_current_request()
        if self in getattr(request, "__dict__", {}).get(SESSIONS, ()):
            # The request may end without a response. (It must not unlock another one's session.)
            request.add_finished_callback(lambda request: self.unlock())

    def _component_registry(self) -> ComponentRegistry:
        registry = get_current_registry()
        own: ComponentRegistry | None = getattr(registry, COMPONENTS, None)
        return everywhere if own is None else own


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


def session_factory(
    settings: SessionSettings, clock: Callable[[], float] = time.time
) -> SessionFactory | SignedCookieFactory:
    """Make the session factory that the settings ask for."""
    if settings.format == "pyramid":
        from .signed_cookie import SignedCookieFactory

        return SignedCookieFactory(settings)
    if settings.format == "beaker":
        from .beaker_factory import BeakerSessionFactory  # Beaker imports all client libraries

        return BeakerSessionFactory(settings, clock)
    return SessionFactory(settings, clock)


def notify(event: object) -> None:
    """Send an event to the subscribers of the application that is running."""
    get_current_registry().notify(event)


def cookie_header_of_double(request: Any) -> str | None:
    """Give the Cookie header of a `pyramid.testing.DummyRequest`, which has only a dictionary."""
    if isinstance(request, BaseRequest):
        return None
    cookies = getattr(request, "cookies", None) or {}
    return "; ".join(f"{name}={value}" for name, value in cookies.items()) or None
