"""Scenarios x: other tweens around ours, and their order."""

from __future__ import annotations

from itertools import permutations

import pytest
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPBadRequest, HTTPForbidden, HTTPFound
from pyramid.interfaces import ITweens
from pyramid.response import Response
from pyramid.tweens import EXCVIEW

from pyramid_beakerish.errors import StoreUnavailable
from tests.scenarios import OURS, Site, set_cookies

TOOLBAR = "pyramid_debugtoolbar.toolbar_tween_factory"
TM = "pyramid_tm.tm_tween_factory"
APP = "tests.scenarios.outer_tween_factory"


known = pytest.mark.parametrize("known", [True, False], ids=["visitor", "stranger"])


@pytest.fixture
def site():
    return Site()


EXPLICIT = {"pyramid.tweens": EXCVIEW}


@known
def test_x1_an_explicit_list_of_tweens_without_ours(known):
    """Where an application lists its tweens and leaves ours out, the callback saves."""
    site = Site(settings=EXPLICIT)
    browser = site.visitor() if known else site.stranger()
    response = browser.get("/put", {"new": "2"})
    assert response.headers["Vary"] == "Cookie"
    assert site.contents(browser)["new"] == "2"


def test_x1_a_failure_without_our_tween():
    """Without our tween, a failure to save reaches the server."""
    site = Site(settings=EXPLICIT)
    visitor = site.visitor()
    site.store.fail("swap")
    with pytest.raises(StoreUnavailable):
        visitor.get("/put", {"new": "2"})


def test_x2_an_outer_tween_replaces_the_response(site):
    """The headers are on the response that is sent, also if an outer tween has replaced it."""
    site.page("page")(write)
    site.outer_tween(lambda handler, request: Response(f"instead of {handler(request).text}"))
    response = site.stranger().get("/page")
    assert response.text == "instead of written"
    assert len(set_cookies(response)) == 1
    assert response.headers["Vary"] == "Cookie"
    assert response.headers["Cache-Control"] == "private"


USES = {
    "unused": lambda session: None,
    "read": len,
    "written": lambda session: session.update(inner="1"),
}
uses = pytest.mark.parametrize("use", USES)


def page_that(site, use):
    @site.page("page")
    def page(request):
        USES[use](request.session)
        return "page"


@known
@uses
def test_x3_an_outer_tween_writes_before(site, known, use):
    """What a tween above ours writes before the view is saved, whatever the view does."""

    def tween(handler, request):
        request.session["outer"] = "1"
        return handler(request)

    page_that(site, use)
    site.outer_tween(tween)
    browser = site.visitor() if known else site.stranger()
    browser.get("/page")
    assert site.contents(browser)["outer"] == "1"


@known
@uses
def test_x3_an_outer_tween_writes_after(site, known, use):
    """What a tween above ours writes after the view is saved, whatever the view does."""

    def tween(handler, request):
        response = handler(request)
        request.session["outer"] = "1"
        return response

    page_that(site, use)
    site.outer_tween(tween)
    browser = site.visitor() if known else site.stranger()
    browser.get("/page")
    assert site.contents(browser)["outer"] == "1"


def append_around(site, use, before):
    """Have a tween above ours append to a list of the session, before the view or after."""

    @site.page("fill")
    def fill(request):
        request.session["cart"] = ["apple"]
        return "filled"

    def tween(handler, request):
        if before:
            request.session["cart"].append("outer")
        response = handler(request)
        if not before:
            request.session["cart"].append("outer")
        return response

    page_that(site, use)
    site.outer_tween(tween)
    visitor = site.visitor()
    visitor.get("/fill")
    visitor.get("/page", status=200)
    return site.contents(visitor)["cart"]


@uses
def test_x3_an_outer_tween_changes_in_place_after(site, use):
    """What a tween above ours changes in place after the view is saved."""
    assert append_around(site, use, before=False) == ["apple", "outer"]


@pytest.mark.parametrize("use", ["read", "written"])
def test_x3_an_outer_tween_changes_in_place_before(site, use):
    """What a tween above ours changes in place before the view is saved."""
    assert append_around(site, use, before=True) == ["apple", "outer"]


def test_x3_an_outer_tween_changes_in_place_and_the_view_uses_nothing(site):
    """What a tween above ours changes in place is saved even if the view uses no session."""
    assert append_around(site, "unused", before=True) == ["apple", "outer"]


def look_around(site, use, toolbar=True):
    """Have a tween above ours read the session, before the view and after, a touch being due."""

    def tween(handler, request):
        if toolbar:
            request.debug_toolbar = object()  # as pyramid_debugtoolbar does
        dict(request.session)
        response = handler(request)
        dict(request.session)
        return response

    page_that(site, use)
    site.outer_tween(tween)
    visitor = site.visitor()
    site.clock.advance(3600)
    return visitor.get("/page")


def test_x3_the_toolbar_reads_and_the_view_reads(site):
    """What the toolbar's tween reads does not hide that the view has read it as well."""
    assert look_around(site, "read").headers["Vary"] == "Cookie"
    assert site.journal == ["load", "swap"]


