"""The promises of a session, as tests that pass with every store."""

from __future__ import annotations

from .session_concurrency import ConcurrencySuite
from .session_contents import ContentsSuite
from .session_identity import IdentitySuite
from .session_interface import InterfaceSuite
from .session_locks import LocksSuite
from .session_modify import ModifySuite
from .session_renewal import RenewalSuite
from .session_times import TimesSuite
from .session_users import UsersSuite


class SessionSuite(
    ContentsSuite,
    InterfaceSuite,
    ConcurrencySuite,
    ModifySuite,
    LocksSuite,
    IdentitySuite,
    TimesSuite,
    RenewalSuite,
    UsersSuite,
):
    """Every promise of a session, as tests for pytest, through a real Pyramid application.

    The session tests of a store are three lines:

    >>> class TestSessionsInMemory(SessionSuite):
    ...     def settings(self, folder):
    ...         return {"session.type": "memory"}

    Before each test ``self.store`` is a new `WatchedStore` over the store that the settings
    describe, ``self.clock`` is the `FrozenClock` of the sessions, and ``self.site`` is the
    application. Only Pyramid and pytest are needed.
    """
