"""The fixtures for applications: as pytest finds them in a project that has the package."""

from __future__ import annotations

import pytest
from pyramid.config import Configurator
from pyramid.response import Response
from webtest import TestApp
from zope.interface import Interface

from pyramid_beakerish.testing import FrozenClock, session_of
from tests.test_docs import ROOT, blocks

pytest_plugins = ["pytester"]

SECRET = "a secret that only these tests know, long enough"

PAGE = ROOT / "docs" / "testing.rst"

#: Plugins of ours that a project need not have; they take time.
WITHOUT = ("-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")

#: The conftest.py of a project: its application, and a visitor.
CONFTEST = """
import pytest
from pyramid.config import Configurator
from pyramid.response import Response
from webtest import TestApp
from pyramid_beakerish import cache_region

calls = []

@cache_region("short")
def report():
    calls.append(1)
    return len(calls)

def show(request):
    cart = request.session.get("cart", [])
    return Response(f"cart: {cart}, report: {report()}")

@pytest.fixture
def testapp(beakerish_clock):
    settings = {"session.type": "memory", "session.timeout": "30m", "cache.regions": "short",
                "beakerish.clock": beakerish_clock}
    config = Configurator(settings=settings)
    config.include("pyramid_beakerish")
    config.add_view(show)
    return TestApp(config.make_wsgi_app())
"""


@pytest.fixture
def project(pytester):
    """A project whose tests are given, run, and must pass."""
    pytester.makeconftest(CONFTEST)

    def run(text, **outcomes):
        pytester.makepyfile(text)
        result = pytester.runpytest_inprocess(*WITHOUT)
        result.assert_outcomes(**outcomes)
        return result

    return run


def test_a_session_is_filled_and_read(project):
    """A test fills the visitor's session before a request, and reads it after one."""
    project(
        """
        def test_cart(testapp, beakerish_session):
            with beakerish_session(testapp) as session:
                session["cart"] = ["apple"]
            assert "cart: ['apple']" in testapp.get("/").text
            with beakerish_session(testapp) as session:
                assert session["cart"] == ["apple"]
        """,
        passed=1,
    )


def test_time_goes_on_when_the_test_says_so(project):
    """The frozen clock ends a session whose time the test lets pass."""
    project(
        """
        def test_timeout(testapp, beakerish_session, beakerish_clock):
            with beakerish_session(testapp) as session:
                session["cart"] = ["apple"]
            beakerish_clock.advance(29 * 60)
            assert "apple" in testapp.get("/").text
            beakerish_clock.advance(2 * 3600)
            assert "apple" not in testapp.get("/").text
        """,
        passed=1,
    )


def test_caches_are_off_and_on_again(project):
    """With the fixture each request calls the function; the next test caches again."""
    project(
        """
        import pytest
        from conftest import calls

        @pytest.mark.usefixtures("testapp", "beakerish_caches_off")
        def test_off(testapp):
            before = len(calls)
            testapp.get("/"), testapp.get("/")
            assert len(calls) == before + 2

        def test_on(testapp):
            before = len(calls)
            testapp.get("/"), testapp.get("/")
            assert len(calls) == before + 1
        """,
        passed=2,
    )


def test_caches_are_empty_for_each_test(project):
    """An application that several tests share starts each with empty regions."""
    project(
        """
        import pytest
        from pyramid_beakerish.cache.configured import configured
        from conftest import report

        @pytest.fixture(scope="module")
        def regions():
            from pyramid_beakerish import set_cache_regions_from_settings
            set_cache_regions_from_settings({"cache.regions": "short"})

        @pytest.fixture(autouse=True)
        def isolated(regions, beakerish_caches_empty):
            pass

        @pytest.mark.parametrize("number", [1, 2])
        def test_each(number):
            assert configured.regions["short"].peek("k") is None
            configured.regions["short"].set("k", number)
        """,
        passed=2,
    )


def test_caches_that_are_not_there_yet_are_told(project, monkeypatch):
    """Asked for before the application, a fixture fails with a word on the order."""
    monkeypatch.setattr("pyramid_beakerish.cache.configured.configured.regions", None)
    result = project("def test_early(beakerish_caches_off): pass", errors=1)
    result.stdout.fnmatch_lines(["*No cache regions are configured yet*"])


def test_the_examples_of_the_page_on_testing_pass(pytester):
    """What docs/testing.rst shows is a conftest.py, and modules of tests that pass with it."""
    conftest, *tests = blocks(PAGE, "python")
    pytester.makeconftest(conftest)
    pytester.makepyfile(**{f"test_{number}": body for number, body in enumerate(tests)})
    pytester.runpytest_inprocess(*WITHOUT).assert_outcomes(passed=6)


