"""A region: what it keeps, how long, how much, and what it does when its store fails."""

from __future__ import annotations

import logging
import os
import shutil

import pytest

from pyramid_beakerish.cache.memory import MemoryEntries
from pyramid_beakerish.errors import (
    RegionNotConfigured,
    SerializationError,
    SettingsError,
    StoreError,
)
from pyramid_beakerish.stores.base import new_write_id
from pyramid_beakerish.stores.memory import MemoryStore
from tests.cache_help import (
    KINDS,
    FailingStore,
    UnlistedStore,
    make_kind,
    make_regions,
)


@pytest.fixture(params=KINDS)
def region(request, clock, tmp_path):
    """A region of each kind."""
    return make_kind(request.param, clock, tmp_path)


@pytest.mark.parametrize("value", [None, 0, "", [], {"a": (1, {2})}])
def test_value_is_created_once(region, value):
    """What the creator returns is kept, even None and the empty."""
    calls = []
    for _ in range(3):
        assert region.get_or_create("key", lambda: calls.append(1) or value) == value
    assert len(calls) == 1
    assert region.peek("key", "nothing") == value


def test_value_expires(region, clock):
    """A value is kept for `expire` seconds and no longer."""
    region.get_or_create("key", lambda: 1)
    clock.advance(59.9)
    assert region.get_or_create("key", lambda: 2) == 1
    clock.advance(0.2)
    assert region.peek("key") is None
    assert region.get_or_create("key", lambda: 3) == 3


def test_value_without_expiry_stays(clock):
    """expire = none keeps a value for ever."""
    region = make_regions(clock, r={"expire": None})["r"]
    region.set("key", 1)
    clock.advance(10**9)
    assert region.peek("key") == 1


def test_exception_is_not_kept(region):
    """After a failure the creator is called again."""
    with pytest.raises(ZeroDivisionError):
        region.get_or_create("key", lambda: 1 / 0)
    assert region.get_or_create("key", lambda: 5) == 5


def test_invalidate_forgets_one_key(region):
    """The key is created anew, the others are kept."""
    region.set("a", 1)
    region.set("b", 2)
    region.invalidate("a")
    region.invalidate("never there")
    assert [region.peek("a"), region.peek("b")] == [None, 2]


def test_refresh_replaces(region):
    """refresh creates anew and keeps the result."""
    region.set("key", 1)
    assert region.refresh("key", lambda: 2) == 2
    assert region.peek("key") == 2


def test_what_is_invalidated_during_its_creation_is_not_kept(region):
    """A creation that began before the invalidation leaves nothing behind."""

    def creator(forget):
        forget()
        return "old"

    assert region.get_or_create("key", lambda: creator(lambda: region.invalidate("key"))) == "old"
    assert region.get_or_create("key", lambda: creator(region.clear)) == "old"
    assert region.peek("key") is None


def test_what_is_refreshed_during_its_creation_is_not_overwritten(region):
    """Of two creations the one that began later is kept."""

    def creator():
        region.refresh("key", lambda: "new")
        return "old"

    assert region.get_or_create("key", creator) == "old"
    assert region.peek("key") == "new"


def test_clear_stays_within_the_region(clock, tmp_path):
    """clear forgets what the region keeps, not what others keep in the same store."""
    shared = MemoryStore(clock)
    names = {name: {"type": shared} for name in ("a", "a:b", "ab", "x[1]y", "x1y")}
    regions = make_regions(clock, **names)
    shared.set("session:1", new_write_id() + b"x", None)
    for region in regions.values():
        region.set("key", region.name)
    regions["a"].clear()
    regions["x[1]y"].clear()
    left = {name for name, region in regions.items() if region.peek("key")}
    assert left == {"a:b", "ab", "x1y"}
    assert shared.load("session:1") is not None


def test_clear_needs_no_list_of_keys(clock):
    """A region in a store that cannot list its keys is cleared all the same."""
    region = make_regions(clock, r={"type": UnlistedStore(clock)})["r"]
    region.set("key", 1)
    region.clear()
    assert region.peek("key") is None


