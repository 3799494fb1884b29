"""What a dictionary has besides the methods of a mapping, for any mapping that is a session."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, TypeVar

Self = TypeVar("Self", bound="DictMethods")


class DictMethods(MutableMapping[str, Any]):
    """Every copy of a session is a plain dictionary, with nothing that belongs to the request."""

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self) | dict(other)

    def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return dict(other) | dict(self)

    def __ior__(self: Self, other: Mapping[str, Any]) -> Self:
        self.update(other)
        return self

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self))

    def popitem(self) -> tuple[str, Any]:
        """Remove the last key, and give it with its value; raise `KeyError` if there is none."""
        for key in reversed(self):
            return key, self.pop(key)
        raise KeyError("popitem: the session is empty")

    def copy(self) -> dict[str, Any]:
        """Give the contents as a plain dictionary."""
        return dict(self)

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return copy.deepcopy(dict(self), memo)

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        return dict, (dict(self),)

    def __json__(self, request: object) -> dict[str, Any]:
        return dict(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"  # adapters and tracebacks print it: no contents
