"""When to give up what others keep changing."""

from __future__ import annotations

from ..errors import StoreUnavailable

#: A request gives up when others were faster so many times in a row.
MOST_CONFLICTS = 100


def never_left_alone(what: str) -> StoreUnavailable:
    """Make the error of a request that gives up."""
    return StoreUnavailable(f"gave up: other requests kept changing {what}")
