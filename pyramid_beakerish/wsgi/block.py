"""A session for a block of code, as cromlech.wsgistate has it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ..errors import SessionStateError
from ..sessions.snapshot import Snapshot
from .session import EnvironSession

if TYPE_CHECKING:
    from collections.abc import Mapping

_current: ContextVar[Any] = ContextVar("pyramid_beakerish_session", default=None)


class WSGISession:
    """The session of the environ for a block: saved at its end, and not if the block raises.

    ``key`` is that of the middleware. With a ``transaction``, such as ``with transaction.manager as
    tm`` gives, its commit saves the session instead, and its abort undoes the changes. After its
    end the session can be read, but a write raises `SessionStateError`.

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
                "A session in a cookie, or one of Beaker's, cannot be saved block by block."
            )
        self._session = session
        self._transaction = transaction

    def __enter__(self) -> EnvironSession:
        session = self._session
        session._touch()
        session._transactions = None
        if self._transaction is not None:
            from ..transaction import GivenTransaction  # needs an extra

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
            self._session._token = None  # the loaded record has limits that were not stored
            raise


def current_session() -> EnvironSession | None:
    """Give the session of the `WSGISession` block that is running in this thread, or ``None``."""
    session: EnvironSession | None = _current.get()
    return session
