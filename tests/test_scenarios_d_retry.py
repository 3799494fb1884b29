"""Scenarios d: attempts that are discarded leave nothing, and no save is tried again."""

from __future__ import annotations

import contextlib

import pytest
from pyramid.events import NewResponse
from pyramid_retry import RetryableException, mark_error_retryable
from transaction.interfaces import TransientError

from pyramid_beakerish.errors import BeakerishError, StoreError, StoreUnavailable
from tests.scenarios import DataManager, Site, fail_with, set_cookies


@pytest.fixture
def site():
    return Site("pyramid_retry")


def attempts_page(site, fail, journal="view"):
    """Make a page that writes the number of the attempt into the session, and may fail then."""

    @site.page("try")
    def page(request):
        site.journal.append(journal)
        attempt = request.environ["retry.attempt"]
        request.session[f"attempt{attempt}"] = "1"
        fail()
        return f"attempt {attempt}"


def error_page_that_flashes(site):
    @site.error_page(RetryableException)
    def flash(error, request):
        request.session.flash("Sorry.")
        request.response.status = 500
        return "sorry"


known = pytest.mark.parametrize("known", [True, False], ids=["visitor", "stranger"])


@known
def test_d1_only_the_last_attempt_is_saved(site, known):
    """Attempts that fail and are tried again save nothing; the one that answers does, once."""
    attempts_page(site, fail_with(RetryableException, times=2))
    browser = site.visitor(old="1") if known else site.stranger()
    response = browser.get("/try")
    assert response.text == "attempt 2"
    assert len(set_cookies(response)) == (0 if known else 1)
    assert site.writes() == ["swap" if known else "create"]
    assert site.contents(browser) == {**({"old": "1"} if known else {}), "attempt2": "1"}


def test_d1_all_attempts_fail(site):
    """When every attempt fails and nobody answers, nothing is saved."""
    attempts_page(site, fail_with(RetryableException))
    visitor = site.visitor()
    with pytest.raises(RetryableException):
        visitor.get("/try")
    assert site.journal.count("view") == 3
    assert site.contents(visitor) == {"old": "1"}


def test_d2_an_attempt_that_an_exception_view_answers_for(site):
    """An attempt is discarded even where an exception view has answered for its error."""
    attempts_page(site, fail_with(RetryableException, times=2))
    error_page_that_flashes(site)
    visitor = site.visitor()
    assert visitor.get("/try").text == "attempt 2"
    assert site.writes() == ["swap"]
    assert site.contents(visitor) == {"old": "1", "attempt2": "1"}


def test_d2_a_discarded_attempt_with_a_callback_that_writes(site):
    """A response callback may write to the session of an attempt that is discarded: the next
    attempt is made nevertheless."""
    attempts_page(site, fail_with(RetryableException, times=2))
    error_page_that_flashes(site)

    def remember(event):
        event.request.add_response_callback(lambda r, _: r.session.update(path=r.path))

    site.config.add_subscriber(remember, "pyramid.events.NewRequest")
    visitor = site.visitor()
    assert visitor.get("/try").text == "attempt 2"
    assert site.contents(visitor) == {"old": "1", "attempt2": "1", "path": "/try"}


def test_d3_the_last_attempt_fails_too(site):
    """Of attempts that all fail, the last one's session is saved, with what its page flashed."""
    attempts_page(site, fail_with(RetryableException))
    error_page_that_flashes(site)
    visitor = site.visitor()
    assert visitor.get("/try", status=500).text == "sorry"
    assert site.writes() == ["swap"]
    assert site.contents(visitor) == {"old": "1", "attempt2": "1", "_f_": ["Sorry."]}


@pytest.mark.parametrize("own_page", [False, True])
def test_d4_a_commit_that_conflicts(own_page):
    """An attempt whose commit conflicts is discarded; the one that is committed is saved."""
    site = Site("pyramid_tm", "pyramid_retry")
    vote = fail_with(TransientError, times=2)

    @site.page("try")
    def page(request):
        request.tm.get().join(DataManager(site.journal, vote))
        request.session[f"attempt{request.environ['retry.attempt']}"] = "1"
        return "done"

    if own_page:
        site.error_page(TransientError)(lambda error, request: "conflict")
    visitor = site.visitor()
    assert visitor.get("/try").text == "done"
    assert [entry for entry in site.journal if entry != "load"][-2:] == ["commit", "swap"]
    assert site.contents(visitor) == {"old": "1", "attempt2": "1"}


