"""Where bytes are kept: from the name of a type to its store."""

from __future__ import annotations

import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..settings.registered import registered
from ..settings.store_types import SQL_TYPES
from .base import Store as Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..settings import StoreSettings

#: Where packages register stores of their own: name = "module:StoreClass".
ENTRY_POINTS = "pyramid_beakerish.stores"

#: Imported when first used, so that a client library which is not installed costs nothing.
OWN_STORES = {
    "ext:memcached": "memcached:MemcachedStore",
    "dbm": "beaker.dbm:DbmStore",
    "ext:mongodb": "beaker.servers:MongoStore",
    "ext:rediscluster": "beaker.servers:RedisClusterStore",
    "ext:redis": "redis:RedisStore",
    "file": "file:FileStore",
    "memcached": "memcached:MemcachedStore",
    "memory": "memory:MemoryStore",
    "sqlite": "sqlite:SqliteStore",
    "redis": "redis:RedisStore",
    **dict.fromkeys(SQL_TYPES, "sql:SqlStore"),
}

#: Where packages register back ends with Beaker, and the store that runs on any of them.
BEAKER_ENTRY_POINTS = "beaker.backends"
ANY_BACKEND = "beaker.store:BeakerStore"

#: Beaker registers classes of its own there as well.
BEAKERS_NAMES = frozenset({"database", "google", "memcached", "sqla"})


def known_types() -> frozenset[str]:
    """Name the types that have a store here or in an installed package; none is imported."""
    return frozenset(OWN_STORES) | _registered_here() | other_backends()


def other_backends() -> frozenset[str]:
    """Name the back ends that other packages have registered with Beaker; none is imported."""
    found = registered(BEAKER_ENTRY_POINTS)
    # Ours are stores of this package, registered for Beaker: see for_beaker.py.
    others = {entry.name for entry in found if not entry.value.startswith("pyramid_beakerish.")}
    return frozenset(others) - BEAKERS_NAMES - frozenset(OWN_STORES) - _registered_here()


def _registered_here() -> frozenset[str]:
    return frozenset(registered(ENTRY_POINTS).names)


def runs_on_beaker(name: object) -> bool:
    """Tell whether the store of that type keeps its entries with a back end of Beaker's."""
    if name in OWN_STORES:
        return OWN_STORES[str(name)].startswith("beaker.")
    return name in other_backends()


def open_store(settings: StoreSettings, clock: Callable[[], float] = time.time) -> Store:
    """Make the store that the settings describe; nothing is contacted yet.

    ``settings.type`` is one of `known_types`, or a `Store`, which is taken as it is.
    ``clock`` gives seconds since the epoch. Raises `SettingsError` for any other type,
    and for one whose client library is not installed.
    """
    if isinstance(settings.type, Store):
        return settings.type
    try:
        store: Store = find_class(settings.type).from_settings(settings, clock)
    except ImportError as error:
        kind = f"{settings.key_prefix}type = {settings.type}"
        raise SettingsError([f"{kind} needs a module that cannot be imported: {error}"]) from error
    return store


def find_class(name: str) -> Any:
    """Import the store's class. Raises `SettingsError` if there is none of that name."""
    if name in OWN_STORES:
        return _imported(OWN_STORES[name])
    for entry in registered(ENTRY_POINTS).select(name=name):
        return entry.load()
    if name in other_backends():
        return _imported(ANY_BACKEND)
    known = ", ".join(sorted(known_types()))
    raise SettingsError([f"type = {name} is not the name of a store; these are: {known}"])


def _imported(path: str) -> Any:
    module, _, class_name = path.partition(":")
    return getattr(import_module(f".{module}", __name__), class_name)
