"""Cache regions: named places for results, each with its own rules."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import RegionNotConfigured
from ..serializers import serializer_for
from ..stores import open_store
from .counters import Counters, RegionStats, total
from .lookup import Entries, Lookup
from .memory import MemoryEntries, MemoryEntry
from .single_flight import SingleFlight
from .stored import StoreEntries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..settings import RegionSettings

T = TypeVar("T")

_log = logging.getLogger(__name__)

#: A trouble that lasts is logged once in so many seconds.
LOG_INTERVAL = 60.0


class Region:
    """Keeps results under keys for a while, and has each created by one thread only.

    A region of type memory keeps and hands out the object itself; any other keeps what
    the serializer makes of it, in a store.

    :param settings: the region's options.
    :param clock: what tells the time, in seconds.

    Whatever befalls the store, `get_or_create` answers: it calls the creator, counts an
    error and logs one line a minute. `invalidate` and `clear`, which would leave something
    behind, raise `StoreUnavailable`.

    >>> from pyramid_beakerish.settings import RegionSettings
    >>> region = Region(RegionSettings(name="short", type="memory", expire=60))
    >>> region.get_or_create("answer", lambda: 42)
    42
    >>> region.peek("answer")
    42
    """

    def __init__(self, settings: RegionSettings, clock: Callable[[], float] = time.time) -> None:
        self.name = settings.name
        self.settings = settings
        self.clock = clock
        #: Whether results are kept; may be changed at any time.
        self.enabled = settings.enabled
        self.flight = SingleFlight()
        self.entries = _entries(settings, clock)
        self.unavailable = _Trouble(f"the store of cache region {self.name!r} failed", clock)
        self.damaged = _Trouble(f"cache region {self.name!r} dropped a damaged entry", clock)
        self._counters: dict[str, Counters] = {}
        self._lock = threading.Lock()
        self._direct = Counters()
        self._lookup = Lookup(self, self._direct, "the creator")

    def __repr__(self) -> str:
        return f"<Region {self.name}>"

    def get_or_create(self, key: str, creator: Callable[[], T]) -> T:
        """Give what is kept under the key, or else what the creator returns, and keep that.

        Of several threads that miss the same key one calls its creator, the others wait
        for the result; if it fails, each gets a copy of the exception. A creator that
        asks for its own key, itself or by way of another thread's creation, is called
        again, as a function that is not cached would be. ``None`` is kept like any other
        value, an exception never.

        :param key: any text; a long one is kept by its hash.
        :param creator: called without arguments.
        """
        value: T = self._lookup.get_or_create(key, creator)
        return value

    def refresh(self, key: str, creator: Callable[[], T]) -> T:
        """Call the creator, and keep the result in the place of what there is."""
        return self._lookup.refresh(key, creator)

    def peek(self, key: str, default: Any = None) -> Any:
        """Give what is kept under the key, or the default; nothing is created or counted."""
        return self._lookup.peek(key, default)

    def set(self, key: str, value: object) -> None:
        """Keep this value under the key, whatever was there."""
        self._lookup.refresh(key, lambda: value)

    def invalidate(self, key: str) -> None:
        """Forget the key; what is being created for it at this moment is not kept either."""
        short = self.short(key)
        self.flight.disown(short)
        self.entries.remove(short)

    def clear(self) -> None:
        """Forget everything in this region, and nothing else in its store."""
        self.flight.disown_all()
        self.entries.clear()

    def stats(self) -> RegionStats:
        """Count the calls since the start: of the region, and of each cached function."""
        with self._lock:
            counters = dict(self._counters)
        functions = {name: counter.stats() for name, counter in counters.items()}
        return total([self._direct.stats(), *functions.values()], functions)

    def short(self, key: str) -> str:
        """Give the key as it is kept: by its hash, if it is long or no plain text.

        What looks like such a hash is hashed, too, so that no two keys become one.
        """
        if len(key) <= self.settings.key_length and _is_plain(key):
            return key
        return "#" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()

    def lookup_for(self, function: str) -> tuple[Lookup, Counters]:
        """Give what answers, and what counts, the calls of a function of that name."""
        with self._lock:
            counters = self._counters.setdefault(function, Counters())
        return Lookup(self, counters, function), counters

    def entry(self, key: str) -> MemoryEntry | None:
        """Give the entry of a key, for one who wants to use it for as long as it lives."""
        found: MemoryEntry | None = self.entries.entry(self.short(key))
        return found


class CacheRegions(Mapping[str, Region]):
    """The regions of one application, by name: ``request.cache_regions``.

    :param settings: the options of each region.
    :param clock: what tells the time, in seconds.

    Raises `RegionNotConfigured`, a `KeyError`, for a name that is not there.
    """

    def __init__(
        self, settings: Mapping[str, RegionSettings], clock: Callable[[], float] = time.time
    ) -> None:
        self._regions = {name: Region(each, clock) for name, each in settings.items()}

    def __getitem__(self, name: str) -> Region:
        try:
            return self._regions[name]
        except KeyError:
            raise RegionNotConfigured(name, self._regions) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._regions)

    def __len__(self) -> int:
        return len(self._regions)

    def __repr__(self) -> str:
        return f"<CacheRegions {', '.join(self._regions)}>"


class _Trouble:
    """Logs what goes wrong again and again, once per interval."""

    def __init__(self, what: str, clock: Callable[[], float]) -> None:
        self._what = what
        self._clock = clock
        self._silent_until = float("-inf")

    def say(self, error: Exception) -> None:
        now = self._clock()
        if now >= self._silent_until:
            self._silent_until = now + LOG_INTERVAL
            _log.warning(
                "%s, so functions are called instead (%s: %s)",
                self._what,
                type(error).__name__,
                error,
            )


def _entries(settings: RegionSettings, clock: Callable[[], float]) -> Entries:
    if settings.type == "memory":
        return MemoryEntries(settings.max_entries, settings.expire, clock)
    return StoreEntries(
        lambda: open_store(settings, clock),
        settings.name,
        settings.expire,
        serializer_for("msgpack"),
    )


def _is_plain(key: str) -> bool:
    return key.isascii() and key.isprintable() and not key.startswith("#")
