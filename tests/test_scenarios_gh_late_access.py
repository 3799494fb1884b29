"""Scenarios g and h: a session that is used while the response is sent, and after."""

from __future__ import annotations

import pytest
from pyramid.events import NewResponse
from pyramid.request import Request
from pyramid.response import Response
from pyramid.scripting import prepare

from pyramid_beakerish.errors import SessionStateError
from tests.scenarios import Site, set_cookies

known = pytest.mark.parametrize("known", [True, False], ids=["visitor", "stranger"])


@pytest.fixture
def site():
    return Site()


def streaming_page(site, in_view, in_iter):
    """Make a page whose body is what ``in_iter`` gives of the session while it is sent."""

    @site.page("stream")
    def stream(request):
        session = request.session
        in_view(session)

        def body():
            yield str(in_iter(session)).encode()

        return Response(app_iter=body())


def nothing(session):
    """Leave the session alone."""


def write_late(session):
    session["late"] = "1"


def write_early(session):
    session["early"] = "1"


def test_g1_a_read_while_streaming(site):
    """A body that is made while it is sent reads a session that the view has read."""
    streaming_page(site, lambda session: session["old"], lambda session: session["old"])
    assert site.visitor().get("/stream").text == "1"
    assert site.journal == ["load"]


def test_g2_the_first_read_while_streaming(site):
    """A session that the view only fetched is loaded when the body reads it."""
    streaming_page(site, nothing, dict)
    assert site.visitor().get("/stream").text == "{'old': '1'}"
    assert site.stranger().get("/stream").text == "{}"


def test_g2_the_first_fetch_while_streaming(site):
    """A session that the body is the first to ask for is loaded as well."""

    @site.page("stream")
    def stream(request):
        def body():
            yield request.session["old"].encode()

        return Response(app_iter=body())

    assert site.visitor().get("/stream").text == "1"


@pytest.mark.parametrize("in_view", [nothing, len, write_early])
def test_g3_a_write_while_streaming(site, in_view):
    """What the body writes to a session that has an id is stored at once."""
    streaming_page(site, in_view, write_late)
    visitor = site.visitor()
    visitor.get("/stream")
    assert site.contents(visitor)["late"] == "1"


def test_g3_a_write_while_streaming_to_a_session_that_began_in_the_view(site):
    """A session that began in the same request has an id when the body writes to it."""
    streaming_page(site, write_early, write_late)
    stranger = site.stranger()
    stranger.get("/stream")
    assert site.contents(stranger) == {"early": "1", "late": "1"}


@pytest.mark.parametrize("in_view", [nothing, len])
@pytest.mark.parametrize("begin", [write_late, lambda session: session.save()])
def test_g3_a_write_while_streaming_without_a_session(site, in_view, begin):
    """A session cannot begin once its cookie can no longer be sent: that is an error."""
    streaming_page(site, in_view, begin)
    with pytest.raises(SessionStateError, match="The response has been sent"):
        site.stranger().get("/stream")
    assert site.records() == 0


@pytest.mark.parametrize(
    "act",
    [
        lambda session: session.regenerate_id(),
        lambda session: session.update({"auth.userid": "bob"}),
        lambda session: session.bind_user("bob"),
        lambda session: session.set_lifetime(timeout=60),
    ],
    ids=["regenerate_id", "login", "bind_user", "set_lifetime"],
)
def test_g3_a_new_cookie_while_streaming(site, act):
    """What needs a new cookie is an error once that cannot be sent, and the session goes on."""
    streaming_page(site, write_early, act)
    visitor = site.visitor()
    with pytest.raises(SessionStateError, match="The response has been sent"):
        visitor.get("/stream")
    assert site.contents(visitor) == {"old": "1", "early": "1"}


@known
def test_h1_a_renderer_writes(site, known):
    """What a renderer writes to the session is saved."""

    def render(value, system):
        system["request"].session["rendered"] = "1"
        return value

    site.config.add_renderer("writing", lambda info: render)
    site.page("render", renderer="writing")(lambda request: "text")
    browser = site.visitor() if known else site.stranger()
    browser.get("/render")
    assert site.contents(browser)["rendered"] == "1"


def subscribe(site, function, path="/page"):
    """Have the function called with the request of that path when its response is there."""

    def late(event):
        if event.request.path == path:
            function(event.request)

    site.config.add_subscriber(late, NewResponse)


def finish(site, function):
    """Have the function called with the request when the page is finished; give what it gives."""
    results = []

    @site.page("page")
    def page(request):
        request.add_finished_callback(lambda request: results.append(function(request)))
        return "page"

    return results


def test_h2_a_subscriber_of_the_response_writes(site):
    """What a NewResponse subscriber writes to a session that has an id is stored at once."""
    site.page("page")(lambda request: request.session["old"])
    subscribe(site, lambda request: write_late(request.session))
    visitor = site.visitor()
    visitor.get("/page")
    assert site.contents(visitor) == {"old": "1", "late": "1"}


def test_h2b_a_subscriber_of_the_response_begins_a_session(site):
    """A session that was used but not begun cannot begin in a NewResponse subscriber."""
    site.page("page")(lambda request: str(len(request.session)))
    subscribe(site, lambda request: write_late(request.session))
    with pytest.raises(SessionStateError, match="The response has been sent"):
        site.stranger().get("/page")
    assert site.records() == 0


LOST = "what was written to it is lost"


