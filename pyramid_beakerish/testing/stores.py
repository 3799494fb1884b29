"""The promises of the store contract, as tests that every store passes."""

from __future__ import annotations

from .store_base import stamped as stamped
from .store_concurrency import StoreConcurrencySuite
from .store_concurrency import count_up as count_up
from .store_entries import EntriesSuite
from .store_expiry import ExpirySuite


class StoreSuite(EntriesSuite, ExpirySuite, StoreConcurrencySuite):
    """Every promise of `Store`, as tests for pytest. The tests of a new store are three lines:

    >>> from pyramid_beakerish.stores.memory import MemoryStore
    >>> class TestMemoryStore(StoreSuite):
    ...     def make_store(self, clock, folder):
    ...         return MemoryStore(clock)

    A store on a server, which measures time itself, also says how time passes, in
    `pass_time`, and how exactly: the suite's entries live for ``ttl`` seconds, and must be
    gone ``slack`` seconds after that. Before each test ``self.store`` is a new, empty
    store, ``self.clock`` its `FrozenClock` and ``self.folder`` an empty folder.
    """
