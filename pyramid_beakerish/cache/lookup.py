"""Finding what a region keeps, or having it created once."""

from __future__ import annotations

from collections.abc import Iterator
from types import AsyncGeneratorType, CoroutineType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..errors import SerializationError, StoreError, StoreUnavailable
from .single_flight import ABSENT, UNSHARED
from .slot import NO_CLAIM, Slot
from .turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from .counters import Counters
    from .memory import MemoryEntry
    from .region import Region
    from .single_flight import Creation
    from .slot import Claim

T = TypeVar("T")

#: Says that the store could not be asked.
_UNREACHABLE = Slot(reachable=False)

#: What to do with a value that a store, or a memory region that copies, cannot keep.
_REMEDIES = {
    False: "Return plain values, or use a region of type memory, which keeps any object.",
    True: "Return what can be copied, or set copy = false for the region.",
}

#: What can be used only once, as can iterators.
_USED_UP = (CoroutineType, AsyncGeneratorType)


class Entries(Protocol):
    """Where a region keeps its values, each under a key, some of them in a group."""

    @property
    def entry(self) -> Callable[[str], MemoryEntry | None] | None: ...

    @property
    def in_memory(self) -> int: ...

    def open(self) -> Any: ...

    def load(self, key: str, group: str) -> Any: ...

    def slot(self, key: str, group: str) -> Slot: ...

    def acquire(self, key: str, group: str, slot: Slot) -> Claim | None: ...

    def encode(self, value: Any) -> Any: ...

    def decode(self, kept: Any) -> Any: ...

    def remove(self, key: str) -> None: ...

    def clear(self, group: str = "") -> None: ...


