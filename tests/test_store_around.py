"""Stores around a store: what they do not do in another way, the store does."""

from __future__ import annotations

import pytest

from pyramid_beakerish.settings import session_settings
from pyramid_beakerish.stores.encrypted import EncryptedStore
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.stores.timed import TimedStore
from pyramid_beakerish.testing import StoreSuite
from pyramid_beakerish.testing.site import WatchedStore
from pyramid_beakerish.testing.stores import stamped
from pyramid_beakerish.wsgi.lingering import LingeringStore

SECRET = "a secret that only these tests know"
KINDS = [
    LingeringStore,
    TimedStore,
    WatchedStore,
    lambda store: EncryptedStore(store, [SECRET]),
]


class TestTimedStore(StoreSuite):
    """It is a store as any other."""

    shared_by_processes = False

    def make_store(self, clock, folder):
        """Time what is in memory."""
        return TimedStore(MemoryStore(clock))


class Administered(MemoryStore):
    """Notes what no entry is about."""

    def __init__(self):
        super().__init__()
        self.called = []

    def prepare(self):
        self.called.append("prepare")

    def install(self):
        self.called.append("install")

    def close(self):
        self.called.append("close")


@pytest.mark.parametrize("make", KINDS)
def test_what_no_entry_is_about(make):
    """What administrators ask for is done at the store that keeps the bytes."""
    inner = Administered()
    store = make(inner)
    store.prepare()
    store.install()
    store.close()
    assert inner.called == ["prepare", "install", "close"]
    assert store.inspect() == inner.inspect()
    assert store.write_id_is_token


@pytest.mark.parametrize("make", KINDS)
def test_sweeping(make, clock):
    """A sweep is that of the store that keeps the bytes."""
    store = make(MemoryStore(clock))
    store.set("k", stamped(), 10)
    clock.advance(30)
    assert store.sweep() == 1


@pytest.mark.parametrize("make", KINDS)
def test_listing(make):
    """What the store that keeps the bytes can list is listed."""
    store = make(MemoryStore())
    store.set("a:k", stamped(), None)
    assert list(store.keys("a:")) == ["a:k"]


@pytest.mark.parametrize("kind", [LingeringStore, EncryptedStore])
def test_made_from_settings(kind, clock):
    """The store that the settings describe lives by the clock that is given."""
    settings, _ = session_settings(type="memory", encrypt_key=SECRET)
    store = kind.from_settings(settings, clock)
    store.set("k", stamped(), 10)
    clock.advance(30)
    assert store.load("k") is None


def test_timing_a_look_at_several_entries():
    """The kinds of all entries are told, also where an iterator gives their keys."""
    store = TimedStore(MemoryStore())
    store.load_many(iter(["session:a", "user:b", "user:c"]))
    assert [command.kind for command in store.commands] == ["session, user"]
