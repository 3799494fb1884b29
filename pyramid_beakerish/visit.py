"""One session during one request: when it is saved, and which headers it leaves."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from pyramid.httpexceptions import HTTPException

from .headers import add_vary, keep_private

if TYPE_CHECKING:
    from .settings import SessionSettings

log = logging.getLogger(__name__)

#: Where a request keeps its visits. Not ``request.session``, which the debug toolbar replaces,
#: and not the environ, which subrequests and retried attempts share.
VISITS = "_pyramid_beakerish_visits"


class RequestSession(Protocol):
    """What a session must be able to do, to be brought into a request and out of it."""

    def accessed(self) -> bool: ...
    def persist(self) -> None: ...
    def finish(self) -> None: ...
    def abandon(self, failure: Exception | None = None) -> None: ...
    def park(self) -> None: ...
    def cookie_header(self, *, secure: bool) -> str | None: ...


class Visit:
    """Brings a session into a request, and its changes and headers out of it.

    The tween saves, after the transaction and before any header is written, where an exception
    view can still answer for a store that is down. The response callback writes the headers on
    the response that is really sent, and saves where no tween was run or something changed late.
    """

    __slots__ = ("_sent_cookie", "_settings", "session", "used")

    def __init__(self, session: RequestSession, settings: SessionSettings) -> None:
        self.session = session
        self.used: bool | None = None  # as the tween has seen it
        self._settings = settings
        self._sent_cookie = False

    def begin(self, request: Any) -> None:
        """Have the session saved and its headers written when the request ends."""
        attributes = request.__dict__
        if VISITS in attributes:
            attributes[VISITS].append(self)
        else:
            attributes[VISITS] = [self]
        request.add_response_callback(self.respond)

    def save(self, request: Any) -> None:
        """Store what the request has changed, unless what it did does not count."""
        exception = getattr(request, "exception", None)
        if exception is not None and not self._counts(request, exception):
            self.session.abandon()
        else:
            self.session.persist()

    def respond(self, request: Any, response: Any) -> None:
        """Write the cookie on the response: the last of all callbacks, for they may change things."""
        waiting = getattr(request, "response_callbacks", None)
        if waiting and not all(_is_ours(callback) for callback in waiting):
            request.add_response_callback(self.respond)
            return
        self.save(request)
        header = self.session.cookie_header(secure=_is_https(request))
        self.session.finish()
        if not hasattr(response, "headerlist"):
            log.error("The response %s takes no session cookie: it has no headers.", type(response))
            return
        if header is not None:
            response.headerlist.append(("Set-Cookie", header))
            self._sent_cookie = True
        if self._sent_cookie or self._is_used():
            request.add_response_callback(self.mark)

    def mark(self, request: Any, response: Any) -> None:
        """Tell caches that the response depends on the cookie, and whether it carries one."""
        add_vary(response.headerlist, "Cookie")
        if self._sent_cookie:
            keep_private(response.headerlist, self._settings.cache_control)

    def _is_used(self) -> bool:
        return self.session.accessed() if self.used is None else self.used

    def _counts(self, request: Any, exception: Any) -> bool:
        if _will_be_tried_again(request, exception):
            return False
        return self._settings.cookie_on_exception or _is_redirect(exception)


def _is_ours(callback: Any) -> bool:
    """Tell our callbacks from others': two of ours must not wait for each other."""
    return getattr(callback, "__func__", None) in (Visit.respond, Visit.mark)


def _is_https(request: Any) -> bool:
    return bool(request.environ.get("wsgi.url_scheme") == "https")


def _is_redirect(exception: Any) -> bool:
    return isinstance(exception, HTTPException) and exception.status_int < 400


def _will_be_tried_again(request: Any, exception: BaseException) -> bool:
    if "retry.attempts" not in request.environ:
        return False
    from pyramid_retry import is_error_retryable  # whoever set the key has it installed

    return bool(is_error_retryable(request, exception))
