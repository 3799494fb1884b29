"""Some cases of each target of tests/fuzz, other ones each time; ``make fuzz`` tries a million."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.targets import TARGETS, attempt

CASES = 40  # for a share of one


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_in(name):
    """No error but our own, nothing stored that was not asked for, nothing executed."""
    target = TARGETS[name]
    number = random.randrange(2**32)
    assert attempt(target.prepare(), CASES * target.share, number), f"seed {number}"
