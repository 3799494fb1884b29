"""Where bytes are kept: from the name of a type to its store."""

from __future__ import annotations

import time
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from pyramid_beakerish.errors import SettingsError
from pyramid_beakerish.settings.options import SQL_TYPES

from .base import Store as Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid_beakerish.settings import StoreSettings

#: Where packages register stores of their own: name = "module:StoreClass".
ENTRY_POINTS = "pyramid_beakerish.stores"

#: Imported when first used, so that a client library which is not installed costs nothing.
OWN_STORES = {
    "file": "pyramid_beakerish.stores.file:FileStore",
    "memory": "pyramid_beakerish.stores.memory:MemoryStore",
    **dict.fromkeys(SQL_TYPES, "pyramid_beakerish.stores.sql:SqlStore"),
}


def known_types() -> frozenset[str]:
    """Name the types that have a store here or in an installed package; none is imported."""
    return frozenset(OWN_STORES) | {entry.name for entry in entry_points(group=ENTRY_POINTS)}


def open_store(settings: StoreSettings, clock: Callable[[], float] = time.time) -> Store:
    """Make the store that the settings describe; nothing is contacted yet.

    ``settings.type`` is one of `known_types`, or a `Store`, which is taken as it is.
    ``clock`` gives seconds since the epoch. Raises `SettingsError` for any other type,
    and for one whose client library is not installed.
    """
    if isinstance(settings.type, Store):
        return settings.type
    try:
        store_class = find_class(settings.type)
    except ImportError as error:
        raise SettingsError(
            [f"type = {settings.type} needs a module that cannot be imported: {error}"]
        ) from error
    store: Store = store_class.from_settings(settings, clock)
    return store


def find_class(name: str) -> Any:
    """Import the store's class. Raises `SettingsError` if there is none of that name."""
    if name in OWN_STORES:
        module, _, class_name = OWN_STORES[name].partition(":")
        return getattr(import_module(module), class_name)
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        return entry.load()
    known = ", ".join(sorted(known_types()))
    raise SettingsError([f"type = {name} is not the name of a store; these are: {known}"])
