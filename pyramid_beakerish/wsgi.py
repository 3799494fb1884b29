"""Sessions for any WSGI application, without Pyramid: in the place of Beaker's and wsgistate's.

`SessionMiddleware` is Beaker's, `session_wrapper` and `WSGISession` are what cromlech.wsgistate
has. PasteDeploy finds them as ``egg:pyramid_beakerish#beaker_session``, ``#session`` and
``#file_session``.
"""

from __future__ import annotations

import logging
import time
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .errors import BeakerishError, SessionStateError, SettingsError
from .headers import add_vary, keep_to_visitor, site_data
from .lingering import LingeringStore
from .sessions.beaker_adoption import open_adoption
from .sessions.beaker_format import BeakerSession
from .sessions.client_side import ClientSideManager, ClientSideSession
from .sessions.manager import SessionManager
from .sessions.session import Session
from .sessions.snapshot import Snapshot
from .settings import missing_requirements, read_session_settings
from .unanswered import Unanswered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .sessions.no_record import NoRecord
    from .settings import SessionSettings
    from .transaction import GivenTransaction, TransactionalSession

    Environ = dict[str, Any]  # as WSGI has it, and as the types of wsgiref say
    App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
else:  # a base class that may be either has no attributes that pyright knows
    try:
        from .transaction import GivenTransaction, TransactionalSession
    except ImportError:  # the package transaction is not installed, so nobody can pass one
        TransactionalSession = Session

log = logging.getLogger(__name__)

PREFIXES = ("session.", "beaker.session.")
#: Where a test finds what WebTest's application may look at.
TESTING = "paste.testing_variables"
#: What an application finds in the environ when the visitor's session has expired.
TIMEOUT = "session.timeout"

_current: ContextVar[Any] = ContextVar("pyramid_beakerish_session", default=None)


class SessionTimeout(BeakerishError):
    """The visitor had a session that has expired; ``default`` is what it held."""

    def __init__(self, default: dict[str, Any]) -> None:
        super().__init__("Timeout")
        self.default = default


class EnvironSession(TransactionalSession):
    """The session in the environ; ``expired`` is what an expired one held, if that is known."""

    expired: dict[str, Any] | None = None

    def _load_another(self, session_id: str, answer: NoRecord) -> None:
        if answer.record is not None:
            stored = answer.record.values
            self.expired = {key: self._decoded(value, None) for key, value in stored.items()}
        super()._load_another(session_id, answer)


