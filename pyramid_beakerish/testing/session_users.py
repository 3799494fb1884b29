"""The sessions of one user: seen and ended from elsewhere."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Any

from ..sessions.events import EndReason, SessionEnded
from .session_base import SessionSuiteBase, error_of

if TYPE_CHECKING:
    from .site import Browser, Site


DAY = 24 * 3600


class UsersSuite(SessionSuiteBase):
    """A user's sessions are listed, and an ended one fails at its next request."""

    def setup_method(self) -> None:
        """Name users that no other test has, as all tests may share a store."""
        super().setup_method()
        self.seven = secrets.randbelow(2**60)
        self.bob, self.eve, self.nobody = (f"{name} {self.seven}" for name in ("b", "e", "n"))

    def log_in(self, userid: str | int, site: Site | None = None, **about: Any) -> Browser:
        """Give the browser of a user who has logged in."""
        browser = (site or self.site).stranger()
        browser.use(lambda session: session.bind_user(userid, **about))
        return browser

    def test_list(self) -> None:
        """A user's sessions are listed with what is known of them, the last used one first."""
        phone = self.log_in(self.bob, device="phone", place="Rome")
        self.clock.advance(100)
        desk = self.log_in(self.bob, device="desk")
        self.log_in(self.eve, device="hers")
        listed = desk.use(lambda session: list(session.sessions_of()))
        assert [one.about for one in listed] == [
            {"device": "desk"},
            {"device": "phone", "place": "Rome"},
        ]
        assert [one.is_current for one in listed] == [True, False]
        assert listed[0].created == listed[1].created + 100 == listed[0].last_accessed
        assert phone.use(lambda session: session.sessions_of()[0].is_current) is False

    def test_a_printed_list(self) -> None:
        """A listed session prints neither contents nor key, and equals itself when listed again."""
        desk = self.log_in(self.bob, device="desk")
        desk.put(card="4711 0815")
        once, again = (desk.use(lambda session: session.sessions_of()[0]) for _ in range(2))
        assert "0815" not in repr(once)
        assert once.key not in repr(once)
        assert once == again

    def test_looking_is_no_use(self) -> None:
        """Listing other sessions changes nothing about them."""
        self.log_in(self.bob)
        admin = self.visitor(a=1)
        self.clock.advance(3600)
        before = admin.use(lambda session: session.sessions_of(self.bob)[0].last_accessed)
        assert admin.use(lambda session: session.sessions_of(self.bob)[0].last_accessed) == before

    def test_end_one(self) -> None:
        """A session that is ended by its handle fails at its next request; the others live."""
        phone, desk = self.log_in(self.bob, device="phone"), self.log_in(self.bob, device="desk")
        handle = phone.use(lambda session: session.handle)
        assert desk.use(lambda session: session.sessions_of().end(handle)) is True
        assert desk.use(lambda session: session.sessions_of().end(handle)) is False
        assert phone.use(lambda session: session.new)
        assert desk.use(lambda session: len(session.sessions_of())) == 1
        assert SessionEnded(None, EndReason.REVOKED) in self.site.events

    def test_end_others(self) -> None:
        """All other sessions of the user are ended, but no other user's."""
        others = [self.log_in(self.bob) for _ in range(3)]
        mine, eve = self.log_in(self.bob), self.log_in(self.eve)
        assert mine.use(lambda session: session.sessions_of().end_others()) is True
        assert mine.use(lambda session: session.sessions_of().end_others()) is False
        assert all(other.use(lambda session: session.new) for other in others)
        assert not mine.use(lambda session: session.new)
        assert not eve.use(lambda session: session.new)

    def test_end_all(self) -> None:
        """ "Log out everywhere" ends the visitor's own session, too."""
        other, mine = self.log_in(self.bob), self.log_in(self.bob)
        mine.use(lambda session: session.sessions_of().end_all())
        assert mine.cookies == {}
        assert other.use(lambda session: session.new)
        self.assert_records(0)

    def test_end_all_of_somebody_else(self) -> None:
        """All sessions of a user can be ended by an administrator, whose own session goes on."""
        users = [self.log_in(self.bob), self.log_in(self.bob)]
        admin = self.visitor(a=1)
        admin.use(lambda session: session.sessions_of(self.bob).end_all())
        assert all(user.use(lambda session: session.new) for user in users)
        assert admin.contents() == {"a": 1}

    def test_revoked_in_a_request_under_way(self) -> None:
        """A request that is under way when its session is ended does not bring it back."""
        mine, other = self.log_in(self.bob), self.log_in(self.bob)

        def work(session: Any) -> None:
            dict(session)
            mine.use(lambda own: own.sessions_of().end_others())
            session["a"] = 1

        other.use(work)
        assert other.use(lambda session: session.new)

    def test_new_id(self) -> None:
        """A session is found and ended, whatever ids it has had."""
        phone, desk = self.log_in(self.bob), self.log_in(self.bob)
        for _ in range(5):
            phone.use(lambda session: session.regenerate_id())
        assert desk.use(lambda session: len(session.sessions_of())) == 2
        desk.use(lambda session: session.sessions_of().end_others())
        assert phone.use(lambda session: session.new)

    def test_new_id_between_list_and_end(self) -> None:
        """A session that is given a new id while it is being ended does not escape."""
        phone, desk = self.log_in(self.bob), self.log_in(self.bob)

        def work(session: Any) -> None:
            listed = session.sessions_of()
            phone.use(lambda own: own.regenerate_id())
            listed.end_others()

        desk.use(work)
        assert phone.use(lambda session: session.new)
        self.assert_records(1)

    def test_session_with_a_lifetime_of_its_own(self) -> None:
        """A session that lives longer than others is in the list for as long as it lives."""
        site = self.make_site(lifetime=3600)
        phone = self.log_in(self.bob, site)
        phone.use(lambda session: session.set_lifetime(timeout=30 * DAY, lifetime=30 * DAY))
        self.clock.advance(DAY)
        desk = self.log_in(self.bob, site)
        assert desk.use(lambda session: len(session.sessions_of())) == 2
        desk.use(lambda session: session.sessions_of().end_others())
        assert phone.use(lambda session: session.new)

    def test_renewed_id(self) -> None:
        """A session whose id is renewed by itself stays in the list, and can be ended."""
        site = self.make_site(renew_id_every=900)
        phone, desk = self.log_in(self.bob, site), self.log_in(self.bob, site)
        self.clock.advance(900)
        phone.use(dict)
        old = phone.twin()
        assert desk.use(lambda session: len(session.sessions_of())) == 2
        desk.use(lambda session: session.sessions_of().end_others())
        assert phone.use(lambda session: session.new)
        assert old.use(lambda session: session.new)

    def test_renewed_by_many_requests(self) -> None:
        """However many requests renew an id at once, the session can be ended afterwards."""
        site = self.make_site(renew_id_every=900)
        phone, desk = self.log_in(self.bob, site), self.log_in(self.bob, site)
        self.clock.advance(900)
        requests = [phone, *(phone.twin() for _ in range(5))]

        def overlap(session: Any) -> None:
            dict(session)
            if requests:
                requests.pop().use(overlap)

        requests.pop().use(overlap)
        assert not phone.use(lambda session: session.new)
        desk.use(lambda session: session.sessions_of().end_others())
        assert phone.use(lambda session: session.new)

    def test_new_id_that_failed(self) -> None:
        """After a change of id that failed midway, a session is ended under each of its keys."""
        phone, desk = self.log_in(self.bob), self.log_in(self.bob)
        for _ in range(4):
            with self.store.failing("delete"):
                phone.use(lambda session: session.regenerate_id())
        assert not phone.use(lambda session: session.new)
        assert desk.use(lambda session: session.sessions_of().end_others()) is True
        assert phone.use(lambda session: session.new)

    def test_new_id_while_it_is_listed(self) -> None:
        """A session that gets a new id while the list is made is in the list."""
        phone, desk = self.log_in(self.bob), self.log_in(self.bob)

        def work(session: Any) -> int:
            dict(session)
            rotate = partial(phone.use, lambda its: its.regenerate_id())
            self.store.before("load", "session:", rotate)
            return len(session.sessions_of())

        assert desk.use(work) == 2

    def test_logged_out_session_is_not_listed(self) -> None:
        """What has ended, in whatever way, is in no list."""
        phone, desk = self.log_in(self.bob), self.log_in(self.bob)
        phone.use(lambda session: session.invalidate())
        assert desk.use(lambda session: len(session.sessions_of())) == 1

    def test_at_most(self) -> None:
        """Beyond the limit, the user's least recently used session ends."""
        site = self.make_site(max_sessions_per_user=2)
        browsers = []
        for _ in range(3):
            browsers.append(self.log_in(self.bob, site))
            self.clock.advance(1)
        assert [browser.use(lambda session: session.new) for browser in browsers] == [
            True,
            False,
            False,
        ]
        assert SessionEnded(None, EndReason.TOO_MANY) in site.events

    def test_login_again(self) -> None:
        """A user who logs in again in one session still has one session, as described last."""
        mine = self.log_in(self.bob, device="old")
        mine.use(lambda session: session.bind_user(self.bob, device="new"))
        assert mine.use(lambda session: [s.about for s in session.sessions_of()]) == [
            {"device": "new"}
        ]

    def test_login_on_a_planted_id(self) -> None:
        """A session gets a new id when it becomes a user's, so that a planted id opens nothing."""
        planted = self.visitor(a=1)
        victim = planted.twin()
        victim.use(lambda session: session.bind_user(self.bob))
        assert planted.use(lambda session: session.new)
        assert victim.contents() == {"a": 1}
        before = victim.cookies
        victim.use(lambda session: session.bind_user(self.bob, device="desk"))
        assert victim.cookies == before

    def test_login_that_keeps_the_id(self) -> None:
        """If ids are not to change by themselves, they do not change at a login."""
        visitor = self.make_site(rotate_on="none").stranger().put(a=1)
        before = visitor.cookies
        visitor.use(lambda session: session.bind_user(self.bob))
        assert visitor.cookies == before

    def test_another_user_in_one_session(self) -> None:
        """A session belongs to the user it was bound to last, under a new id or the same one."""
        for site in (self.site, self.make_site(rotate_on="none")):
            mine = self.log_in(self.bob, site)
            mine.use(lambda session: session.bind_user(self.eve))
            assert mine.use(lambda session: len(session.sessions_of(self.bob))) == 0
            mine.use(lambda session: session.sessions_of().end_all())
            assert mine.use(lambda session: session.new)

    def test_userids_are_told_apart(self) -> None:
        """The number 7 and the text "7" are two users, and the store holds neither."""
        self.log_in(self.seven)
        other = self.log_in(str(self.seven), device="x")
        assert other.use(lambda session: len(session.sessions_of(self.seven))) == 1
        assert other.use(lambda session: session.sessions_of()[0].about) == {"device": "x"}
        assert {len(key) for key in self.store.keys("user:") or ("user:" + 40 * "x",)} == {45}

    def test_nobody(self) -> None:
        """A session without a user has no list; a user without sessions has an empty one."""
        visitor = self.visitor(a=1)
        assert visitor.use(lambda session: session.handle) is None
        assert visitor.use(lambda session: len(session.sessions_of(self.nobody))) == 0
        error = visitor.use(lambda session: error_of(LookupError, session.sessions_of))
        assert "bind_user" in str(error)

    def test_about_is_plain(self) -> None:
        """What the list shows of a session is text and numbers; anything else is refused."""
        visitor = self.visitor(a=1)

        def refused(session: Any, kind: type[Exception], at: Any) -> str:
            return str(error_of(kind, lambda: session.bind_user(self.bob, at=at)))

        assert "at is a object" in visitor.use(partial(refused, kind=TypeError, at=object()))
        for odd in ("\ud800", 2**70):
            said = visitor.use(partial(refused, kind=ValueError, at=odd))
            assert "at cannot be stored" in said

    def test_store_down(self) -> None:
        """A list that cannot be loaded gives a 503, like anything else of the session."""
        mine = self.log_in(self.bob)

        def work(session: Any) -> Any:
            dict(session)
            with self.store.failing("load"):
                return list(session.sessions_of())

        mine.use(work)
        assert mine.response.status_code == 503

    def test_store_down_at_the_end(self) -> None:
        """If sessions cannot be ended, the answer is a 503, and they are not taken for ended."""
        other, mine = self.log_in(self.bob), self.log_in(self.bob)

        def work(session: Any) -> None:
            with self.store.failing("delete"):
                session.sessions_of().end_others()

        mine.use(work)
        assert mine.response.status_code == 503
        assert not other.use(lambda session: session.new)
        assert mine.use(lambda session: len(session.sessions_of())) == 2