def test_memory_hands_out_the_object_and_a_store_a_copy(region):
    """Memory keeps the object itself, unless it is told to copy; a store gives all their own."""
    value = region.get_or_create("key", lambda: [1])
    value.append(2)
    region.peek("key").append(3)
    kept = region.get_or_create("key", list)
    one_object = region.settings.type == "memory" and not region.settings.copy
    in_front = region.settings.local is not None
    assert kept == ([1, 2, 3] if one_object else [1, 3] if in_front else [1])


@pytest.mark.parametrize("key", ["a" * 251, "é", "\ud800", "a\nb", "\0", "#x", ""])
def test_any_key_will_do(region, key):
    """Long keys, control characters and other languages are all keys."""
    region.set(key, 1)
    assert region.peek(key) == 1
    assert region.peek(key + "x") is None


def test_long_keys_are_kept_by_their_hash(clock):
    """A key longer than key_length is replaced, by something no other key is."""
    store = MemoryStore(clock)
    region = make_regions(clock, r={"type": store, "key_length": 10})["r"]
    region.set("k" * 10, 1)
    region.set("k" * 11, 2)
    short = region.short("k" * 11)
    assert {*store.keys("cache:1:r:")} == {
        "cache:1:r:kkkkkkkkkk", f"cache:1:r:{short}", "cache:1:r:#all"
    }  # fmt: skip
    assert len(short) == 65
    assert region.peek(short) is None


def test_disabled_region_keeps_nothing(region):
    """While it is disabled the creator is called each time; what was kept comes back after."""
    region.set("key", 1)
    region.enabled = False
    assert region.get_or_create("key", lambda: 2) == 2
    assert region.refresh("key", lambda: 3) == 3
    region.set("other", 4)
    assert region.peek("key") is None
    region.enabled = True
    assert [region.peek("key"), region.peek("other")] == [1, None]


def test_disabled_region_can_be_invalidated(region):
    """What is invalidated while the region is disabled does not come back."""
    region.set("key", 1)
    region.enabled = False
    region.invalidate("key")
    region.enabled = True
    assert region.peek("key") is None


def test_region_can_begin_disabled(clock):
    """enabled = false is where the region begins."""
    region = make_regions(clock, r={"enabled": False})["r"]
    assert [region.get_or_create("key", lambda n=n: n) for n in (1, 2)] == [1, 2]


def test_counters(region, clock):
    """Hits, misses and the time spent are counted exactly."""

    def creator():
        clock.advance(2.5)
        return 1

    for _ in range(4):
        region.get_or_create("key", creator)
    region.peek("key")
    first = region.stats()
    assert (first.hits, first.misses, first.waits, first.errors) == (3, 1, 0, 0)
    assert first.seconds_creating == 2.5
    assert region.stats() == first


def test_value_that_cannot_be_kept(clock):
    """The error names the region, what made the value, its type and the remedy."""
    region = make_regions(clock, r={"type": MemoryStore(clock)})["r"]
    message = (
        "^Cache region 'r' cannot keep what the creator returned, a FrozenClock: .*"
        r"Return plain values, or use a region of type memory, which keeps any object\.$"
    )
    with pytest.raises(SerializationError, match=message):
        region.get_or_create("key", lambda: clock)
    assert make_regions(clock, r="memory")["r"].get_or_create("key", lambda: clock) is clock


def test_unknown_region(clock):
    """The error names the region and those that are configured."""
    regions = make_regions(clock, short="memory", long="memory")
    with pytest.raises(RegionNotConfigured) as caught:
        regions["shrt"]
    assert str(caught.value) == (
        "Cache region 'shrt' is not configured: add it to cache.regions"
        " (configured regions: short, long)"
    )
    assert (caught.value.name, caught.value.configured) == ("shrt", ("short", "long"))
    assert regions.get("shrt") is None
    assert list(regions) == ["short", "long"]
    assert len(regions) == 2
    assert repr(regions) == "<CacheRegions short, long>"
    assert repr(regions["short"]) == "<Region short>"


