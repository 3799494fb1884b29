"""What an application may want to know about its sessions, as it happens.

In Pyramid they reach every subscriber (``config.add_subscriber(f, SessionRefused)``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Refusal(str, Enum):
    """Why a cookie that was sent did not lead to a session."""

    MALFORMED = "malformed"
    BAD_SIGNATURE = "bad signature"
    UNKNOWN = "unknown or ended"
    EXPIRED = "expired"
    CORRUPT = "corrupt record"


@dataclass(frozen=True)
class SessionRefused:
    """A cookie came in that opens nothing; the visitor is given an empty session.

    ``fingerprint`` is the same each time the same id is tried, ``None`` without an id.
    """

    reason: Refusal
    fingerprint: str | None


@dataclass(frozen=True)
class SessionAdopted:
    """A session that an earlier configuration had stored goes on in this one.

    ``count`` is how many this process has adopted with it.
    """

    fingerprint: str
    count: int


@dataclass(frozen=True, repr=False)
class SessionRotated:
    """A session goes on under a new id. Both ids are secrets: do not log them."""

    old_id: str
    new_id: str


@dataclass(frozen=True)
class SessionChangesDropped:
    """A request changed a session that another request had ended meanwhile.

    ``keys`` are the names of what was changed; the session stays ended.
    """

    fingerprint: str
    keys: tuple[str, ...]
