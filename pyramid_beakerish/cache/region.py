"""A cache region: a named place for results, with its own rules."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import StoreError
from ..serializers import serializer_for
from ..settings.store_types import has_own_store, is_store
from ..stores import open_store
from .counters import Counters, RegionStats, total
from .local import LocalEntries
from .lookup import Entries, Lookup
from .memory import CopiedEntries, KnownKey, MemoryEntries, MemoryEntry
from .single_flight import SingleFlight
from .stored import StoreEntries
from .trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..settings import RegionSettings

T = TypeVar("T")


class Region:
    """Keeps results under keys for a while, and has each created once.

    A region of type memory keeps and hands out the object itself; any other keeps what
    the serializer makes of it, in a store.

    ``settings``: the region's options.
    ``clock``: what tells the time, in seconds.

    Whatever happens to the store, `get_or_create` answers: it calls the creator, counts
    an error and logs one line a minute. `invalidate` and `clear` raise
    `StoreUnavailable`, as outdated values would stay behind.

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
        called = "so functions are called instead"
        self.unavailable = Trouble(
            f"the store of cache region {self.name!r} failed, {called}", clock
        )
        self.damaged = Trouble(
            f"cache region {self.name!r} dropped a damaged entry, {called}", clock
        )
        self.failing = Trouble(
            f"a function of cache region {self.name!r} failed, so its old result is given", clock
        )
        self._counters: dict[str, Counters] = {}
        self._direct = Counters()
        self._lookup = Lookup(self, self._direct, "the creator")

    def __repr__(self) -> str:
        return f"<Region {self.name}>"

    def open(self) -> None:
        """Open the region's store, or log that it is unavailable. See `CacheRegions`."""
        kind = self.settings.type
        if not self.enabled or not (is_store(kind) or has_own_store(kind)):
            return  # what only Beaker serves is for its own decorators
        try:
            self.entries.open()
        except StoreError as error:
            self.unavailable.say(error)

    def get_or_create(self, key: str, creator: Callable[[], T]) -> T:
        """Give what is kept under the key, or else what the creator returns, and keep that.

        Of all threads, processes and hosts that miss the same key, one calls its creator;
        the others wait for the result, or get the old one within the region's ``stale``. If
        the creator fails, each thread of its process gets a copy of the exception, and other
        processes call their creators; or, within ``stale_on_error``, all get the old result.

        A creator that asks for its own key, directly or through another thread's
        creation, is called again, as a function that is not cached would be. ``None``
        is kept like any other value, an exception never is.

        ``key``: any text; a long one is kept by its hash. Put a word before what a visitor
        chooses, as in ``f"search:{text}"``, so that it is no function's key.
        ``creator``: called without arguments.
        """
        value: T = self._lookup.get_or_create(key, creator)
        return value

    def refresh(self, key: str, creator: Callable[[], T]) -> T:
        """Call the creator, and replace what is kept with the result."""
        return self._lookup.refresh(key, creator)

    def peek(self, key: str, default: Any = None) -> Any:
        """Give what is kept under the key, or the default; nothing is created or counted."""
        return self._lookup.peek(key, default)

    def set(self, key: str, value: object) -> None:
        """Keep this value under the key, whatever was there."""
        self._lookup.refresh(key, lambda: value)

    def invalidate(self, key: str) -> None:
        """Forget the key on every host; what is being created for it now is not kept either."""
        self._lookup.invalidate(key)

    def clear(self) -> None:
        """Forget everything in this region, on every host, and nothing else in its store."""
        self._lookup.invalidate_all()

    def stats(self) -> RegionStats:
        """Give the counts since the start: of the region, and of each cached function."""
        counters = self._counters.copy()  # in one step, as a new function may add its own
        functions = {name: counter.stats() for name, counter in counters.items()}
        return total([self._direct.stats(), *functions.values()], functions)

    def short(self, key: str) -> str:
        """Give the key under which it is kept: its hash, if it is long or not plain text.

        A key that looks like such a hash is hashed, too, so that no two keys become one.
        """
        if len(key) <= self.settings.key_length and _is_plain(key):
            return key
        return "#" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()

    def lookup_for(self, function: str, group: str) -> tuple[Lookup, Counters]:
        """Give what answers, and what counts, the calls of a function of that name.

        ``group`` tells its entries apart from those of other functions of the same name.
        """
        counters = self._counters.setdefault(function, Counters())
        return Lookup(self, counters, function, group), counters

    def entry(self, key: str) -> MemoryEntry | KnownKey | None:
        """Give the entry of a key, for a caller that wants to use it for as long as it lives.

        Where entries cannot be held on to, this is the key itself.
        """
        find = self.entries.entry
        return KnownKey(key) if find is None else find(self.short(key))


def _entries(settings: RegionSettings, clock: Callable[[], float]) -> Entries:
    if settings.type == "memory":
        return _memory(settings, clock, settings.expire)
    shared = StoreEntries(
        lambda: open_store(settings, clock),
        settings,
        serializer_for(settings.serializer, settings.pickle_classes),
        clock,
    )
    if settings.local is None:
        return shared
    seconds = settings.local if settings.expire is None else min(settings.local, settings.expire)
    return LocalEntries(shared, _memory(settings, clock, seconds))


def _memory(
    settings: RegionSettings, clock: Callable[[], float], expire: float | None
) -> MemoryEntries:
    kind = CopiedEntries if settings.copy else MemoryEntries
    spare = settings.kept_after_expiry if settings.type == "memory" else 0.0
    return kind(settings.max_entries, expire, clock, spare)


def _is_plain(key: str) -> bool:
    return key.isascii() and key.isprintable() and not key.startswith("#")
