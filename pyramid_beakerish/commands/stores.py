"""Which stores an application uses, and in what state each of them is."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import BeakerishError
from ..settings.pyramid_only import SIGNED_COOKIE
from ..settings.reference import spelt
from ..settings.store_types import has_own_store, is_store
from ..stores import open_store
from ..stores.base import PROBE
from ..stores.facts import StoreFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..settings import Settings
    from ..settings.options import StoreSettings
    from ..stores import Store

#: The types that leave the whole session with its visitor.
IN_COOKIES = ("cookie", SIGNED_COOKIE)

#: The settings in which two descriptions of the same store agree.
IDENTITY = ("type", "url", "data_dir", "lock_dir", "fsync", "max_entries", "backend")


@dataclass(frozen=True)
class UsedStore:
    """A store, and what it is used for."""

    settings: StoreSettings
    purposes: tuple[str, ...]
    clock: Callable[[], float]

    @property
    def name(self) -> str:
        """What the settings call its type."""
        return spelt(self.settings.type)

    @property
    def users(self) -> str:
        """What it is used for, in words."""
        return ", ".join(self.purposes)

    @property
    def keeps_sessions(self) -> bool:
        """Whether it is used for sessions."""
        return SESSIONS in self.purposes

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """Open the store for as long as the context lasts."""
        store = open_store(self.settings, self.clock)
        try:
            yield store
        finally:
            store.close()


SESSIONS = "sessions"


@dataclass(frozen=True)
class Examined:
    """The state of a store: ``failure`` says why it cannot be used, ``None`` if it can.

    ``seconds`` is how long it took to load one entry, ``None`` if there was nothing to ask.
    """

    used: UsedStore
    facts: StoreFacts
    seconds: float | None = None
    failure: str | None = None


def used_stores(read: Settings) -> list[UsedStore]:
    """Give the stores of this package that the settings use, each once."""
    found: list[UsedStore] = []
    for purpose, settings in _wanted(read):
        same = [used for used in found if _are_one(used.settings, settings)]
        others = [used for used in found if used not in same]
        earlier = [earlier for used in same for earlier in used.purposes]
        found = [*others, UsedStore(settings, (*earlier, purpose), read.clock)]
    return found


def _wanted(read: Settings) -> Iterator[tuple[str, StoreSettings]]:
    if read.session.in_own_store:
        yield SESSIONS, read.session
    for name, region in read.regions.items():
        if region.enabled and (is_store(region.type) or has_own_store(region.type)):
            yield f"region {name}", region


def examine(used: UsedStore) -> Examined:
    """Contact a store, and change nothing there."""
    try:
        with used.opened() as store:
            facts = store.inspect()
            seconds = None if "absent" in facts else _round_trip(store)
    except BeakerishError as error:
        return Examined(used, StoreFacts(), failure=str(error))
    return Examined(used, facts, seconds)


def why_empty(settings: StoreSettings, clock: Callable[[], float]) -> str | None:
    """Tell why there is nothing in a store yet, if it was not made yet.

    Using it would make it, and it would belong to the user who runs the command.
    """
    store = open_store(settings, clock)
    try:
        return store.inspect().get("absent")
    finally:
        store.close()


def _round_trip(store: Store) -> float:
    began = time.perf_counter()
    store.load(PROBE)
    return time.perf_counter() - began


def _are_one(one: StoreSettings, other: StoreSettings) -> bool:
    # Each store in memory has its own entries, but equal ones are shown in one row.
    known = ("type", "max_entries") if one.type == "memory" else IDENTITY
    return all(getattr(one, name) == getattr(other, name) for name in known)
