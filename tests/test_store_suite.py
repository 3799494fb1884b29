"""The public test help: it must fail for a store that breaks a promise."""

from __future__ import annotations

import os

import pytest

from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock, StoreSuite
from tests.broken_stores import (
    CloseEmpties,
    CreateReplaces,
    CreateTruncates,
    DeleteIgnoresToken,
    DeleteLooksFirst,
    DeleteTrimsKeys,
    DropsTrailingSpace,
    FailsInChild,
    FoldsKeys,
    ListsOneHundred,
    LoadsInPairs,
    LoadsOneHundred,
    NeverExpires,
    NeverShortens,
    NoKeys,
    PrefixIsAPattern,
    PrefixIsLike,
    PrepareEmpties,
    RefusedCreateExtends,
    SwapIgnoresToken,
    SwapKeepsTtl,
    SwapLooksFirst,
    SwapRevives,
    SweepsWhatWillExpire,
    TakesMonthsForDates,
    TokenIsAnother,
    Truncates,
    WholeSeconds,
)


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
