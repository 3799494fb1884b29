"""Whose session it is: ids, logging in and out, and what a failure leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.csrf import (
    LegacySessionCSRFStoragePolicy,
    SessionCSRFStoragePolicy,
    check_csrf_token,
    get_csrf_token,
)
from pyramid.interfaces import ICSRFStoragePolicy
from pyramid.security import forget, remember

from ..sessions.events import SessionRotated
from .session_base import COOKIE, SessionSuiteBase, error_of

if TYPE_CHECKING:
    from .site import Browser

WELL_FORMED = "A" * 43


class IdentitySuite(SessionSuiteBase):
    """An id is never taken from outside, never survives a login, and never works after a logout."""

    def test_unknown_id_is_not_adopted(self) -> None:
        """A well-formed id that nobody has leads to a session with an id of our own."""
        site = self.make_site(secret=None)
        visitor = site.stranger().keep({COOKIE: WELL_FORMED}).put(a=1)
        assert visitor.cookies[COOKIE] != WELL_FORMED
        assert visitor.contents() == {"a": 1}
        assert site.stranger().keep({COOKIE: WELL_FORMED}).contents() == {}

    def test_reading_with_any_cookie_stores_nothing(self) -> None:
        """Cookies that lead to nothing leave nothing behind when the session is read."""
        values = ("", "x", WELL_FORMED, WELL_FORMED + ".", "A" * 42, "A" * 10_000, '"')
        for site in (self.site, self.make_site(secret=None)):
            for value in values:
                browser = site.stranger().keep({COOKIE: value})
                assert browser.use(dict) == {}
                assert browser.set_cookies == []
        self.assert_records(0)

    def test_id_is_known_before_it_is_stored(self) -> None:
        """The id that a view sees is the one that the cookie carries afterwards."""
        stranger = self.site.stranger()
        seen = stranger.use(lambda session: (session.id, session.update(a=1))[0])
        assert stranger.cookies[COOKIE].partition(".")[0] == seen
        assert stranger.use(lambda session: session.id) == seen

    def test_ids_are_long_and_new(self) -> None:
        """No two sessions have the same id, and an id holds 256 bits."""
        ids = {self.site.stranger().use(lambda session: session.id) for _ in range(50)}
        assert len(ids) == 50
        assert {len(one) for one in ids} == {43}

    def test_store_does_not_hold_the_id(self) -> None:
        """Nobody who reads the store finds an id in it."""
        visitor = self.visitor(a=1)
        session_id = visitor.use(lambda session: session.id)
        for key in list(self.store.keys("") or ()):
            entry = self.store.load(key)
            assert entry is not None
            assert session_id not in key
            assert session_id.encode() not in entry[0]

    def test_invalidate(self) -> None:
        """An invalidated session is gone from the store, and the cookie from the browser."""
        visitor = self.visitor(a=1)
        old = visitor.twin()
        assert visitor.use(lambda session: (session.invalidate(), dict(session))[1]) == {}
        assert visitor.cookies == {}
        assert old.contents() == {}
        self.assert_records(0)

    def test_delete(self) -> None:
        """Beaker's delete() ends the session as well."""
        visitor = self.visitor(a=1)
        old = visitor.twin()
        visitor.use(lambda session: session.delete())
        assert visitor.cookies == {}
        assert old.contents() == {}

    def test_write_after_invalidate(self) -> None:
        """What is written after an invalidate() is in a new session, under a new id."""
        visitor = self.visitor(a=1)
        old = visitor.twin()
        visitor.use(lambda session: (session.invalidate(), session.update(b=2)))
        assert visitor.contents() == {"b": 2}
        assert len(visitor.set_cookies) == 1
        assert visitor.cookies != old.cookies
        assert old.contents() == {}
        self.assert_records(1)

    def test_invalidate_without_a_session(self) -> None:
        """Invalidating a session that was never stored stores nothing and sends nothing."""
        stranger = self.site.stranger()
        stranger.use(lambda session: session.invalidate())
        assert self.store.calls == []
        assert stranger.set_cookies == []

    def test_invalidate_twice(self) -> None:
        """A session that is begun and ended in one request leaves nothing."""
        visitor = self.visitor(a=1)
        visitor.use(
            lambda session: (
                session.invalidate(),
                session.update(b=1),
                session.persist(),
                session.invalidate(),
            )
        )
        assert visitor.cookies == {}
        self.assert_records(0)

    def test_invalidate_in_a_request_that_fails(self) -> None:
        """A request that fails ends nothing."""
        visitor = self.visitor(a=1)
        error_of(KeyError, lambda: visitor.use(lambda s: (s.invalidate(), s["missing"])))
        assert visitor.contents() == {"a": 1}

    def test_regenerate_id(self) -> None:
        """A session keeps its contents under a new id; the old one opens nothing any more."""
        visitor = self.visitor(a=[1])
        old = visitor.twin()
        ids = visitor.use(lambda s: (s.id, s["a"].append(2), s.regenerate_id(), s.id)[::3])
        assert ids[0] != ids[1]
        assert visitor.use(lambda session: session.id) == ids[1]
        assert visitor.contents() == {"a": [1, 2]}
        assert old.contents() == {}
        self.assert_records(1)
        assert SessionRotated(*ids) in self.site.events

    def test_regenerate_id_twice(self) -> None:
        """Of several new ids in one request only the last one opens the session."""
        visitor = self.visitor(a=1)
        old = visitor.twin()
        visitor.use(lambda session: (session.regenerate_id(), session.regenerate_id()))
        assert visitor.contents() == {"a": 1}
        assert old.contents() == {}
        self.assert_records(1)

    def test_regenerate_id_of_a_new_session(self) -> None:
        """A session that was never stored has nothing to end."""
        stranger = self.site.stranger()
        stranger.use(lambda session: (session.regenerate_id(), session.update(a=1)))
        assert stranger.contents() == {"a": 1}
        self.assert_records(1)

    def test_regenerate_id_then_invalidate(self) -> None:
        """A session that gets a new id and is then ended in the same request is ended."""
        visitor = self.visitor(a=1)
        old = visitor.twin()
        visitor.use(lambda session: (session.regenerate_id(), session.invalidate()))
        assert (visitor.cookies, old.contents()) == ({}, {})
        self.assert_records(0)

    def test_login_rotates(self) -> None:
        """Pyramid's remember() moves the session to a new id, and its forget() logs out."""
        visitor = self.visitor(cart=["tea"])
        planted = visitor.twin()
        visitor.visit(lambda request: remember(request, "alice"))
        assert visitor.visit(lambda request: request.authenticated_userid) == "alice"
        assert visitor.visit(lambda request: request.has_permission("buy"))
        assert visitor.contents()["cart"] == ["tea"]
        assert planted.visit(lambda request: request.authenticated_userid) is None
        visitor.visit(lambda request: forget(request))
        assert visitor.visit(lambda request: request.authenticated_userid) is None

    def test_login_of_a_stranger(self) -> None:
        """A visitor who logs in without a session gets one."""
        stranger = self.site.stranger()
        stranger.visit(lambda request: remember(request, "alice"))
        assert stranger.visit(lambda request: request.authenticated_userid) == "alice"
        self.assert_records(1)

    def test_rotate_on(self) -> None:
        """A setting chooses the key whose change rotates the id; the word none chooses no key."""
        for chosen, rotates in (("user", True), ("none", False)):
            site = self.make_site(rotate_on=chosen)
            visitor = site.stranger().put(a=1)
            before = visitor.cookies
            visitor.put(**{"user": "alice", "auth.userid": "alice"})
            assert (visitor.cookies != before) is rotates

    def test_csrf_token_after_login(self) -> None:
        """A token that is rendered right after the login is valid; the one before is not."""
        for policy in (SessionCSRFStoragePolicy(), LegacySessionCSRFStoragePolicy()):
            self.site = self.make_site()
            self.site.config.registry.registerUtility(policy, ICSRFStoragePolicy)
            self._assert_token_after_login(self.visitor(a=1))

    def _assert_token_after_login(self, visitor: Browser) -> None:
        before = visitor.visit(get_csrf_token)
        assert _accepts(visitor, before)
        at_login = visitor.visit(lambda r: (remember(r, "alice"), get_csrf_token(r))[1])
        assert at_login != before
        assert _accepts(visitor, at_login)
        assert not _accepts(visitor, before)

    def test_crash_while_an_id_is_changed(self) -> None:
        """Whatever fails before the old record is removed, the old cookie opens the session."""
        for method, after in (("create", False), ("create", True), ("delete", False)):
            visitor = self.visitor(a=1)
            with self.store.failing(method, after=after):
                visitor.use(lambda session: (session.update(a=2), session.regenerate_id()))
            assert visitor.response.status_code == 503
            assert visitor.set_cookies == []
            assert visitor.contents() == {"a": 1}

    def test_crash_while_a_session_is_ended(self) -> None:
        """A logout that could not be stored is an error, and no cookie is taken away."""
        visitor = self.visitor(a=1)
        with self.store.failing("delete"):
            visitor.use(lambda session: session.invalidate())
        assert visitor.response.status_code == 503
        assert visitor.set_cookies == []
        assert visitor.contents() == {"a": 1}

    def test_store_down_at_load(self) -> None:
        """A session that cannot be loaded gives a 503, and no new session."""
        visitor = self.visitor(a=1)
        with self.store.failing("load"):
            visitor.put(b=2)
        assert visitor.response.status_code == 503
        assert visitor.set_cookies == []
        assert visitor.contents() == {"a": 1}

    def test_store_down_at_save(self) -> None:
        """A session that cannot be saved gives a 503, whether it is new or not."""
        for browser, method in ((self.visitor(a=1), "swap"), (self.site.stranger(), "create")):
            with self.store.failing(method):
                browser.put(b=2)
            assert browser.response.status_code == 503
            assert browser.set_cookies == []

    def test_lost_answer(self) -> None:
        """A change whose answer was lost is an error, but is made exactly once in the store."""
        visitor = self.visitor(n=1)
        with self.store.failing("swap", after=True):
            visitor.use(lambda session: session.modify("n", lambda n: n + 1))
        assert visitor.response.status_code == 503
        assert visitor.contents() == {"n": 2}

    def test_anonymous(self) -> None:
        """With on_store_error = anonymous, pages are served without a session, which is logged."""
        site = self.make_site(on_store_error="anonymous")
        visitor = site.stranger().put(a=1)
        for method in ("load", "swap"):
            with self.store.failing(method), self.logged() as records:
                visitor.put(b=2)
            assert visitor.response.status_code == 200
            assert visitor.set_cookies == []
            assert "unavailable" in records[0].getMessage()
        assert visitor.contents() == {"a": 1}

    def test_anonymous_reads_empty(self) -> None:
        """What a request writes without a store can be read in it, and is gone afterwards."""
        site = self.make_site(on_store_error="anonymous")
        visitor = site.stranger().put(a=1)
        self.store.calls.clear()
        with self.store.failing("load"):
            seen: Any = visitor.use(lambda s: (dict(s), s.update(b=2), dict(s), s.new)[::2])
        assert seen == ({}, {"b": 2})
        assert self.store.calls == ["load"]  # a store that is down is not asked for each key
        assert visitor.contents() == {"a": 1}

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


def _accepts(visitor: Browser, token: str) -> bool:
    accepted: bool = visitor.twin().visit(
        lambda request: check_csrf_token(request, raises=False), **{"X-CSRF-Token": token}
    )
    return accepted
