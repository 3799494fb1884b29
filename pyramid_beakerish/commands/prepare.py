"""``beakerish prepare``: make what the stores need before their first entry, such as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..stores.base import PROBE
from .ini import add_ini, load_ini
from .report import Fact
from .stores import used_stores

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from .ini import Commands, Parser, Result
    from .report import Part


def add_to(commands: Commands) -> Iterator[Parser]:
    """Add the sub-command to the command line."""
    parser = commands.add_parser(
        "prepare", help="make what the stores need before their first entry, such as a table"
    )
    add_ini(parser)
    parser.set_defaults(run=run)
    yield parser


def run(options: argparse.Namespace) -> Result:
    """Prepare every store that the settings use."""
    parts: list[Part] = []
    for used in used_stores(load_ini(options).read()):
        with used.opened() as store:
            store.install()
            store.load(PROBE)  # raises if what was made cannot be used
        name = f"{used.name} ({used.users})"
        parts.append(Fact(name, "prepared", f"{name}: prepared"))
    return parts, 0
