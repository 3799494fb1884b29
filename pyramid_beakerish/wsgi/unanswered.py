"""What a WSGI application returns before it has called ``start_response``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Unanswered:
    """The parts of a response that was not started yet, as when an application is a generator.

    ``let_go`` is called when they end, whether with an error or because the visitor has left.
    """

    def __init__(self, parts: Iterable[bytes], let_go: Callable[[], object]) -> None:
        self._parts = parts
        self._iterator = iter(parts)
        self._let_go = let_go

    def __iter__(self) -> Unanswered:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._iterator)
        except BaseException:
            self._let_go()
            raise

    def close(self) -> None:
        """End the parts, as WSGI asks for."""
        try:
            getattr(self._parts, "close", lambda: None)()
        finally:
            self._let_go()
