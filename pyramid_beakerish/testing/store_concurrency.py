"""Threads and processes that use one store at the same time."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from ..stores.base import WRITE_ID_SIZE
from .store_base import StoreSuiteBase, stamped
from .together import in_threads, succeeds_in_child

if TYPE_CHECKING:
    from ..stores.base import Store


class StoreConcurrencySuite(StoreSuiteBase):
    """Of several callers that want the same at once, one gets it and the others are told."""

    def test_threads_lose_no_swap(self) -> None:
        """When 8 threads count by swapping, no count is lost."""
        self.store.set("count", stamped(b"0"), None)
        in_threads(8, lambda _: count_up(self.store, "count", times=25))
        assert self._loaded("count")[0][WRITE_ID_SIZE:] == b"200"

    def test_one_thread_creates(self) -> None:
        """When 8 threads create the same key, exactly one is told that it did."""
        for key in ("a", "b", "c", "d", "e", "f", "g", "h"):
            create = functools.partial(self._create_numbered, key)
            created = in_threads(8, create)
            assert sum(created) == 1
            assert self._loaded(key)[0].endswith(b"by %d" % created.index(True))

    def test_one_thread_deletes(self) -> None:
        """When 8 threads delete the same entry, exactly one is told that it did."""
        for _ in range(10):
            self._set("k")
            assert sum(in_threads(8, lambda _: self.store.delete("k"))) == 1

    def test_one_thread_swaps_or_deletes(self) -> None:
        """Of a swap and a delete with the same token, exactly one is done."""
        for swapping in (0, 1) * 10:
            assert sum(self._swap_and_delete(swapping, guarded=True)) == 1

    def test_threads_revive_nothing(self) -> None:
        """A swap never brings back what another thread deletes meanwhile."""
        for swapping in (0, 1) * 10:
            assert self._swap_and_delete(swapping, guarded=False)[1 - swapping] is True
            assert self.store.load("k") is None

    def test_fork(self) -> None:
        """A store that was used before a fork serves the parent and the child."""
        self._set("before")
        if not hasattr(os, "fork"):
            return
        assert succeeds_in_child(self._use_in_child)
        if self.shared_by_processes:
            assert self._loaded("child")[0].endswith(b"from the child")
        after = self._set("after")
        assert self._loaded("after")[0] == after

    def _create_numbered(self, key: str, number: int) -> bool:
        return self.store.create(key, stamped(b"by %d" % number), None)

    def _swap_and_delete(self, swapping: int, guarded: bool) -> list[bool]:
        """Swap an entry in the thread of that number, and delete it in the other."""
        self._set("k")
        token = self._loaded("k")[1]

        def work(number: int) -> bool:
            if number == swapping:
                return self.store.swap("k", token, stamped(), None)
            return self.store.delete("k", token if guarded else None)

        return in_threads(2, work)

    def _use_in_child(self) -> None:
        self._loaded("before")
        self.store.set("child", stamped(b"from the child"), None)
        assert self._loaded("child")[0].endswith(b"from the child")


def count_up(store: Store, key: str, times: int) -> None:
    """Add 1 that many times to the number under the key, by swaps."""
    while times:
        entry = store.load(key)
        assert entry is not None
        value, token = entry
        times -= store.swap(key, token, stamped(b"%d" % (int(value[WRITE_ID_SIZE:]) + 1)), None)
