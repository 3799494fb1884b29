"""What is stored of a session, and what a view finds in it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..errors import SerializationError
from ..sessions.events import Refusal, SessionRefused
from ..sessions.ids import store_key
from .session_base import COOKIE, SessionSuiteBase, error_of
from .site import SECRET
from .stores import stamped

if TYPE_CHECKING:
    from .site import Browser

VALUES: dict[str, Any] = {
    "none": None,
    "truth": True,
    "number": -(2**80),
    "float": 1.5,
    "text": "日本 \U0001f36a",
    "bytes": b"\0\xff",
    "list": [1, [2.0, {"deep": (None, frozenset({1}))}]],
    "keys": {1: "int", "1": "str", None: "none"},
    "set": {"a", "b"},
    "moment": datetime(2024, 2, 29, 12, tzinfo=timezone(timedelta(hours=2))),
    "naive": datetime(2024, 2, 29, 12, fold=1),  # noqa: DTZ001 - naive moments are kept as well
    "day": datetime(2024, 2, 29, tzinfo=timezone.utc).date(),
    "span": timedelta(days=-1, microseconds=1),
    "price": Decimal("1.10"),
    "uuid": UUID(int=7),
}


class ContentsSuite(SessionSuiteBase):
    """Only what the application has put in is stored, and it comes back as it was."""

    def test_untouched(self) -> None:
        """A request that leaves the session alone costs nothing and sends nothing."""
        visitor = self.visitor(a=1)
        visitor.visit(lambda request: request.session is None)
        assert self.store.calls == []
        assert visitor.set_cookies == []
        assert "Vary" not in visitor.response.headers

    def test_reading_stores_nothing(self) -> None:
        """A visitor without a session who only reads gets no record and no cookie."""
        stranger = self.site.stranger()
        seen = stranger.use(lambda session: (session.get("a"), "a" in session, len(session)))
        assert seen == (None, False, 0)
        assert self.store.calls == []
        assert stranger.set_cookies == []
        assert stranger.response.headers["Vary"] == "Cookie"

    def test_first_write(self) -> None:
        """The first value creates one record and sends one cookie, which leads to it."""
        stranger = self.site.stranger().put(a=1)
        assert self.store.calls == ["create"]
        assert len(stranger.set_cookies) == 1
        assert stranger.contents() == {"a": 1}
        self.assert_records(1)

    def test_save_begins_a_session(self) -> None:
        """An empty session is stored when the application asks for it."""
        stranger = self.site.stranger()
        stranger.use(lambda session: session.save())
        assert COOKIE in stranger.cookies
        assert stranger.use(lambda session: session.new) is False

    def test_read_costs_one_load(self) -> None:
        """Any number of reads costs one load, and no cookie is sent again."""
        visitor = self.visitor(a=1, b=[2])
        seen = visitor.use(
            lambda session: (session["a"], session["b"], len(session), "c" in session)
        )
        assert seen == (1, [2], 2, False)
        assert self.store.calls == ["load"]
        assert visitor.set_cookies == []

    def test_write_costs_one_swap(self) -> None:
        """Any number of changes costs one load and one swap."""
        visitor = self.visitor(a=1, b=2)
        visitor.use(lambda session: (session.update(a=2, c=3), session.pop("b")))
        assert self.store.calls == ["load", "swap"]
        assert visitor.contents() == {"a": 2, "c": 3}

    def test_same_value_is_no_change(self) -> None:
        """A key set to what was loaded is not stored again."""
        visitor = self.visitor(a=[1, {"x": None}], b="text")
        visitor.use(lambda session: session.update(a=[1, {"x": None}], b="text"))
        assert self.store.calls == ["load"]

    def test_equal_value_of_another_type_is_a_change(self) -> None:
        """1, 1.0 and True are equal in Python, and are three different values here."""
        visitor = self.visitor(a=1)
        visitor.put(a=True)
        assert visitor.contents()["a"] is True

    def test_nested_change(self) -> None:
        """A value that was changed in place is stored without a call of changed()."""
        visitor = self.visitor(cart=["tea"], deep={"a": [{"b": 1}]})
        visitor.use(lambda session: session["cart"].append("milk"))
        visitor.use(lambda session: session["deep"]["a"][0].update(b=2))
        assert visitor.contents() == {"cart": ["tea", "milk"], "deep": {"a": [{"b": 2}]}}
        visitor.use(lambda session: [value.clear() for value in session.values()])
        assert visitor.contents() == {"cart": [], "deep": {}}

    def test_nested_change_of_what_was_set(self) -> None:
        """A value that is changed after it was put in and persisted is stored as changed."""

        def work(session: Any) -> None:
            session["cart"] = cart = ["tea"]
            session.persist()
            cart.append("milk")

        visitor = self.site.stranger()
        visitor.use(work)
        assert visitor.contents() == {"cart": ["tea", "milk"]}

    def test_read_but_unchanged(self) -> None:
        """A mutable value that was only read is not stored again."""
        visitor = self.visitor(cart=["tea"], words={"a", "b", "c"})
        visitor.use(dict)
        assert self.store.calls == ["load"]

    def test_every_type(self) -> None:
        """Values come back equal and of the same type."""
        found = self.visitor(**VALUES).contents()
        assert found == VALUES
        assert [repr(found[name]) for name in VALUES if name != "set"] == [
            repr(VALUES[name]) for name in VALUES if name != "set"
        ]

    def test_dictionary_methods(self) -> None:
        """A session does what a dictionary does, over requests."""
        visitor = self.visitor(a=1, b=2)
        assert visitor.use(lambda session: session.setdefault("a", 5)) == 1
        assert visitor.use(lambda session: session.setdefault("c", 3)) == 3
        assert visitor.use(lambda session: session.pop("b")) == 2
        assert visitor.use(lambda session: session.pop("b", "gone")) == "gone"
        assert visitor.use(lambda session: sorted(session.items())) == [("a", 1), ("c", 3)]
        visitor.use(lambda session: session.__delitem__("a"))
        assert visitor.use(lambda session: ("a" in session, session.get("a", 0))) == (False, 0)
        assert visitor.use(lambda session: session == {"c": 3}) is True
        visitor.put(d=4)
        assert visitor.use(lambda session: list(reversed(session))) == ["d", "c"]
        assert visitor.use(lambda session: session.popitem()) == ("d", 4)
        assert visitor.contents() == {"c": 3}
        visitor.use(lambda session: session.popitem())
        visitor.use(lambda session: error_of(KeyError, session.popitem))

    def test_missing_key(self) -> None:
        """Reading or deleting a key that is not there raises KeyError, even after a delete."""

        def work(session: Any) -> list[str]:
            del session["a"]
            attempts = (session.__getitem__, session.__delitem__)
            return [error_of(KeyError, partial(attempt, "a")).args[0] for attempt in attempts]

        assert self.visitor(a=1).use(work) == ["a", "a"]

    def test_deleted_and_set_again(self) -> None:
        """A key that is deleted and set again has the new value."""

        def work(session: Any) -> Any:
            del session["a"]
            session["a"] = "new"
            return session["a"]

        visitor = self.visitor(a="old")
        assert visitor.use(work) == "new"
        assert visitor.contents() == {"a": "new"}

    def test_removed_and_set_to_the_same(self) -> None:
        """A key that is removed, in any way, and set to what it was is still there."""
        visitor = self.visitor(a=1, b=1, n=1)
        visitor.use(lambda session: session.update(a=session.pop("a")))
        visitor.use(lambda session: (session.pop("n"), session.modify("n", lambda n: n, 1)))
        assert visitor.contents() == {"a": 1, "b": 1, "n": 1}
        visitor.use(lambda session: (session.clear(), session.update(b=1)))
        assert visitor.contents() == {"b": 1}

    def test_clear(self) -> None:
        """A cleared session is empty, and goes on under the same id."""
        visitor = self.visitor(a=1, b=2)
        cookies = visitor.cookies
        visitor.use(lambda session: (session.clear(), session.update(c=3)))
        assert visitor.contents() == {"c": 3}
        assert visitor.cookies == cookies
        visitor.use(lambda session: session.clear())
        assert visitor.use(lambda session: (len(session), session.new)) == (0, False)

    def test_revert(self) -> None:
        """Reverted changes are not stored, not even nested ones."""
        visitor = self.visitor(a=[1], b=2)
        visitor.use(lambda session: (session["a"].append(2), session.pop("b"), session.revert()))
        assert self.store.calls == ["load"]
        assert visitor.contents() == {"a": [1], "b": 2}

    def test_revert_of_a_save(self) -> None:
        """After a revert nothing is left to be stored, and no session begins."""
        visitor, stranger = self.visitor(a=1), self.site.stranger()
        for browser in (visitor, stranger):
            dirty = browser.use(lambda s: (s.save(), s.update(a=2), s.revert(), s.dirty())[-1])
            assert dirty is False
        assert self.store.calls == ["load"]
        assert stranger.cookies == {}

    def test_revert_after_clear(self) -> None:
        """What was cleared is there again after a revert."""
        visitor = self.visitor(a=1)
        assert visitor.use(lambda session: (session.clear(), session.revert(), dict(session))) == (
            None,
            None,
            {"a": 1},
        )

    def test_persist(self) -> None:
        """What is persisted is stored at once, and not again at the end."""
        visitor = self.visitor(a=1)

        def work(session: Any) -> Any:
            session["a"] = 2
            session.persist()
            return visitor.contents()

        assert visitor.use(work) == {"a": 2}
        assert self.store.calls == ["load", "swap", "load"]

    def test_unfit_value(self) -> None:
        """A value that would not come back is an error with key and type, and nothing is stored."""
        visitor = self.visitor(a=1)
        error = error_of(SerializationError, lambda: visitor.put(a=2, thing=object()))
        assert "'thing'" in str(error)
        assert "object" in str(error)
        assert " at 0x" not in str(error)
        assert self.store.calls == ["load"]
        assert visitor.contents() == {"a": 1}

    def test_unfit_key(self) -> None:
        """A key that is no string is refused, with an error that names its type."""
        stranger = self.site.stranger()
        error = error_of(SerializationError, lambda: stranger.use(lambda s: s.update({7: "x"})))
        assert "int" in str(error)
        assert self.store.calls == []

    def test_flash(self) -> None:
        """Messages wait in their queue until they are popped."""
        visitor = self.visitor()
        visitor.use(lambda session: (session.flash("one"), session.flash("err", "errors")))
        visitor.use(lambda session: session.flash("two"))
        visitor.use(lambda session: session.flash("two", allow_duplicate=False))
        visitor.use(lambda session: session.flash("new", allow_duplicate=False))
        visitor.use(lambda session: session.flash("one"))
        assert visitor.use(lambda session: session.peek_flash()) == ["one", "two", "new", "one"]
        assert visitor.use(lambda session: session.pop_flash()) == ["one", "two", "new", "one"]
        assert visitor.use(lambda session: session.pop_flash()) == []
        assert visitor.use(lambda session: session.peek_flash()) == []
        assert visitor.use(lambda session: session.pop_flash("errors")) == ["err"]

    def test_empty_pop_begins_nothing(self) -> None:
        """A page that shows messages does not give its visitors sessions."""
        stranger = self.site.stranger()
        assert stranger.use(lambda session: session.pop_flash()) == []
        assert self.store.calls == []

    def test_only_the_applications_keys(self) -> None:
        """The session's own times can be read by their keys, but no listing has them."""
        born = self.clock()
        visitor = self.visitor(a=1)
        self.clock.advance(5)
        found = visitor.use(
            lambda session: (session["_creation_time"], session["_accessed_time"], list(session))
        )
        assert found == (born, born, ["a"])
        assert visitor.use(lambda session: session.created) == int(born)
        assert visitor.use(lambda session: session.pop("_creation_time", None)) == born
        assert visitor.contents() == {"a": 1}

    def test_corrupt_record(self) -> None:
        """A record that cannot be read gives a new session, a log line and an event; no error."""
        for damage in (b"", stamped()[:3], stamped(), stamped(b"garbage"), stamped(b"\xc1")):
            visitor = self.visitor(a=1)
            self.store.set(self._key(visitor), damage, None)
            self.site.events.clear()
            with self.logged() as records:
                assert visitor.use(lambda session: (dict(session), session.new)) == ({}, True)
            assert [event.reason for event in self.site.events] == [Refusal.CORRUPT]
            assert "corrupt" in records[0].getMessage()
            assert visitor.put(b=2).contents() == {"b": 2}

    def test_corrupt_value(self) -> None:
        """A value that cannot be read is absent, but stays stored for a reader that can."""
        visitor = self.visitor(a="text", b="kept")
        key = self._key(visitor)
        entry = self.store.load(key)
        assert entry is not None
        damaged = entry[0].replace(b"\xa4text", b"\xd9\xfftex")
        self.store.set(key, damaged, None)
        with self.logged() as records:
            assert visitor.use(dict) == {"b": "kept"}
        assert "'a'" in records[0].getMessage()
        visitor.put(c=1)
        entry = self.store.load(key)
        assert entry is not None
        assert b"\xd9\xfftex" in entry[0]

    def test_refusals_are_told(self) -> None:
        """A cookie that opens nothing is reported by an event and a log line, without the id."""
        other = self.make_site(secret=SECRET[::-1]).stranger().put(a=1)
        unknown = self.visitor(a=1)
        unknown.twin().use(lambda session: session.invalidate())
        for browser, reason in (
            (self.site.stranger().keep({COOKIE: "nonsense"}), Refusal.MALFORMED),
            (self.site.stranger().keep(other.cookies), Refusal.BAD_SIGNATURE),
            (unknown, Refusal.UNKNOWN),
        ):
            self.site.events.clear()
            sent = browser.cookies[COOKIE]
            with self.logged() as records:
                assert browser.use(dict) == {}
            (event,) = self.site.events
            assert isinstance(event, SessionRefused)
            assert event.reason is reason
            assert reason.value in records[0].getMessage()
            assert sent.partition(".")[0] not in records[0].getMessage() + repr(event)

    def _key(self, visitor: Browser) -> str:
        session_id: str = visitor.twin().use(lambda session: session.id)
        return store_key(session_id)
