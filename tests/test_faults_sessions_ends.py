"""Faults of Beaker's sessions, rows 1 to 4 and 35 to 37: sessions that end, and do not."""

from __future__ import annotations

import pytest

HOUR = 3600


@pytest.mark.parametrize("store", ["cookie"])
@pytest.mark.parametrize(
    "options",
    [{}, {"timeout": "600"}, {"save_accessed_time": "false"}],
    ids=["plain", "timeout", "no times"],
)
def test_row_1_invalidate_logs_out_of_a_cookie(site, options):
    """Who has logged out of a session that is kept in the cookie itself is logged out."""
    site.set(**options)
    visitor = site.visitor(user="alice")
    visitor.do(lambda session: session.invalidate())
    with site.beaker_fails():
        assert visitor.get("user") is None


def test_row_2_invalidate_ends_the_session(site):
    """After logout the old cookie opens nothing, and nothing is stored any more."""
    visitor = site.visitor(user="alice")
    thief = visitor.thief()
    visitor.do(lambda session: session.invalidate())
    with site.beaker_fails():
        assert thief.get("user") is None
    with site.beaker_fails():
        assert site.records() == {}


def test_row_3_regenerate_id_ends_the_old_id(site):
    """After a change of the id the old one opens nothing, and the new one everything."""
    visitor = site.visitor(user="bob")
    thief = visitor.thief()
    visitor.do(lambda session: session.regenerate_id())
    assert visitor.get("user") == "bob"
    with site.beaker_fails():
        assert thief.get("user") is None
    with site.beaker_fails():
        assert len(site.records()) == 1


def test_row_4_delete_ends_the_session(site):
    """After delete() nothing is stored any more, and the old cookie begins a sound session."""
    visitor = site.visitor(user="bob")
    thief = visitor.thief()
    visitor.do(lambda session: session.delete())
    with site.beaker_fails():
        assert site.records() == {}
    with site.beaker_fails(KeyError):
        assert thief.do(lambda session: session.created) == site.clock.now


def test_row_4_a_write_after_delete_begins_a_session(site):
    """A flash message after delete(), as after a logout, is shown on the next page."""
    visitor = site.visitor(user="bob")

    def log_out(session):
        session.delete()
        session.flash("See you soon.")

    visitor.do(log_out)
    with site.beaker_fails():
        assert visitor.do(lambda session: session.pop_flash()) == ["See you soon."]


def test_row_35_expired_sessions_are_removed(site):
    """Sessions that have expired leave the store as others are written."""
    site.set(timeout="600")
    for number in range(30):
        site.visitor(number=number)
    site.clock.advance(3 * HOUR)
    for number in range(30):
        site.visitor(number=number)
    with site.beaker_fails():
        assert len(site.records()) == 30


def test_row_36_an_expired_session_stays_expired(site):
    """What has expired does not come back when the timeout is made longer."""
    site.set(timeout="60")
    visitor = site.visitor(user="x")
    site.clock.advance(120)
    site.start(timeout="900")
    with site.beaker_fails():
        assert visitor.get("user") is None


def test_row_37_a_session_that_is_polled_ends(site):
    """A session that is used all the time ends when its lifetime does."""
    site.set(timeout="1800", lifetime="7200")
    visitor = site.visitor(user="x")
    for _ in range(7):
        site.clock.advance(HOUR / 4)
        assert visitor.get("user") == "x"
    site.clock.advance(HOUR / 4)
    with site.beaker_fails():
        assert visitor.get("user") is None
