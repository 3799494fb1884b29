"""What a session's way through a request leaves, where nothing else has a test of it."""

from __future__ import annotations

import logging

import pytest
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPGone
from pyramid.interfaces import IResponse
from pyramid.request import Request
from pyramid.response import Response
from pyramid.testing import DummyRequest
from webtest import TestApp
from zope.interface import implementer

from pyramid_beakerish import BeakerSessionFactoryConfig, StoreUnavailable
from pyramid_beakerish.testing import FrozenClock
from tests.scenarios import FragileStore, Site

SECRET = "not a secret, but as long as one has to be"


@implementer(IResponse)
class Headless:
    """A response as `pyramid.interfaces.IResponse` has it, which need not be WebOb's."""

    def __call__(self, environ, start_response):
        start_response("200 OK", [])
        return [b"bare"]


def application(view, *, store="memory", error_view=None):
    config = Configurator(settings={"session.secret": SECRET, "session.type": store})
    config.include("pyramid_beakerish")
    config.add_route("page", "/")
    config.add_view(view, route_name="page")
    if error_view is not None:
        config.add_exception_view(error_view, context=StoreUnavailable)
    return TestApp(config.make_wsgi_app())


def test_a_response_without_headers_takes_no_cookie(caplog):
    """A response of another kind than WebOb's is sent as it is, and the loss is logged."""

    def page(request):
        request.session["a"] = 1
        return Headless()

    config = Configurator(settings={"session.secret": SECRET})
    config.include("pyramid_beakerish")
    config.add_route("page", "/")
    config.add_view(page, route_name="page")
    app = config.make_wsgi_app()
    with caplog.at_level(logging.ERROR):
        body = app(
            {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.url_scheme": "http"},
            lambda status, headers: None,
        )
    assert body == [b"bare"]
    assert "Headless takes no session cookie" in caplog.text


def test_an_exception_view_may_raise_an_http_exception_of_its_own():
    """What the view for a failed store raises is not taken for the failure."""
    store = FragileStore(FrozenClock(), [])

    def page(request):
        request.session["a"] = 1
        return Response("page")

    def gone(error, request):
        raise HTTPGone

    app = application(page, store=store, error_view=gone)
    store.fail("create")
    with pytest.raises(HTTPGone):
        app.get("/")


def test_the_page_that_tells_of_a_failed_store_may_have_a_form():
    """An exception view whose layout asks for the CSRF token is answered with one, of no use."""
    store = FragileStore(FrozenClock(), [])

    def page(request):
        request.session["a"] = 1
        return Response(request.session.get_csrf_token())

    def sorry(error, request):
        return Response(f"sorry {request.session.get_csrf_token()}", status=503)

    app = application(page, store=store, error_view=sorry)
    token = app.get("/").text
    store.fail("load")
    answer = app.get("/", status=503).text
    assert answer.startswith("sorry ")
    assert token not in answer


@pytest.mark.parametrize("tweens", [True, False], ids=["an application", "a bare factory"])
def test_a_request_without_an_answer_leaves_no_lock(tweens):
    """A view, or a callback, that fails unanswered does not keep the session locked."""
    config = Configurator()
    if tweens:
        config.include("pyramid_beakerish")
    config.set_session_factory(BeakerSessionFactoryConfig(type="memory", secret=SECRET))

    def page(request):
        request.session.lock(wait=0)
        if "fail" in request.params:
            request.add_response_callback(lambda request, response: 1 / 0)
            return Response() if tweens else 1 / 0
        return Response(str(request.session.setdefault("a", 1)))

    config.add_route("page", "/")
    config.add_view(page, route_name="page")
    app = TestApp(config.make_wsgi_app())
    app.get("/")
    with pytest.raises(ZeroDivisionError):
        app.get("/?fail")
    assert app.get("/").text == "1"


def test_a_lock_of_a_session_that_a_subrequest_shares():
    """The end of a subrequest does not unlock the session of the request that has made it."""
    site = Site()
    locked = []

    @site.page("inner")
    def inner(request):
        request.session.lock(wait=0)

    @site.page("page")
    def page(request):
        inner = Request.blank("/inner")
        inner.session = request.session
        request.invoke_subrequest(inner)
        locked.append(request.session._lease is not None)

    site.visitor().get("/page")
    assert locked == [True]


def test_a_lock_outside_of_requests():
    """Where Pyramid knows of no request the session is locked as ever."""
    session = BeakerSessionFactoryConfig(type="memory", secret=SECRET)(DummyRequest())
    session.lock(wait=0)
    session.unlock()


class OutOfTime(BaseException):
    """What ends a request from outside, as gevent's Timeout and a worker's SystemExit do."""


@pytest.mark.parametrize("saving", [False, True], ids=["in the view", "while it is saved"])
def test_what_ends_a_request_from_outside_leaves_no_lock(saving):
    """Whoever locks the session next need not wait until the lock ends by itself."""
    site = Site()

    @site.page("page")
    def page(request):
        request.session.lock(wait=0)
        request.session["new"] = "2"
        site.store.fail("swap", error=OutOfTime)
        if not saving:
            raise OutOfTime

    site.page("lock")(lambda request: request.session.lock(wait=0))
    visitor = site.visitor()
    with pytest.raises(OutOfTime):
        visitor.get("/page")
    site.store.mend()
    visitor.get("/lock")
    assert site.contents(visitor) == {"old": "1"}


def test_saving_twice_is_saving_once():
    """``save()`` after a write has the same effect as before it."""

    def page(request):
        request.session["n"] = request.session.get("n", 0) + 1
        request.session.save()
        request.session.save()
        return Response(str(request.session["n"]))

    app = application(page)
    assert [app.get("/").text for _ in range(2)] == ["1", "2"]


def test_the_factorys_options_are_readable_on_its_sessions():
    """pyramid_beaker's names for the configuration are there on the factory and the session."""
    factory = BeakerSessionFactoryConfig(key="foo", cookie_on_exception=False)

    def page(request):
        session = factory(request)
        return Response(f"{session._options['key']} {session._cookie_on_exception}")

    assert factory._options == {"key": "foo"}
    assert application(page).get("/").text == "foo False"
