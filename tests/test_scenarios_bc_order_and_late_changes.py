"""Scenarios b and c: after the transaction, and with everything that changes late."""

from __future__ import annotations

import pytest

from pyramid_beakerish import session_factory_from_settings
from tests.scenarios import DataManager, Site, fail_with, set_cookies

known = pytest.mark.parametrize("known", [True, False], ids=["visitor", "stranger"])


class Refused(Exception):
    """What the scenarios raise."""


@pytest.fixture
def site():
    return Site()


def late_page(site, callback, before):
    """Make a page that registers the callback before it uses the session, or after."""

    @site.page("late")
    def page(request):
        if before:
            request.add_response_callback(callback)
        request.session["cart"] = ["apple"]
        if not before:
            request.add_response_callback(callback)
        return "done"


def test_b1_saved_after_the_commit():
    """A session is saved once, after the transaction has been committed."""
    site = Site("pyramid_tm")

    @site.page("write")
    def write(request):
        request.tm.get().join(DataManager(site.journal))
        request.session["new"] = "2"
        return "written"

    visitor = site.visitor()
    visitor.get("/write")
    assert site.journal == ["load", "commit", "swap"]
    assert site.contents(visitor) == {"old": "1", "new": "2"}


def test_b1_an_aborted_transaction_with_an_answer_keeps_the_session():
    """A view that dooms the transaction and answers for it has its session saved."""
    site = Site("pyramid_tm")

    @site.page("write")
    def write(request):
        request.tm.get().join(DataManager(site.journal))
        request.tm.doom()
        request.session["new"] = "2"
        return "no"

    visitor = site.visitor()
    visitor.get("/write")
    assert site.journal == ["load", "abort", "swap"]
    assert site.contents(visitor) == {"old": "1", "new": "2"}


def test_b2_commit_fails_and_the_exception_view_flashes():
    """When the commit fails, what the exception view flashes is saved."""
    site = Site("pyramid_tm")

    @site.page("write")
    def write(request):
        request.tm.get().join(DataManager(site.journal, fail_with(Refused)))
        return "never shown"

    @site.error_page(Refused)
    def flash(error, request):
        request.session.flash("Not saved.")
        return "sorry"

    visitor = site.visitor()
    assert visitor.get("/write").text == "sorry"
    assert site.contents(visitor) == {"old": "1", "_f_": ["Not saved."]}


def test_b2_commit_fails_and_nobody_answers():
    """When the commit fails and no exception view answers, nothing of the session is saved."""
    site = Site("pyramid_tm")

    @site.page("write")
    def write(request):
        request.tm.get().join(DataManager(site.journal, fail_with(Refused)))
        request.session["new"] = "2"
        return "never shown"

    visitor = site.visitor()
    with pytest.raises(Refused):
        visitor.get("/write")
    assert site.contents(visitor) == {"old": "1"}


@pytest.mark.parametrize("includes", [(), ("pyramid_tm",)], ids=["c1", "c1b"])
@known
def test_c1_flash_in_an_exception_view(includes, known):
    """What an exception view flashes is saved, with pyramid_tm (c1b) and without (c1)."""
    site = Site(*includes)

    @site.page("refuse")
    def refuse(request):
        raise Refused

    @site.error_page(Refused)
    def flash(error, request):
        request.session.flash("Refused.")
        return "sorry"

    browser = site.visitor() if known else site.stranger()
    assert browser.get("/refuse").text == "sorry"
    assert site.contents(browser)["_f_"] == ["Refused."]


def assign(request, response):
    request.session["late"] = "1"


def append(request, response):
    request.session["cart"].append("late")


@known
def test_c2_a_callback_registered_before_the_first_use(site, known):
    """A response callback that was there before the session was used may change it."""
    late_page(site, assign, before=True)
    browser = site.visitor() if known else site.stranger()
    browser.get("/late")
    assert site.contents(browser)["late"] == "1"


@known
def test_c3_a_callback_registered_after_the_first_use(site, known):
    """A response callback that is registered after the session was used may change it."""
    late_page(site, assign, before=False)
    browser = site.visitor() if known else site.stranger()
    browser.get("/late")
    assert site.contents(browser)["late"] == "1"


@known
def test_c4_a_nested_change_in_a_callback(site, known):
    """A response callback may change a value of the session in place."""
    late_page(site, append, before=False)
    browser = site.visitor() if known else site.stranger()
    browser.get("/late")
    assert site.contents(browser)["cart"] == ["apple", "late"]


def test_c4_a_callback_that_adds_a_callback(site):
    """A response callback may register another one, which may change the session too."""

    def first(request, response):
        request.add_response_callback(append)

    late_page(site, first, before=False)
    visitor = site.visitor()
    visitor.get("/late")
    assert site.contents(visitor)["cart"] == ["apple", "late"]


@known
def test_c5_first_access_in_a_callback(site, known):
    """A session that is used for the first time in a response callback is saved."""

    @site.page("late")
    def page(request):
        request.add_response_callback(assign)
        return "done"

    browser = site.visitor() if known else site.stranger()
    assert browser.get("/late").headers["Vary"] == "Cookie"
    assert site.contents(browser)["late"] == "1"


@pytest.mark.parametrize("callback", [True, False])
def test_c6_two_sessions_on_one_request(site, callback):
    """Two sessions of one request are both saved, and neither waits for the other for ever."""
    factory = session_factory_from_settings({"session.type": site.store, "session.key": "admin"})
    site.config.add_request_method(factory, "admin_session", reify=True)

    @site.page("both")
    def both(request):
        request.session["who"] = "visitor"
        request.admin_session["who"] = "admin"
        if callback:
            request.add_response_callback(lambda r, _: r.admin_session.update(late="1"))
        return "done"

    @site.page("admin", renderer="json")
    def admin(request):
        return dict(request.admin_session)

    browser = site.stranger()
    assert set_cookies(browser.get("/both")) == ["beaker.session.id", "admin"]
    assert site.contents(browser) == {"who": "visitor"}
    assert browser.get("/admin").json == {"who": "admin", **({"late": "1"} if callback else {})}


@known
def test_c7_somebody_elses_callback_raises(site, known):
    """A failing callback of somebody else comes after the save: what was saved stays, a new
    session without its cookie."""

    def raising(request, response):
        raise Refused

    late_page(site, raising, before=False)
    browser = site.visitor() if known else site.stranger()
    with pytest.raises(Refused):
        browser.get("/late")
    assert site.records() == 1
    assert site.contents(browser) == ({"old": "1", "cart": ["apple"]} if known else {})
