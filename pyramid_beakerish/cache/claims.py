"""Claims in a store: which process creates the value of a key."""

from __future__ import annotations

import math
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import CorruptData
from ..stores.base import WRITE_ID_SIZE, new_write_id
from .marker import NO_ID
from .stored_entry import StoredEntry, read_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..stores.base import Store

#: How long the claim of a process that was killed stays in the store, in seconds. Others wait
#: for it no longer than its lease; the rest is for a creator that takes longer than that.
CLAIM_TTL = 86_400.0

#: How many claims that could not be ended are remembered.
MOST_ABANDONED = 1000


class Abandoned:
    """The claims that this process could not end because the store or the thread failed.

    The store still has them when it is back, but nobody here should wait for their values.
    """

    def __init__(self) -> None:
        self._claims: deque[bytes] = deque(maxlen=MOST_ABANDONED)

    def __contains__(self, claim: bytes) -> bool:
        return claim in self._claims

    @contextmanager
    def on_failure(self, claim: bytes) -> Iterator[None]:
        """Remember the claim if the block fails."""
        try:
            yield
        except BaseException:  # gevent's Timeout is not an Exception
            self._claims.append(claim)
            raise


class StoreClaim:
    """A claim stored under the value's own key.

    So those who wait see it by the same load that shows the value; and since the value is
    swapped for the claim, it is not kept if the key was invalidated meanwhile, on whatever host.

    ``entry``: the claim as it was stored, with the old value, if there is one.
    ``abandoned``: where to note it if it cannot be ended.
    ``expire``: how long the new value is fresh, in seconds.
    ``spare``: how long a value is kept after that, in seconds.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        entry: StoredEntry,
        abandoned: Abandoned,
        expire: float,
        spare: float,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._name = name
        self._entry = entry
        self._abandoned = abandoned
        self._expire = expire
        self._spare = spare
        self._clock = clock

    def keep(self, kept: bytes) -> bool:
        """Put the value in the claim's place, unless the key was invalidated meanwhile."""
        with self._abandoned.on_failure(self._entry.claim):
            return self._deliver(kept)

    def release(self) -> None:
        """Put back the old value, or nothing, unless the claim was taken over."""
        with self._abandoned.on_failure(self._entry.claim):
            token = self._token()
            if token is not None:
                self._put_back(token)

    def _deliver(self, kept: bytes) -> bool:
        fresh_until = self._clock() + self._expire
        data = StoredEntry(new_write_id(), NO_ID, self._entry.marks, fresh_until, 0.0, kept).pack()
        ttl = self._ttl(self._expire)
        if self._store.write_id_is_token and self._swap(self._entry.write_id, data, ttl):
            return True
        # A process that took the claim over, when its lease had ended, has kept its id.
        found = self._store.load(self._name)
        return (
            found is not None
            and _claim_of(found[0]) == self._entry.claim
            and self._swap(found[1], data, ttl)
        )

    def _put_back(self, token: Any) -> None:
        old, left = self._entry, self._entry.fresh_until - self._clock()
        if left + self._spare > 0:  # never so without a value
            back = old._replace(write_id=new_write_id(), claim=NO_ID, claimed_until=0.0)
            self._swap(token, back.pack(), self._ttl(left))
        else:
            self._store.delete(self._name, token)

    def _token(self) -> Any:
        if self._store.write_id_is_token:
            return self._entry.write_id
        found = self._store.load(self._name)
        if found is None or found[0][:WRITE_ID_SIZE] != self._entry.write_id:
            return None
        return found[1]

    def _swap(self, token: Any, data: bytes, ttl: float | None) -> bool:
        return self._store.swap(self._name, token, data, ttl)

    def _ttl(self, fresh_for: float) -> float | None:
        ttl = fresh_for + self._spare
        return None if ttl == math.inf else ttl


def _claim_of(data: bytes) -> bytes | None:
    try:
        return read_entry(data).claim
    except CorruptData:
        return None
