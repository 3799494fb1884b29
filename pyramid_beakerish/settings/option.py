"""The declaration of an option: what it takes, what its default is, and who obeys it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from .convert import is_none

if TYPE_CHECKING:
    from .convert import Converter

T = TypeVar("T")

#: The prefix of the options of the configuration that was in use before.
EARLIER = "previous."


@dataclass(frozen=True, kw_only=True)
class Option:
    """All that parsing, messages and the reference in the docs know of one option.

    ``types`` are the store types that read it, or none if all do; of this package's own stores
    only ``own_types`` read it, if there are any. ``needed_by`` are the types that cannot do without
    it, unless all of ``instead`` (for Beaker) or one of ``alternatives`` (for our own store) is
    given. ``obeyed_by`` tells whose sessions obey it: ``both`` formats, ``beakerish`` or ``beaker``
    alone, ``shell`` (both, but it is not Beaker's option), or ``nobody``; ``inert`` is the reason
    why our own format has no use for it. ``default_of`` holds the different defaults of the formats
    ``beaker`` and ``pyramid``. ``takes_none`` is set where a real ``None`` is a value; elsewhere
    ``None`` is the same as not giving the option, and so is the word ``none`` if the default is
    nothing.
    """

    convert: Converter
    default: Any
    help: str
    since: str = "0.1"
    default_text: str | None = None
    default_of: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    types: tuple[str, ...] = ()
    own_types: tuple[str, ...] = ()
    needed_by: tuple[str, ...] = ()
    instead: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    alternatives: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    obeyed_by: Literal["both", "beakerish", "beaker", "shell", "nobody"] = "both"
    inert: str | None = None
    secret: bool = False
    takes_none: bool = False

    def default_in(self, format_name: str) -> Any:
        """Give the option's default in sessions of a format."""
        return self.default_of.get(format_name, self.default)

    def is_unset_by(self, value: Any) -> bool:
        """Tell whether the written value is none, for an option whose default is nothing."""
        return self.default in (None, ()) and not self.takes_none and is_none(value)


def option(convert: Converter, default: T, help: str, **more: Any) -> T:  # noqa: A002
    """Declare a field of a settings class and all that is known of it."""
    declared = Option(convert=convert, default=default, help=help, **more)
    field: T = dataclasses.field(default=default, metadata={"option": declared})
    return field


def declared_options(settings_class: type) -> dict[str, Option]:
    """Give the options that are declared as fields of a settings class, by name."""
    fields = dataclasses.fields(settings_class)
    return {field.name: field.metadata["option"] for field in fields if field.metadata}


class GivenOptions(Mapping[str, Any]):
    """Converted options by name; ``repr`` tells the names alone, as values may be secret."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<options: {', '.join(sorted(self._values)) or 'none'}>"
