"""The names that Beaker's users know: ``cache_region`` and ``region_invalidate``."""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ..errors import CacheUsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .function import CachedFunction

P = ParamSpec("P")
R = TypeVar("R")


def cache_region(
    region: str,
    *args: object,
    ignore: Sequence[str] = (),
    key: Callable[..., object] | None = None,
) -> Callable[[Callable[P, R]], CachedFunction[P, R]]:
    """Keep the results of a function in a region, one for each distinct call.

    May be applied before the regions are configured; they are looked up at each call.

    ``region``: the name of the region.
    ``args``: anything that tells this function apart from others of the same name;
    needed only for functions that a factory makes from one ``def``.
    ``ignore``: names of parameters that the result does not depend on, as ``("request",)``.
    ``key``: a callable that takes the call's arguments and returns what tells calls
    apart, for arguments that have no stable key themselves.

    The ``self`` or ``cls`` of a method is left out of the key, as in Beaker, so that all
    objects of the class share its results. A `UserWarning` at decoration says so, and
    what to do if they must not; ``ignore=("self",)`` says that they may.

    Raises `CacheUsageError` at decoration for a region that is not a name, and for what cannot
    be cached: an ``async def`` function or a generator, whose results can be used only once. A
    call raises `CacheKeyError` for an argument without a stable key, `SerializationError` for
    a result that the region cannot keep, `RegionNotConfigured` if there is no such region.

    >>> @cache_region("short_term")
    ... def load(term: str, limit: int = 10) -> list[str]:
    ...     return [term] * limit
    >>> load.key_for("a") == load.key_for(term="a", limit=10)
    True
    """
    if not isinstance(region, str):
        raise CacheUsageError(
            f"cache_region takes the name of a region, not {_described(region)}:"
            " @cache_region('short_term')"
        )

    def decorate(function: Callable[P, R]) -> CachedFunction[P, R]:
        # Only once there is a function to cache: 14 modules add 5 ms to a start.
        from .function import FunctionCache, cached_function
        from .keys import CallKeys

        _refuse_uncacheable(function)
        keys = CallKeys(function, args, ignore, key)
        if keys.receiver is not None and keys.receiver not in ignore:
            _warn_of_shared_results(keys.name, keys.receiver)
        return cached_function(FunctionCache(region, function, keys))

    return decorate


def region_invalidate(namespace: Callable[..., Any], region: str | None, *args: object) -> None:
    """Forget one result of a decorated function.

    ``namespace``: the decorated function, or the bound method.
    ``region``: the name of its region, or ``None``.
    ``args``: the decorator's own arguments, then those of the call (without ``self``).

    Raises `CacheUsageError` for anything but a function decorated with this package's
    ``cache_region``, for a region other than its own, and if ``args`` do not begin with
    the decorator's own. ``function.invalidate(...)`` needs neither the region nor those.
    """
    from .function import FunctionCache

    cache = getattr(namespace, "_cache", None)
    if not isinstance(cache, FunctionCache):
        raise CacheUsageError(
            "region_invalidate takes a function decorated with pyramid_beakerish.cache_region,"
            f" not {_described(namespace)}: call .invalidate(...) of the decorated function"
        )
    if region and region != cache.region_name:
        raise CacheUsageError(
            f"{cache.keys.name} is cached in region {cache.region_name!r}, not in {region!r}"
        )
    cache.invalidate(*_without(cache.keys.given, args, cache.keys.name))


def _without(given: tuple[object, ...], args: tuple[object, ...], name: str) -> tuple[object, ...]:
    own, call = args[: len(given)], args[len(given) :]
    if own != given or [*map(type, own)] != [*map(type, given)]:
        raise CacheUsageError(
            f"{name} was decorated with the arguments {given!r}: region_invalidate takes them"
            " first, then those of the call"
        )
    return call


def _warn_of_shared_results(name: str, receiver: str) -> None:
    warnings.warn(
        f"{name} is cached without {receiver}, as in Beaker: all objects of the class share its"
        f" results. If they may, say so: ignore=({receiver!r},). If not, name it in the key, as in"
        f" key=lambda {receiver}, item: ({receiver}, item), and give the class a __cache_key__"
        " method that tells its objects apart.",
        stacklevel=3,
    )


_UNCACHEABLE: dict[str, Callable[[Any], bool]] = {
    "an async function": inspect.iscoroutinefunction,
    "a generator function": inspect.isgeneratorfunction,
    "an async generator function": inspect.isasyncgenfunction,
}


def _refuse_uncacheable(function: Callable[..., Any]) -> None:
    if isinstance(function, (classmethod, staticmethod)):
        raise CacheUsageError(
            f"cache_region goes below @{type(function).__name__}, next to the function itself"
        )
    if not callable(function) or not hasattr(function, "__qualname__"):
        raise CacheUsageError(f"cache_region takes a function, not {_described(function)}")
    from .spelling import qualified_name

    for kind, is_kind in _UNCACHEABLE.items():
        if is_kind(function):
            raise CacheUsageError(
                f"{qualified_name(function)} is {kind}: what it returns can be used only once,"
                " so it cannot be cached"
            )


def _described(thing: object) -> str:
    if isinstance(thing, str):
        return f"the string {thing!r}"
    return getattr(thing, "__qualname__", None) or f"a {type(thing).__qualname__}"
