"""Faults of Beaker's sessions, rows 12 to 16 and 22: requests that meet, and their store."""

from __future__ import annotations

import contextlib
import threading

import pytest

from pyramid_beakerish.testing.together import Background, in_threads


def test_row_12_both_of_two_writes_are_kept(site):
    """Of two requests at once that write different keys neither loses anything."""
    visitor = site.visitor(old=1)
    with visitor.held(lambda session: session.update({"one": 1})):
        visitor.set(two=2)
    assert visitor.get("one") == 1
    with site.beaker_fails():
        assert visitor.get("two") == 2


def test_row_12_both_of_two_messages_are_kept(site):
    """Of two requests at once that flash a message neither loses it."""
    visitor = site.visitor(old=1)
    with visitor.held(lambda session: session.flash("one")):
        visitor.do(lambda session: session.flash("two"))
    with site.beaker_fails():
        assert sorted(visitor.do(lambda session: session.pop_flash())) == ["one", "two"]


def test_row_12_a_csrf_token_is_kept(site):
    """A form's token is valid although another request wrote at the same time."""
    visitor = site.visitor(old=1)
    with visitor.held(lambda session: session.update({"one": 1})):
        token = visitor.do(lambda session: session.get_csrf_token())
    with site.beaker_fails():
        assert visitor.do(lambda session: session.get_csrf_token()) == token


def test_row_13_a_read_undoes_no_write(site):
    """A slow request that only reads does not undo what another has written meanwhile."""
    site.set(timeout="600")
    visitor = site.visitor(cart="empty")
    site.clock.advance(120)
    with visitor.held(lambda session: session.get("cart")):
        visitor.set(cart="full")
    with site.beaker_fails():
        assert visitor.get("cart") == "full"


def test_row_14_a_read_brings_no_session_back(site):
    """A slow request that only reads does not bring back a session that was ended meanwhile."""
    site.set(timeout="600")
    visitor = site.visitor(user="u")
    thief = visitor.thief()
    site.clock.advance(120)
    with visitor.held(lambda session: session.get("user")):
        visitor.do(lambda session: session.delete())
    with site.beaker_fails():
        assert thief.get("user") is None


def test_row_14_a_write_brings_no_session_back(site):
    """A slow request that writes does not bring back a session that was ended meanwhile."""
    visitor = site.visitor(user="u")
    thief = visitor.thief()
    with visitor.held(lambda session: session.update({"cart": "full"})):
        visitor.do(lambda session: session.delete())
    with site.beaker_fails():
        assert (thief.get("user"), thief.get("cart")) == (None, None)


@pytest.mark.parametrize("store", ["memory"])
def test_row_15_lock_keeps_others_out(site):
    """Of two requests that lock the session one waits for the other."""
    visitor = site.visitor(old=1)
    both_inside = threading.Barrier(2, timeout=0.2)

    def enter(session):
        session.lock()
        with contextlib.suppress(threading.BrokenBarrierError):
            both_inside.wait()
        session.unlock()

    in_threads(2, lambda _: visitor.thief().do(enter))
    with site.beaker_fails():
        assert both_inside.broken


@pytest.mark.parametrize("store", ["file"])
def test_row_15_a_forgotten_unlock_hangs_nobody(site):
    """A lock that a view forgets to release ends with its request."""
    visitor = site.visitor(old=1)
    kept = []

    def lock(session):
        session.get("old")
        session.lock()
        kept.append(session)

    with site.beaker_fails(AssertionError):
        visitor.do(lock)
        late = Background(lambda: visitor.thief().get("old"))
        if hangs := not late.ends(0.3):
            kept[0].unlock()
        assert (late.result(), hangs) == (1, False)


def test_row_16_a_read_writes_nothing(site):
    """A request that only reads leaves the store as it is."""
    visitor = site.visitor(user="u")
    before = site.records(), site.files()
    site.clock.advance(1)
    visitor.get("user")
    with site.beaker_fails():
        assert (site.records(), site.files()) == before


@pytest.mark.parametrize("store", ["memory"])
@pytest.mark.filterwarnings("ignore:Invalidating corrupt session")
def test_row_22_a_network_that_fails_logs_nobody_out(site):
    """A store that could not be reached once is not taken for a session that is corrupt."""
    site.set(invalidate_corrupt="true")
    visitor = site.visitor(user="u")
    site.lose_an_answer()
    visitor.request(lambda request: request.session.get("user"), status="*")
    with site.beaker_fails():
        assert visitor.get("user") == "u"
