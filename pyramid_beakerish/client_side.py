"""Pyramid's sessions in the visitor's cookie, where ``session.type`` is ``cookie``."""

from __future__ import annotations

from pyramid.interfaces import ISession
from zope.interface import implementer

from .pyramid_session import PyramidSession
from .sessions.client_side import ClientSideManager as ClientSideManager
from .sessions.client_side import ClientSideSession
from .visit import Visit


@implementer(ISession)
class PyramidClientSideSession(Visit, ClientSideSession):  # type: ignore[misc]
    """`request.session`."""

    _component_registry = PyramidSession._component_registry
