"""The transaction of a Pyramid request, pyramid_tm's, and the session that takes part in it."""

from __future__ import annotations

from typing import Any

from pyramid.interfaces import INewRequest, IRequestExtensions, ISession
from transaction.interfaces import NoTransaction
from zope.interface import implementer

from .errors import SettingsError
from .factory import PyramidSession
from .transaction import TransactionalSession

#: Where a request keeps the transaction manager that pyramid_tm gave it.
MANAGER = "_pyramid_beakerish_transaction_manager"


class RequestTransaction:
    """The transaction of a request, while there is one."""

    def __init__(self, request: Any) -> None:
        # The environ and not the request, which would be a cycle.
        self._environ = request.environ
        self._manager = getattr(request, "__dict__", {}).get(MANAGER)

    def seen(self) -> bool:
        """Tell whether pyramid_tm takes care of the request, or did."""
        return self._manager is not None

    def current(self) -> Any:
        """Give the transaction that is under way, or ``None``."""
        if self._environ.get("tm.active"):
            self._manager = self._environ["tm.manager"]
        elif self._manager is None or not self._manager.explicit:
            return None  # another manager would begin one that nobody commits
        try:
            return self._manager.get()
        except NoTransaction:
            return None


@implementer(ISession)
class PyramidTransactionalSession(TransactionalSession, PyramidSession):  # type: ignore[misc]
    """`request.session` where ``session.transactional`` is set."""

    def _join(self, request: Any) -> None:
        super()._join(request)
        self._transactions = RequestTransaction(request)


def prepare_transactions(registry: Any) -> None:
    """Have each request remember its transaction manager, which pyramid_tm takes away at the end.

    Raises `SettingsError` where pyramid_tm was not included.
    """
    extensions = registry.queryUtility(IRequestExtensions)
    if extensions is None or "tm" not in extensions.descriptors:
        raise SettingsError(["session.transactional = true needs pyramid_tm: include it."])
    registry.registerHandler(_remember_manager, (INewRequest,))


def _remember_manager(event: Any) -> None:
    request = event.request
    if request.environ.get("tm.active"):
        request.__dict__[MANAGER] = request.environ["tm.manager"]
