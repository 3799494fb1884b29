"""The session of a WebTest application's visitor, read and filled from a test."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pyramid.interfaces import ISessionFactory
from pyramid.request import Request
from pyramid.response import Response
from pyramid.threadlocal import RequestContext

from ..factory import SessionFactory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from webtest import TestApp


@contextmanager
def session_of(testapp: TestApp, registry: Any = None) -> Iterator[Any]:
    """Give the session that the visitor's next request will find; store what the block changes.

    ``testapp`` is the `webtest.TestApp` whose cookies are the visitor's; a visitor without a
    session gets one as soon as something is put into it. ``registry`` is that of the Pyramid
    application; it is needed only if the application is wrapped in something else. The
    application's views are not called. Raises `LookupError` for an application without sessions of
    this package. If the block raises, nothing is stored.

    Example::

        def test_the_cart_is_shown(testapp):
            with session_of(testapp) as session:
                session["cart"] = ["apple"]
            assert "apple" in testapp.get("/cart").text
    """
    registry = _registry(testapp, registry)
    factory = _factory(registry)
    # This takes two requests through WebTest, which knows where a cookie belongs.
    request = Request(_pass_on(testapp, factory._settings, Response))
    request.registry = registry
    with RequestContext(request):
        session = factory(request)
        yield session

        def saved() -> Response:
            response = Response()
            session._respond(request, response)
            return response

        _pass_on(testapp, factory._settings, saved)


def _pass_on(testapp: TestApp, settings: Any, respond: Callable[[], Response]) -> dict[str, Any]:
    """Send a request to the cookie's host and path, let the function answer; give the environ."""
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        seen.update(environ)
        return respond()(environ, start_response)

    from webtest import TestApp  # which is installed, as there is a TestApp

    environ = testapp.extra_environ
    scheme = "https" if settings.secure is True else environ.get("wsgi.url_scheme", "http")
    host = environ.get("HTTP_HOST", "localhost").partition(":")[0]
    visitor = TestApp(app, environ, cookiejar=testapp.cookiejar)
    visitor.get(f"{scheme}://{host}{settings.cookie_path}")
    return seen


def _registry(testapp: TestApp, registry: Any) -> Any:
    found = registry or getattr(testapp.app, "registry", None)
    if found is None:
        raise LookupError("this is no Pyramid application: give its registry as well")
    return found


def _factory(registry: Any) -> Any:
    factory = registry.queryUtility(ISessionFactory)
    if not isinstance(factory, SessionFactory):
        raise LookupError("this application has no sessions of pyramid_beakerish")
    return factory
