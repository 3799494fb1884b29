"""The session of a Pyramid request."""

from __future__ import annotations

from pyramid.httpexceptions import HTTPServiceUnavailable
from pyramid.interfaces import ISession
from pyramid.threadlocal import get_current_registry, get_current_request
from zope.interface import implementer

from .errors import StoreUnavailable
from .sessions.components import ComponentRegistry, everywhere
from .sessions.session import Session
from .visit import SESSIONS, Visit

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
