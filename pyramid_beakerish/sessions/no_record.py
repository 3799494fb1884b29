"""What is found under a key instead of a session's record."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .events import Refusal
    from .record import Record


class NoRecord(Exception):
    """There is no session under the id; ``record`` is what is left of one that has expired."""

    def __init__(
        self, refusal: Refusal, session_id: str | None = None, record: Record | None = None
    ) -> None:
        super().__init__(refusal)
        self.refusal = refusal
        self.session_id = session_id
        self.record = record


class Ended(NoRecord):
    """The session was ended, and its key is still taken, so that no other cookie revives it."""


class Moved(Exception):
    """The session goes on under another key, as its id was renewed a moment ago."""

    def __init__(self, key: str, seed: str) -> None:
        super().__init__()
        self.key = key
        self.seed = seed
