"""The public test help: it must fail for a store that breaks a promise."""

from __future__ import annotations

import os

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


def broken_promises(store_class, **attributes):
    """Run the suite on the store; give the names of the tests that fail."""

    class Suite(StoreSuite):
        shared_by_processes = False

        def make_store(self, clock, folder):
            return store_class(clock)

    suite_class = type("Suite", (Suite,), attributes)
    failed = set()
    for name in dir(suite_class):
        if name.startswith("test_"):
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
    ],
)
def test_a_broken_promise_is_found(store_class, promise, capfd):
    """A store that breaks a promise fails the test of that promise."""
    assert promise in broken_promises(store_class)


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