def test_the_fixtures_are_listed_with_their_help(pytester):
    """``pytest --fixtures`` shows what there is."""
    result = pytester.runpytest_inprocess("--fixtures", *WITHOUT)
    names = ["session", "clock", "caches_off", "caches_empty"]
    for name in names:
        result.stdout.fnmatch_lines([f"*beakerish_{name}*"])


# The function behind the fixture


def make_app(**options):
    settings = {"session.type": "memory", "session.secret": SECRET}
    settings.update({f"session.{name}": value for name, value in options.items()})
    config = Configurator(settings=settings)
    config.include("pyramid_beakerish")
    config.add_route("any", "/*path")
    config.add_view(lambda request: Response(str(dict(request.session))), route_name="any")
    return config.make_wsgi_app()


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({}, "/"),
        ({"cookie_path": "/shop"}, "/shop/cart"),
        ({"secure": True}, "https://localhost/"),
        ({"cookie_expires": "30d"}, "/"),
        ({"samesite": "Strict", "httponly": False}, "/"),
        ({"format": "beaker"}, "/"),
    ],
    ids=str,
)
def test_the_cookie_is_the_applications_own(options, path):
    """Whatever cookie the settings ask for, the visitor's next request carries it."""
    testapp = TestApp(make_app(**options))
    with session_of(testapp) as session:
        session["a"] = 1
    assert testapp.get(path).text == "{'a': 1}"
    with session_of(testapp) as session:
        assert session["a"] == 1
        session["b"] = 2
    assert testapp.get(path).text == "{'a': 1, 'b': 2}"


class Typed(TestApp):
    """A visitor's application of a project's own."""

    def __init__(self, app):
        super().__init__(app)


class ICart(Interface):
    """What somebody wants to buy."""


class Cart:
    def __init__(self, session):
        self.items = []


@pytest.mark.parametrize("transactional", [False, True])
def test_it_is_a_session_of_the_application(transactional):
    """In the block there are the application's components and settings, as in a request."""
    settings = {"session.secret": SECRET, "session.transactional": transactional}
    config = Configurator(settings=settings)
    config.include("pyramid_tm")
    config.include("pyramid_beakerish")
    config.register_session_component(Cart, ICart)
    with session_of(Typed(config.make_wsgi_app())) as session:
        assert ICart(session).items == []


def test_a_session_can_be_ended():
    """What ends the session in the block logs the visitor out."""
    testapp = TestApp(make_app())
    with session_of(testapp) as session:
        session["a"] = 1
    with session_of(testapp) as session:
        session.invalidate()
    assert testapp.get("/").text == "{}"
    assert "beaker.session.id" not in testapp.cookies


def test_to_read_changes_nothing():
    """Looking into the session of a visitor without one begins none."""
    testapp = TestApp(make_app())
    with session_of(testapp) as session:
        assert dict(session) == {}
    assert testapp.cookies == {}


def test_a_block_that_fails_stores_nothing():
    """An assertion that fails in the block leaves the session as it was."""
    testapp = TestApp(make_app())
    with pytest.raises(ZeroDivisionError), session_of(testapp) as session:
        session["a"] = session.modify("b", lambda n: n + 1, 0) / 0
    assert testapp.get("/").text == "{}"


def test_visitors_have_sessions_of_their_own():
    """Two of WebTest's applications are two visitors."""
    app = make_app()
    one, other = TestApp(app), TestApp(app, extra_environ={"HTTP_HOST": "example.com:80"})
    with session_of(one) as session:
        session["a"] = 1
    with session_of(other) as session:
        session["b"] = 2
    assert (one.get("/").text, other.get("/").text) == ("{'a': 1}", "{'b': 2}")


def test_an_application_in_another_one_is_given_by_its_registry():
    """Behind other WSGI applications the registry tells which sessions are meant."""
    app = make_app()
    testapp = TestApp(lambda environ, start_response: app(environ, start_response))
    with pytest.raises(LookupError, match="give its registry"), session_of(testapp):
        pass
    with session_of(testapp, app.registry) as session:
        session["a"] = 1
    assert testapp.get("/").text == "{'a': 1}"


def test_an_application_without_sessions_is_told():
    """Where this package has made no sessions there is nothing to give."""
    testapp = TestApp(Configurator().make_wsgi_app())
    with pytest.raises(LookupError, match="no sessions of pyramid_beakerish"), session_of(testapp):
        pass


def test_the_clock_begins_now_and_stands_still(beakerish_clock):
    """Cookies that the clock dates are alive in WebTest, which goes by the real time."""
    assert isinstance(beakerish_clock, FrozenClock)
    assert beakerish_clock() == beakerish_clock() > 1_700_000_001
