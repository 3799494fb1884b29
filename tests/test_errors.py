"""Errors say the same wherever they get to."""

from __future__ import annotations

import copy
import pickle

import pytest

from pyramid_beakerish.errors import ComponentConflict, RegionNotConfigured, SettingsError

ERRORS = [
    SettingsError(["session.type = x: no such type", "session.timeout = y: no duration"]),
    ComponentConflict("shop.ICart"),
    RegionNotConfigured("short", ["long"]),
]


@pytest.mark.parametrize("travel", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_that_is_copied_or_pickled(error, travel):
    """An error that comes from another process, or is a copy, tells what the first one told."""
    arrived = travel(error)
    assert (str(arrived), vars(arrived)) == (str(error), vars(error))
