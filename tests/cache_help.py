"""What the tests of the cache share: a clock, stores that fail when told, and both decorators."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import beaker.cache

from pyramid_beakerish.cache import configured
from pyramid_beakerish.cache.decorator import cache_region, region_invalidate
from pyramid_beakerish.cache.region import CacheRegions
from pyramid_beakerish.errors import StoreUnavailable
from pyramid_beakerish.settings import RegionSettings
from pyramid_beakerish.stores.memory import MemoryStore


class Clock:
    """Time that passes when told."""

    def __init__(self, now=1_000_000.0):
        self.now = now

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


class FailingStore(MemoryStore):
    """A store that can be switched off, and that remembers how often it was asked."""

    down = False
    asked = 0

    def _check(self):
        self.asked += 1
        if self.down:
            raise StoreUnavailable("switched off")

    def load(self, key):
        self._check()
        return super().load(key)

    def load_many(self, keys):
        self._check()
        found = {key: MemoryStore.load(self, key) for key in keys}
        return {key: entry for key, entry in found.items() if entry is not None}

    def create(self, key, value, ttl):
        self._check()
        return super().create(key, value, ttl)

    def swap(self, key, token, value, ttl):
        self._check()
        return super().swap(key, token, value, ttl)

    def set(self, key, value, ttl):
        self._check()
        super().set(key, value, ttl)

    def delete(self, key, token=None):
        self._check()
        return super().delete(key, token)


class UnlistedStore(MemoryStore):
    """A store that cannot list its keys."""

    def keys(self, prefix):
        return None


def make_regions(clock, **types):
    """Make regions by name: each a type, a store, or a dict of options."""
    return CacheRegions(
        {name: region_settings(name, given) for name, given in types.items()}, clock
    )


def region_settings(name, given):
    options = {"type": given} if not isinstance(given, dict) else given
    return RegionSettings(**{"type": "memory", "name": name, "expire": 60, **options})


class Ours:
    """This package's decorators over a region ``r``."""

    cache_region = staticmethod(cache_region)
    region_invalidate = staticmethod(region_invalidate)

    def __init__(self, clock=None, **options):
        self.configure(clock or Clock(), **options)

    def configure(self, clock=None, **options):
        self.regions = make_regions(clock or Clock(), r=options)
        configured.configure(self.regions)


class Beakers:
    """Beaker's decorators over a region ``r``."""

    cache_region = staticmethod(beaker.cache.cache_region)
    region_invalidate = staticmethod(beaker.cache.region_invalidate)

    def __init__(self, **options):
        self.configure(**options)

    def configure(self, **options):
        beaker.cache.cache_regions["r"] = {"type": "memory", "expire": 60, **options}


def in_threads(count, call):
    """Make the call in so many threads at once; give each one's result or exception."""
    start = threading.Barrier(count)

    def run(number):
        start.wait()
        try:
            return call(number)
        except Exception as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
