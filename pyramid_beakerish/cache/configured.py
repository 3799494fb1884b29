"""The regions that decorated functions use: those that were configured last."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..errors import RegionNotConfigured
from ..settings.backends import beaker_region_options

if TYPE_CHECKING:
    from .region import Region
    from .regions import CacheRegions

_log = logging.getLogger(__name__)


class Configured:
    """Holds the regions of the process; ``regions`` is ``None`` before any configuration."""

    __slots__ = ("regions",)

    def __init__(self) -> None:
        self.regions: CacheRegions | None = None


#: Functions are decorated while modules are imported, before there are settings, and
#: know of no application: so one set of regions serves them all.
configured = Configured()


def configure(regions: CacheRegions) -> None:
    """Let all decorated functions use these regions from their next call on.

    Several applications in one process share their decorated functions. If the regions
    differ from those configured before, one log line says so; an application without regions
    leaves those in place. Each application's own ``request.cache_regions`` stays as it is.

    ``regions``: the regions of the application that is configured now.
    """
    if configured.regions and not regions:
        return
    before, configured.regions = configured.regions, regions
    if before is not None and _settings(before) != _settings(regions):
        _log.warning(
            "Cache regions were configured again, with other settings: decorated functions"
            " use those of the last configuration (%s)",
            ", ".join(regions),
        )


def configured_region(name: str) -> Region:
    """Give the region of that name; raise `RegionNotConfigured` if there is none."""
    if configured.regions is None:
        raise RegionNotConfigured(name, ())
    return configured.regions[name]


def enter_beaker_regions(regions: CacheRegions) -> None:
    """Enter the regions in ``beaker.cache.cache_regions``, for Beaker's own decorators.

    ``regions``: the regions; each is entered with Beaker's own options only.
    """
    if not regions:
        return  # Beaker imports every client library that is installed: a third of a second
    import beaker.cache

    for name, region in regions.items():
        # The dict is looked up anew: it may have been replaced, as it often is in tests.
        beaker.cache.cache_regions[name] = beaker_region_options(region.settings)


def _settings(regions: CacheRegions) -> dict[str, object]:
    return {name: region.settings for name, region in regions.items()}
