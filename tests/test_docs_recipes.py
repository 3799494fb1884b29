"""What docs/recipes.rst and docs/security.rst have somebody copy does what the pages promise."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.site import Site
from tests.test_docs import ROOT, blocks

DAY = timedelta(days=1).total_seconds()


@pytest.fixture
def clock():
    return FrozenClock(1_700_000_000)


@pytest.fixture
def site(clock):
    return Site(MemoryStore(clock=clock), clock)


def block(page, function):
    """Give the block of a page that defines a function."""
    (body,) = (b for b in blocks(ROOT / "docs" / page, "python") if f"def {function}(" in b)
    return body


def recipe(name):
    """Give a function of the page, as somebody has it who copies its block."""
    copied = {}
    exec(compile(block("recipes.rst", name), "recipes.rst", "exec"), copied)
    return copied[name]


def logged_in(site, user, device="phone"):
    """Give the browser of somebody who has logged in by the recipe."""
    browser = site.stranger()
    browser.visit(lambda request: recipe("login")(request, user), **{"User-Agent": device})
    return browser


def user_of(browser):
    return browser.contents().get("user")


def test_login(site):
    """The session is the user's, on this device, and has another id than before."""
    visitor = site.stranger().put(cart=1)
    planted = visitor.twin()
    visitor.visit(lambda request: recipe("login")(request, "bob"), **{"User-Agent": "phone"})
    assert (visitor.response.status_code, visitor.response.location) == (303, "http://localhost/")
    assert visitor.contents() == {"cart": 1, "user": "bob"}
    (listed,) = visitor.use(lambda session: list(session.sessions_of()))
    assert (listed.about, listed.is_current) == ({"device": "phone"}, True)
    assert user_of(planted) is None


def test_logout(site):
    """The session has ended, for whoever has its cookie."""
    visitor = logged_in(site, "bob")
    thief = visitor.twin()
    visitor.visit(recipe("logout"))
    assert (visitor.response.status_code, visitor.response.location) == (303, "http://localhost/")
    assert visitor.cookies == {}
    assert thief.contents() == {}


def test_remember_for_a_month(site, clock):
    """Session and cookie outlast the default of a fortnight, and no unused month."""
    visitor = logged_in(site, "bob")
    visitor.use(recipe("remember_for_a_month"))
    thief = visitor.twin()  # whose cookie is never over
    clock.advance(29 * DAY)
    assert user_of(visitor) == "bob"
    clock.advance(31 * DAY)
    assert visitor.cookies == {}
    assert thief.contents() == {}


def test_password_was_changed(site):
    """The user's other sessions end; this one, and those of others, go on."""
    browsers = [logged_in(site, user) for user in ("bob", "bob", "eve")]
    browsers[0].visit(recipe("password_was_changed"))
    assert list(map(user_of, browsers)) == ["bob", None, "eve"]


def test_account_was_disabled(site):
    """All sessions of the user end; that of who did it, and those of others, go on."""
    browsers = [logged_in(site, user) for user in ("root", "bob", "bob", "eve")]
    browsers[0].visit(lambda request: recipe("account_was_disabled")(request, "bob"))
    assert list(map(user_of, browsers)) == ["root", None, None, "eve"]


def test_keep_nothing(site):
    """No cache keeps a page that has used the session; what does not touch it may be kept."""
    recipe("includeme")(site.config)
    site.config.commit()
    visitor = logged_in(site, "bob")
    visitor.use(dict)
    assert visitor.response.cache_control.no_store
    for browser in (visitor, site.stranger()):
        browser.visit(lambda request: None)
        assert not browser.response.cache_control.no_store
        assert browser.response.vary is None


def test_note(site, capsys):
    """A session that another browser sends is told of, by its handle; that of its own is not."""
    visitor = logged_in(site, "bob", "phone")
    code = compile(block("security.rst", "note"), "security.rst", "exec")

    def at_login(request):
        exec(code, {"config": site.config, "request": request, "session": request.session})
        return request.session.handle

    handle = visitor.visit(at_login, **{"User-Agent": "phone"})
    site.config.commit()
    visitor.visit(lambda request: None, **{"User-Agent": "phone"})
    assert capsys.readouterr().out == ""
    visitor.visit(lambda request: None, **{"User-Agent": "another"})
    assert capsys.readouterr().out == f"another browser {handle}\n"
