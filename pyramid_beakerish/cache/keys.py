"""The key of a call: which calls of a cached function share one entry."""

from __future__ import annotations

import inspect
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ..errors import CacheKeyError, CacheUsageError
from .spelling import NoStableKeyError, place, qualified_name, spell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

#: What makes two parameters the same one.
_told_by = attrgetter("name", "default")


class CallKeys:
    """Turns the arguments of a call into the key of its entry.

    The key holds the function's module (or script) and qualified name, what was given to the
    decorator, and each argument, bound to the signature with its defaults and spelt with
    its type: two calls share an entry only if the function cannot tell them apart.

    ``function``: the function that is cached.
    ``given``: the decorator's own arguments, which tell apart functions of one name.
    ``ignore``: names of parameters that the result does not depend on.
    ``key``: a callable that takes the call's arguments and returns, in their place, a
    value that tells calls apart.

    Raises `CacheUsageError` for an ignored parameter that does not exist, or a function whose
    parameters Python does not know, `CacheKeyError` for an argument without a stable key.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        given: Sequence[object] = (),
        ignore: Sequence[str] = (),
        key: Callable[..., object] | None = None,
    ) -> None:
        self.name = qualified_name(function)
        self.given = tuple(given)
        self.custom = key
        self.signature = self._signature_of(function)
        parameters = list(self.signature.parameters.values())
        self._described = {each.name: f"parameter {each.name!r}" for each in parameters}
        # Beaker leaves out a parameter of this name, a method's object; callers rely on that.
        has_receiver = key is None and parameters[:1] and parameters[0].name in ("self", "cls")
        self.receiver = parameters[0].name if has_receiver else None
        self._check(ignore)
        self.ignored = {*ignore, self.receiver}
        #: Whether the first argument, often a self or a request, is not in the key.
        self.first_ignored = self._names_first(parameters)
        only_positional = all(each.kind in _POSITIONAL for each in parameters)
        self._positional = len(parameters) if only_positional else -1
        #: What the keys of all calls begin with.
        self.group = spell(_identity(function)) + self._spell(self.given, "a decorator argument")

    def _signature_of(self, function: Callable[..., Any]) -> inspect.Signature:
        try:
            source = inspect.unwrap(function, stop=_changes_arguments)
            self._decorated = source is not function
            return inspect.signature(source, follow_wrapped=False)
        except ValueError:
            raise CacheUsageError(
                f"{self.name} has no signature: cache a function of your own that calls it"
            ) from None

    def _names_first(self, parameters: Sequence[inspect.Parameter]) -> bool:
        """Tell whether the wrapper is to name its first argument, which is not in the key.

        To a view that names one argument Pyramid gives only the request, to others the
        context, too.
        """
        second_too = any(
            self._is_outside(each) and each.default is each.empty for each in parameters[1:2]
        )
        return any(map(self._is_outside, parameters[:1])) and not second_too

    def _is_outside(self, parameter: inspect.Parameter) -> bool:
        """Tell whether a positional parameter is not itself in the key; with ``key=`` none is."""
        apart = self.custom is not None or parameter.name in self.ignored
        return apart and parameter.kind in _POSITIONAL

    def _check(self, ignore: Sequence[str]) -> None:
        if isinstance(ignore, str):
            raise CacheUsageError(f"{self.name}: ignore takes a sequence: ignore=({ignore!r},)")
        if ignore and self.custom is not None:
            raise CacheUsageError(f"{self.name}: give either ignore= or key=, not both")
        unknown = set(ignore) - set(self.signature.parameters)
        if unknown:
            raise CacheUsageError(f"{self.name} has no parameter {', '.join(sorted(unknown))}")

    def of_call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """Give the key of ``function(*args, **kwargs)``."""
        if self.custom is not None:
            result = self.custom(*args, **kwargs)
            return self.group + self._spell(result, "the result of key=")
        spelt = [
            f"{name}={self._spell(value, self._described[name])}"
            for name, value in self._bind(args, kwargs)
            if name not in self.ignored
        ]
        return self.group + "".join(spelt)

    def of_key_arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """Give the key of a call given without ``self`` or ``cls``, which are not in the key."""
        if self.receiver is None:
            return self.of_call(args, kwargs)
        return self.of_call((None, *args), kwargs)

    def _bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
        if not kwargs and len(args) == self._positional:
            return zip(self._described, args, strict=True)  # 2 us less than binding
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            if not self._decorated:
                raise
            raise CacheUsageError(
                f"{self.name}: {error}. If one of its decorators changes the arguments, it goes"
                " above cache_region, or key= says what tells the calls apart."
            ) from error
        bound.apply_defaults()
        return bound.arguments.items()

    def _spell(self, value: object, what: str) -> str:
        try:
            return spell(value)
        except NoStableKeyError as error:
            problem = f"{error.type_name} has no stable key"
        except RecursionError:
            problem = "it is nested too deeply"
        raise CacheKeyError(
            f"{self.name} cannot be cached by {what}: {problem}. Pass plain values, give the"
            " class a __cache_key__ method, leave the parameter out with ignore=, or say with"
            " key= what tells the calls apart."
        )


def _changes_arguments(wrapper: Any) -> bool:
    """Tell whether a decorator's signature shows that it does more than pass on its arguments.

    A decorator that takes ``*args`` and ``**kwargs``, perhaps after the function's own
    first parameters, is trusted to pass them on; so is one that takes only ``*args``,
    if the function can be called so.
    """
    if inspect.ismethod(wrapper):  # its __wrapped__ is its function's, which takes a self, too
        return True
    try:
        own = inspect.signature(wrapper, follow_wrapped=False).parameters.values()
    except ValueError:  # such as lru_cache's, which is written in C
        return False
    wrapped = inspect.signature(wrapper.__wrapped__).parameters.values()
    by_name = any(each.kind is inspect.Parameter.KEYWORD_ONLY for each in wrapped)
    if not {each.kind for each in own}.issuperset(_VARIABLE if by_name else _VARIABLE[:1]):
        return True
    named = [_told_by(each) for each in own if each.kind not in _VARIABLE]
    return named != [_told_by(each) for each in wrapped][: len(named)]


_first_lines: dict[str, int] = {}


def _identity(function: Callable[..., Any]) -> str:
    """Give a name that no other function of the program has, the same in each process.

    Many views of one module may be called ``view``: the first has the bare name, so that its
    entries survive an edit above it; the others have their line, too. Functions made inside
    functions are not made in the same order everywhere, so they always have their line; a lambda,
    which may have others beside it, also has the column where its result begins. Functions that a
    factory makes from one ``def`` share all this: only the decorator's arguments tell them apart.
    """
    name = place(function)
    code = getattr(inspect.unwrap(function), "__code__", None)
    line = 0 if code is None else code.co_firstlineno
    if line == _first_lines.setdefault(name, line) and "<" not in name:
        return name
    return f"{name}@{line}.{_column(code)}" if name.endswith("<lambda>") else f"{name}@{line}"


def _column(code: Any) -> int:
    # Only Python 3.11 and later know it.
    positions: Iterable[Any] = getattr(code, "co_positions", tuple)()
    return next((column for *_, column, _ in positions if column), 0)
