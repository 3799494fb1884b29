"""A function whose results are kept in a region."""

from __future__ import annotations

import functools
from marshal import dumps
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, Union, cast

from ..errors import CacheUsageError
from .configured import configured, configured_region
from .single_flight import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from .keys import CallKeys
    from .memory import KnownKey, MemoryEntry
    from .region import Region

P = ParamSpec("P")
R = TypeVar("R")

#: What the arguments of a call lead to.
Alias = Union["MemoryEntry", "KnownKey"]

#: Types whose values are told apart by what `marshal` writes for them, as are tuples and lists of
#: them. ``bytes`` is not one: `marshal` writes anything with a buffer, such as an array, as bytes.
_ATOMS = frozenset({str, int, float, bool, type(None)})

#: Arguments longer than this, in bytes, are not worth a second copy of themselves.
_LONGEST_ALIAS = 1000

#: How many calls of a function are remembered even if none of its entries is in memory.
_FEW_ALIASES = 1000


class CachedFunction(Protocol[P, R]):
    """A function whose results are kept in a region.

    Its methods take the arguments of the call they concern. For a method of a class
    leave out ``self`` (or ``cls``), which is not in the key, as in Beaker; only
    ``refresh``, which makes the call, needs it: ``Shop.stock.refresh(shop, 7)``. For a
    function cached by ``key=`` they take all that ``key`` takes.
    """

    __name__: str
    __qualname__: str
    __wrapped__: Callable[P, R]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Give the kept result, or call the function."""
        ...

    def __get__(self, instance: Any, owner: type | None = None, /) -> CachedFunction[..., R]:
        """Bind the method to its object."""
        ...

    def invalidate(self, /, *args: Any, **kwargs: Any) -> None:
        """Forget the result of this call."""

    def invalidate_all(self) -> None:
        """Forget the results of all calls of this function, in every process."""

    def refresh(self, /, *args: Any, **kwargs: Any) -> R:
        """Call the function, and replace what is kept with its result."""
        ...

    def peek(self, /, *args: Any, **kwargs: Any) -> R | None:
        """Give the kept result of this call, or ``None``; nothing is called or counted."""

    def key_for(self, /, *args: Any, **kwargs: Any) -> str:
        """Give the key of this call in its region."""
        ...


class _Bound:
    """A function in the region that it uses at present."""

    def __init__(self, region: Region, keys: CallKeys) -> None:
        self.regions = configured.regions
        self.region = region
        self.lookup, counters = region.lookup_for(keys.name, keys.group)
        self.aliases: dict[bytes, Alias] = {}
        self.shortcut = (self.aliases, self.regions, region, counters.hit)


class FunctionCache:
    """One decorated function: its region, its keys, and the calls that are not plain hits."""

    def __init__(self, region: str, function: Callable[..., Any], keys: CallKeys) -> None:
        self.region_name = region
        self.function = function
        self.keys = keys
        self._bound: _Bound | None = None
        # What a hit needs of `_bound`; until that is set, nothing is found.
        self.shortcut: tuple[dict[bytes, Any], Any, Any, Any] = ({}, None, None, None)

    def call(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], known: Alias | None = None
    ) -> Any:
        """Answer any call; ``known`` is what an earlier call like it has left."""
        bound = self._bind()
        if not bound.region.enabled:
            return self.function(*args, **kwargs)
        spelt = None if known is None else known.key
        key = spelt or self.keys.of_call(args, kwargs)
        value = bound.lookup.get_or_create(key, lambda: self.function(*args, **kwargs))
        if spelt is None:
            self._alias(bound, key, args, kwargs)
        return value

    def refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function, and keep its result."""
        self._need_receiver(args, kwargs)
        bound = self._bind()
        if not bound.region.enabled:
            return self.function(*args, **kwargs)
        key = self.keys.of_call(args, kwargs)
        return bound.lookup.refresh(key, functools.partial(self.function, *args, **kwargs))

    def invalidate(self, /, *args: Any, **kwargs: Any) -> None:
        """Forget the result of a call."""
        self._bind().lookup.invalidate(self.key_for(*args, **kwargs))

    def invalidate_all(self) -> None:
        """Forget the results of all calls."""
        self._bind().lookup.invalidate_all()

    def peek(self, /, *args: Any, **kwargs: Any) -> Any:
        """Give the kept result of a call, or ``None``."""
        return self._bind().lookup.peek(self.key_for(*args, **kwargs), None)

    def key_for(self, /, *args: Any, **kwargs: Any) -> str:
        """Give the key of a call."""
        return self.keys.of_key_arguments(args, kwargs)

    def _bind(self) -> _Bound:
        bound = self._bound
        if bound is None or bound.regions is not configured.regions:
            bound = self._bound = _Bound(configured_region(self.region_name), self.keys)
            self.shortcut = bound.shortcut
        return bound

    def _alias(
        self, bound: _Bound, key: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        # Leads the next call with the same arguments straight to the entry, or to the key.
        entry = bound.region.entry(key)
        rest = args[1:] if self.keys.first_ignored else args
        if entry is None or not self._can_be_aliased(args, rest, kwargs):
            return
        alias = dumps([rest, kwargs] if kwargs else rest, 2)
        if len(alias) <= _LONGEST_ALIAS:
            if len(bound.aliases) >= _most_aliases(bound.region):
                bound.aliases.clear()
            bound.aliases[alias] = entry

    def _can_be_aliased(
        self, args: tuple[Any, ...], rest: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> bool:
        # Not with key=, which may look at more than the arguments; and not if the first
        # argument came by keyword, as the call would look like one that lacks it.
        if self.keys.custom is not None or (self.keys.first_ignored and not args):
            return False
        return _is_told_apart([*rest, *kwargs.values()])

    def _need_receiver(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        # shop.stock.refresh(7) comes here without the shop, and would call stock(7).
        if self.keys.receiver is None or self.keys.receiver in kwargs:
            return
        method = self.function.__name__
        if not args or not hasattr(args[0], _name_in_class(self.function)):
            raise CacheUsageError(
                f"{self.keys.name}.refresh calls the method, so it needs the object first:"
                f" Class.{method}.refresh({self.keys.receiver}, ...)"
            )


class _NotBeakers:
    """An error that Beaker's own region_invalidate runs into on a function of ours.

    Beaker would otherwise look for the entry in a cache of its own, and silently do nothing.
    """

    def __init__(self, function: str) -> None:
        self._function = function

    def _refuse(self, *args: object) -> Any:
        raise CacheUsageError(
            f"{self._function} is cached by pyramid_beakerish, which Beaker cannot invalidate:"
            " call its .invalidate(...), or region_invalidate of pyramid_beakerish"
        )

    # What Beaker does first with the region's name and with that of the namespace.
    __bool__ = __add__ = _refuse


def cached_function(cache: FunctionCache) -> CachedFunction[Any, Any]:
    """Make the wrapper that replaces the function."""
    answering = _answering_but_for_first if cache.keys.first_ignored else _answering
    wrapper = functools.wraps(cache.function)(answering(cache))
    for name in ("invalidate", "invalidate_all", "refresh", "peek", "key_for"):
        setattr(wrapper, name, getattr(cache, name))
    not_beakers = _NotBeakers(cache.keys.name)
    wrapper.__dict__.update(_cache=cache, _arg_region=not_beakers, _arg_namespace=not_beakers)
    return cast("CachedFunction[Any, Any]", wrapper)


def _answering(cache: FunctionCache) -> Callable[..., Any]:
    """Give a wrapper that answers plain hits itself, and lets the cache answer other calls.

    A hit costs a sixth of a hit in Beaker (0.3 us, not 2.0), because it does only this:

    * `marshal` makes a key of the arguments and their types in 0.07 us, however many they
      are; ``(args, *map(type, args))`` takes 0.11 and more, binding them 3. Version 2
      of its format, because later ones write the same value in two ways.
    * The key leads to the entry itself, which knows whether it is alive, so nothing
      else is looked up. What else can rule out the hit is two attributes away.
    * The shortcut is a plain tuple: as many attributes of an object cost 0.03 us more.
    * The count also serves as the mark of use.
    """
    slow = cache.call

    def cached(*args: Any, **kwargs: Any) -> Any:
        aliases, regions, region, hit = cache.shortcut
        try:
            entry = aliases[dumps([args, kwargs] if kwargs else args, 2)]
        except (KeyError, ValueError):
            return slow(args, kwargs)
        value = entry.value
        if entry.expires > region.clock() and regions is configured.regions and region.enabled:
            entry.used = hit()
            return value
        return slow(args, kwargs, entry)

    return cached


def _answering_but_for_first(cache: FunctionCache) -> Callable[..., Any]:
    """Do the same where the first argument, a self or a request, is not in the key."""
    slow = cache.call

    def cached(first: Any = ABSENT, /, *args: Any, **kwargs: Any) -> Any:
        if first is ABSENT:
            return slow((), kwargs)
        aliases, regions, region, hit = cache.shortcut
        try:
            entry = aliases[dumps([args, kwargs] if kwargs else args, 2)]
        except (KeyError, ValueError):
            return slow((first, *args), kwargs)
        value = entry.value
        if entry.expires > region.clock() and regions is configured.regions and region.enabled:
            entry.used = hit()
            return value
        return slow((first, *args), kwargs, entry)

    return cached


def _most_aliases(region: Region) -> int:
    """Give how many calls are remembered: as entries leave, their aliases have to leave too."""
    return min(region.settings.max_entries, 2 * region.entries.in_memory + _FEW_ALIASES)


def _name_in_class(method: Callable[..., Any]) -> str:
    """Give the name that a method has in its class; Python lengthens that of a private one."""
    *_, owner, name = ["", *method.__qualname__.split(".")]
    private = name.startswith("__") and not name.endswith("__")
    return f"_{owner.lstrip('_')}{name}" if private else name


def _is_told_apart(value: Any) -> bool:
    kind = type(value)
    return kind in _ATOMS or (kind in (tuple, list) and all(map(_is_told_apart, value)))
