"""``session.format = beaker``: when it is chosen, and beside pyramid_beaker over one store."""

from __future__ import annotations

import pytest
from beaker.session import CookieSession

from tests.beaker_types import TYPES, kept, neighbour
from tests.rivals import KEY, SECRET, SHELVES, BeakersFormat

pytestmark = pytest.mark.usefixtures("own_databases")


@pytest.fixture
def package():
    """This package alone, with Beaker's sessions."""
    return BeakersFormat


@pytest.fixture(params=TYPES)
def store(request):
    """Each of Beaker's types that needs no server."""
    return request.param


def reasons(caplog):
    """Give the lines of the log that say why Beaker keeps the sessions."""
    said = [record.getMessage() for record in caplog.records]
    return [line for line in said if line.startswith("Beaker keeps")]


@pytest.mark.parametrize("store", ["own"])
def test_one_line_says_why(site, caplog):
    """Where nobody asked for Beaker's sessions one line of the log says why they are used."""
    del site.settings["session.format"]
    site.visitor(a=1).get("a")
    why = "session.namespace_class is an option of Beaker's own sessions"
    assert reasons(caplog) == [f"Beaker keeps the sessions: {why}."]


def test_nothing_is_said_where_it_was_asked_for(site, caplog):
    """With ``session.format = beaker`` nobody has to be told."""
    site.visitor(a=1)
    assert reasons(caplog) == []


CONTENTS = {"user": "u", "n": 3, "cart": ["one", {"two": 2.0}], "none": None}


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_pyramid_beakers_sessions_are_read(site, monkeypatch, serializer):
    """A visitor of a server with pyramid_beaker has the same session on a server with this one."""
    site.set(data_serializer=serializer)
    other = neighbour(site, monkeypatch)
    there = other.visitor(**CONTENTS)
    token = there.do(lambda session: session.get_csrf_token())
    there.do(lambda session: session.flash("hello"))
    here = site.visitor(f"{KEY}={there.cookie}")
    seen = here.do(lambda session: {key: session[key] for key in CONTENTS})
    assert seen == CONTENTS
    assert here.do(lambda session: session.get_csrf_token()) == token
    assert here.do(lambda session: session.peek_flash()) == ["hello"]
    assert here.do(lambda session: session.new) is False


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_pyramid_beaker_reads_these_sessions(site, monkeypatch, serializer):
    """A visitor of a server with this package has the same session on one with pyramid_beaker."""
    site.set(data_serializer=serializer)
    here = site.visitor(**CONTENTS)
    token = here.do(lambda session: session.get_csrf_token())
    here.do(lambda session: session.flash("hello"))
    other = neighbour(site, monkeypatch)
    there = other.visitor(f"{KEY}={here.cookie}")
    seen = there.do(lambda session: {key: session[key] for key in CONTENTS})
    assert seen == CONTENTS
    assert there.do(lambda session: session.get_csrf_token()) == token
    assert there.do(lambda session: session.peek_flash()) == ["hello"]


@kept
def test_both_serve_one_visitor_in_turns(site, monkeypatch):
    """What one server has written the other goes on with, and back."""
    other = neighbour(site, monkeypatch)
    here = site.visitor(n=1)
    cookies = f"{KEY}={here.cookie}"
    servers = [other.visitor(cookies), site.visitor(cookies)] * 2
    for number, visitor in enumerate(servers, 1):
        assert visitor.get("n") == number
        visitor.set(n=number + 1)
    assert here.get("n") == 5


class Tagged(CookieSession):
    """A session class of the application's own."""

    tag = "mine"


def test_a_session_class_of_ones_own(package, tmp_path, monkeypatch):
    """With ``session_class`` sessions are of that class, be they kept in the cookie."""
    site = package("memory", tmp_path, monkeypatch)
    site.set(session_class=Tagged, validate_key=SECRET)
    visitor = site.visitor(user="u")
    assert visitor.do(lambda session: session.tag) == "mine"
    old = visitor.do(lambda session: session.id)
    visitor.do(lambda session: session.regenerate_id())
    assert visitor.do(lambda session: (session["user"], session.id == old)) == ("u", False)


@pytest.mark.parametrize("store", ["own"])
def test_a_backend_of_ones_own_gets_its_options(site):
    """What nobody here knows is handed on to a ``namespace_class``."""
    site.visitor(user="u")
    assert str(site.folder) in {shelf for shelf, _ in SHELVES}