class Lookup:
    """Answers and counts the calls of one function, or of a region's direct users.

    ``region``: where the values are kept.
    ``counters``: where the calls are counted.
    ``source``: what creates the values, for error messages.
    ``group``: what can be invalidated as a whole; "" is the region alone.
    """

    def __init__(self, region: Region, counters: Counters, source: str, group: str = "") -> None:
        self._region = region
        self._entries = region.entries
        self._flight = region.flight
        self._counters = counters
        self._source = source
        self._group = group
        self._stale = region.settings.stale or 0.0
        self._stale_on_error = region.settings.stale_on_error or 0.0

    def get_or_create(self, key: str, creator: Callable[[], T]) -> Any | T:
        """Give what is kept under the key; if nothing is, what the creator returns."""
        if not self._region.enabled:
            return creator()
        key = self._region.short(key)
        answer = ABSENT
        while answer is ABSENT:  # again if its creator was ended before it had a value
            ended = self._flight.ended
            found = self._load(key)
            if type(found) is not Slot:
                return self._hit(found)
            creation, own = self._flight.begin(key, self._group)
            if own:
                with creation:
                    if found.reachable and self._flight.ended != ended:
                        found = self._load(key)  # created between our look and our turn, perhaps
                    return self._take_turn(key, found, creation, creator)
            answer = self._join(creation, found, creator)
        return answer

    def refresh(self, key: str, creator: Callable[[], T]) -> T:
        """Have the value created anew, and replace what is kept with it."""
        if not self._region.enabled:
            return creator()
        key = self._region.short(key)
        creation, _ = self._flight.begin(key, self._group, anew=True)
        with creation:
            return self._create(creator, creation, key, self._claim_anew(key))

    def peek(self, key: str, default: T) -> Any | T:
        """Give what is kept, or the default; nothing is created or counted."""
        found = self._load(self._region.short(key)) if self._region.enabled else _UNREACHABLE
        return default if type(found) is Slot else found

    def invalidate(self, key: str) -> None:
        """Forget the key, and what is being created for it."""
        key = self._region.short(key)
        self._flight.disown(key)
        self._entries.remove(key)

    def invalidate_all(self) -> None:
        """Forget every key of the group, and what is being created for them."""
        self._flight.disown_all(self._group)
        self._entries.clear(self._group)

    def _join(self, creation: Creation, slot: Slot, creator: Callable[[], T]) -> Any | T:
        """Let another thread create the value: wait for it, unless the old one will do.

        Gives `ABSENT` if that thread is ended before it has the value.
        """
        if self._is_within(self._stale, slot):
            return self._old(slot)
        self._counters.wait()
        result = creation.wait()
        if result is UNSHARED:
            return self._call(creator)
        return result if result is ABSENT else self._entries.decode(result)

    def _take_turn(
        self, key: str, found: Any, creation: Creation, creator: Callable[[], T]
    ) -> Any | T:
        """Find or create the value, as the only thread of this process that does."""
        found, claim = self._wait_for_others(key, found)
        if claim is None:
            value = self._old(found) if type(found) is Slot else self._hit(found)
            creation.result = self._entries.encode(value)
            return value
        try:
            return self._create(creator, creation, key, claim)
        except SerializationError:
            raise
        except Exception as error:
            if not self._is_within(self._stale_on_error, found):
                raise
            self._failed(error)
            creation.result = self._entries.encode(found.old)
            return self._old(found)

    def _wait_for_others(self, key: str, found: Any) -> tuple[Any, Claim | None]:
        """Give a claim to create the value, or what can be handed out without one."""
        turns = Turns(self._region.settings.lease)
        while type(found) is Slot:
            claim = self._claim_in_turn(key, found, turns)
            if claim is not None:
                return found, claim
            if self._is_within(self._stale, found):
                break
            if not turns.begun:
                self._counters.wait()
            turns.wait(found)
            found = self._load(key)
        return found, None

    def _claim_in_turn(self, key: str, slot: Slot, turns: Turns) -> Claim | None:
        if not slot.reachable:  # one wait for a store that is down is enough
            return NO_CLAIM
        claim = None
        if turns.may_claim(slot, self._region.clock()):
            claim = self._acquire(key, slot)
        return NO_CLAIM if claim is None and turns.is_over(slot) else claim

    def _acquire(self, key: str, slot: Slot) -> Claim | None:
        try:
            return self._entries.acquire(key, self._group, slot)
        except StoreError as error:
            self._unavailable(error)
            return NO_CLAIM

    def _claim_anew(self, key: str) -> Claim:
        claim = None
        while claim is None:  # somebody else was faster, and has changed what was found
            try:
                slot = self._entries.slot(key, self._group)
            except StoreError as error:
                self._unavailable(error)
                return NO_CLAIM
            claim = self._acquire(key, slot)
        return claim

    def _create(self, creator: Callable[[], T], creation: Creation, key: str, claim: Claim) -> T:
        try:
            value = self._call(creator)
            creation.result = self._encode(value)
            self._keep(key, creation, claim)
        except BaseException:
            self._release(claim)
            raise
        return value

    def _call(self, creator: Callable[[], T]) -> T:
        self._counters.miss()
        started = self._region.clock()
        try:
            return creator()
        finally:
            self._counters.spent(max(0.0, self._region.clock() - started))

    def _hit(self, found: Any) -> Any:
        self._counters.hit()
        return found

    def _old(self, slot: Slot) -> Any:
        self._counters.stale()
        return slot.old

    def _is_within(self, seconds: float, slot: Slot) -> bool:
        """Tell whether there is an old value that expired less than so many seconds ago."""
        return slot.old is not ABSENT and self._region.clock() < slot.fresh_until + seconds

    def _load(self, key: str) -> Any:
        try:
            found = self._entries.load(key, self._group)
        except StoreError as error:
            self._unavailable(error)
            return _UNREACHABLE
        if type(found) is Slot and found.damage is not None:
            self._counters.error()
            self._region.damaged.say(found.damage)
        return found

    def _keep(self, key: str, creation: Creation, claim: Claim) -> None:
        if not creation.wanted:
            self._release(claim)
            return
        try:
            claim.keep(creation.result)
            if not creation.wanted:  # invalidated while it was being saved
                self._entries.remove(key)
        except StoreUnavailable as error:
            self._unavailable(error)
        except StoreError as error:  # this value alone was refused: it is too large, say
            self._unavailable(error)
            self._release(claim)

    def _release(self, claim: Claim) -> None:
        try:
            claim.release()
        except StoreError as error:
            self._unavailable(error)

    def _encode(self, value: object) -> Any:
        self._check(value)
        try:
            return self._entries.encode(value)
        except SerializationError as error:
            remedy = _REMEDIES[self._region.settings.type == "memory"]
            raise self._refusal(value, error, remedy) from error

    def _check(self, value: object) -> None:
        """Refuse what memory could keep, but only the first caller should get."""
        if isinstance(value, _USED_UP) or _is_iterator(value):
            remedy = "Return what it produces, such as a list."
            raise self._refusal(value, "it can be used only once", remedy)
        if self._region.settings.shares_objects and _is_response(value):
            remedy = "Return its text, or set copy = true for the region."
            raise self._refusal(
                value, "the cookies set on it for one visitor would be sent to all", remedy
            )

    def _refusal(self, value: object, problem: object, remedy: str) -> SerializationError:
        return SerializationError(
            f"Cache region {self._region.name!r} cannot keep what {self._source} returned,"
            f" a {type(value).__qualname__}: {problem}. {remedy}"
        )

    def _unavailable(self, error: StoreError) -> None:
        self._counters.error()
        self._region.unavailable.say(error)

    def _failed(self, error: Exception) -> None:
        self._counters.error()
        self._region.failing.say(error)


def _is_iterator(value: object) -> bool:
    # A MagicMock has the methods of an iterator, but is none.
    return isinstance(value, Iterator) and iter(value) is value


def _is_response(value: object) -> bool:
    return hasattr(type(value), "headerlist")  # not of the object, whose attributes may raise