def test_unknown_store_type_is_met_at_first_use(clock):
    """A region whose type has no store can be made; its use is the error."""
    region = make_regions(clock, r="none of ours")["r"]
    with pytest.raises(SettingsError, match="none of ours"):
        region.get_or_create("key", lambda: 1)


class TestBounds:
    """What leaves a memory region."""

    def entries(self, clock, most, expire=60):
        return MemoryEntries(most, expire, clock)

    def test_never_more_than_max_entries(self, clock):
        """However many are written, at most max_entries stay: the latest."""
        entries = self.entries(clock, 10)
        for number in range(100):
            entries.save(str(number), "", number)
            assert entries.in_memory <= 10
        assert [entries.load(str(number), "") for number in range(90, 100)] == [*range(90, 100)]

    def test_what_is_used_stays(self, clock):
        """Entries that are used outlive those that are not."""
        entries = self.entries(clock, 10)
        for number in range(100):
            entries.save(str(number), "", number)
            entries.load("0", "")
        assert entries.load("0", "") == 0

    def test_what_was_used_once_leaves(self, clock):
        """One use keeps an entry for one round, and not for ever."""
        entries = self.entries(clock, 3)
        entries.save("used", "", 0)
        entries.load("used", "")
        for number in range(5):
            entries.save(str(number), "", number)
        assert entries.entry("used") is None

    @pytest.mark.parametrize("most", [1, 25])
    def test_all_used(self, clock, most):
        """Where all are used one still makes room, and the new one is kept."""
        entries = self.entries(clock, most)
        for number in range(most):
            entries.save(str(number), "", number)
            entries.load(str(number), "")
        entries.save("new", "", "new")
        assert entries.in_memory == most
        assert entries.load("new", "") == "new"

    def test_the_expired_leave(self, clock):
        """Each write lets up to twenty expired entries go."""
        entries = self.entries(clock, 1000)
        for number in range(100):
            entries.save(str(number), "", number)
        clock.advance(61)
        sizes = []
        for number in range(6):
            entries.save(f"new {number}", "", number)
            sizes.append(entries.in_memory)
        assert sizes == [81, 62, 43, 24, 5, 6]

    def test_dead_entry_holds_nothing(self, clock):
        """Who holds on to an entry that has left does not hold the object."""
        entries = self.entries(clock, 10)
        entries.save("key", "", object())
        held = entries.entry("key")
        entries.remove("key")
        assert (held.value, held.expires) == (None, 0.0)


