"""Requests that overlap: each of them loads the session before the other has saved it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import LockTimeout
from ..sessions.events import SessionChangesDropped, SessionMerged
from .session_base import SessionSuiteBase, error_of

if TYPE_CHECKING:
    from .site import Browser, Work


class ConcurrencySuite(SessionSuiteBase):
    """No request undoes what another one did, and none brings back what another one ended."""

    def overlap(self, visitor: Browser, first: Work, meanwhile: Work) -> Any:
        """Send a request that loads the session, then lets another one pass, then works."""

        def work(session: Any) -> Any:
            dict(session)  # loads it and reads every value
            visitor.twin().use(meanwhile)
            return first(session)

        return visitor.use(work)

    def test_different_keys(self) -> None:
        """Of two requests that change different keys, neither loses its change."""
        visitor = self.visitor(a=1, b=1, c=[1])
        self.overlap(
            visitor,
            lambda session: session.update(a=2, mine=1),
            lambda session: (session.update(b=2, theirs=1), session["c"].append(2)),
        )
        assert visitor.contents() == {"a": 2, "b": 2, "c": [1, 2], "mine": 1, "theirs": 1}

    def test_same_key(self) -> None:
        """Of two requests that set one key, the last one to be saved wins."""
        visitor = self.visitor(a=1)
        self.overlap(visitor, lambda s: s.update(a="last"), lambda s: s.update(a="first"))
        assert visitor.contents() == {"a": "last"}

    def test_delete_beside_a_write(self) -> None:
        """A key that one request deletes is gone, and what the other changed is kept."""
        visitor = self.visitor(a=1, b=1)
        self.overlap(visitor, lambda session: session.pop("a"), lambda s: s.update(b=2))
        assert visitor.contents() == {"b": 2}
        self.overlap(visitor, lambda s: s.update(c=3), lambda session: session.pop("b"))
        assert visitor.contents() == {"c": 3}

    def test_unchanged_value_does_not_come_back(self) -> None:
        """A request that sets a key to what it had loaded does not undo the other's change."""
        visitor = self.visitor(a=1)
        self.overlap(visitor, lambda s: s.update(a=1, b=1), lambda s: s.update(a=2))
        assert visitor.contents() == {"a": 2, "b": 1}

    def test_clear_beside_a_write(self) -> None:
        """A clear removes what another request adds meanwhile."""
        visitor = self.visitor(a=1)
        self.overlap(
            visitor,
            lambda session: (session.clear(), session.update(mine=1)),
            lambda session: session.update(theirs=1),
        )
        assert visitor.contents() == {"mine": 1}

    def test_write_beside_a_clear(self) -> None:
        """What is written to a session that another request has cleared is kept."""
        visitor = self.visitor(a=1, b=1)
        self.overlap(visitor, lambda s: s.update(a=2), lambda session: session.clear())
        assert visitor.contents() == {"a": 2}

    def test_flash_and_flash(self) -> None:
        """Messages that two requests flash are both shown."""
        visitor = self.visitor()
        visitor.use(lambda session: session.flash("old"))
        self.overlap(visitor, lambda s: s.flash("mine"), lambda s: s.flash("theirs"))
        assert visitor.use(lambda s: s.pop_flash()) == ["old", "theirs", "mine"]

    def test_pop_and_flash(self) -> None:
        """A pop takes the messages that it gives, and leaves those that came meanwhile."""
        visitor = self.visitor()
        visitor.use(lambda session: session.flash("old"))
        popped = self.overlap(visitor, lambda s: s.pop_flash(), lambda s: s.flash("new"))
        assert popped == ["old"]
        assert visitor.use(lambda s: s.pop_flash()) == ["new"]

    def test_flash_again_and_pop(self) -> None:
        """A message that is popped and flashed again survives another request's pop."""
        visitor = self.visitor()
        visitor.use(lambda session: session.flash("saved"))
        again = lambda s: (s.pop_flash(), s.flash("saved"))  # noqa: E731
        self.overlap(visitor, again, lambda s: s.pop_flash())
        assert visitor.use(lambda s: s.pop_flash()) == ["saved"]

    def test_flash_and_pop(self) -> None:
        """A message that is flashed while another request pops the queue brings nothing back."""
        visitor = self.visitor()
        visitor.use(lambda session: session.flash("old"))
        self.overlap(visitor, lambda s: s.flash("new"), lambda s: s.pop_flash())
        assert visitor.use(lambda s: s.pop_flash()) == ["new"]

    def test_pop_and_pop(self) -> None:
        """A queue that two requests empty at once stays empty."""
        visitor = self.visitor(a=1)
        visitor.use(lambda session: session.flash("old"))
        self.overlap(visitor, lambda s: s.pop_flash(), lambda s: s.pop_flash())
        assert visitor.contents() == {"a": 1}

    def test_clear_of_an_empty_session(self) -> None:
        """A clear removes what another request has added, though it saw nothing to remove."""
        visitor = self.visitor()
        visitor.use(lambda session: session.save())
        self.overlap(visitor, lambda s: s.clear(), lambda s: s.update(theirs=1))
        assert visitor.contents() == {}

    def test_queue_that_is_no_list(self) -> None:
        """A value of the application's under a queue's key is merged like any other value."""
        visitor = self.visitor()
        self.overlap(visitor, lambda s: s.update(_f_="mine"), lambda s: s.flash("theirs"))
        assert visitor.contents() == {"_f_": "mine"}
        self.overlap(visitor, lambda s: s.pop("_f_"), lambda s: s.update(_f_="theirs"))
        assert visitor.contents() == {}

    def test_modify(self) -> None:
        """A number that two requests modify counts both modifications."""
        visitor = self.visitor(n=10)
        self.overlap(visitor, _count, lambda session: (_count(session), _count(session)))
        assert visitor.contents() == {"n": 13}

    def test_modify_from_the_default(self) -> None:
        """Counting begins with the default, once, and does not change the default itself."""
        visitor, default = self.visitor(a=1), [0]

        def append(session: Any) -> Any:
            return session.modify("log", lambda log: [*log, 1], default)

        self.overlap(visitor, append, append)
        assert visitor.contents()["log"] == [0, 1, 1]
        assert default == [0]

    def test_modify_alone(self) -> None:
        """If no other request changes the session, a modification is made only once."""
        calls: list[int] = []

        def add(n: int) -> int:
            calls.append(n)
            return n + 1

        for visitor in (self.visitor(n=1), self.site.stranger()):
            visitor.use(lambda session: session.save())
            visitor.use(lambda session: session.modify("n", add, 0))
        assert calls == [1, 0]

    def test_modify_twice(self) -> None:
        """Two modifications by one request are both repeated, in their order."""
        visitor = self.visitor(n=1)

        def work(session: Any) -> None:
            session.modify("n", lambda n: n + 1)
            session.modify("n", lambda n: n * 10)

        self.overlap(visitor, work, lambda session: session.modify("n", lambda n: n + 5))
        assert visitor.contents() == {"n": 70}

    def test_modify_after_an_assignment(self) -> None:
        """A modification after an assignment starts from its value, whatever others have stored."""
        visitor = self.visitor(n=1)

        def work(session: Any) -> None:
            session["n"] = 100
            _count(session)

        self.overlap(visitor, work, _count)
        assert visitor.contents() == {"n": 101}

    def test_assignment_after_a_modification(self) -> None:
        """An assignment or a deletion overrides the modifications before it."""
        visitor = self.visitor(n=1, m=1)

        def work(session: Any) -> None:
            _count(session)
            session["n"] = 100
            session.modify("m", lambda m: m + 1)
            del session["m"]

        self.overlap(visitor, work, _count)
        assert visitor.contents() == {"n": 100}

    def test_modify_after_a_deletion(self) -> None:
        """After a deletion a modification begins with the default."""
        visitor = self.visitor(n=1)

        def work(session: Any) -> None:
            del session["n"]
            _count(session)

        self.overlap(visitor, work, _count)
        assert visitor.contents() == {"n": 1}

    def test_read(self) -> None:
        """A request that only reads undoes nothing, even when it extends the session."""
        visitor = self.visitor(a=1)
        self.clock.advance(3600)
        self.overlap(visitor, dict, lambda session: session.update(a=2))
        assert visitor.contents() == {"a": 2}

    def test_change_of_an_ended_session(self) -> None:
        """Changes to a session that ended meanwhile are dropped, with a log line and an event."""
        visitor = self.visitor(a=1, b=1)
        with self.logged() as records:
            self.overlap(
                visitor,
                lambda session: (session.update(c=1), session.pop("b")),
                lambda session: session.invalidate(),
            )
        assert visitor.set_cookies == []
        assert visitor.contents() == {}
        self.assert_records(0)
        dropped = [e for e in self.site.events if isinstance(e, SessionChangesDropped)]
        assert [event.keys for event in dropped] == [("c", "b")]
        assert any("dropped" in record.getMessage() for record in records)

    def test_read_of_an_ended_session(self) -> None:
        """A slow request that only reads does not bring an ended session back."""
        visitor = self.visitor(a=1)
        self.clock.advance(3600)
        self.overlap(visitor, dict, lambda session: session.invalidate())
        assert visitor.contents() == {}
        self.assert_records(0)

    def test_end_of_a_changed_session(self) -> None:
        """A session that is ended is gone, whatever another request has changed meanwhile."""
        visitor = self.visitor(a=1)
        self.overlap(visitor, lambda s: s.invalidate(), lambda s: s.update(b=2))
        self.assert_records(0)

    def test_rotation_of_a_changed_session(self) -> None:
        """What is changed while a session gets a new id is found under that id."""
        visitor = self.visitor(a=1, n=1)
        self.overlap(
            visitor,
            lambda session: (session.regenerate_id(), session.update(b=1), _count(session)),
            lambda session: (session.update(a=2), _count(session)),
        )
        assert visitor.contents() == {"a": 2, "b": 1, "n": 3}
        self.assert_records(1)

    def test_rotation_of_an_ended_session(self) -> None:
        """A session that ends while it gets a new id is ended under both."""
        visitor = self.visitor(a=1)
        self.overlap(visitor, lambda s: s.regenerate_id(), lambda s: s.invalidate())
        assert visitor.set_cookies == []
        assert visitor.contents() == {}
        self.assert_records(0)

    def test_change_of_a_rotated_session(self) -> None:
        """A late request under the old id changes nothing, and brings nothing back."""
        visitor = self.visitor(a=1)
        browser = visitor.twin()
        browser.use(
            lambda session: (
                dict(session),
                visitor.use(lambda inner: inner.regenerate_id()),
                session.update(late=1),
            )
        )
        assert visitor.contents() == {"a": 1}
        assert browser.contents() == {}
        self.assert_records(1)

    def test_after_a_merge(self) -> None:
        """What is changed after a conflict was resolved is stored as well, once."""
        visitor = self.visitor(n=1, a=1)

        def work(session: Any) -> Any:
            _count(session)
            session.persist()
            _count(session)
            return dict(session)

        seen = self.overlap(visitor, work, lambda session: (_count(session), session.update(b=1)))
        assert visitor.contents()["n"] == 4
        assert seen["a"] == 1

    def test_several_counters(self) -> None:
        """Several values that two requests modify at once are each modified by both."""

        def count(session: Any) -> None:
            for key in ("n", "m"):
                session.modify(key, lambda number: number + 1, 0)

        visitor = self.visitor(a=1)
        self.overlap(visitor, count, count)
        assert visitor.contents() == {"a": 1, "n": 2, "m": 2}

    def test_default_of_modify(self) -> None:
        """A default stays as it is, whatever the function does to its copy, and however often."""
        default: list[str] = []

        def add(session: Any) -> None:
            session.modify("items", lambda items: items.append("x") or items, default)

        visitor = self.visitor(a=1)
        self.overlap(visitor, add, add)
        assert visitor.contents() == {"a": 1, "items": ["x", "x"]}
        self.overlap(self.visitor(a=1), add, lambda session: session.update(a=2))
        assert default == []

    def test_modified_and_changed_in_place(self) -> None:
        """A change in place between two uses of ``modify`` is kept, as are others' changes."""

        def work(session: Any) -> None:
            session.modify("items", lambda items: [*items, "x"], [])
            session["items"].append("in place")
            session.modify("items", lambda items: [*items, "y"])

        visitor = self.visitor(a=1)
        self.overlap(visitor, work, lambda session: session.update(b=1))
        assert visitor.contents() == {"a": 1, "b": 1, "items": ["x", "in place", "y"]}

    def test_modify_after_clear(self) -> None:
        """After a clear ``modify`` begins with its default once more."""
        visitor = self.visitor(a=1, n=5)
        visitor.use(lambda session: (_count(session), session.clear(), _count(session)))
        assert visitor.contents() == {"n": 1}

    def test_removed_once(self) -> None:
        """A key whose removal was persisted is not removed again after others have set it."""
        removals: tuple[Work, ...] = (lambda s: (s.pop("z"), s.pop("a")), lambda s: s.clear())
        for remove in removals:
            visitor = self.visitor(a=1, z=1)

            def work(session: Any, remove: Work = remove, visitor: Browser = visitor) -> None:
                remove(session)
                session.persist()
                visitor.twin().put(a=2)
                session["b"] = 1

            visitor.use(work)
            assert visitor.contents() == {"a": 2, "b": 1}

    def test_conflict_is_told(self) -> None:
        """Two changes at once send an event; a change beside a mere use sends none."""
        visitor = self.visitor(a=1)
        others: tuple[tuple[Work, int], ...] = ((lambda s: s.update(b=1), 1), (dict, 0))
        for other, expected in others:
            self.clock.advance(600)  # so that every use is noted
            self.site.events.clear()
            self.overlap(visitor, lambda session: session.update(c=self.clock()), other)
            told = [e for e in self.site.events if isinstance(e, SessionMerged)]
            assert len(told) == expected

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
        assert self.overlap(visitor, lambda s: (s.lock(), s["n"])[1], _count) == 2
        changed = self.overlap(
            visitor, lambda s: (s.update(a=1), s.lock(), s["a"], s["n"])[2:], _count
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

    def test_get_by_id(self) -> None:
        """Another session can be found by its id, changed, and stored by its own persist()."""
        one, other = self.visitor(a=1), self.visitor(b=1)
        other_id = other.use(lambda session: session.id)

        def work(session: Any) -> Any:
            found = session.get_by_id(other_id)
            found["b"] = 2
            found.persist()
            unknown = ("x" * 43, "x", "", "é" * 43, None, 7)
            return [session.get_by_id(any_id) for any_id in unknown]

        assert one.use(work) == [None] * 6
        assert (one.contents(), other.contents()) == ({"a": 1}, {"b": 2})

    def test_get_by_id_of_a_store_that_is_down(self) -> None:
        """If the store cannot tell whether the id has a session, the answer is a 503."""
        visitor = self.visitor(a=1)

        def work(session: Any) -> None:
            session_id = session.id
            with self.store.failing("load"):
                session.get_by_id(session_id)

        visitor.use(work)
        assert visitor.response.status_code == 503


def _count(session: Any) -> Any:
    return session.modify("n", lambda n: n + 1, 0)
