"""What goes wrong in a file system, in the words of the store contract."""

from __future__ import annotations

import functools
from errno import errorcode
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from pyramid_beakerish.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


def unavailable(error: OSError, store: str = "file") -> StoreUnavailable:
    """Translate the system's error, leaving out the name of the file."""
    code = errorcode.get(error.errno or 0, "no error code")
    return StoreUnavailable(f"the {store} store's folder cannot be used: {error.strerror} ({code})")


def translating_errors(method: Callable[P, R]) -> Callable[P, R]:
    """Have the method raise `StoreUnavailable` for every error of the file system."""

    @functools.wraps(method)
    def translated(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except OSError as error:
            raise unavailable(error) from None

    return translated
