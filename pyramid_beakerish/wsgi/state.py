"""The wrappers of cromlech.wsgistate, which also tell that a session has expired."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import BeakerishError
from ..sessions.manager import SessionManager
from .lingering import LingeringStore
from .middleware import SessionMiddleware
from .session import EnvironSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from .middleware import App, Environ

#: What an application finds in the environ when the visitor's session has expired.
TIMEOUT = "session.timeout"


class SessionTimeout(BeakerishError):
    """The visitor had a session that has expired; ``default`` is what it held."""

    def __init__(self, default: dict[str, Any]) -> None:
        super().__init__("Timeout")
        self.default = default


class StateMiddleware(SessionMiddleware):
    """Gives each request its session, and tells if the visitor's last one has expired.

    ``environ["session.timeout"]`` is then a `SessionTimeout`, at each request until something is
    stored in the new session. A record is kept for twice the timeout; after that nothing is told.
    The session is loaded before the application is called.
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
