"""`session.lock`, in requests that overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import LockTimeout
from ..sessions.events import SessionChangesDropped
from .session_base import SessionSuiteBase, count, error_of

if TYPE_CHECKING:
    from .site import Work


class LocksSuite(SessionSuiteBase):
    """One request at a time holds the lock, and sees what was stored before."""

    def test_lock(self) -> None:
        """A second holder is kept out until the first one's request has ended."""
        visitor = self.visitor(n=1)

        def lock_now(session: Any) -> bool:
            try:
                session.lock(wait=0)
            except LockTimeout:
                return False
            return True

        def work(session: Any) -> tuple[bool, bool]:
            return lock_now(session), visitor.twin().use(lock_now)

        assert visitor.use(work) == (True, False)
        assert visitor.use(lock_now) is True

    def test_unlock(self) -> None:
        """Unlocking lets the next holder in at once; unlocking twice is no error."""
        visitor = self.visitor(n=1)

        def work(session: Any) -> None:
            session.lock()
            session.unlock()
            session.unlock()
            visitor.twin().use(lambda other: other.lock(wait=0))

        visitor.use(work)

    def test_lock_after_persist(self) -> None:
        """A lock reads a session anew under its present id, not under the one in the cookie."""
        visitor = self.site.stranger()

        def work(session: Any) -> None:
            session.regenerate_id()
            session["n"] = session.get("n", 0) + 1
            session.persist()
            session.lock()
            session["locked"] = session["n"]

        visitor.use(work)
        assert visitor.contents() == {"n": 1, "locked": 1}
        visitor.use(work)
        assert visitor.contents() == {"n": 2, "locked": 2}

    def test_lock_of_a_failing_request(self) -> None:
        """A lock ends with its request, even if that fails."""
        visitor = self.visitor(n=1)
        error_of(KeyError, lambda: visitor.use(lambda s: (s.lock(), s["missing"])))
        visitor.use(lambda session: session.lock(wait=0))

    def test_lock_reads_again(self) -> None:
        """After locking, a request sees what was stored before, and keeps its own changes."""
        visitor = self.visitor(n=1)
        assert self.overlap(visitor, lambda s: (s.lock(), s["n"])[1], count) == 2
        changed = self.overlap(
            visitor, lambda s: (s.update(a=1), s.lock(), s["a"], s["n"])[2:], count
        )
        assert changed == (1, 2)
        assert visitor.contents() == {"n": 3, "a": 1}

    def test_lock_of_an_ended_session(self) -> None:
        """Locking a session that has ended or moved meanwhile begins no new one in its place."""
        ends: tuple[Work, ...] = (
            lambda session: session.invalidate(),
            lambda session: session.regenerate_id(),
        )
        for end in ends:
            visitor = self.visitor(n=1)
            seen = self.overlap(visitor, lambda s: (s.lock(), s.update(a=1), dict(s))[2], end)
            assert (seen, visitor.set_cookies) == ({"a": 1}, [])
            assert isinstance(self.site.events[-1], SessionChangesDropped)

    def test_login_behind_a_lock(self) -> None:
        """A request that ends the session begins another, even if it ended while that waited."""
        visitor = self.visitor(n=1)
        self.overlap(
            visitor,
            lambda session: (session.lock(), session.invalidate(), session.update(user="u")),
            lambda session: session.invalidate(),
        )
        assert visitor.contents() == {"user": "u"}
