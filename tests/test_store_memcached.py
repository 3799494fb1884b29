"""The memcached store: its promises, on real servers."""

from __future__ import annotations

from pyramid_beakerish.stores.memcached import MemcachedStore
from pyramid_beakerish.testing import SessionSuite
from pyramid_beakerish.testing.stores import StoreSuite
from tests.servers import running
from tests.servers.memcached import MemcachedServer


class TestMemcachedStore(StoreSuite):
    def make_store(self, clock, folder):
        server = running(MemcachedServer)
        server.empty()
        return MemcachedStore(server.url, clock)


class TestSessionsInMemcached(SessionSuite):
    def settings(self, folder):
        return {"session.type": "memcached", "session.url": running(MemcachedServer).url}
