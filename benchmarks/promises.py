"""What no figure may be reached by dropping: asserted of all that is ours before a round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyramid_beakerish
from pyramid_beakerish.testing import FrozenClock

from .site import TIMEOUT, Site, read

if TYPE_CHECKING:
    from collections.abc import Callable


def check(settings: dict[str, Any]) -> None:
    """Raise `AssertionError` if lost updates, logout or expiry are not as they are promised."""
    promises = [no_update_is_lost, logout_ends_the_session, idle_sessions_expire]
    if settings["session.type"] == "cookie":
        promises = [idle_sessions_expire]  # no server can do more for what the visitor keeps
    clock = FrozenClock()
    for promise in promises:
        settings = {**settings, "beakerish.clock": clock}
        promise(Site(lambda config: config.include(pyramid_beakerish), settings).begin(), clock)


def no_update_is_lost(site: Site, clock: FrozenClock) -> None:
    """Two requests that change one session at once both win."""

    def slow(request: Any) -> None:
        request.session["mine"] = 1
        dict(request.session)  # it has read all there is
        site.request(_set("theirs"))

    site.request(slow)
    assert site.request(lambda request: sorted(request.session)) == "['counter', 'mine', 'theirs']"


def logout_ends_the_session(site: Site, clock: FrozenClock) -> None:
    """Nothing opens a session that has been invalidated: not the old cookie either."""
    cookie = site.cookie
    site.request(lambda request: request.session.invalidate())
    site.cookie = cookie
    assert site.request(read) == "None"


def idle_sessions_expire(site: Site, clock: FrozenClock) -> None:
    """A session is there until the timeout has passed since its last use, and then is not."""
    clock.advance(TIMEOUT - 1)
    assert site.request(read) == "2"
    clock.advance(2 * TIMEOUT)  # a use may be noted up to a minute late, in the session's favour
    assert site.request(read) == "None"


def _set(key: str) -> Callable[[Any], None]:
    def work(request: Any) -> None:
        request.session[key] = 1

    return work


def check_region(decorate: Callable[[Any], Any], clock: FrozenClock, ttl: float) -> None:
    """Raise `AssertionError` if a region does not keep, forget and expire as it is promised."""
    counted = Counted(decorate)
    for promise in (results_are_kept, what_is_invalidated_is_gone):
        promise(counted)
    results_expire(counted, clock, ttl)


class Counted:
    """A function of a region, which is seen to be called or not."""

    def __init__(self, decorate: Callable[[Any], Any]) -> None:
        called = self._called = []

        def function(number: int) -> dict[str, int]:
            called.append(number)
            return {"number": number}

        self.cached = decorate(function)

    def is_called(self, number: int) -> bool:
        """Ask for the result of a number; tell whether it had to be made."""
        before = len(self._called)
        assert self.cached(number) == {"number": number}
        return len(self._called) > before


def results_are_kept(counted: Counted) -> None:
    """The function is called once for each argument."""
    assert [counted.is_called(number) for number in (1, 1, 2, 1)] == [True, False, True, False]


def what_is_invalidated_is_gone(counted: Counted) -> None:
    """It is made anew, and nothing else is; in the end all is."""
    counted.cached.invalidate(1)
    assert [counted.is_called(number) for number in (1, 2)] == [True, False]
    counted.cached.invalidate_all()
    assert [counted.is_called(number) for number in (1, 2)] == [True, True]


def results_expire(counted: Counted, clock: FrozenClock, ttl: float) -> None:
    """A result is there until its time has passed, and then is not."""
    clock.advance(ttl - 1)
    assert not counted.is_called(1)
    clock.advance(2)
    assert [counted.is_called(1), counted.is_called(1)] == [True, False]
