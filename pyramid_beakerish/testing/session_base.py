"""What the parts of the session suite have in common."""

from __future__ import annotations

import logging
import tempfile
from abc import ABC, abstractmethod
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..settings import read_session_settings
from .clock import FrozenClock
from .site import Browser, Site, WatchedStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .site import Work

E = TypeVar("E", bound=Exception)

COOKIE = "beaker.session.id"


class SessionSuiteBase(ABC):
    """A store that is watched, and applications over it."""

    @abstractmethod
    def settings(self, folder: Path) -> dict[str, Any]:
        """Give the settings of the store; ``folder`` is one for its files, empty at first."""

    def setup_method(self) -> None:
        """Make the store and its clock."""
        self._temporary = tempfile.TemporaryDirectory()
        self.clock = FrozenClock()
        settings, _ = read_session_settings(self.settings(Path(self._temporary.name)))
        self.store = WatchedStore.from_settings(settings, self.clock)
        self.site = self.make_site()

    def teardown_method(self) -> None:
        """Close the store and remove its files."""
        self.store.close()
        self._temporary.cleanup()

    def make_site(self, **options: Any) -> Site:
        """Make an application over the store, with session options by their bare names."""
        return Site(self.store, self.clock, **options)

    def visitor(self, **contents: Any) -> Browser:
        """Give the browser of a visitor whose session holds the contents; no call is noted yet."""
        browser = self.site.stranger().put(**contents)
        self.store.calls.clear()
        return browser

    def overlap(self, visitor: Browser, first: Work, meanwhile: Work) -> Any:
        """Send a request that loads the session, then lets another one pass, then works."""

        def work(session: Any) -> Any:
            dict(session)  # loads it and reads every value
            visitor.twin().use(meanwhile)
            return first(session)

        return visitor.use(work)

    def records(self) -> int | None:
        """Count the sessions that are stored; give ``None`` if the store cannot tell."""
        keys = self.store.keys("session:")
        return None if keys is None else len(list(keys))

    def assert_records(self, count: int) -> None:
        """Assert that this number of sessions is stored, if the store can tell."""
        assert self.records() in (count, None)

    @contextmanager
    def logged(self) -> Iterator[list[logging.LogRecord]]:
        """Collect what the package logs during the block."""
        handler = _Collector()
        logger = logging.getLogger("pyramid_beakerish")
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield handler.records
        finally:
            logger.setLevel(level)
            logger.removeHandler(handler)


def count(session: Any) -> Any:
    """Add one to the session's ``n``."""
    return session.modify("n", lambda n: n + 1, 0)


def error_of(kind: type[E], work: Callable[[], object]) -> E:
    """Call the function, which must raise an error of the kind, and give the error."""
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
