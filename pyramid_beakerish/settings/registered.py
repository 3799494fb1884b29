"""What installed packages have registered, by the groups of their entry points."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints


def registered(group: str) -> EntryPoints:
    """Give the entry points of the group in all packages that ``sys.path`` leads to.

    Example::

        for entry in registered("pyramid_beakerish.stores"):
            print(entry.name)
    """
    # Reading the metadata of every package takes milliseconds, and a start asks ten times.
    return _on_path(tuple(sys.path), group)


@lru_cache(maxsize=8)
def _on_path(path: tuple[str, ...], group: str) -> EntryPoints:
    from importlib.metadata import entry_points  # takes 3 ms, and most types are known without it

    return entry_points(group=group)
