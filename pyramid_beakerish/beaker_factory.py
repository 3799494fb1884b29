"""Pyramid's session factory where ``session.format`` is ``beaker``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pyramid.interfaces import ISession
from zope.interface import implementer

from .factory import SessionFactory, cookie_header_of_double, notify
from .pyramid_session import SessionUnavailable
from .sessions.beaker_adoption import open_adoption
from .sessions.beaker_format import BeakerSession
from .visit import Visit

if TYPE_CHECKING:
    from collections.abc import Callable

    from .settings import SessionSettings


@implementer(ISession)
class PyramidBeakerSession(Visit, BeakerSession):  # type: ignore[misc]
    """`request.session` where ``session.format`` is ``beaker``."""

    def _tell_of_loss(self, request: Any) -> None:
        """Say nothing: Beaker's session does not know whether its changes were stored."""


class BeakerSessionFactory(SessionFactory):
    """Makes the session of each request out of Beaker's own Session."""

    def __init__(self, settings: SessionSettings, clock: Callable[[], float] = time.time) -> None:
        self._configure(settings)
        self._previous = open_adoption(settings, clock, notify, SessionUnavailable)

    def open(self) -> None:
        """Open what earlier sessions are read from; Beaker opens the rest with each session."""
        if self._previous is not None:
            self._previous.open()

    def __call__(self, request: Any) -> Any:
        environ = request.environ
        header = environ.get("HTTP_COOKIE") or cookie_header_of_double(request)
        https = environ.get("wsgi.url_scheme") == "https"
        session = PyramidBeakerSession(self._settings, header, self._previous, https=https)
        session._join(request)
        return session
