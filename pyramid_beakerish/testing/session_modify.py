"""`session.modify`, in requests that overlap."""

from __future__ import annotations

from typing import Any

from .session_base import SessionSuiteBase, count


class ModifySuite(SessionSuiteBase):
    """Each modification is made on what the others have stored, and none is lost."""

    def test_modify(self) -> None:
        """A number that two requests modify counts both modifications."""
        visitor = self.visitor(n=10)
        self.overlap(visitor, count, lambda session: (count(session), count(session)))
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
            count(session)

        self.overlap(visitor, work, count)
        assert visitor.contents() == {"n": 101}

    def test_assignment_after_a_modification(self) -> None:
        """An assignment or a deletion overrides the modifications before it."""
        visitor = self.visitor(n=1, m=1)

        def work(session: Any) -> None:
            count(session)
            session["n"] = 100
            session.modify("m", lambda m: m + 1)
            del session["m"]

        self.overlap(visitor, work, count)
        assert visitor.contents() == {"n": 100}

    def test_modify_after_a_deletion(self) -> None:
        """After a deletion a modification begins with the default."""
        visitor = self.visitor(n=1)

        def work(session: Any) -> None:
            del session["n"]
            count(session)

        self.overlap(visitor, work, count)
        assert visitor.contents() == {"n": 1}

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
        visitor.use(lambda session: (count(session), session.clear(), count(session)))
        assert visitor.contents() == {"n": 1}
