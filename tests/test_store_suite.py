"""The public test help: it must fail for a store that breaks a promise."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from itertools import islice
from math import inf
from time import sleep

import pytest

from pyramid_beakerish.stores.base import Store
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock, StoreSuite


class Breaking(MemoryStore):
    """A memory store that breaks one promise."""


class NeverExpires(Breaking):
    def set(self, key, value, ttl):
        super().set(key, value, None)


class CreateReplaces(Breaking):
    def create(self, key, value, ttl):
        self.set(key, value, ttl)
        return True


class SwapIgnoresToken(Breaking):
    def swap(self, key, token, value, ttl):
        if super().load(key) is None:
            return False
        self.set(key, value, ttl)
        return True


class SwapRevives(Breaking):
    def swap(self, key, token, value, ttl):
        return super().swap(key, token, value, ttl) or super().create(key, value, ttl)


class DeleteIgnoresToken(Breaking):
    def delete(self, key, token=None):
        return super().delete(key)


class Truncates(Breaking):
    def set(self, key, value, ttl):
        super().set(key, value[:100_000], ttl)


class FoldsKeys(Breaking):
    def set(self, key, value, ttl):
        super().set(key.casefold(), value, ttl)

    def load(self, key):
        return super().load(key.casefold())


class FailsInChild(Breaking):
    def forked(self):
        self.load = None


class TokenIsAnother(Breaking):
    def load(self, key):
        entry = super().load(key)
        return entry and (entry[0], (entry[1],))


class RefusedCreateExtends(Breaking):
    def create(self, key, value, ttl):
        entry, _ = self._entries.get(key, (None, None))
        self._entries.update({key: (entry, inf)} if entry else {})
        return super().create(key, value, ttl)


class NeverShortens(Breaking):
    def set(self, key, value, ttl):
        _, before = self._entries.get(key, (None, 0))
        super().set(key, value, ttl)
        entry, expires = self._entries[key]
        self._entries[key] = entry, max(before, expires)


class SwapKeepsTtl(Breaking):
    def swap(self, key, token, value, ttl):
        _, before = self._entries.get(key, (None, None))
        swapped = super().swap(key, token, value, ttl)
        if swapped and ttl is None:
            self._entries[key] = self._entries[key][0], before
        return swapped


class TakesMonthsForDates(Breaking):
    def set(self, key, value, ttl):
        is_date = ttl is not None and ttl > 30 * 24 * 3600
        super().set(key, value, ttl - self._clock() if is_date else ttl)


class WholeSeconds(Breaking):
    def set(self, key, value, ttl):
        super().set(key, value, int(ttl or 0) or None)


class SweepsWhatWillExpire(Breaking):
    def sweep(self):
        return sum(self.delete(key) for key, (_, end) in [*self._entries.items()] if end < inf)


class LoadsInPairs(Breaking):
    def load_many(self, keys):
        found = map(self.load, keys)
        return {key: entry for key, entry in zip(keys, found, strict=False) if entry}


class LoadsOneHundred(Breaking):
    def load_many(self, keys):
        return super().load_many(islice(keys, 100))


class ListsOneHundred(Breaking):
    def keys(self, prefix):
        return islice(super().keys(prefix), 100)


class PrefixIsAPattern(Breaking):
    def keys(self, prefix):
        return (key for key in super().keys("") if fnmatchcase(key, prefix + "*"))


class PrefixIsLike(Breaking):
    def keys(self, prefix):
        return (key for key in super().keys("") if fnmatchcase(key, prefix.replace("_", "?") + "*"))


class PrepareEmpties(Breaking):
    def prepare(self):
        self._entries.clear()


class DeleteTrimsKeys(Breaking):
    def delete(self, key, token=None):
        return super().delete(key.strip(), token)


class CreateTruncates(Breaking):
    def create(self, key, value, ttl):
        return super().create(key, value[:100_000], ttl)


class DropsTrailingSpace(Breaking):
    def set(self, key, value, ttl):
        super().set(key, value.rstrip(b" "), ttl)


class DeleteLooksFirst(Breaking):
    def delete(self, key, token=None):
        entry = self.load(key)
        sleep(0.001)
        return bool(entry and token in (None, entry[1]) and super().delete(key))


class SwapLooksFirst(Breaking):
    def swap(self, key, token, value, ttl):
        entry = self.load(key)
        sleep(0.001)
        return bool(entry and token == entry[1] and not self.set(key, value, ttl))


class CloseEmpties(Breaking):
    def close(self):
        self._entries.clear()


class NoKeys(MemoryStore):
    """A store that does no more than it must."""

    sweep = Store.sweep
    close = Store.close

    def keys(self, prefix):
        return None


class Late(MemoryStore):
    """A store whose entries outlive their time by half a second."""

    def _put(self, key, value, ttl, now):
        super()._put(key, value, None if ttl is None else ttl + 0.5, now)


def broken_promises(store_class, *promises, **attributes):
    """Run the suite, or these tests of it, on the store; give the names of the tests that fail."""

    class Suite(StoreSuite):
        shared_by_processes = False

        def make_store(self, clock, folder):
            return store_class(clock)

    suite_class = type("Suite", (Suite,), attributes)
    failed = set()
    for name in promises or [name for name in dir(suite_class) if name.startswith("test_")]:
        suite = suite_class()
        suite.setup_method()
        try:
            getattr(suite, name)()
        except AssertionError:
            failed.add(name)
        finally:
            suite.teardown_method()
    return failed


@pytest.mark.parametrize(
    ("store_class", "promise"),
    [
        (NeverExpires, "test_expiry_of_a_set_entry"),
        (CreateReplaces, "test_create_is_exclusive"),
        (SwapIgnoresToken, "test_swap_after_a_set"),
        (SwapRevives, "test_swap_after_delete"),
        (DeleteIgnoresToken, "test_guarded_delete"),
        (Truncates, "test_any_value"),
        (FoldsKeys, "test_any_key"),
        (FailsInChild, "test_fork"),
        (TokenIsAnother, "test_token"),
        (RefusedCreateExtends, "test_a_refused_create_extends_nothing"),
        (NeverShortens, "test_expiry_of_a_set_entry"),
        (SwapKeepsTtl, "test_without_expiry"),
        (TakesMonthsForDates, "test_long_and_short_times"),
        (WholeSeconds, "test_long_and_short_times"),
        (SweepsWhatWillExpire, "test_sweep"),
        (LoadsInPairs, "test_load_many"),
        (LoadsOneHundred, "test_many_entries"),
        (ListsOneHundred, "test_many_entries"),
        (PrefixIsAPattern, "test_keys"),
        (PrefixIsLike, "test_keys"),
        (PrepareEmpties, "test_prepare"),
        (DeleteTrimsKeys, "test_any_key"),
        (CreateTruncates, "test_any_value"),
        (DropsTrailingSpace, "test_any_value"),
        (DeleteLooksFirst, "test_one_thread_swaps_or_deletes"),
        (SwapLooksFirst, "test_threads_revive_nothing"),
        (CloseEmpties, "test_close"),
    ],
)
def test_a_broken_promise_is_found(store_class, promise, capfd):
    """A store that breaks a promise fails the test of that promise."""
    assert promise in broken_promises(store_class, promise)


def test_a_store_without_keys():
    """A store that cannot list its keys, and leaves sweeping to its server, passes."""
    assert broken_promises(NoKeys) == set()


def test_a_store_that_is_late():
    """A store that is late passes if its suite says by how much."""
    assert "test_expiry_of_a_set_entry" in broken_promises(Late)
    assert broken_promises(Late, slack=0.5) == set()


def test_where_there_is_no_fork(monkeypatch):
    """The suite passes on a system that cannot fork."""
    monkeypatch.delattr(os, "fork")
    assert broken_promises(MemoryStore) == set()


def test_frozen_clock():
    """The clock moves only when it is told to."""
    clock = FrozenClock(now=5)
    assert (clock(), clock()) == (5, 5)
    clock.advance(2.5)
    assert clock() == clock.now == 7.5
