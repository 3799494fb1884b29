"""The tween that saves sessions: above pyramid_tm and the exception views, below the toolbar.

What was tried out, and why it is done here: the transaction has been committed or not, an
exception view can still answer for a store that is down, and a request that is tried again
has saved nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPException, HTTPNotFound

from .errors import BeakerishError
from .visit import SESSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

log = logging.getLogger(__name__)


class SessionSaveError(BeakerishError):
    """A session could not be saved, for a reason that is none of this package's errors.

    Never to be tried again: the transaction may have been committed.
    """


def session_tween_factory(handler: Callable[[Any], Any], registry: Any) -> Callable[[Any], Any]:
    """Save the sessions of each request."""

    def session_tween(request: Any) -> Any:
        attributes = request.__dict__
        looked_at = attributes.get(SESSIONS, ())
        for session in looked_at:
            session.park()
        try:
            response = handler(request)
        except Exception as error:
            _abandon(attributes.get(SESSIONS, ()), error)
            if isinstance(error, BeakerishError):
                return _render(request, error)
            raise
        # What a tween above has read and will read again, like the debug toolbar, is no use.
        for session in looked_at:
            session._seen_used = session.accessed()
        if SESSIONS in attributes:
            return _save(request, attributes[SESSIONS], response)
        return response

    return session_tween


def _save(request: Any, sessions: Iterable[Any], response: Any) -> Any:
    try:
        for session in sessions:
            session._save(request)
    except Exception as error:
        # Exception views hide this from everybody who only looks at exceptions, and the
        # transaction may have been committed.
        log.exception("A session could not be saved.")
        failure = error if isinstance(error, BeakerishError) else SessionSaveError(str(error))
        for session in sessions:
            session.abandon(failure)
            session._seen_used = True
        return _render(request, failure)
    return response


def _abandon(sessions: Iterable[Any], error: BaseException) -> None:
    failure = error if isinstance(error, BeakerishError) else None
    for session in sessions:
        session.abandon(failure)


def _render(request: Any, failure: BeakerishError) -> Any:
    """Let an exception view answer, as it would have done below."""
    try:
        return request.invoke_exception_view((type(failure), failure, failure.__traceback__))
    except HTTPNotFound:
        raise failure from None
    except HTTPException as refusal:
        # The view wrote to the session that failed; the failure is a response of its own.
        if refusal is failure:
            return refusal
        raise
