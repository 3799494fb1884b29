"""Scenarios a: the store fails, and the visitor is told so."""

from __future__ import annotations

import logging

import pytest
from pyramid.httpexceptions import HTTPFound
from pyramid.response import Response

from pyramid_beakerish.errors import SerializationError, StoreUnavailable
from tests.scenarios import WRITES, DataManager, Site, failed, set_cookies


@pytest.fixture
def site():
    return Site()


def write(request):
    request.session["new"] = "2"
    return "written"


def fail_to_save(site, browser, page="/write"):
    """Visit a page while the store takes no writes."""
    site.store.fail(*WRITES)
    response = browser.get(page, status=503)
    site.store.mend()
    return response


def test_a1_an_exception_view_answers_when_saving_fails(site):
    """A session that cannot be saved is answered by the application's view for store errors."""
    site.page("write")(write)
    site.error_page(StoreUnavailable)(failed)
    visitor = site.visitor()
    assert fail_to_save(site, visitor).text == "our own page"
    assert site.contents(visitor) == {"old": "1"}


def test_a1_a_new_session_that_cannot_be_saved_leaves_no_cookie(site):
    """A visitor whose first session cannot be saved is told so, and gets no cookie for it."""
    site.page("write")(write)
    site.error_page(StoreUnavailable)(failed)
    response = fail_to_save(site, site.stranger())
    assert response.text == "our own page"
    assert set_cookies(response) == []


def test_a1_without_any_configuration_it_is_a_503(site):
    """Without a view for it, a failure to save is Pyramid's own page for 503."""
    site.page("write")(write)
    response = fail_to_save(site, site.visitor())
    assert "The session store is unavailable" in response.text
    assert response.headers["Vary"] == "Cookie"


def test_a1_the_next_request_saves_again(site):
    """Once the store is back, the same visitor's session is saved as before."""
    site.page("write")(write)
    visitor = site.visitor()
    fail_to_save(site, visitor)
    visitor.get("/write", status=200)
    assert site.contents(visitor) == {"old": "1", "new": "2"}


@pytest.mark.parametrize("method", ["load", "swap"])
def test_a2_an_exception_view_that_itself_flashes(site, method):
    """The visitor gets a 503 even where the page for the failure writes to the session."""

    @site.error_page(StoreUnavailable)
    def flashing(error, request):
        request.session.flash("Sorry.")
        return "never shown"

    site.page("write")(write)
    visitor = site.visitor()
    site.store.fail(method)
    assert "The session store is unavailable" in visitor.get("/write", status=503).text
    assert site.contents(visitor) == {"old": "1"}


def test_a2_an_exception_view_that_shows_flash_messages(site):
    """The page for the failure may read the session, which is empty, and pop what is not there."""

    @site.error_page(StoreUnavailable)
    def showing(error, request):
        request.response.status = 503
        session = request.session
        return f"{session.pop_flash()} {session.peek_flash('errors')} {dict(session)}"

    site.page("write")(write)
    visitor = site.visitor()
    assert fail_to_save(site, visitor).text == "[] [] {}"
    assert site.contents(visitor) == {"old": "1"}


@pytest.mark.parametrize("raised", [False, True])
def test_a3_a_redirect_becomes_a_503(site, raised):
    """No redirect, returned or raised, pretends that a form was saved when it was not."""

    @site.page("write")
    def redirect(request):
        write(request)
        found = HTTPFound("/look")
        if raised:
            raise found
        return found

    site.error_page(StoreUnavailable)(failed)
    assert fail_to_save(site, site.visitor()).text == "our own page"


