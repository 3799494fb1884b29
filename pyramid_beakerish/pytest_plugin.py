"""Fixtures for the tests of an application; pytest finds them by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .testing.clock import FrozenClock

# Each fixture imports what it needs: pytest loads this module in every project whose environment
# has the package.


@pytest.fixture
def beakerish_clock() -> FrozenClock:
    """A clock that stands still at the time when the test began, until the test moves it on.

    The application uses it if it is made with this clock as the setting ``beakerish.clock``.
    """
    from .testing.clock import FrozenClock

    return FrozenClock(time.time())


@pytest.fixture
def beakerish_session() -> Callable[..., Any]:
    """The function `session_of`: reads and fills the session of a WebTest visitor."""
    from .testing.webtest_session import session_of

    return session_of


@pytest.fixture
def beakerish_caches_off() -> Iterator[None]:
    """Cache regions that keep nothing during the test: cached functions are just called.

    These are the regions that are configured already, so ask for the application's fixture first.
    """
    regions = _regions()
    were = [region.enabled for region in regions]
    for region in regions:
        region.enabled = False
    yield
    for region, enabled in zip(regions, were, strict=True):
        region.enabled = enabled


@pytest.fixture
def beakerish_caches_empty() -> Iterator[None]:
    """Cache regions that are empty when the test begins, and again when it has ended.

    These are the regions that are configured already, so ask for the application's fixture first.
    """
    regions = _regions()
    _clear(regions)
    yield
    _clear(regions)


def _regions() -> list[Any]:
    from .cache.configured import configured

    if configured.regions is None:
        pytest.fail("No cache regions are configured yet: ask for the application first.")
    return list(configured.regions.values())


def _clear(regions: list[Any]) -> None:
    for region in regions:
        region.clear()
