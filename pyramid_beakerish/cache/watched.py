"""Cache regions that are watched while a request uses them: each call, and what answered it.

For developers of an application. While nobody watches, the regions are the plain ones.
"""

from __future__ import annotations

import copy
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from .configured import configured
from .regions import CacheRegions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .counters import Counters
    from .lookup import Lookup
    from .region import Region


@dataclass
class CacheCall:
    """One question to a region: what was asked for, what came of it, and the seconds it took.

    ``outcomes`` are the names of what was counted, such as hit, miss, wait or error.
    """

    region: str
    source: str
    key: str
    seconds: float = 0.0
    outcomes: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """What came of it, in words."""
        return ", ".join(dict.fromkeys(self.outcomes)) or "not cached"


#: The calls of this thread's request, if somebody watches it, and those under way.
_calls: ContextVar[list[CacheCall] | None] = ContextVar("calls", default=None)
_under_way: ContextVar[tuple[CacheCall, ...]] = ContextVar("under way", default=())


@contextmanager
def watched_calls(calls: list[CacheCall]) -> Iterator[None]:
    """Add to ``calls`` each call that this thread makes to a region meanwhile.

    This concerns `WatchedRegions` and, while the context lasts, the regions of
    decorated functions, which then do without their shortcut, in all threads.
    """
    token = _calls.set(calls)
    _swap.enter()
    try:
        yield
    finally:
        _swap.leave()
        _calls.reset(token)


class WatchedRegions(CacheRegions):
    """The same regions, watched."""

    def __init__(self, regions: CacheRegions) -> None:
        watched = {name: WatchedRegion(region) for name, region in regions.items()}
        self._regions = cast("dict[str, Region]", watched)


class WatchedRegion:
    """A region, except for what answers and counts its calls."""

    def __init__(self, region: Region) -> None:
        vars(self)["_region"] = region  # any other attribute is set there

    def __getattr__(self, name: str) -> Any:
        return getattr(self._region, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._region, name, value)

    def get_or_create(self, key: str, creator: Callable[[], Any]) -> Any:
        """See `Region`."""
        return WatchedLookup(self._region._lookup, self.name, "").get_or_create(key, creator)

    def lookup_for(self, function: str, group: str) -> tuple[WatchedLookup, Counters]:
        """See `Region`."""
        lookup, counters = self._region.lookup_for(function, group)
        return WatchedLookup(lookup, self.name, function), counters

    def entry(self, key: str) -> None:
        """Give nothing to hold on to: a caller that held an entry would bypass the region."""


class WatchedLookup:
    """Answers as the lookup does, and notes each call if this thread is watched."""

    def __init__(self, lookup: Lookup, region: str, source: str) -> None:
        self._lookup = copy.copy(lookup)
        self._lookup._counters = cast("Counters", NotingCounters(lookup._counters))
        self._region = region
        self._source = source

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lookup, name)

    def get_or_create(self, key: str, creator: Callable[[], Any]) -> Any:
        """See `Lookup`."""
        call = CacheCall(self._region, self._source, key)
        token = _under_way.set((*_under_way.get(), call))
        began = time.perf_counter()
        try:
            return self._lookup.get_or_create(key, creator)
        finally:
            call.seconds = time.perf_counter() - began
            _under_way.reset(token)
            calls = _calls.get()
            if calls is not None:
                calls.append(call)


class NotingCounters:
    """Counts, and tells the call that is under way what was counted."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def __getattr__(self, name: str) -> Any:
        count = getattr(self._counters, name)

        def noted(*arguments: Any) -> Any:
            if name not in UNSAID and _under_way.get():
                _under_way.get()[-1].outcomes.append(name)
            return count(*arguments)

        return noted


#: What is counted but is not what came of a call.
UNSAID = ("spent",)


class _Swap:
    """Puts watched regions in the place of the configured ones while anybody watches."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watching = 0
        self._plain: CacheRegions | None = None
        self._watched: CacheRegions | None = None

    def enter(self) -> None:
        with self._lock:
            self._watching += 1
            if self._watching == 1 and configured.regions is not None:
                self._plain = configured.regions
                self._watched = configured.regions = WatchedRegions(configured.regions)

    def leave(self) -> None:
        with self._lock:
            self._watching -= 1
            # Unless others were configured meanwhile.
            if self._watching == 0 and configured.regions is self._watched:
                configured.regions = self._plain


_swap = _Swap()
