"""Ids that are renewed in the middle of a session, while requests are under way."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..sessions.events import SessionRotated
from .session_base import COOKIE, SessionSuiteBase

if TYPE_CHECKING:
    from .site import Browser, Site, Work

EVERY, GRACE = 900, 30


class RenewalSuite(SessionSuiteBase):
    """An id is used for a while only, and nobody is logged out by its renewal."""

    def renewing(self, **options: Any) -> Site:
        """Make an application whose ids are renewed every quarter of an hour."""
        return self.make_site(**{"renew_id_every": EVERY, "rotation_grace": GRACE, **options})

    def due(self, **options: Any) -> Browser:
        """Give a visitor whose id is due to be renewed at the next request."""
        visitor = self.renewing(**options).stranger().put(a=1)
        self.clock.advance(EVERY)
        self.store.calls.clear()
        return visitor

    def test_renewal(self) -> None:
        """A request that comes when renewal is due is given a new id, even if it only reads."""
        visitor = self.due()
        old = visitor.twin()
        assert visitor.use(dict) == {"a": 1}
        assert visitor.cookies != old.cookies
        assert self.store.calls == ["load", "create", "swap"]
        assert visitor.contents() == {"a": 1}
        self.clock.advance(EVERY - 1)
        visitor.use(dict)
        assert visitor.set_cookies == []

    def test_renewal_while_writing(self) -> None:
        """What a request changes while it renews the id is kept."""
        visitor = self.due()
        visitor.put(b=2)
        assert visitor.contents() == {"a": 1, "b": 2}

    def test_old_id_in_the_grace_time(self) -> None:
        """In the grace time, the old id opens the same session, and the new id is sent again."""
        visitor = self.due()
        slow = visitor.twin()
        visitor.put(b=2)
        assert slow.use(dict) == {"a": 1, "b": 2}
        slow.put(c=3)
        assert slow.cookies == visitor.cookies
        assert visitor.contents() == {"a": 1, "b": 2, "c": 3}

    def test_old_id_after_the_grace_time(self) -> None:
        """When the grace time is over the old id opens nothing."""
        visitor = self.due()
        old = visitor.twin()
        visitor.use(dict)
        self.clock.advance(GRACE * 1.1 + 1)
        assert old.contents() == {}
        assert visitor.contents() == {"a": 1}

    def test_no_grace(self) -> None:
        """Without a grace time the old id opens nothing after the renewal."""
        visitor = self.due(rotation_grace="none")
        old = visitor.twin()
        visitor.use(dict)
        assert old.contents() == {}
        assert visitor.contents() == {"a": 1}

    def test_requests_at_the_same_time(self) -> None:
        """Of overlapping requests only one renews the id, and all use the session under that id."""
        visitor = self.due()
        other = visitor.twin()
        self._overlap(visitor, lambda s: s.update(mine=1), partial(other.put, theirs=1))
        assert visitor.contents() == other.contents() == {"a": 1, "mine": 1, "theirs": 1}
        assert visitor.twin().put(b=2).cookies == other.cookies

    def test_readers_at_the_same_time(self) -> None:
        """A reader that is not the first leaves the renewal to the other."""
        visitor = self.due()
        other = visitor.twin()
        self._overlap(visitor, lambda session: None, partial(other.use, dict))
        assert visitor.set_cookies == []
        assert visitor.contents() == {"a": 1}

    def test_write_of_a_request_under_way(self) -> None:
        """A request that began before the renewal stores its change under the new id."""
        visitor = self.renewing().stranger().put(a=1)
        self.clock.advance(EVERY - 1)
        other = visitor.twin()

        def meanwhile() -> None:
            self.clock.advance(1)
            other.use(dict)

        self._overlap(visitor, lambda session: session.update(b=2), meanwhile)
        assert other.contents() == {"a": 1, "b": 2}

    def test_cookie_of_a_request_under_way(self) -> None:
        """A request that began before the renewal tells its visitor the new id, not the old one."""
        works: tuple[Work, ...] = (
            lambda session: session.update(b=2),
            lambda session: session.set_lifetime(timeout=2 * EVERY),
        )
        for work in works:
            visitor = self.renewing(cookie_expires=10 * EVERY).stranger().put(a=1)
            self.clock.advance(EVERY - 1)
            other = visitor.twin()

            def meanwhile(other: Browser = other) -> None:
                self.clock.advance(1)
                other.use(dict)

            self._overlap(visitor, work, meanwhile)
            assert visitor.cookies == other.cookies
            self.clock.advance(2 * GRACE)
            assert visitor.contents()["a"] == 1

    def test_logout_of_a_request_under_way(self) -> None:
        """A request that began before the renewal and ends the session ends it for both ids."""
        visitor = self.due()
        other = visitor.twin()
        self._overlap(visitor, lambda session: session.invalidate(), partial(other.use, dict))
        assert other.contents() == visitor.contents() == {}

    def test_logout_in_the_grace_time(self) -> None:
        """A session that has ended cannot be opened by the old id either."""
        visitor = self.due()
        old = visitor.twin()
        visitor.use(dict)
        visitor.use(lambda session: session.invalidate())
        assert old.contents() == {}

    def test_ended_session_beside_another(self) -> None:
        """The old id of a session that has ended does not hide another one's cookie."""
        site = self.renewing()
        one, other = site.stranger().put(a=1), site.stranger().put(b=1)
        self.clock.advance(EVERY)
        old = one.cookies[COOKIE]
        one.use(dict)
        one.use(lambda session: session.invalidate())
        both = f"{COOKIE}={old}; {COOKIE}={other.cookies[COOKIE]}"
        found = site.stranger().visit(lambda request: dict(request.session), Cookie=both)
        assert found == {"b": 1}

    def test_login_of_a_request_under_way(self) -> None:
        """A login during a renewal gives an id to which neither of the earlier ones leads."""
        visitor = self.due()
        other, old = visitor.twin(), visitor.twin()
        self._overlap(visitor, lambda session: session.regenerate_id(), partial(other.use, dict))
        assert visitor.contents() == {"a": 1}
        assert old.contents() == other.contents() == {}

    def test_reader_beside_a_login(self) -> None:
        """A reader with the old id is not sent the new one after a login has replaced that, too."""
        for options in ({}, {"save_accessed_time": "false"}):
            visitor = self.due(**options)
            reader = visitor.twin()
            visitor.use(dict)
            login = partial(visitor.use, lambda session: session.regenerate_id())
            self._overlap(reader, lambda session: None, login)
            assert reader.set_cookies == []

    def test_lock_beside_a_login(self) -> None:
        """A reader that locks the session is not sent it either, before the login or after."""
        for is_first in (True, False):
            visitor = self.due()
            reader = visitor.twin()
            visitor.use(dict)
            login = partial(visitor.use, lambda session: session.regenerate_id())

            def work(session: Any, is_first: bool = is_first, login: Any = login) -> None:
                if is_first:
                    session.lock()
                login()
                session.lock()

            self._overlap(reader, work, lambda: None)
            assert reader.set_cookies == []

    def test_reader_beside_a_writer(self) -> None:
        """A reader with the old id is sent the new one, whatever else is done to the session."""
        for options in ({}, {"save_accessed_time": "false"}):
            visitor = self.due(**options)
            reader = visitor.twin()
            visitor.use(dict)
            self._overlap(reader, lambda session: None, partial(visitor.put, b=2))
            assert reader.cookies == visitor.cookies

    def test_reader_without_a_store(self) -> None:
        """A reader whose store fails at the end is answered, and sent no id that may be wrong."""
        visitor = self.due()
        reader = visitor.twin()
        visitor.use(dict)
        with self.store.failing("swap"):
            assert reader.use(dict) == {"a": 1}
        assert reader.set_cookies == []
        assert reader.put(b=2).cookies == visitor.cookies

    def test_events_of_a_login_under_way(self) -> None:
        """The events of a login during a renewal lead from id to id to the last one."""
        self.site = self.renewing()
        visitor = self.site.stranger().put(a=1)
        ids = [visitor.use(lambda session: session.id)]
        self.clock.advance(EVERY)
        other = visitor.twin()
        self._overlap(visitor, lambda session: session.regenerate_id(), partial(other.use, dict))
        ids.append(visitor.use(lambda session: session.id))
        first, second = (one for one in self.site.events if isinstance(one, SessionRotated))
        assert (first.old_id, first.new_id, second.new_id) == (ids[0], second.old_id, ids[1])

    def test_login_when_renewal_is_due(self) -> None:
        """A login when renewal is due renews the id too, at once and without a grace time."""
        visitor = self.due()
        old = visitor.twin()
        visitor.use(lambda session: session.regenerate_id())
        assert old.contents() == {}
        assert visitor.contents() == {"a": 1}

    def test_old_id_by_get_by_id(self) -> None:
        """``get_by_id`` of an id that was renewed gives the session."""
        visitor = self.due()
        old = visitor.use(lambda session: session.id)
        found = visitor.use(lambda session: dict(session.get_by_id(old)))
        assert found == {"a": 1}

    def test_crash_while_an_id_is_renewed(self) -> None:
        """Whatever fails while an id is renewed, the old cookie still opens the session."""
        for method, after in (("create", False), ("create", True), ("swap", False), ("swap", True)):
            visitor = self.due()
            old = visitor.twin()
            with self.store.failing(method, after=after):
                visitor.put(b=2)
            assert visitor.response.status_code == 503
            assert old.contents()["a"] == 1

    def test_event(self) -> None:
        """A renewal sends the same event as any other change of an id."""
        self.site = self.renewing()
        visitor = self.site.stranger().put(a=1)
        self.clock.advance(EVERY)
        ids = [visitor.use(lambda session: session.id) for _ in range(2)]
        assert ids[0] != ids[1]
        assert SessionRotated(*ids) in self.site.events

    def test_lifetime_goes_on(self) -> None:
        """A renewed session ends when its first id would have."""
        visitor = self.due(lifetime=2 * EVERY)
        visitor.use(dict)
        self.clock.advance(EVERY)
        assert visitor.contents() == {}

    def test_grace_after_the_usual_lifetime(self) -> None:
        """A session that was given a longer lifetime has the same grace time."""
        visitor = self.renewing(lifetime=EVERY).stranger().put(a=1)
        visitor.use(lambda session: session.set_lifetime(lifetime=10 * EVERY))
        self.clock.advance(EVERY)
        old = visitor.twin()
        visitor.use(dict)
        assert old.contents() == {"a": 1}

    def _overlap(self, visitor: Browser, work: Work, meanwhile: Any) -> None:
        def working(session: Any) -> None:
            dict(session)
            meanwhile()
            work(session)

        visitor.use(working)
