"""The session that a WSGI application finds in its environ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..sessions.session import Session

if TYPE_CHECKING:
    from ..sessions.no_record import NoRecord
    from ..transaction import TransactionalSession
else:  # pyright knows no attributes of a base class that may be one or the other
    try:
        from ..transaction import TransactionalSession
    except ImportError:  # the package transaction is not installed, so nobody can pass one
        TransactionalSession = Session


class EnvironSession(TransactionalSession):
    """The session in the environ; ``expired`` is what the visitor's expired one held, if known."""

    expired: dict[str, Any] | None = None

    def _load_another(self, session_id: str, answer: NoRecord) -> None:
        if answer.record is not None:
            stored = answer.record.values
            self.expired = {key: self._decoded(value, None) for key, value in stored.items()}
        super()._load_another(session_id, answer)
