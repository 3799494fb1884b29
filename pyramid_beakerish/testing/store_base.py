"""What the parts of the store suite have in common."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from ..stores.base import new_write_id
from .clock import FrozenClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..stores.base import Entry, Store


class StoreSuiteBase(ABC):
    """A new, empty store for each test, and a way to let time pass for it."""

    #: Seconds for which entries live in the tests of expiry.
    ttl: float = 10.0
    #: Seconds by which an entry may outlive its time.
    slack: float = 0.0
    #: Whether another process finds what this one has stored.
    shared_by_processes: bool = True
    #: The size of the largest value to try, in bytes after the write id.
    largest: int = 1_000_000

    @abstractmethod
    def make_store(self, clock: Callable[[], float], folder: Path) -> Store:
        """Make an empty store; ``folder`` is one for its files, empty at first."""

    def pass_time(self, seconds: float) -> None:
        """Let time pass for the store: here, by the clock that it was given."""
        self.clock.advance(seconds)

    def setup_method(self) -> None:
        """Make the store, its clock and its folder."""
        self._temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self._temporary.name)
        self.clock = FrozenClock()
        self.store = self.make_store(self.clock, self.folder)
        self.store.prepare()

    def teardown_method(self) -> None:
        """Close the store and remove the folder."""
        self.store.close()
        self._temporary.cleanup()

    def _set(self, key: str) -> bytes:
        value = stamped(b"value")
        self.store.set(key, value, None)
        return value

    def _loaded(self, key: str) -> Entry:
        entry = self.store.load(key)
        assert entry is not None
        return entry


def stamped(contents: bytes = b"") -> bytes:
    """Give a value to store: a new write id, then the contents."""
    return new_write_id() + contents
