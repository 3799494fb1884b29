"""What a session is to Python, to Pyramid and to users of Beaker's."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

from pyramid.interfaces import IDict, ISession
from pyramid.renderers import render
from zope.interface.verify import verifyObject

from .session_base import COOKIE, SessionSuiteBase

CONTENTS = {"user": "bob", "cart": ["tea"], "n": 1}


class InterfaceSuite(SessionSuiteBase):
    """A session can be used like any mapping, like Pyramid's sessions and like Beaker's."""

    def test_interfaces(self) -> None:
        """A session provides Pyramid's interfaces of sessions and dictionaries, new or not."""
        for browser in (self.site.stranger(), self.visitor(**CONTENTS)):
            assert browser.use(lambda session: verifyObject(ISession, session))
            assert browser.use(lambda session: verifyObject(IDict, session, tentative=True))

    def test_plain_dictionaries(self) -> None:
        """Every copy of a session is a plain dictionary with its contents."""
        ways = (
            dict,
            copy.copy,
            copy.deepcopy,
            lambda session: session.copy(),
            lambda session: session | {},
            lambda session: {} | session,
            lambda session: {**session},
            lambda session: pickle.loads(pickle.dumps(session)),  # noqa: S301 - its own
            lambda session: json.loads(render("json", session)),
        )
        visitor = self.visitor(**CONTENTS)
        for way in ways:
            made: Any = visitor.use(way)
            assert type(made) is dict
            assert made == CONTENTS

    def test_deep_copy_is_apart(self) -> None:
        """A change to a deep copy does not change the session."""
        visitor = self.visitor(**CONTENTS)
        visitor.use(lambda session: copy.deepcopy(session)["cart"].append("milk"))
        assert visitor.contents() == CONTENTS

    def test_union(self) -> None:
        """The right-hand side of a union wins, and |= changes the session itself."""
        visitor = self.visitor(**CONTENTS)

        def work(session: Any) -> Any:
            found = session | {"n": 2}, {"n": 2} | session
            itself = session
            session |= {"n": 3}
            return found[0]["n"], found[1]["n"], session is itself

        assert visitor.use(work) == (2, 1, True)
        assert visitor.contents()["n"] == 3

    def test_equality(self) -> None:
        """A session equals a dictionary of its contents."""
        visitor = self.visitor(**CONTENTS)
        assert visitor.use(lambda session: session == CONTENTS) is True
        assert visitor.use(lambda session: [CONTENTS].index(session)) == 0
        assert visitor.use(lambda session: (session != {}, bool(session))) == (True, True)
        assert self.site.stranger().use(bool) is False

    def test_json_renderer(self) -> None:
        """Pyramid's JSON renderer shows the contents."""
        visitor = self.visitor(**CONTENTS)
        shown = visitor.use(lambda session: render("json", {"session": session}))
        assert json.loads(shown) == {"session": CONTENTS}

    def test_silent_repr(self) -> None:
        """Printing a session shows neither its contents nor its id."""
        visitor = self.visitor(**CONTENTS)
        shown = visitor.use(lambda session: (repr(session) + str(session), session.id))
        assert "bob" not in shown[0]
        assert shown[1] not in shown[0]

    def test_new(self) -> None:
        """A session is new until it is stored, by Pyramid's name and by Beaker's."""
        stranger = self.site.stranger()
        assert stranger.use(lambda s: (s.new, s.is_new, s.update(a=1), s.new)) == (
            True,
            True,
            None,
            True,
        )
        assert stranger.use(lambda s: (s.new, s.is_new)) == (False, False)

    def test_changed(self) -> None:
        """Pyramid's changed() does no harm, and begins no session where there is nothing."""
        visitor = self.visitor(**CONTENTS)
        visitor.use(lambda session: session.changed())
        assert visitor.contents() == CONTENTS
        stranger = self.site.stranger()
        stranger.use(lambda session: session.changed())
        assert stranger.cookies == {}

    def test_accessed(self) -> None:
        """Whether the session was used, and written to, can be asked without using it."""
        visitor = self.visitor(**CONTENTS)
        found = visitor.use(
            lambda s: (s.accessed(), s.get("n"), s.accessed(), s.dirty(), s.pop("n"), s.dirty())
        )
        assert found == (False, 1, True, False, 1, True)

    def test_has_key(self) -> None:
        """Beaker's has_key() tells the same as the operator in."""
        assert self.visitor(n=1).use(lambda s: (s.has_key("n"), s.has_key("x"))) == (True, False)

    def test_domain_and_path(self) -> None:
        """A session's cookie may be given a Domain and a Path of its own, which it keeps."""
        visitor = self.visitor(n=1)
        assert visitor.use(lambda session: (session.domain, session.path)) == (None, "/")

        def work(session: Any) -> None:
            session.domain = "example.com"
            session.path = "/shop"

        visitor.use(work)
        (cookie,) = visitor.set_cookies
        assert "; Path=/shop; Domain=example.com;" in cookie
        assert visitor.use(lambda session: (session.domain, session.path)) == (
            "example.com",
            "/shop",
        )
        visitor.use(lambda session: session.invalidate())
        assert any("; Path=/shop; Domain=example.com;" in one for one in visitor.set_cookies)

    def test_headers(self) -> None:
        """Responses tell caches that they depend on the cookie, and are private if they set it."""
        stranger = self.site.stranger().put(n=1)
        assert stranger.response.headers["Vary"] == "Cookie"
        assert stranger.response.headers["Cache-Control"] == "private"
        stranger.use(dict)
        assert stranger.response.headers["Vary"] == "Cookie"
        assert "Cache-Control" not in stranger.response.headers
        assert list(stranger.cookies) == [COOKIE]

    def test_secure_cookie(self) -> None:
        """The cookie is Secure if the request came over https; it is always HttpOnly and Lax."""
        for scheme, secure in (("http", False), ("https", True)):
            (cookie,) = self.site.stranger(scheme).put(n=1).set_cookies
            assert ("; Secure" in cookie) is secure
            assert "; HttpOnly; SameSite=Lax" in cookie
