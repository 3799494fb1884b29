"""All targets, with the share of the cases that each gets."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import HealthCheck, Phase, given, seed, settings

from . import cookies, decoders, records

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

    Prepared = tuple[SearchStrategy[Any], Callable[[Any], None]]


class Target(NamedTuple):
    """What is tried: ``prepare`` gives cases and the check of one case."""

    prepare: Callable[[], Prepared]
    share: int


TARGETS = {
    **{name: Target(partial(cookies.reading, *case), 4) for name, case in cookies.READS.items()},
    **{name: Target(partial(cookies.writing, case), 2) for name, case in cookies.WRITES.items()},
    "record": Target(partial(records.records, "msgpack"), 2),
    "record, renewed": Target(partial(records.records, "msgpack", renew_id_every=60), 1),
    "record as text": Target(partial(records.records, "json"), 1),
    "index of a user": Target(records.indexes, 1),
    **{
        f"value as {name}": Target(partial(decoders.decoding, decoder), 6)
        for name, decoder in decoders.DECODERS.items()
    },
}


def attempt(prepared, count, number):
    """Try so many cases, others for each number; give how many were tried."""
    cases, check = prepared
    tried = 0

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def try_one(case):
        nonlocal tried
        tried += 1
        check(case)

    try_one()
    return tried