class TestStoreDown:
    """A store that fails does not take the site down."""

    @pytest.fixture
    def store(self, clock):
        """A store that can be switched off."""
        return FailingStore(clock)

    @pytest.fixture
    def region(self, clock, store):
        """A region in that store."""
        return make_regions(clock, r={"type": store, "expire": 3600})["r"]

    def test_the_creator_is_called(self, region, store):
        """While the store is down, each call is answered; after it, what was kept is back."""
        region.set("key", 1)
        store.down = True
        store.asked = 0
        assert [region.get_or_create("key", lambda n=n: n) for n in (2, 3)] == [2, 3]
        assert store.asked == 2
        assert region.peek("key", "default") == "default"
        store.down = False
        assert region.get_or_create("key", lambda: 4) == 1

    def test_it_goes_down_before_the_value_is_kept(self, region, store):
        """A value that cannot be kept is returned all the same."""

        def creator():
            store.down = True
            return 1

        assert region.get_or_create("key", creator) == 1
        store.down = False
        assert region.refresh("key", creator) == 1
        assert region.refresh("key", creator) == 1
        assert region.stats().errors == 3

    def test_one_line_per_interval(self, region, store, clock, caplog):
        """What lasts is logged once a minute and counted each time."""
        store.down = True
        for _ in range(5):
            region.get_or_create("key", lambda: 1)
        line = (
            "the store of cache region 'r' failed, so functions are called instead"
            " (StoreUnavailable: switched off)"
        )
        assert caplog.messages == [line]
        clock.advance(60)
        region.get_or_create("key", lambda: 1)
        assert caplog.messages == [line, line]
        assert region.stats().errors == 6

    def test_clock_that_is_set_back(self, region, store, clock, caplog):
        """Trouble is not silent until the clock is where it was."""
        store.down = True
        for _ in range(2):
            region.get_or_create("key", lambda: 1)
            clock.advance(-86_400)
        assert len(caplog.messages) == 2

    def test_invalidation_must_not_get_lost(self, region, store):
        """What cannot be invalidated is an error: it would come back after the outage."""
        store.down = True
        with pytest.raises(StoreError):
            region.invalidate("key")

    def test_folder_that_cannot_be_used(self, clock, tmp_path):
        """A file region whose folder is no folder calls the creator; later it works."""
        place = tmp_path / "data"
        place.write_text("in the way")
        region = make_regions(clock, r={"type": "file", "data_dir": str(place)})["r"]
        assert [region.get_or_create("key", lambda n=n: n) for n in (1, 2)] == [1, 2]
        place.unlink()
        assert [region.get_or_create("key", lambda n=n: n) for n in (3, 4)] == [3, 3]

    def test_folder_that_is_removed(self, clock, tmp_path):
        """A file region survives the loss of its folder."""
        region = make_regions(clock, r={"type": "file", "data_dir": str(tmp_path / "d")})["r"]
        region.set("key", 1)
        shutil.rmtree(tmp_path / "d")
        assert region.get_or_create("key", lambda: 2) == 2


class TestDamage:
    """A damaged entry is a miss."""

    @pytest.mark.parametrize("data", [b"", b"\xc1", b"write id", b"write id\xc1"])
    def test_in_a_store(self, clock, data, caplog):
        """Bytes that are none of ours are logged and created anew."""
        store = MemoryStore(clock)
        region = make_regions(clock, r={"type": store})["r"]
        store.set("cache:1:r:key", data, None)
        assert region.peek("key") is None
        assert [region.get_or_create("key", lambda n=n: n) for n in (1, 2)] == [1, 1]
        assert caplog.messages[0].startswith("cache region 'r' dropped a damaged entry")
        assert region.stats().errors == 2
        store.set("cache:1:r:key", data, None)
        assert region.refresh("key", lambda: 3) == region.peek("key") == 3

    def test_behind_its_header(self, clock, caplog):
        """So is a value that only its serializer finds to be damaged."""
        store = MemoryStore(clock)
        region = make_regions(clock, r={"type": store})["r"]
        region.set("key", 1)
        store.set("cache:1:r:key", store.load("cache:1:r:key")[0][:-1] + b"\xc1", None)
        assert region.get_or_create("key", lambda: 2) == region.peek("key") == 2
        assert caplog.messages[0].startswith("cache region 'r' dropped a damaged entry")

    @pytest.mark.parametrize("data", [b"", b"garbage"])
    def test_in_a_file(self, clock, tmp_path, data):
        """An empty file or garbage is created anew, and can be invalidated."""
        region = make_regions(clock, r={"type": "file", "data_dir": str(tmp_path)})["r"]
        region.set("key", 1)
        for folder, _, names in os.walk(tmp_path):
            for name in names:
                if os.path.getsize(os.path.join(folder, name)):
                    with open(os.path.join(folder, name), "wb") as file:
                        file.write(data)
        assert region.get_or_create("key", lambda: 2) == 2
        assert region.get_or_create("key", lambda: 3) == 2
        region.invalidate("key")
        assert region.peek("key") is None


def test_logs_hold_no_keys(clock, caplog):
    """Neither keys nor values get into the log."""
    caplog.set_level(logging.DEBUG)
    store = FailingStore(clock)
    store.down = True
    region = make_regions(clock, r={"type": store})["r"]
    region.get_or_create("a secret key", lambda: "a secret value")
    assert caplog.messages
    assert "secret" not in caplog.text
