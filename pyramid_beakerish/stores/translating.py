"""How a store's methods raise what the contract says, whatever a client library raises."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

Kinds = type[Exception] | tuple[type[Exception], ...]


def translating(
    kinds: Kinds, translate: Callable[..., Exception], passing: Kinds = ()
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Give a decorator that makes a method raise the translations of errors of these kinds.

    Those that are ``passing`` are raised as they are.
    """

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(method)
        def translated(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return method(*args, **kwargs)
            except passing:
                raise
            except kinds as error:
                # Not from the error: its text may quote a key, or what was stored.
                raise translate(error) from None

        return translated

    return decorate
