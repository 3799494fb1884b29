"""``beakerish cache``: clear regions, and forget single results."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..cache.regions import CacheRegions
from ..errors import BeakerishError, RegionNotConfigured
from ..settings.store_types import FOLDERS, SQL_TYPES
from .ini import CommandError, add_ini, load_ini
from .progress import progress
from .report import Fact, Table
from .stores import why_empty

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from ..cache.region import Region
    from .ini import Commands, Parser, Result
    from .report import Part

    Work = Callable[[CacheRegions, argparse.Namespace], Result]

CLEAR, INVALIDATE = "clear", "invalidate"

IN_MEMORY = "in the memory of each process of the application, which no other program can reach"


def add_to(commands: Commands) -> Iterator[Parser]:
    """Add the sub-command and its actions to the command line."""
    group = commands.add_parser("cache", help="clear regions, and forget single results")
    actions = group.add_subparsers(required=True, metavar="ACTION")
    clearing = actions.add_parser(CLEAR, help="forget everything in regions")
    add_ini(clearing)
    clearing.add_argument("regions", metavar="REGION", nargs="*", help="its name")
    clearing.add_argument(
        "--all", action="store_true", help="all regions that can be reached from here"
    )
    forgetting = actions.add_parser(INVALIDATE, help="forget single results")
    add_ini(forgetting)
    forgetting.add_argument("regions", metavar="REGION", nargs=1, help="its name")
    forgetting.add_argument(
        "keys",
        metavar="KEY",
        nargs="+",
        help="the key: what get_or_create takes, or key_for(...) gives",
    )
    for parser, work in ((clearing, clear), (forgetting, invalidate)):
        parser.set_defaults(run=partial(run, work))
        yield parser


def run(work: Work, options: argparse.Namespace) -> Result:
    """Open the regions that the settings describe, and do the work on them."""
    read = load_ini(options).read()
    return work(CacheRegions(read.regions, read.clock), options)


def clear(regions: CacheRegions, options: argparse.Namespace) -> Result:
    """Forget everything in the regions that are named, or in all that can be reached.

    If the store of a region fails, the others are cleared all the same, and the exit code is 1.
    """
    chosen = _chosen(regions, options)
    cleared: list[str] = []
    empty: list[str] = []
    failed: list[tuple[str, str]] = []
    with progress("Clearing the regions", len(chosen)) as step:
        for region in chosen:
            try:
                if is_empty(region):
                    empty.append(region.name)
                else:
                    region.clear()
                    cleared.append(region.name)
            except BeakerishError as error:
                failed.append((region.name, str(error)))
            step()
    return list(_told(cleared, empty, failed)), int(bool(failed))


def _chosen(regions: CacheRegions, options: argparse.Namespace) -> list[Region]:
    if options.all == bool(options.regions):
        raise CommandError("Name regions, or use --all.", code=2)
    if options.all:
        return [region for region in regions.values() if unreachable(region) is None]
    return [reachable(regions, name) for name in options.regions]


def _told(
    cleared: Sequence[str], empty: Sequence[str], failed: Sequence[tuple[str, str]]
) -> Iterator[Part]:
    yield Fact("cleared", cleared, f"Regions cleared: {', '.join(cleared) or 'none'}.")
    if empty:
        yield Fact("empty", empty, f"Regions that are still empty: {', '.join(empty)}.")
    if failed:
        yield Table("failed", "Regions that could not be cleared", ["region", "why"], failed)


def invalidate(regions: CacheRegions, options: argparse.Namespace) -> Result:
    """Forget the results under some keys."""
    region = reachable(regions, options.regions[0])
    keys = [] if is_empty(region) else options.keys
    for key in keys:
        region.invalidate(key)
    count = len(keys)
    return [Fact("invalidated", count, f"Keys forgotten in {region.name}: {count}.")], 0


def reachable(regions: CacheRegions, name: str) -> Region:
    """Give the region; raises `CommandError` if it does not exist or cannot be reached."""
    try:
        region = regions[name]
    except RegionNotConfigured as error:
        raise CommandError(str(error), code=2) from None
    reason = unreachable(region)
    if reason is not None:
        raise CommandError(f"Region {name} is {reason}.")
    return region


def is_empty(region: Region) -> bool:
    """Tell whether the region's store was not made yet, so that nothing is in it."""
    if region.settings.type not in (*FOLDERS, *SQL_TYPES):
        return False  # a server is not made by us, and may refuse to tell what `inspect` asks
    return why_empty(region.settings, region.clock) is not None


def unreachable(region: Region) -> str | None:
    """Tell why a program other than the application cannot reach the region, if it cannot."""
    return IN_MEMORY if region.settings.type == "memory" else None
