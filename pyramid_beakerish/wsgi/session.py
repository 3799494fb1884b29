"""The session that a WSGI application finds in its environ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..sessions.session import Session

if TYPE_CHECKING:
    from ..sessions.no_record import NoRecord
    from ..transaction import TransactionalSession
else:  # a base class that may be either has no attributes that pyright knows
    try:
        from ..transaction import TransactionalSession
    except ImportError:  # the package transaction is not installed, so nobody can pass one
        TransactionalSession = Session


class EnvironSession(TransactionalSession):
    """The session in the environ; ``expired`` is what an expired one held, if that is known."""

    expired: dict[str, Any] | None = None

    def _load_another(self, session_id: str, answer: NoRecord) -> None:
        if answer.record is not None:
            stored = answer.record.values
            self.expired = {key: self._decoded(value, None) for key, value in stored.items()}
        super()._load_another(session_id, answer)
