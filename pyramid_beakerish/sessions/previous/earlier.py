"""What every earlier configuration gives: the sessions that a Cookie header names there."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import CorruptData
from ..events import Refusal
from ..no_record import NoRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True, repr=False)
class Contents:
    """What an earlier session holds; moments are seconds since the epoch.

    ``own`` is what this session has set differently from the settings.
    """

    values: Mapping[str, Any]
    created: float
    accessed: float
    own: Mapping[str, Any]

    def idle_limit(
        self, now: float, timeouts: Iterable[float | None], lifetime: float | None
    ) -> float:
        """Give for how long the session may be unused; raises `NoRecord` if it is over.

        Limits of its own count instead of those that are given.
        """
        timeouts = (self.own["timeout"],) if "timeout" in self.own else timeouts
        lifetime = self.own.get("lifetime", lifetime)
        idle = min(inf if timeout is None else timeout for timeout in timeouts)
        if now - self.accessed >= idle or now - self.created >= (lifetime or inf):
            raise NoRecord(Refusal.IDLE)
        return idle


class EarlierSession(Protocol):
    """One session that a trusted cookie names, not read yet."""

    @property
    def name(self) -> str:
        """Its id there; raises `CorruptData` if that is part of data that cannot be read."""

    def read(self) -> Contents:
        """Give what it holds.

        Raises `NoRecord` if there is nothing, `CorruptData` if it cannot be read, and
        `StoreUnavailable`.
        """

    def forget(self) -> bool:
        """Remove it; tell whether it was there."""


class Earlier(Protocol):
    """An earlier configuration; ``timeout`` is how long a session lived unused, in seconds."""

    timeout: float | None

    def open(self) -> None:
        """Open what it reads from, so that a mistake shows at configuration."""

    def find(self, header: str) -> Iterator[EarlierSession]:
        """Give the sessions that the trusted cookies of a Cookie header name; reads nothing."""


def moment(value: Any) -> float:
    """Give a moment that was stored; raises `CorruptData` for anything but a finite number."""
    if type(value) not in (int, float) or not isfinite(value):
        raise CorruptData("a stored moment is not a number")
    return float(value)
