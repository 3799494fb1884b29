"""What a hit in memory costs, beside Beaker's, in one run: of a memory region, and of local.

python -m benchmarks.regions
"""

from __future__ import annotations

import timeit
import warnings
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import beaker.cache

from pyramid_beakerish.cache.configured import configure, enter_beaker_regions
from pyramid_beakerish.cache.decorator import cache_region
from pyramid_beakerish.cache.region import CacheRegions
from pyramid_beakerish.settings import RegionSettings
from pyramid_beakerish.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

REGION = "benchmark"
CALLS = 20_000
BOTH = {"name": REGION, "type": "memory", "expire": 3600}


@dataclass(frozen=True)
class Comparison:
    """The medians of a way to call, in microseconds, and the median ratio of the rounds."""

    name: str
    ours: float
    beakers: float
    ratio: float

    def __str__(self) -> str:
        return f"{self.name:<24}{self.ours:>8.3f}{self.beakers:>10.3f}{self.ratio:>8.3f}"


def memory_hits(rounds: int = 15) -> list[Comparison]:
    """Compare the hits of both in rounds that alternate, so that noise meets both alike."""
    return _hits(RegionSettings(**BOTH), rounds)


def local_hits(rounds: int = 15) -> list[Comparison]:
    """Compare the hits in memory in front of a store with those of Beaker's memory."""
    return _hits(RegionSettings(**{**BOTH, "type": MemoryStore()}, local=3600.0), rounds)


def _hits(settings: RegionSettings, rounds: int) -> list[Comparison]:
    regions = CacheRegions({REGION: settings})
    configure(regions)
    enter_beaker_regions(CacheRegions({REGION: RegionSettings(**BOTH)}))
    warnings.simplefilter("ignore", UserWarning)  # that self is not in the key
    ours = _ways_to_call(cache_region)
    beakers = _ways_to_call(beaker.cache.cache_region)
    comparisons = [_compare(name, ours[name], beakers[name], rounds) for name in ours]
    if regions[REGION].stats().misses != len(ours):
        raise RuntimeError("what was measured were no hits")
    return comparisons


def _ways_to_call(decorator: Callable[..., Callable]) -> dict[str, Callable[[], object]]:
    @decorator(REGION)
    def one_argument(term):
        return {"term": term}

    @decorator(REGION)
    def several_arguments(term, limit, offset=0):
        return {"term": term, "limit": limit, "offset": offset}

    class Shop:
        @decorator(REGION)
        def method(self, item):
            return {"item": item}

    shop = Shop()
    return {
        "one str": lambda: one_argument("abc"),
        "str and int": lambda: several_arguments("abc", 10),
        "keyword": lambda: several_arguments("abc", limit=20),
        "method": lambda: shop.method("abc"),
    }


def _compare(
    name: str, ours: Callable[[], object], beakers: Callable[[], object], rounds: int
) -> Comparison:
    pairs = [(_microseconds(ours), _microseconds(beakers)) for _ in range(rounds)]
    return Comparison(
        name,
        median(own for own, _ in pairs),
        median(other for _, other in pairs),
        median(own / other for own, other in pairs),
    )


def _microseconds(call: Callable[[], object]) -> float:
    return timeit.timeit(call, number=CALLS) / CALLS * 1e6


if __name__ == "__main__":
    for name, comparisons in [("memory region, hit", memory_hits()), ("local, hit", local_hits())]:
        print(f"{name:<24}{'us':>8}{'Beaker':>10}{'ratio':>8}")
        for comparison in comparisons:
            print(comparison)
