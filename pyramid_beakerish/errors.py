"""Every error of this package, as one tree.

Errors carry data, so that a program can act on them; none carries a session id,
a secret or the contents of a session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class BeakerishError(Exception):
    """Base of every error that this package raises."""


class SettingsError(BeakerishError, ValueError):
    """The settings cannot be obeyed as they are written.

    ``problems`` lists every mistake that was found, each as one sentence that names
    the key as it was written, its value (secrets masked) and the remedy.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


class StoreError(BeakerishError):
    """A store refused a request, or answered it in a way that no store may."""


class StoreUnavailable(StoreError):
    """A store cannot be reached, is too slow, is full, or takes no writes."""


class SerializationError(BeakerishError, TypeError):
    """A value would not come back from the store equal and of the same type."""


class SessionTooLarge(SerializationError):
    """A session that is kept in its cookie does not fit into one."""


class CorruptData(BeakerishError, ValueError):
    """Stored bytes are not what this package wrote."""


class SessionStateError(BeakerishError):
    """The session cannot do what was asked at this point of the request."""


class ComponentConflict(BeakerishError, ValueError):
    """Two classes are registered to make the session's component for one ``interface``."""

    def __init__(self, interface: str) -> None:
        self.interface = interface
        super().__init__(interface)

    def __str__(self) -> str:
        return f"{self.interface} has a component class already."


class LockTimeout(BeakerishError):
    """Somebody else held a lock for longer than the caller was willing to wait."""


class CacheUsageError(BeakerishError, TypeError):
    """A function cannot be cached, or its entries named, in the way that was asked."""


class CacheKeyError(CacheUsageError):
    """An argument has no stable key, by which a later call could recognise an equal one."""


class RegionNotConfigured(BeakerishError, KeyError):
    """The settings have no region of this ``name``; ``configured`` are the regions they have."""

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
