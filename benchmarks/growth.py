"""What a hit and a miss of a file region cost with one entry and with 100,000, in one run.

python -m benchmarks.growth [entries]
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from statistics import median

from pyramid_beakerish.cache.configured import configure
from pyramid_beakerish.cache.decorator import cache_region
from pyramid_beakerish.cache.region import CacheRegions
from pyramid_beakerish.settings import RegionSettings

REGION = "benchmark"
CALLS = 2_000
ROUNDS = 7


def region_of(entries: int, folder: str):
    """Give a function that is cached in a file region, which holds so many of its results."""
    settings = RegionSettings(name=REGION, type="file", data_dir=folder, expire=None)
    configure(CacheRegions({REGION: settings}))

    @cache_region(REGION)
    def load(number):
        return {"number": number, "text": "some text"}

    for number in range(entries):
        load(number)
    return load


def microseconds(load, numbers) -> float:
    """Give the time of a call with these numbers."""
    began = time.perf_counter()
    for number in numbers:
        load(number)
    return (time.perf_counter() - began) / len(numbers) * 1e6


def cost(entries: int) -> tuple[float, float]:
    """Give the medians of a hit and of a miss."""
    with tempfile.TemporaryDirectory() as folder:
        load = region_of(entries, folder)
        hits = [
            microseconds(load, [random.randrange(entries) for _ in range(CALLS)])
            for _ in range(ROUNDS)
        ]
        new = iter(range(10**9, 10**9 + ROUNDS * CALLS))
        misses = [
            microseconds(load, [next(new) for _ in range(CALLS // 10)]) for _ in range(ROUNDS)
        ]
        return median(hits), median(misses)


def main(entries: int) -> None:
    """Print both, and the ratio."""
    (hit, miss), (hit_of_many, miss_of_many) = cost(1), cost(entries)
    print(f"{'file region':<12}{'1 entry':>10}{entries:>10,}{'ratio':>8}")
    print(f"{'hit':<12}{hit:>10.1f}{hit_of_many:>10.1f}{hit_of_many / hit:>8.2f}")
    print(f"{'miss':<12}{miss:>10.1f}{miss_of_many:>10.1f}{miss_of_many / miss:>8.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
