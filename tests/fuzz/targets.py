"""All targets, with the share of the cases that each gets."""

from __future__ import annotations

import logging
import time
from functools import partial
from traceback import format_exc
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import HealthCheck, Phase, given, seed, settings

from . import cookies, decoders, records

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

    Prepared = tuple[SearchStrategy[Any], Callable[[Any], None]]


#: Cases of one seed: hypothesis remembers them, and becomes slow if there are many.
ROUND = 2_000


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


def rounds(name, count, number, deadline):
    """Try so many cases of a target; give how many were tried, and the failure if there is one."""
    logging.disable()
    prepared, tried = TARGETS[name].prepare(), 0
    try:
        while tried < count and time.time() < deadline:
            tried += attempt(prepared, min(ROUND, count - tried), number)
            number += 1
    except BaseException:  # hypothesis raises groups, too
        return tried, f"FAILED, seed {number}: {format_exc()}"
    return tried, None