def test_x3_the_toolbar_only_reads(site):
    """What only the toolbar's tween reads is no use of the session: nothing is sent or extended."""
    assert "Vary" not in look_around(site, "unused").headers
    assert site.journal == ["load"]


@uses
def test_x3_an_outer_tween_reads(site, use):
    """What another tween above ours reads is used, whatever the view does."""
    assert look_around(site, use, toolbar=False).headers["Vary"] == "Cookie"
    assert site.journal == ["load", "swap"]


def test_x3_an_outer_tween_reads_a_session_of_beakers():
    """In Beaker's format a tween above ours may read the session, too."""
    site = Site(settings={"session.type": "memory", "session.format": "beaker"})

    def tween(handler, request):
        request.session.get("old")
        return handler(request)

    site.page("page")(lambda request: str(request.session.get("old")))
    site.outer_tween(tween)
    assert site.stranger().get("/page").text == "None"


@known
def test_x4_an_uncaught_error_is_not_saved(site, known):
    """A view that fails, and for which nobody answers, saves nothing."""

    @site.page("page")
    def page(request):
        write(request)
        raise ValueError("of the view")

    browser = site.visitor() if known else site.stranger()
    with pytest.raises(ValueError, match="of the view"):
        browser.get("/page")
    assert site.writes() == []
    assert site.contents(browser) == ({"old": "1"} if known else {})


def test_x4_an_outer_tween_answers_for_an_uncaught_error(site):
    """A failed view saves nothing, even if a tween above ours turns its error into a page."""

    @site.page("page")
    def page(request):
        write(request)
        raise ValueError("of the view")

    def tween(handler, request):
        try:
            return handler(request)
        except ValueError:
            return Response("sorry")

    site.outer_tween(tween)
    visitor = site.visitor()
    assert visitor.get("/page").text == "sorry"
    assert site.contents(visitor) == {"old": "1"}


def test_x5_plain(site):
    """A first write sends one cookie; later requests read and write without sending it again."""
    browser = site.stranger()
    first = browser.get("/put", {"a": "1"})
    assert set_cookies(first) == ["beaker.session.id"]
    assert first.headers["Vary"] == "Cookie"
    second = browser.get("/put", {"b": "2"})
    assert set_cookies(second) == []
    assert site.journal == ["create", "load", "swap"]
    third = browser.get("/look")
    assert third.json == {"a": "1", "b": "2"}
    assert set_cookies(third) == []
    assert third.headers["Vary"] == "Cookie"


def test_x5_reading_begins_no_session(site):
    """A stranger whose session is only read gets no cookie and no record."""
    response = site.stranger().get("/look")
    assert set_cookies(response) == []
    assert response.headers["Vary"] == "Cookie"
    assert site.journal == []


INCLUDES = ("pyramid_beakerish", "pyramid_tm", "pyramid_debugtoolbar", "app")


@pytest.mark.parametrize("order", list(permutations(INCLUDES)), ids="-".join)
def test_the_order_of_tweens(order):
    """However the includes are ordered: the toolbar above us, us above pyramid_tm and views."""
    config = Configurator(settings={})
    for name in order:
        if name == "app":
            config.add_tween(APP)
        else:
            config.include(name)
    config.commit()
    names = [name for name, _ in config.registry.getUtility(ITweens).implicit()]
    assert [name for name in names if name != APP] == [TOOLBAR, OURS, TM, EXCVIEW]
    assert APP in names


STRICT = {"session.cookie_on_exception": "false"}
RAISED = {
    "redirect": (lambda: HTTPFound("/look"), True),
    "refusal": (HTTPBadRequest, False),
    "error": (ValueError, False),
}


@known
@pytest.mark.parametrize(("error", "saved"), RAISED.values(), ids=RAISED)
@pytest.mark.parametrize("includes", [(), ("pyramid_tm",)], ids=["plain", "tm"])
def test_cookie_on_exception_is_false(error, saved, includes, known):
    """With ``cookie_on_exception = false`` a redirect that is raised is saved; any other exception
    that is answered for rolls the session back, and sends no cookie."""
    site = Site(*includes, settings=STRICT)

    @site.page("page")
    def page(request):
        write(request)
        raise error()

    site.error_page(ValueError)(lambda error, request: "sorry")
    browser = site.visitor() if known else site.stranger()
    response = browser.get("/page", status="*")
    assert len(set_cookies(response)) == (1 if saved and not known else 0)
    assert site.contents(browser).get("new") == ("2" if saved else None)


def test_cookie_on_exception_is_false_and_a_callback_writes():
    """With ``cookie_on_exception = false`` a response callback may still write to the session of a
    page that is rolled back: it is rolled back as well."""
    site = Site(settings=STRICT)

    @site.page("page")
    def page(request):
        request.add_response_callback(lambda request, response: write(request))
        request.session["view"] = "1"
        raise HTTPForbidden

    visitor = site.visitor()
    visitor.get("/page", status=403)
    assert site.contents(visitor) == {"old": "1"}


def write(request):
    request.session["new"] = "2"
    return "written"
