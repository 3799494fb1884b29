"""Faults of Beaker's sessions, rows 25 and 38 to 42: the session as a mapping."""

from __future__ import annotations

import pytest
from pyramid.interfaces import ISession
from zope.interface.verify import verifyObject


@pytest.mark.parametrize("store", ["cookie"])
def test_row_25_a_session_in_the_cookie_is_a_session(site):
    """A session that is kept in the cookie itself has all that Pyramid and Beaker promise."""

    def use(session):
        verifyObject(ISession, session)
        assert session.new
        assert session.created
        session["user"] = "u"
        old = session.id
        session.regenerate_id()
        assert session.id != old

    visitor = site.visitor()
    with site.beaker_fails(Exception):
        visitor.do(use)
        assert visitor.do(lambda session: (session.new, session["user"])) == (False, "u")


VIEWS = {
    "iter": list,
    "len": len,
    "dict": dict,
    "keys": lambda session: list(session.keys()),
    "values": lambda session: list(session.values()),
    "items": lambda session: list(session.items()),
}


@pytest.mark.parametrize("store", ["memory", "file", "cookie"])
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_row_38_the_applications_keys_alone_show(site, view):
    """Whoever looks at the whole session sees what the application has stored."""
    visitor = site.visitor(user="u")
    with site.beaker_fails(AssertionError, TypeError):
        assert visitor.do(view) == view({"user": "u"})


@pytest.mark.parametrize("store", ["memory", "file", "cookie"])
def test_row_39_clear_keeps_what_is_not_the_applications(site):
    """After clear() the session still knows when it was created, in later requests too."""
    visitor = site.visitor(user="u")

    def clear(session):
        session.clear()
        assert session.created

    with site.beaker_fails(KeyError):
        visitor.do(clear)
        assert visitor.do(lambda session: session.created)


@pytest.mark.parametrize("store", ["memory", "file", "cookie"])
def test_row_39_popitem_takes_the_applications_keys_alone(site):
    """With popitem() nothing can be taken out but what the application has stored."""
    visitor = site.visitor(user="u")

    def empty(session):
        return [session.popitem() for _ in list(session)]

    with site.beaker_fails(AssertionError, KeyError):
        assert visitor.do(empty) == [("user", "u")]


@pytest.mark.parametrize(
    ("key", "value"), [("_domain", "evil.example"), ("_path", "/evil")], ids=["domain", "path"]
)
def test_row_40_keys_of_the_application_do_not_change_the_cookie(site, key, value):
    """What the application stores under any key is data, and no attribute of the cookie."""
    visitor = site.visitor(user="u")
    visitor.set(**{key: value})
    response = visitor.request(lambda request: request.session.regenerate_id())
    with site.beaker_fails():
        assert value not in response.headers["Set-Cookie"]
    with site.beaker_fails(AssertionError, KeyError):
        assert visitor.do(lambda session: (session.domain, session.path)) == (None, "/")
        assert visitor.get(key) == value


@pytest.mark.parametrize("store", ["memory", "file", "cookie"])
@pytest.mark.parametrize(
    "use",
    [
        lambda session: len(session) == 1,
        lambda session: session | {"b": 2} == {"a": 1, "b": 2},
        lambda session: {"b": 2} | session == {"a": 1, "b": 2},
        lambda session: session == {"a": 1},
        lambda session: session.copy() == {"a": 1},
        lambda session: session.update(b=2) or dict(session) == {"a": 1, "b": 2},
    ],
    ids=["len", "or", "ror", "eq", "copy", "update"],
)
def test_row_41_it_is_a_mapping(site, use):
    """The session does what a dictionary does."""
    visitor = site.visitor(a=1)
    with site.beaker_fails(AssertionError, TypeError, AttributeError):
        assert visitor.do(use)


@pytest.mark.parametrize("store", ["memory", "file", "cookie"])
def test_row_41_pop_of_a_missing_key_is_an_error(site):
    """To pop a key that is missing, without a default, is a KeyError."""
    visitor = site.visitor(a=1)
    with site.beaker_fails(pytest.fail.Exception), pytest.raises(KeyError):
        visitor.do(lambda session: session.pop("b"))


def test_row_42_a_change_within_a_value_is_kept(site):
    """A list or dictionary that was changed in place is stored, with no call of changed()."""
    site.set(save_accessed_time="false")
    visitor = site.visitor(cart=["one"])
    visitor.do(lambda session: session["cart"].append("two"))
    with site.beaker_fails():
        assert visitor.get("cart") == ["one", "two"]
