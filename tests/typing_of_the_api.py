"""The API as a typed application uses it. Nothing runs this: mypy checks it, in ``make lint``.

A line with ``type: ignore`` is a mistake that has to be noticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import assert_type

from pyramid_beakerish.sessions.users import UserSession, UserSessions
from pyramid_beakerish.wsgi import SessionMiddleware, WSGISession, current_session, session_wrapper

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from pyramid_beakerish.sessions.session import Session

# request.session


def devices(session: Session) -> UserSessions:
    sessions = session.sessions_of("bob")
    assert_type(sessions[0], UserSession)
    assert_type(sessions[1:], list[UserSession])
    return sessions


# Without Pyramid


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    with WSGISession(environ, "session.key") as session:
        session["visits"] = session.get("visits", 0) + 1
        session.bind_usr("bob")  # type: ignore[attr-defined]
    start_response("200 OK", [("Content-Type", "text/plain")])
    here = current_session()
    return [] if here is None else [here.id.encode()]


def wrapped(settings: dict[str, Any]) -> list[WSGIApplication]:
    return [
        SessionMiddleware(hello, settings),
        session_wrapper(hello, session_key="session.key", timeout=300),
    ]
