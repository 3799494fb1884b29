"""Scenarios e: subrequests, each with a session of its own unless the parent shares its own."""

from __future__ import annotations

import pytest
from pyramid.request import Request
from pyramid_retry import RetryableException

from tests.scenarios import DataManager, Site, fail_with, set_cookies

use_tweens = pytest.mark.parametrize("use_tweens", [False, True], ids=["notweens", "tweens"])


@pytest.fixture
def site():
    return Site()


def pages(site, make_subrequest, use_tweens, before=True):
    """Make a page ``outer`` whose view asks for ``inner``; both write to their sessions."""

    @site.page("inner")
    def inner(request):
        request.session["inner"] = "1"
        return "inner"

    @site.page("outer")
    def outer(request):
        if before:
            request.session["outer"] = "1"
        subrequest = make_subrequest(request)
        response = request.invoke_subrequest(subrequest, use_tweens=use_tweens)
        site.subresponse = response
        request.session["outer"] = "1"
        return f"outer {response.text}"


def fresh(request):
    return Request.blank("/inner")


def same_cookie(request):
    return Request.blank("/inner", headers={"Cookie": request.headers["Cookie"]})


def same_environ(request):
    subrequest = Request(request.environ)
    subrequest.path_info = "/inner"
    return subrequest


def shared_session(request):
    subrequest = Request.blank("/inner")
    subrequest.session = request.session
    return subrequest


def check_fresh(site, use_tweens):
    pages(site, fresh, use_tweens)
    visitor = site.visitor()
    response = visitor.get("/outer")
    assert response.text == "outer inner"
    assert set_cookies(response) == []
    assert site.contents(visitor) == {"old": "1", "outer": "1"}
    assert set_cookies(site.subresponse) == ["beaker.session.id"]
    cookie = site.subresponse.headers["Set-Cookie"].partition(";")[0]
    assert site.stranger().get("/look", headers={"Cookie": cookie}).json == {"inner": "1"}


def test_e1_a_fresh_subrequest_without_tweens(site):
    """A subrequest that runs without tweens saves a session of its own, cookie on its response."""
    check_fresh(site, use_tweens=False)


def test_e2_a_fresh_subrequest_with_tweens(site):
    """A subrequest that runs the tweens saves a session of its own, cookie on its response."""
    check_fresh(site, use_tweens=True)


@use_tweens
@pytest.mark.parametrize("before", [True, False], ids=["parent_first", "sub_first"])
def test_e3_the_same_cookie(site, use_tweens, before):
    """A request and its subrequest with the same cookie change one session: both changes stay."""
    pages(site, same_cookie, use_tweens, before)
    visitor = site.visitor()
    response = visitor.get("/outer")
    assert set_cookies(response) == []
    assert site.contents(visitor) == {"old": "1", "outer": "1", "inner": "1"}


@use_tweens
@pytest.mark.parametrize("known", [True, False], ids=["visitor", "stranger"])
def test_e4_the_shared_session_object(site, use_tweens, known):
    """A session that the parent gives its subrequest is saved once, with the parent's cookie."""
    pages(site, shared_session, use_tweens)
    browser = site.visitor() if known else site.stranger()
    response = browser.get("/outer")
    assert len(set_cookies(response)) == (0 if known else 1)
    assert set_cookies(site.subresponse) == []
    assert site.writes() == ["swap" if known else "create"]
    seen = site.contents(browser)
    assert {key: seen[key] for key in ("outer", "inner")} == {"outer": "1", "inner": "1"}


@use_tweens
def test_e5_the_same_environ(site, use_tweens):
    """A subrequest made of the parent's environ saves its own changes, beside the parent's."""
    pages(site, same_environ, use_tweens)
    visitor = site.visitor()
    assert visitor.get("/outer").text == "outer inner"
    assert site.contents(visitor) == {"old": "1", "outer": "1", "inner": "1"}


@pytest.mark.parametrize(("make", "kept"), [(fresh, 1), (shared_session, 0)])
def test_e1_e4_a_subrequest_whose_parent_fails_to_commit(make, kept):
    """A limit: a subrequest without tweens saves its session before the parent's commit. Sharing
    the parent's session avoids it."""
    site = Site("pyramid_tm")
    pages(site, make, use_tweens=False)

    @site.page("commit")
    def commit(request):
        request.tm.get().join(DataManager(site.journal, fail_with(ValueError)))
        return request.invoke_subrequest(make(request))

    browser = site.stranger()
    with pytest.raises(ValueError):  # noqa: PT011 - any would do
        browser.get("/commit")
    assert site.records() == kept


@pytest.mark.parametrize(("make", "kept"), [(fresh, 3), (shared_session, 1)])
def test_e1_e4_a_subrequest_in_attempts(make, kept):
    """A limit: a subrequest without tweens saves its session in every attempt of its parent.
    Sharing the parent's session avoids it."""
    site = Site("pyramid_retry")
    fail = fail_with(RetryableException, times=2)
    pages(site, make, use_tweens=False)

    @site.page("try")
    def try_again(request):
        response = request.invoke_subrequest(make(request))
        fail()
        return response

    site.stranger().get("/try")
    assert site.records() == kept
