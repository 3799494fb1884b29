"""The other direction: our stores as back ends for Beaker's own decorators."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from beaker.container import NamespaceManager
from beaker.util import SyncDict

from ..errors import CorruptData, SerializationError, StoreError
from ..serializers import serializer_for
from ..settings import store_settings
from . import open_store
from .base import WRITE_ID_SIZE, new_write_id
from .lease import Lease

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .base import Store

log = logging.getLogger(__name__)

#: How many seconds a creator that was killed keeps others from creating the same value.
LONGEST_CREATION = 30.0


class StoreNamespaceManager(NamespaceManager):  # type: ignore[misc]
    """A Beaker namespace in one of our stores; it never meets entries outside.

    To give a store to Beaker, name it in a class, an entry point of ``beaker.backends``::

        class ShelfNamespaceManager(StoreNamespaceManager):
            store_type = "shelf"

    The options are those of the store. Values are encoded as in a session, never
    pickled; one that cannot be encoded raises `SerializationError`.
    """

    #: The type of the store, as ``cache.type`` names it.
    store_type: str

    # One store for each set of options, as Beaker's own managers share their clients.
    _stores = SyncDict()

    def __init__(self, namespace: str, **options: Any) -> None:
        super().__init__(namespace)
        options["type"] = self.store_type
        self._store: Store = self._stores.get(repr(sorted(options.items())), _open, options)
        self._prefix = f"beaker:{len(namespace)}:{namespace}:"
        self._serializer = serializer_for("msgpack")

    def get_creation_lock(self, key: str | bytes) -> CreationLock:
        """Give the lock that the creator of a value holds, across threads and processes."""
        return CreationLock(self._store, self._key(key))

    def __getitem__(self, key: str | bytes) -> Any:
        entry = self._store.load(self._key(key))
        if entry is None:
            raise KeyError(key)
        try:
            return self._serializer.loads(entry[0][WRITE_ID_SIZE:])
        except CorruptData as error:
            log.warning("A damaged cache entry counts as absent: %s", error)
            raise KeyError(key) from error

    def __contains__(self, key: str | bytes) -> bool:
        return self._store.load(self._key(key)) is not None

    def __setitem__(self, key: str | bytes, value: Any) -> None:
        self.set_value(key, value)

    def set_value(self, key: str | bytes, value: Any, expiretime: float | None = None) -> None:
        """Keep the value for ``expiretime`` seconds; ``None`` and 0 mean for ever, as in Beaker."""
        try:
            data = self._serializer.dumps(value)
        except SerializationError as error:
            raise SerializationError(
                f"A store of type {self.store_type} cannot keep this value for Beaker: {error}. "
                "Return plain values, or use a region of type memory, which keeps any object."
            ) from error
        self._store.set(self._key(key), new_write_id() + data, expiretime or None)

    def __delitem__(self, key: str | bytes) -> None:
        if not self._store.delete(self._key(key)):
            raise KeyError(key)

    def keys(self) -> list[str]:
        """List the keys of this namespace; raises `StoreError` where the store has no list."""
        return [key[len(self._prefix) :] for key in self._own_keys()]

    def do_remove(self) -> None:
        """Remove the entries of this namespace."""
        for key in self._own_keys():
            self._store.delete(key)

    def _key(self, key: str | bytes) -> str:
        # Beaker's Cache gives bytes, its Session a string.
        return self._prefix + (key if isinstance(key, str) else key.decode("ascii"))

    def _own_keys(self) -> Iterator[str]:
        keys = self._store.keys(self._prefix)
        if keys is None:
            raise StoreError(
                f"a store of type {self.store_type} cannot list a namespace, and so cannot clear it"
            )
        return keys


class SqliteNamespaceManager(StoreNamespaceManager):
    """Beaker's ``type = sqlite``."""

    store_type = "sqlite"


class CreationLock:
    """What Beaker's `Value` holds while it creates: a `Lease` on the key."""

    def __init__(self, store: Store, name: str) -> None:
        self._lease = Lease(store, name, LONGEST_CREATION)

    def acquire(self, wait: bool = True) -> bool:
        """Become the one that creates; tell whether that succeeded.

        A caller that waits goes on without the lock once the longest creation should be over.
        """
        return self._lease.acquire(LONGEST_CREATION if wait else 0) or wait

    def release(self) -> None:
        """Let others create."""
        self._lease.release()


def _open(options: dict[str, Any]) -> Store:
    store = open_store(store_settings(**options))
    store.prepare()
    return store
