"""What can be wrong with the use of a cache region."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import BeakerishError

if TYPE_CHECKING:
    from collections.abc import Iterable


class CacheUsageError(BeakerishError, TypeError):
    """A function cannot be cached, or its entries named, in the way that was asked."""


class CacheKeyError(CacheUsageError):
    """An argument has no stable key: nothing tells it from its like in the next call."""


class RegionNotConfigured(BeakerishError, KeyError):  # noqa: N818 - as StoreUnavailable
    """The settings have no region of this ``name``; those they have are ``configured``."""

    def __init__(self, name: str, configured: Iterable[str]) -> None:
        self.name = name
        self.configured = tuple(configured)
        super().__init__(name, self.configured)

    def __str__(self) -> str:
        known = ", ".join(self.configured) or "none; was pyramid_beakerish included?"
        return (
            f"Cache region {self.name!r} is not configured: add it to cache.regions"
            f" (configured regions: {known})"
        )
