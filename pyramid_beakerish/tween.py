"""The tween that saves sessions: above pyramid_tm and the exception views, below the toolbar.

Here, as was tried out, it is known whether the transaction was committed, an exception view can
still answer for a store that is down, and a request that is tried again has saved nothing.
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

#: The attribute in which requests that pyramid_debugtoolbar looks at have its toolbar.
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
    """Give a handler for which reads by the debug toolbar are no use of the session.

    The toolbar reads every value, before us and after. Other tweens above read for the application.
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
    """Store nothing and leave no lock; let exception views answer an error raised above them."""
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
    # The server logs only errors that no view answers. This one is logged even if a view answers,
    # as the transaction may have been committed.
    log.error("A session could not be saved.", exc_info=error)
    for session in unsaved:
        session.abandon()  # no late write raises: nobody could answer the error any more
    return response


def _never_tried_again(request: Any, error: Exception) -> BeakerishError:
    """Give an error after which the view is not run again: its transaction may be committed."""
    if isinstance(error, BeakerishError) and not will_be_tried_again(request, error):
        return error
    failure = SessionSaveError(f"A session could not be saved: {type(error).__qualname__}.")
    failure.__cause__ = error
    return failure


def _render(request: Any, failure: BeakerishError) -> Any:
    """Let an exception view answer, as it does for errors that are raised below it."""
    try:
        return request.invoke_exception_view((type(failure), failure, failure.__traceback__))
    except HTTPNotFound:
        pass  # nobody answers
    except HTTPException as refusal:
        # The view wrote to the failed session, which raises the failure again: itself a response.
        if refusal is failure:
            return refusal
        raise
    raise failure
