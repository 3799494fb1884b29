"""A store that notes what it is asked, and how long the answers take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from .around import StoreAround

if TYPE_CHECKING:
    from .base import Store


class Command(NamedTuple):
    """A call to a store: the method, what kind of entry it is about, and the seconds it took.

    ``failure`` names the error that it raised.
    """

    method: str
    kind: str
    seconds: float
    failure: str | None


class TimedStore(StoreAround):
    """Passes every call on to a store, and adds a `Command` to ``commands`` for each.

    Going through the iterator that ``keys`` gives is not timed.

    >>> from pyramid_beakerish.stores.memory import MemoryStore
    >>> store = TimedStore(MemoryStore())
    >>> store.load("session:cafe")
    >>> [(command.method, command.kind) for command in store.commands]
    [('load', 'session')]
    """

    def __init__(self, store: Store, commands: list[Command] | None = None) -> None:
        super().__init__(store)
        self.commands: list[Command] = [] if commands is None else commands

    def _pass_on(self, method: str, *arguments: Any) -> Any:
        failure = None
        began = time.perf_counter()
        try:
            return super()._pass_on(method, *arguments)
        except Exception as error:
            failure = type(error).__name__
            raise
        finally:
            seconds = time.perf_counter() - began
            self.commands.append(Command(method, _kind(arguments[0]), seconds, failure))


def _kind(key: str | list[str]) -> str:
    """Tell what an entry is for, and not whose it is."""
    names = [key] if isinstance(key, str) else key
    return ", ".join(sorted({name.partition(":")[0] for name in names}))
