"""The place of a key that holds no fresh value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .single_flight import ABSENT

if TYPE_CHECKING:
    from ..errors import CorruptData


class Slot(NamedTuple):
    """What is under a key that holds no fresh value.

    ``old`` is a value that expired at ``fresh_until``, or `ABSENT`. ``claim`` names the
    creation that another process has under way, at most until ``claimed_until``. If the
    store could not be asked, nothing is known and ``reachable`` is false; ``damage`` says
    what is wrong with bytes that could not be read. ``state`` is for the `Entries` that
    made the slot.
    """

    old: Any = ABSENT
    fresh_until: float = 0.0
    claim: bytes = b""
    claimed_until: float = 0.0
    reachable: bool = True
    damage: CorruptData | None = None
    state: Any = None


class Claim(Protocol):
    """The right to create the value of a key, and to keep it."""

    def keep(self, kept: Any) -> bool:
        """Keep what ``encode`` gave, unless invalidated meanwhile; tell whether it was kept."""
        ...

    def release(self) -> None:
        """Leave the key as it was, for others to create its value."""


class NoClaim:
    """The right to create a value, but not to keep it."""

    def keep(self, kept: Any) -> bool:
        """Keep nothing."""
        return False

    def release(self) -> None:
        """Do nothing."""


NO_CLAIM = NoClaim()
