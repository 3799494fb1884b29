"""What a call to a store costs with one entry, and with many, in one run.

python -m benchmarks.stores
"""

from __future__ import annotations

import os
import tempfile
import timeit
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from pyramid_beakerish.settings import StoreSettings
from pyramid_beakerish.stores import open_store
from pyramid_beakerish.stores.base import new_write_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid_beakerish.stores import Store

MANY = 20_000
CALLS = 2000
KEY = "key-of-the-usual-length-%022d"


@dataclass(frozen=True)
class Growth:
    """The medians of a call in microseconds, and the median ratio of the rounds."""

    name: str
    one: float
    many: float
    ratio: float

    def __str__(self) -> str:
        return f"{self.name:<20}{self.one:>8.2f}{self.many:>10.2f}{self.ratio:>8.3f}"


def growths(folder: str, rounds: int = 9) -> list[Growth]:
    """Compare the loads, and the loads with a swap, of the embedded stores that keep files."""
    found = []
    for type_name in ("file", "sqlite"):
        one, many = (filled(type_name, os.path.join(folder, str(n)), n) for n in (1, MANY))
        for name, call in (("load", load), ("load and swap", load_and_swap)):
            pairs = [(microseconds(call, one), microseconds(call, many)) for _ in range(rounds)]
            found.append(growth(f"{type_name} {name}", pairs))
        one.close()
        many.close()
    return found


def growth(name: str, pairs: list[tuple[float, float]]) -> Growth:
    one, many = (median(column) for column in zip(*pairs, strict=True))
    return Growth(name, one, many, median(second / first for first, second in pairs))


def filled(type_name: str, folder: str, entries: int) -> Store:
    store = open_store(StoreSettings(type=type_name, data_dir=folder))
    for number in range(entries):
        store.set(KEY % number, new_write_id() + b"x" * 200, 3600)
    return store


def load(store: Store) -> None:
    if store.load(KEY % 0) is None:
        raise RuntimeError("this store keeps nothing")


def load_and_swap(store: Store) -> None:
    value, token = store.load(KEY % 0)
    if not store.swap(KEY % 0, token, new_write_id() + value[8:], 3600):
        raise RuntimeError("this store cannot swap")


def microseconds(call: Callable[[Store], None], store: Store) -> float:
    return timeit.timeit(lambda: call(store), number=CALLS) / CALLS * 1e6


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for each in growths(folder):
            print(each)