@pytest.mark.parametrize("known", [False, True], ids=["h3", "h3b"])
def test_h3_first_access_in_a_subscriber_of_the_response(site, known, caplog):
    """A limit: a session that is used for the first time in a NewResponse subscriber is not
    saved by itself, neither a new one (h3) nor one that exists (h3b). The log says so."""
    site.page("page")(lambda request: "page")
    subscribe(site, lambda request: write_late(request.session))
    browser = site.visitor() if known else site.stranger()
    assert set_cookies(browser.get("/page")) == []
    assert site.writes() == []
    assert caplog.text.count(LOST) == 1
    assert site.contents(browser) == ({"old": "1"} if known else {})


def test_h3_nothing_is_said_where_nothing_is_lost(site, caplog):
    """No warning tells of a session that an outer tween begins, or a subscriber only reads."""

    def after(handler, request):
        response = handler(request)
        write_early(request.session)
        return response

    site.outer_tween(after)
    site.page("page")(lambda request: "page")
    site.page("read")(lambda request: "page")
    subscribe(site, lambda request: len(request.session), "/read")
    visitor = site.visitor()
    visitor.get("/page")
    visitor.get("/read")
    assert LOST not in caplog.text
    assert site.contents(visitor) == {"old": "1", "early": "1"}


@pytest.mark.parametrize("format_name", ["beakerish", "beaker"])
def test_h3b_first_access_in_a_subscriber_that_stores_it(format_name, caplog):
    """A subscriber that uses the session first may store it: ``persist()``. No warning then."""

    def write_and_persist(request):
        write_late(request.session)
        request.session.persist()

    beakers = {"session.format": "beaker", "session.type": "memory"}
    site = Site(settings=beakers if format_name == "beaker" else {})
    site.page("page")(lambda request: "page")
    subscribe(site, write_and_persist)
    visitor = site.visitor()
    visitor.get("/page")
    assert site.contents(visitor) == {"old": "1", "late": "1"}
    assert LOST not in caplog.text


@pytest.mark.parametrize("late", [write_late, len])
def test_h3c_an_uncaught_error_and_a_finished_callback(site, late):
    """After an error that nobody caught, a finished callback saves nothing either."""
    seen = finish(site, lambda request: _outcome(late, request.session))

    @site.page("broken")
    def broken(request):
        request.add_finished_callback(lambda r: seen.append(_outcome(late, r.session)))
        request.session["new"] = "2"
        raise ValueError("of the view")

    visitor = site.visitor()
    with pytest.raises(ValueError, match="of the view"):
        visitor.get("/broken")
    assert site.writes() == []
    assert site.contents(visitor) == {"old": "1"}


def _outcome(function, session):
    try:
        return function(session)
    except SessionStateError as error:
        return error


def test_h4_a_finished_callback_writes(site):
    """What a finished callback writes to a session that has an id is stored at once."""

    @site.page("page")
    def page(request):
        request.add_finished_callback(lambda request: write_late(request.session))
        return request.session["old"]

    visitor = site.visitor()
    visitor.get("/page")
    assert site.contents(visitor) == {"old": "1", "late": "1"}


def test_h4_a_finished_callback_deletes_and_pops(site):
    """Each way of writing is stored at once: assigning, deleting, flash messages, ``modify``."""

    def late(request):
        session = request.session
        del session["old"]
        session.flash("Later.")
        session.modify("count", lambda n: n + 1, 0)
        session.modify("count", lambda n: n + 1, 0)

    @site.page("page")
    def page(request):
        request.add_finished_callback(late)
        return request.session["old"]

    visitor = site.visitor()
    visitor.get("/page")
    assert site.contents(visitor) == {"_f_": ["Later."], "count": 2}


def test_h4_a_finished_callback_changes_in_place(site):
    """A value that a finished callback changes in place is stored when it says ``changed()``."""

    def late(request):
        request.session["cart"].append("late")
        request.session.changed()

    @site.page("page")
    def page(request):
        request.add_finished_callback(late)
        request.session["cart"] = ["apple"]
        return "page"

    visitor = site.visitor()
    visitor.get("/page")
    assert site.contents(visitor)["cart"] == ["apple", "late"]


def test_h4_a_finished_callback_ends_the_session(site):
    """A session that a finished callback invalidates is ended at once."""

    @site.page("page")
    def page(request):
        request.add_finished_callback(lambda request: request.session.invalidate())
        return request.session["old"]

    visitor = site.visitor()
    visitor.get("/page")
    assert site.contents(visitor) == {}
    assert site.records() == 0


def test_h5_a_finished_callback_reads_first(site):
    """A session that is read for the first time in a finished callback is loaded."""
    results = finish(site, lambda request: dict(request.session))
    site.visitor().get("/page")
    assert results == [{"old": "1"}]


def test_h6_a_script(site):
    """A limit: a script saves its session only if it asks for it: ``persist()``."""
    with prepare(registry=site.app.registry) as script:
        write_late(script["request"].session)
    assert site.records() == 0
    with prepare(registry=site.app.registry) as script:
        write_late(script["request"].session)
        script["request"].session.persist()
    assert site.records() == 1


def test_h6_a_script_for_a_visitor(site):
    """A script that acts for a visitor reads the session that the cookie names."""
    visitor = site.visitor()
    name, value = next(iter(visitor.cookies.items()))
    request = Request.blank("/", headers={"Cookie": f"{name}={value}"})
    with prepare(request, site.app.registry) as script:
        assert dict(script["request"].session) == {"old": "1"}
