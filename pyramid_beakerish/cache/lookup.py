"""Finding what a region keeps, or having it created once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..errors import CorruptData, SerializationError, StoreError
from .single_flight import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from .counters import Counters
    from .region import Region
    from .single_flight import Creation

T = TypeVar("T")

#: Says that the store could not be asked.
_UNKNOWN: Any = type("Unknown", (), {"__repr__": lambda self: "UNKNOWN"})()


class Entries(Protocol):
    """Where a region keeps its values."""

    def entry(self, key: str) -> Any: ...

    def load(self, key: str) -> Any: ...

    def encode(self, value: Any) -> Any: ...

    def decode(self, kept: Any) -> Any: ...

    def save(self, key: str, kept: Any) -> None: ...

    def remove(self, key: str) -> None: ...

    def clear(self) -> None: ...


class Lookup:
    """The calls of one function, or of one region's direct users, answered and counted.

    :param region: where the values are kept.
    :param counters: what the calls are counted on.
    :param source: what creates the values, for error messages.
    """

    def __init__(self, region: Region, counters: Counters, source: str) -> None:
        self._region = region
        self._entries = region.entries
        self._flight = region.flight
        self._counters = counters
        self._source = source

    def get_or_create(self, key: str, creator: Callable[[], T]) -> Any | T:
        """Give what is kept under the key; if nothing is, what the creator returns."""
        if not self._region.enabled:
            return creator()
        key = self._region.short(key)
        ended = self._flight.ended
        found = self._load(key)
        if _is_value(found):
            return self._hit(found)
        creation, own = self._flight.begin(key)
        if not own:
            return self._wait(creation, creator)
        with creation:
            if found is ABSENT and self._flight.ended != ended:
                found = self._load(key)  # created between our look and our turn, perhaps
            return self._create(key, creator, creation, found)

    def refresh(self, key: str, creator: Callable[[], T]) -> T:
        """Have the value created anew, and keep it in the place of what there is."""
        if not self._region.enabled:
            return creator()
        key = self._region.short(key)
        creation, _ = self._flight.begin(key, anew=True)
        with creation:
            return self._keep(key, self._call(creator), creation)

    def peek(self, key: str, default: T) -> Any | T:
        """Give what is kept, or the default; nothing is created or counted."""
        found = self._load(self._region.short(key)) if self._region.enabled else ABSENT
        return found if _is_value(found) else default

    def _create(
        self, key: str, creator: Callable[[], T], creation: Creation, found: Any
    ) -> Any | T:
        if _is_value(found):
            creation.result = self._entries.encode(found)
            return self._hit(found)
        value = self._call(creator)
        if found is _UNKNOWN:  # one wait for a store that is down is enough
            creation.result = self._encode(value)
            return value
        return self._keep(key, value, creation)

    def _wait(self, creation: Creation, creator: Callable[[], T]) -> Any | T:
        self._counters.wait()
        result = creation.wait()
        if result is ABSENT:
            return self._call(creator)
        return self._entries.decode(result)

    def _hit(self, found: Any) -> Any:
        self._counters.hit()
        return found

    def _call(self, creator: Callable[[], T]) -> T:
        self._counters.miss()
        started = self._region.clock()
        try:
            return creator()
        finally:
            self._counters.spent(max(0.0, self._region.clock() - started))

    def _load(self, key: str) -> Any:
        try:
            return self._entries.load(key)
        except CorruptData as error:
            self._counters.error()
            self._region.damaged.say(error)
            return ABSENT
        except StoreError as error:
            self._unavailable(error)
            return _UNKNOWN

    def _keep(self, key: str, value: T, creation: Creation) -> T:
        creation.result = kept = self._encode(value)
        try:
            if creation.wanted:
                self._entries.save(key, kept)
                if not creation.wanted:  # invalidated while it was being saved
                    self._entries.remove(key)
        except StoreError as error:
            self._unavailable(error)
        return value

    def _encode(self, value: object) -> Any:
        try:
            return self._entries.encode(value)
        except SerializationError as error:
            raise SerializationError(
                f"Cache region {self._region.name!r} cannot keep what {self._source} returned,"
                f" a {type(value).__qualname__}: {error}. Return plain values, or use a region"
                " of type memory, which keeps any object."
            ) from error

    def _unavailable(self, error: StoreError) -> None:
        self._counters.error()
        self._region.unavailable.say(error)


def _is_value(found: Any) -> bool:
    return found is not ABSENT and found is not _UNKNOWN
