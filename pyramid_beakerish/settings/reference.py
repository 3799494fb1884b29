"""The reference of all options, for the docs and for people who ask a program."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from .all_options import ALL_REGION_OPTIONS, ALL_SESSION_OPTIONS
from .options import CACHE_OPTIONS, PACKAGE_OPTIONS
from .store_types import SQL_TYPES

if TYPE_CHECKING:
    from .option import Option

SCOPES = (
    ("beakerish", PACKAGE_OPTIONS),
    ("session", ALL_SESSION_OPTIONS),
    ("cache", {**CACHE_OPTIONS, **ALL_REGION_OPTIONS}),
)
UNITS_SHOWN = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


class OptionRow(NamedTuple):
    """One option as the reference shows it."""

    scope: str
    name: str
    allowed: str
    default: str
    help: str
    since: str
    types: str
    needed_by: str
    inert: str


def option_table() -> list[OptionRow]:
    """Give every option there is, in the order of declaration, with all that is known of it.

    Example::

        [row.name for row in option_table() if row.scope == "session" and row.needed_by]
    """
    return [
        _row(scope, name, option) for scope, options in SCOPES for name, option in options.items()
    ]


def _row(scope: str, name: str, option: Option) -> OptionRow:
    return OptionRow(
        scope=scope,
        name=name,
        allowed=option.convert.allowed,
        default=default_shown(option),
        help=option.help,
        since=option.since,
        types=", ".join(option.own_types or option.types),
        needed_by=_needed_by(option),
        inert=option.inert or "",
    )


def _needed_by(option: Option) -> str:
    """Name the types that need the option, with what may be given instead."""
    by_others: dict[tuple[str, ...], list[str]] = {}
    for kind in option.needed_by:
        if kind not in SQL_TYPES:  # whose store itself tells what it needs
            by_others.setdefault(option.alternatives.get(kind, ()), []).append(kind)
    return "; ".join(
        ", ".join(kinds) + f" (or {', '.join(others)})" * bool(others)
        for others, kinds in by_others.items()
    )


def default_shown(option: Option, format_name: str = "beakerish") -> str:
    """Give the default of an option in words, or as an ini file would spell it."""
    return option.default_text or spelt(option.default_in(format_name))


def spelt(value: Any) -> str:
    """Spell a value as an ini file would."""
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        whole = (u for u in UNITS_SHOWN if value >= u[0] and value % u[0] == 0)
        unit, letter = next(whole, (1, "s"))
        return f"{value / unit:.12g}{letter}"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value) if isinstance(value, (str, int, datetime)) else dotted_name(value)


def dotted_name(value: Any) -> str:
    """Name a class or a function by its module and name, any other object by its type alone."""
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}:{named.__qualname__}"
