"""What no figure may be reached by dropping: asserted of each site of ours before a round."""

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
