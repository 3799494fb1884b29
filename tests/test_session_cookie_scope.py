"""The domain and the path of the cookie: changed, removed, and impossible ones."""

from __future__ import annotations

import pytest

from pyramid_beakerish.sessions.cookie import MOST_TRIED
from pyramid_beakerish.sessions.ids import new_id
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing.site import Site, WatchedStore
from tests.rivals import KEY, Beakerish

ours = pytest.mark.parametrize("package", [Beakerish])


def test_users_can_log_in_after_the_domain_was_changed(site):
    """With a new ``cookie_domain`` live sessions go on, and who logs out can log in again."""
    visitor = site.visitor(user="u")
    site.start(cookie_domain="localhost.local")
    assert visitor.get("user") == "u"
    visitor.do(lambda session: session.invalidate())
    visitor.set(user="again")
    assert visitor.get("user") == "again"


@ours
@pytest.mark.parametrize("order", ["{dead}; {alive}", "{alive}; {dead}", "{dead}; {quoted}"])
def test_a_cookie_that_opens_nothing_hides_no_session(site, order):
    """A cookie whose session has ended does not keep another of the name from being found."""
    ended, visitor = site.visitor(user="old"), site.visitor(user="u")
    alive = {"alive": f"{KEY}={visitor.cookie}", "quoted": f'{KEY}="{visitor.cookie}"'}
    header = order.format(dead=f"{KEY}={ended.cookie}", **alive)
    ended.do(lambda session: session.invalidate())
    assert site.visitor(header).get("user") == "u"


@ours
def test_made_up_cookies_behind_one_that_opens_nothing_hide_no_session(site):
    """What a sub-domain makes up is not tried, so that the session behind all that is found."""
    ended, visitor = site.visitor(user="old"), site.visitor(user="u")
    made_up = [f"{KEY}={number}" for number in range(9)]
    header = "; ".join([f"{KEY}={ended.cookie}", *made_up, f"{KEY}={visitor.cookie}"])
    ended.do(lambda session: session.invalidate())
    assert site.visitor(header).get("user") == "u"


def test_a_header_full_of_ids_costs_a_few_looks(clock):
    """However many ids somebody makes up, the store is asked for a few of them, and no more."""
    store = WatchedStore(MemoryStore(clock))
    stranger = Site(store, clock, secret=None).stranger()
    header = "; ".join(f"beaker.session.id={new_id()}" for _ in range(50))
    assert stranger.visit(lambda request: dict(request.session), Cookie=header) == {}
    assert store.calls == ["load"] * (1 + MOST_TRIED)


@ours
def test_a_cookie_of_its_own_path_is_removed_there(site):
    """At logout the browser is told to forget the cookie where the session had put it."""
    visitor = site.visitor(user="u")
    thief = visitor.thief()
    visitor.do(lambda session: setattr(session, "path", "/shop"))
    header = thief.request(lambda request: request.session.invalidate()).headers["Set-Cookie"]
    assert "; Path=/shop;" in header
    assert "; Max-Age=0;" in header


@ours
@pytest.mark.parametrize("name", ["path", "domain"])
@pytest.mark.parametrize("value", [3, "/x; Secure", "/x\r\nSet-Cookie: a=b"])
def test_a_value_that_no_cookie_can_carry_is_refused(site, name, value):
    """What would break the cookie is an error where it is set, and the session stays as it is."""
    visitor = site.visitor(user="u")
    with pytest.raises(ValueError, match=rf"^session\.{name} is not a .*: use a "):
        visitor.do(lambda session: setattr(session, name, value))
    assert visitor.get("user") == "u"


@pytest.mark.parametrize(
    ("attribute", "value"), [("domain", "example.com"), ("path", "/shop")], ids=["domain", "path"]
)
def test_what_the_name_of_the_cookie_forbids(attribute, value, clock):
    """A scope with which browsers would drop the cookie is an error, and nothing is changed."""
    site = Site(MemoryStore(clock), clock, key="__Host-id", secure="true")
    visitor = site.stranger("https").put(a=1)

    def work(session):
        with pytest.raises(ValueError, match=f"name, __Host-id, .* {attribute}.* browsers drop"):
            setattr(session, attribute, value)

    visitor.use(work)
    assert visitor.set_cookies == []
