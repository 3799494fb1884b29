"""Any sequence of calls to a store, compared with a dict."""

from __future__ import annotations

import math
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.stores import stamped

KEYS = st.sampled_from(["a", "b", "a/b", "ü"])
TTLS = st.sampled_from([None, 0.5, 10.0, 3600.0, 1_209_600.0])
CONTENTS = st.binary(max_size=20)


class StoreMachine(RuleBasedStateMachine):
    """Subclasses say how to make the store, and again the same store after a restart."""

    def make_store(self, clock, folder):
        """Make the store; the folder is the same each time."""
        raise AssertionError("a subclass makes the store")

    def make_again(self):
        """Give the store as another process would find it."""
        return self.make_store(self.clock, self.folder)

    def __init__(self):
        super().__init__()
        self.end = ExitStack()

    @initialize()
    def begin(self):
        """Start with an empty store, an empty dict, and no entry seen."""
        self.folder = Path(self.end.enter_context(tempfile.TemporaryDirectory()))
        self.clock = FrozenClock()
        self.store = self.make_store(self.clock, self.folder)
        self.end.callback(lambda: self.store.close())
        self.model = {}
        self.seen = []

    def teardown(self):
        """Remove the files, also where there is no server to make a store of."""
        self.end.close()

    def pass_time(self, seconds):
        """Let time pass for the store and for the dict."""
        self.clock.advance(seconds)

    def alive(self, key):
        """Give what the dict holds under the key, if it has not expired."""
        value, expires = self.model.get(key, (None, 0))
        return value if expires > self.clock() else None

    def put(self, key, value, ttl):
        """Store in the dict."""
        self.model[key] = (value, math.inf if ttl is None else self.clock() + ttl)

    @rule(key=KEYS)
    def load(self, key):
        """A load gives what the dict holds, and a token that may be used at any time later."""
        entry = self.store.load(key)
        assert (entry and entry[0]) == self.alive(key)
        if entry:
            self.seen.append((key, *entry))

    @rule(key=KEYS, contents=CONTENTS, ttl=TTLS)
    def create(self, key, contents, ttl):
        """A create succeeds if the dict has no such key."""
        value, absent = stamped(contents), self.alive(key) is None
        assert self.store.create(key, value, ttl) is absent
        if absent:
            self.put(key, value, ttl)

    @rule(key=KEYS, contents=CONTENTS, ttl=TTLS)
    def set(self, key, contents, ttl):
        """A set always succeeds."""
        value = stamped(contents)
        self.store.set(key, value, ttl)
        self.put(key, value, ttl)

    @rule(data=st.data(), contents=CONTENTS, ttl=TTLS)
    def swap(self, data, contents, ttl):
        """A swap succeeds if the dict still holds the very value that was loaded."""
        if not self.seen:
            return
        key, old, token = data.draw(st.sampled_from(self.seen[-4:]))
        value, unchanged = stamped(contents), self.alive(key) == old
        assert self.store.swap(key, token, value, ttl) is unchanged
        if unchanged:
            self.put(key, value, ttl)

    @rule(key=KEYS)
    def delete(self, key):
        """A delete succeeds if the dict has the key."""
        assert self.store.delete(key) is (self.alive(key) is not None)
        self.model.pop(key, None)

    @rule(data=st.data())
    def guarded_delete(self, data):
        """A guarded delete succeeds if the dict still holds the very value that was loaded."""
        if not self.seen:
            return
        key, old, token = data.draw(st.sampled_from(self.seen[-4:]))
        unchanged = self.alive(key) == old
        assert self.store.delete(key, token) is unchanged
        if unchanged:
            del self.model[key]

    @rule(seconds=st.sampled_from([0.25, 0.5, 10.0, 601.0, 3600.0, 1_209_600.0]))
    def advance(self, seconds):
        """Time passes."""
        self.pass_time(seconds)

    @rule()
    def sweep(self):
        """A second sweep finds nothing left to remove."""
        self.store.sweep()
        assert self.store.sweep() == 0

    @rule()
    def restart(self):
        """Nothing changes when the store is closed and made anew."""
        self.store.close()
        self.store = self.make_again()

    @invariant()
    def same_keys(self):
        """The keys are those of the dict."""
        if hasattr(self, "store"):
            alive = {key for key in self.model if self.alive(key) is not None}
            assert set(self.store.keys("")) == alive
            assert set(self.store.keys("a")) == {key for key in alive if key.startswith("a")}
