"""The torture in a short form, and that it would notice."""

from __future__ import annotations

import pytest

from tests.servers import require
from tests.torture.history import SLACK, History, Session
from tests.torture.run import torture
from tests.torture.stores import STORES

SECONDS = 2


@pytest.mark.parametrize("name", STORES)
def test_no_promise_is_broken(name):
    """While things break nobody sees another's data, and nothing acknowledged is lost."""
    store = STORES[name]
    if store.server is not None:
        require(store.server)
    result = torture(store, SECONDS, seed=1)
    assert result.violations == []
    assert result.requests > 20
    assert result.faults


LOST = [0]


@pytest.fixture
def history():
    LOST[0] = 0
    return History("alice", lambda: LOST[0])


def told(history, session, found, now=1.0):
    """Give what the history says of a request that begins and ends now."""
    history.check(history.expect(session, now), found, now)
    return [violation.partition(": ")[2] for violation in history.violations]


def session(**more):
    return Session(begun=0.0, losses=0, **more)


@pytest.mark.parametrize(
    ("state", "found", "violation"),
    [
        (session(), {"owner": "eve"}, "saw the session of eve"),
        (session(logout_answered=True), {"owner": "alice"}, "a session that had ended"),
        (session(lifetime=1.0), {"owner": "alice"}, "a session that had ended"),
        (session(), {}, "a session was lost"),
        (session(added=2, tried=3), {"owner": "alice", "n": 1}, "counted 1"),
        (session(added=2, tried=3), {"owner": "alice", "n": 4}, "counted 4"),
        (session(kept={"tab": [3, 4]}), {"owner": "alice", "tab": 2}, "tab was 2"),
        (session(kept={"tab": [3, 4]}), {"owner": "alice"}, "tab was None"),
    ],
)
def test_a_broken_promise_is_noticed(history, state, found, violation):
    """Each kind of broken promise is told."""
    (noticed,) = told(history, state, found, now=1.1 + SLACK)
    assert noticed.startswith(violation)


@pytest.mark.parametrize(
    ("state", "found"),
    [
        (session(), {"owner": "alice"}),
        (session(logout_tried=True), {}),
        (session(logout_tried=True), {"owner": "alice"}),
        (session(lifetime=1.0), {}),
        (session(added=2, tried=3), {"owner": "alice", "n": 3}),
        (session(kept={"tab": [-1, 0]}), {"owner": "alice"}),
        (session(kept={"tab": [3, 4]}), {"owner": "alice", "tab": 4}),
    ],
)
def test_what_may_be_is_no_violation(history, state, found):
    """What was not answered may have been done or not."""
    assert told(history, state, found) == []


def test_what_a_store_may_lose(history):
    """After a restart of a store that keeps nothing a session may be gone, and no more."""
    before = session(added=1, tried=1)
    LOST[0] = 1
    assert told(history, before, {}) == []
    assert told(history, before, {"owner": "alice", "n": 0}) == []
    assert told(history, before, {"owner": "eve"}) == ["saw the session of eve"]
