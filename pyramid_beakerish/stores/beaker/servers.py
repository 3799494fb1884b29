"""The servers that only Beaker has a manager for: what they hold is never unpickled."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from beaker.ext.mongodb import MongoNamespaceManager
from beaker.ext.redisclusternm import RedisClusterNamespaceManager

from .store import PREFIX, BeakerStore, translating_errors

if TYPE_CHECKING:
    from collections.abc import Callable


class RedisClusterNamespace(RedisClusterNamespaceManager):  # type: ignore[misc]
    """An entry of a Redis cluster, whose value is kept as it is."""

    def __getitem__(self, key: str) -> Any:
        return _found(self.client.get(self._format_key(key)), key)

    def set_value(self, key: str, value: bytes, expiretime: int | None = None) -> None:
        """Store the value for ``expiretime`` seconds."""
        self.client.set(self._format_key(key), value, ex=expiretime)


class MongoNamespace(MongoNamespaceManager):  # type: ignore[misc]
    """A document of MongoDB, whose value is kept as it is."""

    # Beaker's own methods also remove expired documents, at each access.

    def __getitem__(self, key: str) -> Any:
        return _found(self.db.backer_cache.find_one({"_id": self._format_key(key)}), key)["value"]

    def set_value(self, key: str, value: bytes, expiretime: int | None = None) -> None:
        """Store the value, for a sweep to remove after ``expiretime`` seconds."""
        ends = None if expiretime is None else time.time() + expiretime
        self.db.backer_cache.update_one(
            {"_id": self._format_key(key)},
            {"$set": {"value": value, "expiration": ends}},
            upsert=True,
        )

    def __delitem__(self, key: str) -> None:
        self.db.backer_cache.delete_one({"_id": self._format_key(key)})

    def remove_expired(self) -> int:
        """Remove what has expired in every namespace whose name begins with this one's."""
        expired = {"$ne": None, "$lte": time.time()}
        ours = {"_id": {"$regex": f"^{self.namespace}"}, "expiration": expired}
        return int(self.db.backer_cache.delete_many(ours).deleted_count)


class RedisClusterStore(BeakerStore):
    """Keeps entries in a Redis cluster, by Beaker's manager ``ext:rediscluster``."""

    @classmethod
    def find_manager(cls, name: str) -> Callable[..., Any]:
        """Give the manager that does not unpickle."""
        return RedisClusterNamespace


class MongoStore(BeakerStore):
    """Keeps entries in MongoDB, by Beaker's manager ``ext:mongodb``."""

    @classmethod
    def find_manager(cls, name: str) -> Callable[..., Any]:
        """Give the manager that does not unpickle."""
        return MongoNamespace

    @translating_errors
    def sweep(self) -> int:
        """Remove what has expired and tell how much."""
        return int(self._open(PREFIX).remove_expired())


def _found(value: Any, key: str) -> Any:
    if value is None:
        raise KeyError(key)
    return value