def test_a4_a_failure_after_the_commit_is_a_503_and_logged(caplog):
    """A session that cannot be saved after the commit is a 503, and logged with its traceback."""
    site = Site("pyramid_tm")

    @site.page("write")
    def commit(request):
        request.tm.get().join(DataManager(site.journal))
        return write(request)

    site.error_page(StoreUnavailable)(failed)
    assert fail_to_save(site, site.visitor()).text == "our own page"
    assert site.journal == ["load", "commit", "swap"]
    (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert record.getMessage() == "A session could not be saved."
    assert record.exc_info[0] is not None


def test_a5_without_exception_views_the_failure_propagates():
    """Where the application renders no errors at all, the failure reaches the server."""
    site = Site(exceptionresponse_view=None)
    site.page("write")(write)
    visitor = site.visitor()
    site.store.fail("swap")
    with pytest.raises(StoreUnavailable):
        visitor.get("/write")
    assert site.contents(visitor) == {"old": "1"}


@pytest.mark.parametrize(("page", "method"), [("/look", "load"), ("/put", "swap")])
def test_a5_the_failure_tells_its_cause(page, method):
    """A failure that reaches the server has what the store had to say as its cause."""
    site = Site(exceptionresponse_view=None)
    visitor = site.visitor()
    site.store.fail(method)
    with pytest.raises(StoreUnavailable) as raised:
        visitor.get(page, {"new": "2"})
    assert str(raised.value.__cause__) == "down"


def test_a5_a_value_that_cannot_be_stored_propagates(site, caplog):
    """A value that no store can keep is an error for the developer, and stores nothing.

    The server logs it, and so nobody else does.
    """

    @site.page("write")
    def unstorable(request):
        request.session["good"] = "1"
        request.session["bad"] = object()
        return "written"

    visitor = site.visitor()
    with pytest.raises(SerializationError, match="bad"):
        visitor.get("/write")
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []
    assert site.contents(visitor) == {"old": "1"}


def test_a5_an_exception_view_for_a_value_that_cannot_be_stored(site):
    """The page for that failure finds the session as empty as the page for any other."""

    @site.page("write")
    def unstorable(request):
        request.session["bad"] = object()
        return "written"

    @site.error_page(SerializationError)
    def showing(error, request):
        request.session.pop_flash()
        return str(dict(request.session))

    visitor = site.visitor()
    assert visitor.get("/write").text == "{}"
    assert site.contents(visitor) == {"old": "1"}


@pytest.mark.parametrize("own_page", [False, True])
def test_a6_an_exception_view_answers_when_loading_fails(site, own_page):
    """A view that cannot read its session is answered like one that cannot save it."""
    if own_page:
        site.error_page(StoreUnavailable)(failed)
    visitor = site.visitor()
    site.store.fail("load")
    expected = "our own page" if own_page else "The session store is unavailable"
    assert expected in visitor.get("/look", status=503).text
    assert site.contents(visitor) == {"old": "1"}


def test_a6_a_view_that_answers_itself_for_a_failed_load(site):
    """A view may catch the failure to load and answer; the session is then empty and not saved."""

    @site.page("careful")
    def careful(request):
        try:
            return request.session["old"]
        except StoreUnavailable:
            return f"offline {dict(request.session)}"

    visitor = site.visitor()
    site.store.fail("load")
    assert visitor.get("/careful").text == "offline {}"
    assert site.writes() == []


@pytest.mark.parametrize("own_page", [False, True])
def test_a7_a_load_that_fails_outside_the_exception_views(own_page):
    """Where pyramid_tm reads the user from the session, a store that is down is rendered, too."""
    site = Site("pyramid_tm")
    site.config.set_security_policy(UserInSession())
    if own_page:
        site.error_page(StoreUnavailable)(failed)
    visitor = site.visitor()
    site.store.fail("load")
    expected = "our own page" if own_page else "The session store is unavailable"
    assert expected in visitor.get("/look", status=503).text


def test_a8_headers_of_callbacks_are_on_the_503(site):
    """What a response callback adds is on the response that is sent, also if that is the 503."""

    @site.page("write")
    def with_callback(request):
        request.add_response_callback(lambda _, response: response.headers.update({"X-Own": "1"}))
        return write(request)

    response = fail_to_save(site, site.visitor())
    assert response.headers["X-Own"] == "1"


def test_a8_a_callback_that_writes_leaves_the_503(site):
    """A response callback that writes to the session, once the failure is answered, changes
    nothing: neither the session nor the 503."""

    @site.page("write")
    def with_callback(request):
        request.add_response_callback(lambda request, _: request.session.flash("Done."))
        return write(request)

    visitor = site.visitor()
    assert "The session store is unavailable" in fail_to_save(site, visitor).text
    assert site.contents(visitor) == {"old": "1"}


def test_a9_a_shared_response_stays_intact(site):
    """A response object that a module shares between requests is not turned into the 503."""
    shared = Response("shared")

    @site.page("write")
    def page(request):
        write(request)
        return shared

    response = fail_to_save(site, site.visitor())
    assert "shared" not in response.text
    assert (shared.status_int, shared.text) == (200, "shared")
    assert site.stranger().get("/write", status=200).text == "shared"


class UserInSession:
    """A security policy that keeps the user's name in the session."""

    def authenticated_userid(self, request):
        return request.session.get("user")
