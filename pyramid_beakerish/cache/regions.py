"""The cache regions of one application."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import RegionNotConfigured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..settings import RegionSettings
    from .region import Region


class CacheRegions(Mapping[str, "Region"]):
    """The regions of one application, by name: ``request.cache_regions``.

    ``settings``: the options of each region.
    ``clock``: what tells the time, in seconds.

    Raises `RegionNotConfigured`, a `KeyError`, for a name that is not there.
    """

    def __init__(
        self, settings: Mapping[str, RegionSettings], clock: Callable[[], float] = time.time
    ) -> None:
        self._regions = {name: _region(each, clock) for name, each in settings.items()}

    def __getitem__(self, name: str) -> Region:
        try:
            return self._regions[name]
        except KeyError:
            raise RegionNotConfigured(name, self._regions) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._regions)

    def __len__(self) -> int:
        return len(self._regions)

    @property
    def enabled(self) -> bool:
        """Whether any region keeps results; setting this sets it for them all."""
        return any(region.enabled for region in self.values())

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        for region in self.values():
            region.enabled = enabled

    def open(self) -> None:
        """Open the stores of all regions now, so that mistakes show at configuration.

        Raises `SettingsError` for settings that no store can be made from. A store that
        is unavailable is logged, and opened when it is first needed: no cache keeps a
        site from starting.
        """
        for region in self.values():
            region.open()

    def __repr__(self) -> str:
        return f"<CacheRegions {', '.join(self._regions)}>"


def _region(settings: RegionSettings, clock: Callable[[], float]) -> Region:
    from .region import Region  # not needed by an application without regions

    return Region(settings, clock)
