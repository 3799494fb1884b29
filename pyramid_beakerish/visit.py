"""A session during one request: when it is saved, and which headers it leaves."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPException

from .headers import add_vary, keep_to_visitor, site_data

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from .settings import SessionSettings

log = logging.getLogger(__name__)

#: Where a request keeps its sessions. Not ``request.session``, which the debug toolbar replaces,
#: and not the environ, which subrequests and retried attempts share.
SESSIONS = "_pyramid_beakerish_sessions"
#: Where it notes that its sessions have been saved.
SAVED = "_pyramid_beakerish_saved"

TOO_LATE = "A session was first used after the response was made: what was written to it is lost."


class Visit:
    """The Pyramid side of a session: it joins a request, is saved with it, and leaves headers.

    The tween saves, after the transaction and before any header is written, where an exception
    view can still answer for a store that is down. The response callback writes the headers on
    the response that is really sent, and saves if no tween was run or something changed later.

    A base class, not an object around the session: one object less for each request (0.4 us).
    """

    _settings: SessionSettings
    _used: bool
    _detached: bool
    # Any of these may mean that there is something to save.
    _dirty: bool
    _suspects: Collection[str]
    _touch_due: bool
    persist: Callable[[], None]
    abandon: Callable[..., None]
    park: Callable[[], None]
    unpark: Callable[[bool], None]
    finish: Callable[..., str | None]
    site_data: Collection[str]

    # pyramid_beaker's sessions and factories have these attributes.

    @property
    def _options(self) -> Mapping[str, Any]:
        return self._settings.given

    @property
    def _cookie_on_exception(self) -> bool:
        return self._settings.cookie_on_exception

    def _join(self, request: Any) -> None:
        """Have the session saved and its headers written when the request ends."""
        attributes = getattr(request, "__dict__", {})  # a double may have none
        if SESSIONS in attributes:
            attributes[SESSIONS].append(self)
        else:
            attributes[SESSIONS] = [self]
        request.add_response_callback(self._respond)
        if SAVED in attributes:
            request.add_finished_callback(self._tell_of_loss)

    def _tell_of_loss(self, request: Any) -> None:
        """Log that changes are lost, if the session came too late to be saved."""
        if self._dirty and self._respond in request.response_callbacks:
            log.warning(TOO_LATE)

    def _save(self, request: Any) -> None:
        """Store what the request has changed, unless it failed and its changes do not count."""
        exception = getattr(request, "exception", None)
        if exception is None or self._counts(request, exception):
            self.persist()
        else:
            self.abandon()

    def _respond(self, request: Any, response: Any) -> None:
        """Write the headers after all other callbacks, as these may change the session."""
        waiting = getattr(request, "response_callbacks", None)
        if waiting and not all(_is_ours(callback) for callback in waiting):
            request.add_response_callback(self._respond)
            return
        if self._dirty or self._suspects or self._touch_due:
            self._save(request)
        cookie = self.finish(request.environ)
        headers = getattr(response, "headerlist", None)
        if headers is None:
            log.error("%s takes no session cookie: it has no headers.", type(response).__qualname__)
        elif cookie is not None:
            headers.append(("Set-Cookie", cookie))
            if self.site_data:
                headers.append(site_data(self.site_data))
            request.add_response_callback(self._mark_private)
        elif self._detached:  # pyramid_beaker's own tests expect no such header in this callback
            request.add_response_callback(self._mark_varying)
        elif self._used:
            add_vary(headers, "Cookie")

    def _mark_varying(self, request: Any, response: Any) -> None:
        """Tell caches that the response depends on the cookie."""
        add_vary(response.headerlist, "Cookie")

    def _mark_private(self, request: Any, response: Any) -> None:
        """Tell caches that the response is for this visitor only."""
        keep_to_visitor(response.headerlist, self._settings.cache_control)

    def _counts(self, request: Any, exception: Any) -> bool:
        if will_be_tried_again(request, exception):
            return False
        return self._settings.cookie_on_exception or _is_redirect(exception)


def _is_ours(callback: Any) -> bool:
    """Tell our callbacks from others': two of ours must not wait for each other."""
    return isinstance(getattr(callback, "__self__", None), Visit)


def _is_redirect(exception: Any) -> bool:
    return isinstance(exception, HTTPException) and exception.status_int < 400


def will_be_tried_again(request: Any, exception: BaseException) -> bool:
    """Tell whether pyramid_retry discards the request's result."""
    if "retry.attempts" not in request.environ:
        return False
    from pyramid_retry import is_error_retryable  # which set the key, so it is installed

    return bool(is_error_retryable(request, exception))