class SessionMiddleware:
    """Gives each request its session, as ``environ[environ_key]``, and saves it at the response.

    ``settings`` are the application's, of which those that begin with ``session.`` or
    ``beaker.session.`` count; keyword arguments without a prefix win over them. The session is
    saved when the application calls ``start_response``, and not if the application raises;
    `StoreUnavailable` reaches whatever server or middleware is above. With
    ``session.webtest_varname`` tests find the session in the response, under that name.

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


class StateMiddleware(SessionMiddleware):
    """Gives each request its session, and tells of the one that has expired.

    Then ``environ["session.timeout"]`` is a `SessionTimeout`, if the visitor comes back before
    twice the timeout is over, for so long a record is kept; and at each request until something
    is stored in the new session. The session is loaded before the application is called.
    """

    def _make_manager(self, clock: Callable[[], float]) -> SessionManager:
        if self._settings.type == "cookie":
            return super()._make_manager(clock)
        store = LingeringStore.from_settings(self._settings, clock)
        return SessionManager(replace(self._settings, type=store), clock)

    def _session(self, environ: Environ) -> Any:
        session = super()._session(environ)
        if "HTTP_COOKIE" in environ and isinstance(session, EnvironSession):
            session._touch()
            if session.expired is None:
                session.park()  # it counts as used when the application uses it
            else:
                environ[TIMEOUT] = SessionTimeout(session.expired)
        return session


def session_wrapper(app: App, session_key: str = "session.key", **options: Any) -> StateMiddleware:
    """Give the application sessions in memory, as ``environ[session_key]``.

    ``options`` are session settings without a prefix, such as ``timeout`` (here 300 seconds by
    default) or ``type``.

    Example::

        def hello(environ, start_response):
            environ["session.key"]["greeted"] = True
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"Hello"]

        app = session_wrapper(hello, session_key="session.key", timeout=300)
    """
    return StateMiddleware(app, None, session_key, **{"timeout": 300, **options})


def file_session_wrapper(
    app: App, path: str, session_key: str = "session.key", **options: Any
) -> StateMiddleware:
    """Give the application sessions in files under ``path``, as ``environ[session_key]``.

    ``options`` are as for `session_wrapper`.

    Example::

        def hello(environ, start_response):
            environ["session.key"]["greeted"] = True
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"Hello"]

        app = file_session_wrapper(hello, "data/sessions", timeout=300)
    """
    return session_wrapper(app, session_key, type="file", data_dir=path, **options)


class WSGISession:
    """The session of the environ for a block: saved at its end, and not if the block raises.

    ``key`` is that of the middleware. With a ``transaction``, which ``with
    transaction.manager as tm`` gives, the session is saved by its commit instead, and undone by
    its abort; after its end the session can be read but not written, which is a
    `SessionStateError`.

    Example::

        def hello(environ, start_response):
            with WSGISession(environ, "session.key") as session:
                session["visits"] = session.get("visits", 0) + 1
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"Hello"]
    """

    def __init__(
        self, environ: Mapping[str, Any], key: str = "session.key", transaction: Any = None
    ) -> None:
        session = environ[key]
        if not isinstance(session, EnvironSession):
            raise SessionStateError(
                "A session in a cookie, or of Beaker's, cannot be saved block by block."
            )
        self._session = session
        self._transaction = transaction

    def __enter__(self) -> EnvironSession:
        session = self._session
        session._touch()
        session._transactions = None
        if self._transaction is not None:
            session._transactions = GivenTransaction(self._transaction)
            session._take_part()
        self._before = Snapshot(session)
        self._token = _current.set(session)
        return session

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        _current.reset(self._token)
        if kind is None:
            self._save()
        else:
            self._before.restore(self._session)

    def _save(self) -> None:
        try:
            self._session.persist()
        except BaseException:
            self._before.restore(self._session)
            self._session._token = None  # the record in hand has limits that were not stored
            raise


def current_session() -> EnvironSession | None:
    """Give the session of the `WSGISession` block that is being run in this thread, or ``None``."""
    session: EnvironSession | None = _current.get()
    return session


# For PasteDeploy


def beaker_session_filter_app(app: App, global_conf: dict[str, str], **local: Any) -> Any:
    """Make `SessionMiddleware` from an ini file, as Beaker's filter of that name."""
    return SessionMiddleware(app, global_conf, **local)


def beaker_session_filter(global_conf: dict[str, str], **local: Any) -> Callable[[App], Any]:
    """Make what wraps an application in `SessionMiddleware`, from an ini file."""
    return lambda app: beaker_session_filter_app(app, global_conf, **local)


def session_filter(global_conf: dict[str, str], **local: Any) -> Callable[[App], Any]:
    """Make what wraps an application by `session_wrapper`, from an ini file."""
    return lambda app: session_wrapper(app, **local)


def file_session_filter(global_conf: dict[str, str], **local: Any) -> Callable[[App], Any]:
    """Make what wraps an application by `file_session_wrapper`, from an ini file."""
    return lambda app: file_session_wrapper(app, **local)


def _with_prefix(options: Mapping[str, Any]) -> dict[str, Any]:
    return {n if n.startswith(PREFIXES) else "session." + n: v for n, v in options.items()}


def _not_for_wsgi(settings: SessionSettings) -> list[str]:
    problems = []
    if settings.format == "pyramid":
        problems.append(f"session.type = {settings.type} is served under Pyramid only.")
    if settings.transactional:
        problems.append(
            "session.transactional is Pyramid's: here WSGISession is given the transaction."
        )
    return problems
