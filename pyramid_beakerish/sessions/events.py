"""Events: what an application may want to know about its sessions, as it happens.

In Pyramid they reach every subscriber (``config.add_subscriber(f, SessionRefused)``). A
``fingerprint`` is always the same for the same id, and of no use to a thief.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class Refusal(str, Enum):
    """Why a cookie that was sent did not lead to a session."""

    MALFORMED = "malformed"
    BAD_SIGNATURE = "bad signature"
    UNKNOWN = "unknown or ended"
    IDLE = "not used for too long"
    TOO_OLD = "older than its lifetime"
    CORRUPT = "corrupt record"


class EndReason(str, Enum):
    """Why a session was ended before its time."""

    LOGOUT = "logout"
    REVOKED = "revoked"
    TOO_MANY = "too many sessions of one user"


@dataclass(frozen=True)
class SessionCreated:
    """A visitor has a new session."""

    says: ClassVar[str] = "A session was begun ({0.fingerprint})."
    level: ClassVar[int] = logging.INFO

    fingerprint: str


@dataclass(frozen=True)
class SessionRefused:
    """A cookie that opens nothing was sent; the visitor is given an empty session.

    ``fingerprint`` is ``None`` if there was no id in it.
    """

    reason: Refusal
    fingerprint: str | None


@dataclass(frozen=True)
class SessionAdopted:
    """A session that an earlier configuration had stored goes on in this one.

    ``count`` is how many this process has adopted, this one included.
    """

    says: ClassVar[str] = "An earlier session was adopted: {0.fingerprint}, number {0.count}."
    level: ClassVar[int] = logging.INFO

    fingerprint: str
    count: int


@dataclass(frozen=True, repr=False)
class SessionRotated:
    """A session goes on under a new id. Both ids are secrets: do not log them."""

    old_id: str
    new_id: str


@dataclass(frozen=True)
class SessionEnded:
    """A session has been ended: its cookie opens nothing from now on.

    ``fingerprint`` is ``None`` if it was not the visitor's own: the ids of other sessions are not
    known.
    """

    says: ClassVar[str] = "A session was ended: {0.reason.value} ({0.fingerprint})."
    level: ClassVar[int] = logging.INFO

    fingerprint: str | None
    reason: EndReason


@dataclass(frozen=True)
class SessionMerged:
    """Two requests changed one session at the same time; both changes are kept."""

    says: ClassVar[str] = "Two requests changed one session at once ({0.fingerprint})."
    level: ClassVar[int] = logging.INFO

    fingerprint: str


@dataclass(frozen=True)
class SessionChangesDropped:
    """A request changed a session that another request had ended meanwhile.

    ``keys`` are the names of what was changed; the session stays ended.
    """

    says: ClassVar[str] = "Changes of an ended session were dropped ({0.fingerprint})."
    level: ClassVar[int] = logging.WARNING

    fingerprint: str
    keys: tuple[str, ...]


#: Every event that there is.
ALL_EVENTS = (
    SessionCreated,
    SessionAdopted,
    SessionRefused,
    SessionRotated,
    SessionEnded,
    SessionMerged,
    SessionChangesDropped,
)
