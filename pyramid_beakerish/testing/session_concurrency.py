"""Requests that overlap: each of them loads the session before the other has saved it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..sessions.events import SessionChangesDropped, SessionMerged
from .session_base import SessionSuiteBase, count

if TYPE_CHECKING:
    from .site import Browser, Work


class ConcurrencySuite(SessionSuiteBase):
    """No request undoes what another one did, and none brings back what another one ended."""

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
            lambda session: (session.regenerate_id(), session.update(b=1), count(session)),
            lambda session: (session.update(a=2), count(session)),
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
            count(session)
            session.persist()
            count(session)
            return dict(session)

        seen = self.overlap(visitor, work, lambda session: (count(session), session.update(b=1)))
        assert visitor.contents()["n"] == 4
        assert seen["a"] == 1

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
