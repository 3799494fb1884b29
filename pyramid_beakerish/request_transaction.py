"""The transaction of a Pyramid request, pyramid_tm's, and the session that takes part in it."""

from __future__ import annotations

from typing import Any

from pyramid.interfaces import INewRequest, IRequestExtensions, ISession
from transaction.interfaces import NoTransaction
from zope.interface import implementer

from .errors import SettingsError
from .pyramid_session import PyramidSession
from .transaction import TransactionalSession

#: The attribute by which a registry tells that its requests remember their transaction.
PREPARED = "_pyramid_beakerish_transactions"
#: The attribute in which a request keeps the `RequestTransaction` of all its sessions.
TRANSACTION = "_pyramid_beakerish_transaction"

NOT_INCLUDED = "session.transactional = true needs the include of pyramid_beakerish."


class RequestTransaction:
    """The transaction of a request, while there is one."""

    _manager: Any = None

    def __init__(self, environ: dict[str, Any]) -> None:
        self._environ = environ  # not the request, which would be a cycle

    def seen(self) -> bool:
        """Tell whether the request is or was in a transaction of pyramid_tm."""
        return self._manager is not None

    def current(self) -> Any:
        """Give the transaction that is under way, or ``None``."""
        if self._environ.get("tm.active"):
            self._manager = self._environ["tm.manager"]
        elif self._manager is None or not self._manager.explicit:
            return None  # one that is not explicit would begin one that nobody commits
        try:
            return self._manager.get()
        except NoTransaction:
            return None


@implementer(ISession)
class PyramidTransactionalSession(TransactionalSession, PyramidSession):  # type: ignore[misc]
    """`request.session` where ``session.transactional`` is set."""

    def _join(self, request: Any) -> None:
        if not getattr(getattr(request, "registry", None), PREPARED, False):
            raise SettingsError([NOT_INCLUDED])
        super()._join(request)
        self._transactions = _transaction_of(request)


def prepare_transactions(registry: Any) -> None:
    """Have each request remember its transaction manager, which pyramid_tm removes at the end.

    Raises `SettingsError` where pyramid_tm was not included.
    """
    extensions = registry.queryUtility(IRequestExtensions)
    if extensions is None or "tm" not in extensions.descriptors:
        raise SettingsError(["session.transactional = true needs pyramid_tm: include it."])
    setattr(registry, PREPARED, True)
    registry.registerHandler(_remember_manager, (INewRequest,))


def _transaction_of(request: Any) -> RequestTransaction:
    """Give what all sessions of the request share, even those made before its transaction."""
    attributes = getattr(request, "__dict__", {})  # a double may have none
    found: RequestTransaction = attributes.setdefault(
        TRANSACTION, RequestTransaction(request.environ)
    )
    return found


def _remember_manager(event: Any) -> None:
    _transaction_of(event.request).current()
