"""What the places where Beaker keeps sessions have in common."""

from __future__ import annotations

from typing import Any, Protocol

from ...errors import CorruptData

#: The key under which Beaker keeps the whole of a session.
KEY = "session"
#: No more bytes of a session are read: compressed data may expand to any size.
LARGEST = 16 * 2**20
#: Seconds to wait for a connection to a server, and for an answer: a page has to wait, too.
CONNECT, ANSWER = 0.5, 1.0


class RawStore(Protocol):
    """Where Beaker keeps the text of a session, under its id."""

    def read(self, session_id: str) -> Any:
        """Give what is stored, a str unless it was tampered with, or ``None``.

        Raises `CorruptData` and `StoreUnavailable`.
        """

    def remove(self, session_id: str) -> bool:
        """Remove it; tell whether it was there."""


class NoRaw:
    """A place with nothing in it."""

    def read(self, session_id: str) -> None:
        """Give nothing."""

    def remove(self, session_id: str) -> bool:
        """Tell that nothing was there."""
        return False


def text_in(space: Any) -> Any:
    """Give the text of a session out of what Beaker calls a namespace."""
    return checked_space(space).get(KEY)


def checked_space(space: Any) -> dict[str, Any]:
    """Give what was loaded as Beaker's namespace; raises `CorruptData` if it is none."""
    if type(space) is not dict:
        raise CorruptData("what Beaker has stored is not a dictionary")
    return space
