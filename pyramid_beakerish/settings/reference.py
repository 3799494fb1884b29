"""The reference of all options, for the docs and for people who ask a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .beaker_only import ALL_REGION_OPTIONS, ALL_SESSION_OPTIONS
from .options import CACHE_OPTIONS, PACKAGE_OPTIONS

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
        default=option.default_text or _default_shown(option.default),
        help=option.help,
        since=option.since,
        needed_by=", ".join(option.needed_by),
        inert=option.inert or "",
    )


def _default_shown(default: Any) -> str:
    """Spell a default as an ini file would."""
    if default is None or default == ():
        return "none"
    if isinstance(default, float):
        unit, letter = next(found for found in UNITS_SHOWN if default % found[0] == 0)
        return f"{default / unit:g}{letter}"
    return str(default).lower() if isinstance(default, bool) else str(default)
