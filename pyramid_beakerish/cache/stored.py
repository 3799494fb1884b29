"""What a region keeps in a store: encoded values, under keys of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..stores.base import WRITE_ID_SIZE, new_write_id
from .single_flight import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..serializers import Serializer
    from ..stores.base import Store


class StoreEntries:
    """Keeps encoded values in a store, which is opened when it is first needed.

    Everybody gets an object of his own. All keys begin with ``cache:`` and the region's
    name with its length, so no other region, and no session, is ever met.
    """

    def __init__(
        self,
        opener: Callable[[], Store],
        name: str,
        expire: float | None,
        serializer: Serializer,
    ) -> None:
        self._opener = opener
        self._name = name
        self._prefix = f"cache:{len(name)}:{name}:"
        self._expire = expire
        self._serializer = serializer
        self._opened: Store | None = None
        self._lock = threading.Lock()

    @property
    def _store(self) -> Store:
        if self._opened is None:
            with self._lock:
                self._opened = self._opened or self._opener()
        return self._opened

    def entry(self, key: str) -> None:
        """Give nothing: an entry in a store cannot be held on to."""

    def load(self, key: str) -> Any:
        """Give the value under the key, or `ABSENT`; raise `CorruptData` if it is damaged."""
        found = self._store.load(self._prefix + key)
        return ABSENT if found is None else self.decode(found[0][WRITE_ID_SIZE:])

    def encode(self, value: Any) -> bytes:
        """Give the bytes of a value; raise `SerializationError` if it has none."""
        return self._serializer.dumps(value)

    def decode(self, kept: bytes) -> Any:
        """Give a new object of the bytes."""
        return self._serializer.loads(kept)

    def save(self, key: str, kept: bytes) -> None:
        """Keep what `encode` gave, whatever was there."""
        self._store.set(self._prefix + key, new_write_id() + kept, self._expire)

    def remove(self, key: str) -> None:
        """Remove the value, if there is one."""
        self._store.delete(self._prefix + key)

    def clear(self) -> None:
        """Remove every value of this region."""
        for key in self._own_keys():
            self._store.delete(key)

    def _own_keys(self) -> Iterator[str]:
        keys = self._store.keys(self._prefix)
        if keys is None:
            raise StoreError(
                f"Cache region {self._name!r} cannot be cleared: its store cannot list its keys"
            )
        return keys
