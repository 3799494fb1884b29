"""What the tests of the cache share: stores that fail when told, and both decorators."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time

import beaker.cache

from pyramid_beakerish.cache import configured
from pyramid_beakerish.cache.decorator import cache_region, region_invalidate
from pyramid_beakerish.cache.regions import CacheRegions
from pyramid_beakerish.errors import StoreUnavailable
from pyramid_beakerish.settings import RegionSettings
from pyramid_beakerish.stores import OWN_STORES
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.together import Background, start_child, wait_for
from tests.servers import running
from tests.servers.memcached import MemcachedServer
from tests.servers.redis import RedisServer

#: How long a test waits for another process, in seconds.
PATIENCE = 10.0


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


class OpaqueStore(MemoryStore):
    """A store whose tokens are not the write ids, as those of memcached."""

    write_id_is_token = False

    def load(self, key):
        found = super().load(key)
        return found and (found[0], ("token", found[1]))

    def swap(self, key, token, value, ttl):
        return super().swap(key, token[1], value, ttl)

    def delete(self, key, token=None):
        return super().delete(key, token and token[1])


#: The options of a region on each kind of store, given a clock and a folder. A store that is
#: added here is tested with all that regions promise.
SHARED = {
    "store": lambda clock, folder: {"type": MemoryStore(clock)},
    "opaque": lambda clock, folder: {"type": OpaqueStore(clock)},
    "unlisted": lambda clock, folder: {"type": UnlistedStore(clock)},
    "file": lambda clock, folder: {"type": "file", "data_dir": str(folder)},
    "dbm": lambda clock, folder: {"type": "dbm", "data_dir": str(folder)},
    "sqlite": lambda clock, folder: {"type": "sqlite", "data_dir": str(folder)},
    "memcached": lambda clock, folder: {"type": "memcached", "url": running(MemcachedServer).url},
}
if "redis" in OWN_STORES:
    SHARED["redis"] = lambda clock, folder: {"type": "redis", "url": running(RedisServer).url}
KINDS = {
    "memory": lambda clock, folder: {"type": "memory"},
    "copied": lambda clock, folder: {"type": "memory", "copy": True},
    "local": lambda clock, folder: {"type": MemoryStore(clock), "local": 5.0},
    **SHARED,
}


def make_kind(kind, clock, folder, **options):
    """Make a region of the kind, empty whatever an earlier test left on a server."""
    region = make_regions(clock, r={**KINDS[kind](clock, folder), **options})["r"]
    region.clear()
    return region


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
        self.configure(clock or FrozenClock(), **options)

    def configure(self, clock=None, **options):
        self.regions = make_regions(clock or FrozenClock(), r=options)
        configured.configure(self.regions)


class Beakers:
    """Beaker's decorators over a region ``r``."""

    cache_region = staticmethod(beaker.cache.cache_region)
    region_invalidate = staticmethod(beaker.cache.region_invalidate)

    def __init__(self, **options):
        self.configure(**options)

    def configure(self, **options):
        beaker.cache.cache_regions["r"] = {"type": "memory", "expire": 60, **options}


class Held:
    """A creator that begins, and ends only when it is let go."""

    def __init__(self, result):
        self.result = result
        self.begun = threading.Event()
        self.go = threading.Event()
        self.calls = 0

    def __call__(self):
        self.calls += 1
        self.begun.set()
        assert self.go.wait(10)
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


def until(condition):
    """Wait until another thread has got so far."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def outcome(call, *arguments):
    """Make the call; give what it gives or raises."""
    try:
        return call(*arguments)
    except Exception as error:
        return error


class Asking(Background):
    """A thread that asks a region for a key; its result is what it gets, or what is raised."""

    def __init__(self, region, creator):
        super().__init__(outcome, region.get_or_create, "key", creator)


class Child:
    """A child process that runs a function, which is given a way to say something."""

    def __init__(self, work):
        self._read, write = os.pipe()
        self.pid = start_child(lambda: work(lambda text: os.write(write, text.encode())))
        os.close(write)

    def says(self, patience=PATIENCE):
        """Give what the child says next, waiting for it; nothing once it is at its end."""
        assert select.select([self._read], [], [], patience)[0]
        return os.read(self._read, 100).decode()

    def end(self):
        """Give the child a moment to come to its end, and kill it then."""
        select.select([self._read], [], [], 0.5)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        wait_for(self.pid)
        os.close(self._read)
