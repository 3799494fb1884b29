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
from .visit import SAVED, SESSIONS, will_be_tried_again

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

#: Where pyramid_debugtoolbar has its toolbar, in the requests that it looks at.
TOOLBAR = "debug_toolbar"


class SessionSaveError(BeakerishError):
    """A session could not be saved, for a reason that is none of this package's errors."""


def session_tween_factory(handler: Callable[[Any], Any], registry: Any) -> Callable[[Any], Any]:
    """Save the sessions of each request."""

    def session_tween(request: Any) -> Any:
        attributes = request.__dict__
        answer = _parking(handler) if SESSIONS in attributes else handler
        try:
            response = answer(request)
        except BaseException as error:
            return _fail(request, error)
        sessions, saved = attributes.get(SESSIONS), 0
        if sessions:
            try:
                for session in sessions:
                    if session._dirty or session._suspects or session._touch_due:
                        session._save(request)
                    saved += 1
            except BaseException as error:
                return _fail_to_save(request, sessions[saved:], error)
        attributes[SAVED] = True
        return response

    return session_tween


def _parking(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Give a handler before which the uses of tweens above do not count, unless it comes to them.

    The toolbar reads everything, before us and after; others read for the application.
    """

    def parked(request: Any) -> Any:
        attributes = request.__dict__
        for session in attributes[SESSIONS]:
            session.park()
        response = handler(request)
        for session in attributes[SESSIONS]:
            session.unpark(TOOLBAR in attributes)
        return response

    return parked


def _fail(request: Any, error: BaseException) -> Any:
    """Store nothing, leave no lock; show exception views what has happened above them."""
    failure = error if isinstance(error, BeakerishError) else None
    for session in request.__dict__.get(SESSIONS, ()):
        session.abandon(failure)
    if failure is None:
        raise error
    return _render(request, failure)


def _fail_to_save(request: Any, unsaved: list[Any], error: BaseException) -> Any:
    if not isinstance(error, Exception):
        return _fail(request, error)
    failure = _never_tried_again(request, error)
    for session in unsaved:
        session.abandon(failure)
    response = _render(request, failure)
    # What nobody answers the server logs. Exception views hide this from everybody who only looks
    # at exceptions, and the transaction may have been committed.
    log.error("A session could not be saved.", exc_info=error)
    for session in unsaved:
        session.abandon()  # nobody could answer any more if a late write were refused
    return response


def _never_tried_again(request: Any, error: Exception) -> BeakerishError:
    """The transaction may have been committed: to run the view again would do it twice."""
    if isinstance(error, BeakerishError) and not will_be_tried_again(request, error):
        return error
    failure = SessionSaveError(f"A session could not be saved: {type(error).__qualname__}.")
    failure.__cause__ = error
    return failure


def _render(request: Any, failure: BeakerishError) -> Any:
    """Let an exception view answer, as it would have done below."""
    try:
        return request.invoke_exception_view((type(failure), failure, failure.__traceback__))
    except HTTPNotFound:
        pass  # nobody answers
    except HTTPException as refusal:
        # The view wrote to the session that failed; the failure is a response of its own.
        if refusal is failure:
            return refusal
        raise
    raise failure
