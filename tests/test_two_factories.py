"""Two session factories of ours in one application."""

from __future__ import annotations

from pyramid.config import Configurator
from pyramid.response import Response
from webtest import TestApp

from pyramid_beakerish import BeakerSessionFactoryConfig, StoreUnavailable
from pyramid_beakerish.sessions.manager import SessionManager
from pyramid_beakerish.sessions.session import Session
from pyramid_beakerish.settings import session_settings
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock
from tests.scenarios import FragileStore

SECRET = "not a secret, but as long as one has to be"


def test_a_session_that_was_saved_keeps_its_cookie_when_another_fails():
    """If the second session cannot be saved, the first, already stored, is not taken back."""
    store = FragileStore(FrozenClock(), [])
    one = BeakerSessionFactoryConfig(key="one", secret=SECRET)
    other = BeakerSessionFactoryConfig(key="other", secret=SECRET, type=store)

    def page(request):
        request.first = first = one(request)
        second = other(request)
        first.regenerate_id()
        first["n"] = second["n"] = first.get("n", 0) + 1
        return Response(str(first["n"]))

    def apologise(error, request):
        return Response(str(request.first["n"]), status=503)

    config = Configurator()
    config.include("pyramid_beakerish")
    config.add_route("page", "/")
    config.add_view(page, route_name="page")
    config.add_exception_view(apologise, StoreUnavailable)
    browser = TestApp(config.make_wsgi_app())
    assert browser.get("/").text == "1"
    store.fail("swap")
    assert browser.get("/", status=503).text == "2"
    store.mend()
    assert browser.get("/").text == "3"


def test_users_of_one_name_see_nothing_of_each_other():
    """Of two factories with one store, a user of one lists and ends no session of the other's."""
    store = MemoryStore(FrozenClock())
    office, shop = (
        SessionManager(session_settings(key=key, secret=key * 16, type=store)[0])
        for key in ("office", "shop")
    )
    clerk, customer = Session(office, None), Session(shop, None)
    for session, device in ((clerk, "desk"), (customer, "phone")):
        session.bind_user("admin", device=device)
        session.persist()
    assert [one.about for one in customer.sessions_of()] == [{"device": "phone"}]
    assert not customer.sessions_of().end_others()
    assert [one.about for one in clerk.sessions_of("admin")] == [{"device": "desk"}]
