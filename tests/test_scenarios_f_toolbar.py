"""Scenarios f: the debug toolbar looks at the session from above, which is no use of it."""

from __future__ import annotations

import pytest

from tests.scenarios import Site, set_cookies


@pytest.fixture
def site():
    return Site("pyramid_debugtoolbar")


panel = pytest.mark.parametrize("active", [False, True], ids=["idle", "active"])


def visitor_with_panel(site, active):
    """Give a visitor who has the toolbar's session panel switched on or not."""
    visitor = site.visitor()
    if active:
        visitor.set_cookie("pdtb_active", "session")
    return visitor


def page_without_session(site):
    @site.page("plain")
    def plain(request):
        return "plain"


def test_f1_the_panel_is_idle_and_the_view_does_without_session(site):
    """With the panel idle, a page that uses no session costs and sends nothing for one."""
    page_without_session(site)
    response = visitor_with_panel(site, active=False).get("/plain")
    assert site.journal == []
    assert set_cookies(response) == []
    assert "Vary" not in response.headers


def test_f2_the_panel_is_active_and_the_view_does_without_session(site):
    """The active panel loads the session once; the page still counts as one that uses none."""
    page_without_session(site)
    response = visitor_with_panel(site, active=True).get("/plain")
    assert site.journal == ["load"]
    assert set_cookies(response) == []
    assert "Vary" not in response.headers


def test_f2_the_panel_reads_a_mutable_value(site):
    """The active panel may read a list, such as flash messages: nothing is saved for that."""
    site.page("flash")(lambda request: request.session.flash("Hello."))
    page_without_session(site)
    visitor = visitor_with_panel(site, active=True)
    visitor.get("/flash")
    site.journal.clear()
    assert visitor.get("/plain").text == "plain"
    assert site.journal == ["load"]
    assert site.contents(visitor)["_f_"] == ["Hello."]


def test_f2_the_panel_extends_no_session(site):
    """What the active panel reads does not extend the session's idle time."""
    page_without_session(site)
    visitor = visitor_with_panel(site, active=True)
    site.clock.advance(3600)
    visitor.get("/plain")
    assert site.writes() == []


def test_f2_the_panel_is_active_and_the_view_reads(site):
    """What the active panel has loaded is not loaded again when the view reads it."""
    visitor = visitor_with_panel(site, active=True)
    response = visitor.get("/look")
    assert response.json == {"old": "1"}
    assert site.journal == ["load"]
    assert response.headers["Vary"] == "Cookie"


def test_f3_the_panel_is_idle_and_the_view_only_fetches(site):
    """The idle panel reads a session when the view fetches it: it counts as read, and no more."""

    @site.page("fetch")
    def fetch(request):
        return type(request.session).__name__

    response = visitor_with_panel(site, active=False).get("/fetch")
    assert site.journal == ["load"]
    assert set_cookies(response) == []


@panel
@pytest.mark.parametrize("known", [True, False], ids=["visitor", "stranger"])
def test_f4_a_write_is_saved(site, active, known):
    """What a view writes is saved with the toolbar as it is without."""
    browser = visitor_with_panel(site, active) if known else site.stranger()
    if active:
        browser.set_cookie("pdtb_active", "session")
    response = browser.get("/put", {"new": "2"})
    assert len(set_cookies(response)) == (0 if known else 1)
    assert site.writes() == ["swap" if known else "create"]
    assert site.contents(browser)["new"] == "2"


@panel
def test_f4_a_nested_change_is_saved(site, active):
    """What a view changes in place is saved, whatever the panel has read before and after."""

    @site.page("nested")
    def nested(request):
        request.session.setdefault("cart", []).append("apple")
        return "done"

    visitor = visitor_with_panel(site, active)
    visitor.get("/nested")
    visitor.get("/nested")
    assert site.contents(visitor)["cart"] == ["apple", "apple"]


@panel
def test_f5_an_uncaught_error_is_not_saved(site, active):
    """An error that the toolbar shows as a page saves nothing, as in production without it."""

    @site.page("broken")
    def broken(request):
        request.session["new"] = "2"
        raise ValueError("of the view")

    visitor = visitor_with_panel(site, active)
    assert "of the view" in visitor.get("/broken", status=500).text
    assert site.writes() == []
    assert site.contents(visitor) == {"old": "1"}