@known
def test_d5_a_last_attempt_without_session(site, known):
    """When the attempt that answers does not use the session, the discarded ones leave nothing."""
    fail = fail_with(RetryableException, times=2)

    @site.page("try")
    def page(request):
        if request.environ["retry.attempt"] < 2:
            request.session["discarded"] = "1"
        fail()
        return "done"

    browser = site.visitor() if known else site.stranger()
    response = browser.get("/try")
    assert set_cookies(response) == []
    assert "Vary" not in response.headers
    assert site.writes() == []


@pytest.mark.parametrize("times", [2, None], ids=["last_succeeds", "last_fails"])
def test_d6_attempts_that_a_commit_veto_discards(times):
    """Attempts that pyramid_tm's commit veto discards save nothing, but the last one does."""
    veto = {"tm.commit_veto": "pyramid_tm.default_commit_veto"}
    site = Site("pyramid_tm", "pyramid_retry", settings=veto)
    attempts_page(site, fail_with(RetryableException, times))
    error_page_that_flashes(site)
    visitor = site.visitor()
    visitor.get("/try", status="*")
    assert site.writes() == ["swap"]
    flashed = {"_f_": ["Sorry."]} if times is None else {}
    assert site.contents(visitor) == {"old": "1", "attempt2": "1", **flashed}


def retryable(kind):
    """Give a maker of errors that are marked as retryable, as SQL drivers' adapters do."""

    def make():
        error = kind("down")
        mark_error_retryable(error)
        return error

    return make


def entries_of_a_save_that_fails(error, own_page):
    """Give what happens when the store fails with the error while a session is saved."""
    site = Site("pyramid_tm", "pyramid_retry")

    @site.page("write")
    def write(request):
        site.journal.append("view")
        request.tm.get().join(DataManager(site.journal))
        request.session["new"] = "2"
        return "written"

    if own_page:
        site.error_page(Exception)(lambda error, request: "sorry")
    visitor = site.visitor()
    site.store.fail("swap", error=error)
    with contextlib.suppress(BeakerishError):
        visitor.get("/write", status="*")
    return [entry for entry in site.journal if entry != "load"]


own_page = pytest.mark.parametrize("own_page", [False, True], ids=["nobody", "own_page"])


@own_page
@pytest.mark.parametrize("error", [RetryableException, retryable(StoreUnavailable)])
def test_d7_a_retryable_error_of_the_store(error, own_page):
    """A retryable error of the store while saving runs neither view nor commit again."""
    assert entries_of_a_save_that_fails(error, own_page) == ["view", "commit", "swap"]


@own_page
def test_d7_a_retryable_error_of_our_kind(own_page):
    """An error of our own that a store has marked as retryable runs nothing again either."""
    error = retryable(StoreError)
    assert entries_of_a_save_that_fails(error, own_page) == ["view", "commit", "swap"]


@pytest.mark.parametrize("kind", ["callback", "subscriber"])
def test_d8_late_callbacks_that_raise_a_retryable_error(site, kind):
    """A limit: what is retried by a response callback or a NewResponse subscriber was saved by
    then, as it was committed, so each of the attempts is saved."""
    fail = fail_with(RetryableException, times=2)

    @site.page("try")
    def page(request):
        if kind == "callback":
            request.add_response_callback(lambda request, response: fail())
        request.session.modify("attempts", lambda n: n + 1, 0)
        return "done"

    if kind == "subscriber":

        def fail_late(event):
            if event.request.path == "/try":
                fail()

        site.config.add_subscriber(fail_late, NewResponse)
    visitor = site.visitor()
    assert visitor.get("/try").text == "done"
    assert site.writes() == ["swap"] * 3
    assert site.contents(visitor)["attempts"] == 3
