"""Faults of Beaker's sessions, rows 5 to 11, 28 and 47: ids, cookies and secrets."""

from __future__ import annotations

import hashlib
import logging

import beaker.cache
import pytest

import pyramid_beakerish
from tests.rivals import KEY

#: What others put before and behind our cookie. Browsers send all of it.
NEIGHBOURS = [
    'p={"a":1,"sid":"x"}',
    'p={"a": 1, "b": [2, 3]}',
    'x="',
    '$Version=1; x="',
    'x="a',
    "u=\xfc",
    'u="\xfc"',
    "u=\xc3\xbc",
    "justname",
    "weird[name]=1",
    'a"b=1',
    "path=/",
    "expires=Wed, 09 Jun 2021 10:18:14 GMT",
    "e=a b",
    f"x {KEY}=evil",
    "",
]


@pytest.fixture
def unsigned(site):
    """An application without a secret."""
    del site.settings["session.secret"]
    return site


def test_row_5_a_planted_id_is_not_taken(unsigned):
    """Who logs in with a cookie that an intruder made up shares no session with the intruder."""
    planted = f"{KEY}={unsigned.made_up_id()}"
    unsigned.visitor(planted, user="victim")
    with unsigned.beaker_fails():
        assert unsigned.visitor(planted).get("user") is None


def test_row_5_a_missing_secret_is_told(unsigned, caplog):
    """Without a secret there is one warning when the application starts."""
    unsigned.visitor(a=1)
    with unsigned.beaker_fails():
        assert [r.levelno for r in caplog.records if "session.secret" in r.getMessage()] == [
            logging.WARNING
        ]


def test_row_6_the_id_of_a_session_that_is_gone_is_not_used_again(site):
    """A cookie whose session the store has lost does not name the next session."""
    visitor = site.visitor(user="x")
    thief = visitor.thief()
    site.flush()
    visitor.set(user="y")
    assert visitor.get("user") == "y"
    with site.beaker_fails():
        assert thief.get("user") is None


def test_row_6_the_id_changes_at_login(site):
    """Who logs in with an intruder's own valid cookie shares no session with the intruder."""
    intruder = site.visitor(cart="empty")
    victim = intruder.thief()
    victim.do(lambda session: session.update({"auth.userid": "victim"}))
    with site.beaker_fails():
        assert intruder.get("auth.userid") is None


def test_row_7_an_empty_cookie_is_no_session(unsigned):
    """Visitors whose cookie was emptied share no session."""
    unsigned.visitor(f"{KEY}=", user="one")
    with unsigned.beaker_fails():
        assert unsigned.visitor(f"{KEY}=").get("user") is None


@pytest.mark.parametrize("store", ["file"])
@pytest.mark.parametrize("alias", ["x.y", "../xy", "q/w/x.y", ".x.y."])
def test_row_8_one_file_has_one_name(unsigned, alias):
    """Ids that differ never open one file."""
    unsigned.visitor(f"{KEY}=xy", user="one")
    with unsigned.beaker_fails():
        assert unsigned.visitor(f"{KEY}={alias}").get("user") is None


@pytest.mark.parametrize("store", ["file"])
@pytest.mark.parametrize("odd", ["i" * 300, '"a\\000b"'], ids=["long", "NUL"])
def test_row_9_an_odd_id_is_no_session(unsigned, odd):
    """An id that can be no file's name is no error."""
    with unsigned.beaker_fails(OSError, ValueError):
        unsigned.visitor(f"{KEY}={odd}", user="x")


def test_row_10_reading_creates_nothing(unsigned):
    """Reading with made-up cookies leaves no record, no file and no folder behind."""
    unsigned.visitor().get("user")
    before = sorted(unsigned.folder.rglob("*"))
    for _ in range(20):
        unsigned.visitor(f"{KEY}={unsigned.made_up_id()}").get("user")
    with unsigned.beaker_fails():
        assert (sorted(unsigned.folder.rglob("*")), unsigned.records()) == (before, {})


@pytest.mark.parametrize("store", ["file"])
def test_row_11_sessions_and_cached_functions_have_names_of_their_own(unsigned):
    """A cookie that names the entries of a cached function does them no harm."""
    unsigned.settings |= {
        "cache.regions": "r",
        "cache.type": "file",
        "cache.data_dir": str(unsigned.folder),
    }
    library = beaker.cache if unsigned.package == "pyramid_beaker" else pyramid_beakerish
    calls = []

    @library.cache_region("r")
    def cached():
        calls.append("called")

    unsigned.start()
    cached()
    namespace = f"{__file__}|cached"  # Beaker's name for the entries of a function
    unsigned.visitor(f"{KEY}={hashlib.sha1(namespace.encode()).hexdigest()}", a=1)
    cached()
    with unsigned.beaker_fails():
        assert calls == ["called"]


def test_row_28_other_cookies_do_not_hide_the_session(site):
    """The session is found whatever else is in the Cookie header, before it and behind it."""
    visitor = site.visitor(user="x")
    own = f"{KEY}={visitor.cookie}"
    headers = [f"{other}; {own}" for other in NEIGHBOURS]
    headers += [f"{own}; {other}" for other in NEIGHBOURS]
    with site.beaker_fails():
        assert [h for h in headers if site.visitor(h).get("user") != "x"] == []


def test_row_47_secrets_are_changed_under_live_users(site):
    """A new secret in front of the old one logs nobody out, and the cookie is signed anew."""
    old = site.settings["session.secret"]
    visitor = site.visitor(user="x")
    first = visitor.cookie
    new = "another secret, which is as hard to guess as the first"
    site.start(secret=f"{new}\n{old}")
    with site.beaker_fails():
        assert visitor.get("user") == "x"
        assert visitor.cookie != first
        site.start(secret=new)
        assert visitor.get("user") == "x"


@pytest.mark.filterwarnings("always::UserWarning")
def test_row_47_no_log_shows_an_id(site, caplog, recwarn):
    """What is said about a record that cannot be read does not give the id away."""
    site.set(invalidate_corrupt="true")
    visitor = site.visitor(user="x")
    names = [visitor.cookie[40:], visitor.cookie[:43]]  # Beaker signs in front, we behind
    site.damage(lambda data: b"damage")
    caplog.set_level(logging.DEBUG)
    visitor.get("user")
    said = caplog.text + "".join(str(warning.message) for warning in recwarn)
    assert "corrupt" in said
    with site.beaker_fails():
        assert [name for name in names if name in said] == []
