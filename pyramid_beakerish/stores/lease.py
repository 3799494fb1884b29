"""An advisory lock that ends by itself, on any store."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from ..errors import LockTimeout
from .base import WRITE_ID_SIZE, new_write_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from .base import Store

SHORTEST_PAUSE, LONGEST_PAUSE = 0.005, 0.05


class Lease:
    """Lets at most one holder at a time have the name, for at most ``seconds``.

    Advisory: it keeps out only those who ask for the same name, and a holder that takes
    longer than ``seconds`` is no longer the holder. One object is one would-be holder;
    it cannot be acquired twice. As a context manager it waits up to ``wait`` seconds
    (by default ``seconds``), and raises `LockTimeout` if the name is not free by then.
    ``sleep`` and ``clock`` are what it waits and measures time with.

    >>> from pyramid_beakerish.stores.memory import MemoryStore
    >>> store = MemoryStore()
    >>> with Lease(store, "report", seconds=30):
    ...     Lease(store, "report", seconds=30).acquire(wait=0)
    False
    """

    def __init__(
        self,
        store: Store,
        name: str,
        seconds: float,
        *,
        wait: float | None = None,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._key = f"lease:{name}"
        self._seconds = seconds
        self._wait = seconds if wait is None else wait
        self._sleep = sleep
        self._clock = clock
        self._write_id = b""

    def acquire(self, wait: float) -> bool:
        """Become the holder, waiting up to ``wait`` seconds for that; tell whether it succeeded."""
        self._write_id = new_write_id()
        deadline = self._clock() + wait
        held = self._create()
        while not held and self._clock() < deadline:
            self._sleep(random.uniform(SHORTEST_PAUSE, LONGEST_PAUSE))  # noqa: S311 - no secret
            held = self._create_if_free()
        return held

    def release(self) -> bool:
        """End the lease; tell whether it was still held. Somebody else's is left alone."""
        entry = self._store.load(self._key)
        return (
            entry is not None
            and self._is_ours(entry[0])
            and self._store.delete(self._key, entry[1])
        )

    def __enter__(self) -> Lease:
        if not self.acquire(self._wait):
            raise LockTimeout(f"somebody else held the lease for more than {self._wait:g} s")
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def _create(self) -> bool:
        return self._store.create(self._key, self._write_id, self._seconds)

    def _create_if_free(self) -> bool:
        entry = self._store.load(self._key)
        # Ours, if the answer to an earlier attempt was lost.
        return self._create() if entry is None else self._is_ours(entry[0])

    def _is_ours(self, value: bytes) -> bool:
        return value[:WRITE_ID_SIZE] == self._write_id
