"""Help for the tests of applications, and of stores that other packages add."""

from __future__ import annotations

from .clock import FrozenClock as FrozenClock
from .sessions import SessionSuite as SessionSuite
from .stores import StoreSuite as StoreSuite
from .webtest_session import session_of as session_of
