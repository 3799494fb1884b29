"""Beaker's middleware, with this package's sessions."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..headers import add_vary, keep_to_visitor, site_data
from ..sessions.beaker_adoption import open_adoption
from ..sessions.beaker_format import BeakerSession
from ..sessions.client_side import ClientSideManager, ClientSideSession
from ..sessions.manager import SessionManager
from ..settings import missing_requirements, read_session_settings
from .session import EnvironSession
from .unanswered import Unanswered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..settings import SessionSettings

    Environ = dict[str, Any]  # as WSGI has it, and as the types of wsgiref say
    App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

log = logging.getLogger(__name__)

PREFIXES = ("session.", "beaker.session.")
#: The environ's key of what an application shows to a test that runs it by WebTest.
TESTING = "paste.testing_variables"


class SessionMiddleware:
    """Gives each request its session, as ``environ[environ_key]``, and saves it at the response.

    Of the application's ``settings``, those that begin with ``session.`` or ``beaker.session.``
    count; keyword arguments, without a prefix, win over them. The session is saved when the
    application calls ``start_response``, and not if the application raises; `StoreUnavailable` is
    left to the server or middleware above. With ``session.webtest_varname`` tests find the session
    in the response, under that name.

    Raises `SettingsError` for settings that cannot be obeyed.

    Example::

        def hello(environ, start_response):
            session = environ["beaker.session"]
            session["visits"] = session.get("visits", 0) + 1
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"Visit %d" % session["visits"]]

        app = SessionMiddleware(hello, {"session.type": "memory"})
    """

    def __init__(
        self,
        app: App,
        settings: Mapping[str, Any] | None = None,
        environ_key: str = "beaker.session",
        *,
        clock: Callable[[], float] = time.time,
        **options: Any,
    ) -> None:
        self._app = app
        self._environ_key = environ_key
        given = {**(settings or {}), **_with_prefix(options)}
        names = [given.pop(prefix + "webtest_varname", None) for prefix in PREFIXES]
        self._webtest_varname = next((name for name in names if name), None)
        self._settings, messages = read_session_settings(given)
        for message in messages:
            log.warning(message)
        problems = [*missing_requirements(self._settings), *_not_for_wsgi(self._settings)]
        if problems:
            raise SettingsError(problems)
        self._open(clock)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        session = self._session(environ)
        environ[self._environ_key] = session
        environ["beaker.get_session"] = lambda: self._session({})
        if TESTING in environ and self._webtest_varname:
            environ[TESTING][self._webtest_varname] = session
        answered = False

        def respond(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal answered
            if exc_info is not None and not self._settings.cookie_on_exception:
                session.abandon()
            session.persist()
            headers = [*headers]
            self._write_headers(session, environ, headers)
            answered = True
            return start_response(status, headers, exc_info)

        def let_go() -> None:
            if not answered:
                session.abandon()

        try:
            parts = self._app(environ, respond)
            return parts if answered else Unanswered(parts, let_go)
        except BaseException:
            session.abandon()
            raise

    def _open(self, clock: Callable[[], float]) -> None:
        if self._settings.format == "beakerish":
            self._manager = self._make_manager(clock)
            self._manager.open()
            return
        self._previous = open_adoption(self._settings, clock)
        if self._previous is not None:
            self._previous.open()

    def _make_manager(self, clock: Callable[[], float]) -> SessionManager:
        kind = ClientSideManager if self._settings.type == "cookie" else SessionManager
        return kind(self._settings, clock)

    def _session(self, environ: Environ) -> Any:
        header = environ.get("HTTP_COOKIE") if self._settings.use_cookies else None
        if self._settings.format == "beaker":
            https = environ.get("wsgi.url_scheme") == "https"
            return BeakerSession(self._settings, header, self._previous, https=https)
        if isinstance(self._manager, ClientSideManager):
            return ClientSideSession(self._manager, header)
        return EnvironSession(self._manager, header)

    def _write_headers(
        self, session: Any, environ: Environ, headers: list[tuple[str, str]]
    ) -> None:
        cookie = session.finish(environ)
        if cookie is not None:
            headers.append(("Set-Cookie", cookie))
            if session.site_data:
                headers.append(site_data(session.site_data))
            keep_to_visitor(headers, self._settings.cache_control)
        elif session.accessed():
            add_vary(headers, "Cookie")


def _with_prefix(options: Mapping[str, Any]) -> dict[str, Any]:
    return {n if n.startswith(PREFIXES) else "session." + n: v for n, v in options.items()}


def _not_for_wsgi(settings: SessionSettings) -> list[str]:
    problems = []
    if settings.format == "pyramid":
        problems.append(f"session.type = {settings.type} is served under Pyramid only.")
    if settings.transactional:
        problems.append(
            "session.transactional is for Pyramid only: give WSGISession the transaction."
        )
    return problems
