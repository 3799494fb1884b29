"""A region does what a dictionary with expiry does, on every store and for every process."""

from __future__ import annotations

import tempfile

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pyramid_beakerish.cache.region import Region
from pyramid_beakerish.testing import FrozenClock
from tests.cache_help import KINDS, SHARED, region_settings

KEYS = st.sampled_from(["a", "b", "ü" * 300])
VALUES = st.one_of(st.none(), st.integers(), st.text(max_size=3))
GROUPS = st.sampled_from(["", "f", "g"])
HOSTS = st.sampled_from([0, 1])
EXPIRE, STALE_ON_ERROR = 60, 30


class RegionMachine(RuleBasedStateMachine):
    """Two functions and the region's own users, on two hosts, if the store is shared."""

    kind = "memory"

    @initialize()
    def begin(self):
        self.clock = FrozenClock()
        self.model = {}
        self.folder = tempfile.TemporaryDirectory()
        options = KINDS[self.kind](self.clock, self.folder.name)
        given = region_settings("r", {**options, "stale_on_error": STALE_ON_ERROR})
        count = 2 if self.kind in SHARED else 1
        self.regions = [Region(given, self.clock) for _ in range(count)]
        self.regions[0].clear()
        self.lookups = [
            {group: region.lookup_for(group, group)[0] for group in ("", "f", "g")}
            for region in self.regions
        ]

    def teardown(self):
        self.folder.cleanup()

    def lookup(self, host, group):
        return self.lookups[host % len(self.lookups)][group]

    def alive(self, group, key, spare=0):
        value, expires = self.model.get((group, key), (None, 0))
        return (value,) if expires + spare > self.clock() else ()

    def keep(self, group, key, value):
        self.model[group, key] = (value, self.clock() + EXPIRE)

    @property
    def enabled(self):
        return self.regions[0].enabled

    @rule(host=HOSTS, group=GROUPS, key=KEYS, value=VALUES)
    def get_or_create(self, host, group, key, value):
        if self.enabled and not self.alive(group, key):
            self.keep(group, key, value)
        expected = self.alive(group, key)[0] if self.enabled else value
        got = self.lookup(host, group).get_or_create(group + key, lambda: value)
        assert got == expected

    @rule(host=HOSTS, group=GROUPS, key=KEYS)
    def fail(self, host, group, key):
        try:
            result = (self.lookup(host, group).get_or_create(group + key, lambda: 1 / 0),)
        except ZeroDivisionError:
            result = ()
        assert result == (self.alive(group, key, STALE_ON_ERROR) if self.enabled else ())

    @rule(host=HOSTS, group=GROUPS, key=KEYS)
    def fail_to_refresh(self, host, group, key):
        with pytest.raises(ZeroDivisionError):
            self.lookup(host, group).refresh(group + key, lambda: 1 / 0)

    @rule(host=HOSTS, group=GROUPS, key=KEYS, value=VALUES)
    def refresh(self, host, group, key, value):
        assert self.lookup(host, group).refresh(group + key, lambda: value) == value
        if self.enabled:
            self.keep(group, key, value)

    @rule(host=HOSTS, group=GROUPS, key=KEYS)
    def invalidate(self, host, group, key):
        self.lookup(host, group).invalidate(group + key)
        self.model.pop((group, key), None)

    @rule(host=HOSTS, group=GROUPS)
    def invalidate_all(self, host, group):
        self.lookup(host, group).invalidate_all()
        for place in list(self.model):
            if group in ("", place[0]):
                del self.model[place]

    @rule(seconds=st.sampled_from([1, 30, 60, 61]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule()
    def toggle(self):
        for region in self.regions:
            region.enabled = not region.enabled

    @precondition(lambda self: self.enabled)
    @invariant()
    def keeps_what_the_model_keeps(self):
        for lookups in self.lookups:
            for group, lookup in lookups.items():
                for key in ("a", "b", "ü" * 300):
                    found = lookup.peek(group + key, self)
                    assert (() if found is self else (found,)) == self.alive(group, key)


def machine(kind):
    """Give the tests of one kind."""
    case = type(kind, (RegionMachine,), {"kind": kind}).TestCase
    case.settings = settings(max_examples=25, stateful_step_count=25)
    return case


for _kind in KINDS:
    globals()[f"Test_{_kind}"] = machine(_kind)
