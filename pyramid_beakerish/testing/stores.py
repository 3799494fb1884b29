"""The promises of the store contract, as tests that every store passes."""

from __future__ import annotations

import functools
import os
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from pyramid_beakerish.stores.base import PROBE, WRITE_ID_SIZE, Entry, Store, new_write_id
from pyramid_beakerish.stores.facts import StoreFacts

from .clock import FrozenClock
from .together import in_threads, succeeds_in_child

if TYPE_CHECKING:
    from collections.abc import Callable

#: Keys that are awkward in file names, in protocols, in patterns and in encodings.
ANY_KEYS = (
    *("", " ", "a b", "a\nb", "a\r\nset", "a\0b", "\0", "\x7f", "tab\t"),
    *("a/b", "/", "..", "../../x", ".", "a\\b", "C:", "CON", "-x", "~", "a.b", "A.B"),
    *("*", "a*", "[a]", "?", "%", "a%b", "_", "'", '"', ";", "$x", "{0}", "#"),
    *("\u00e9", "e\u0301", "\u65e5\u672c", "\U0001f36a", "\u0130", "x" * 300, "\u65e5" * 300),
    *("\ud800", "a\udfff"),
)


class StoreSuite(ABC):
    """Every promise of `Store`, as tests for pytest. The tests of a new store are three lines:

    >>> from pyramid_beakerish.stores.memory import MemoryStore
    >>> class TestMemoryStore(StoreSuite):
    ...     def make_store(self, clock, folder):
    ...         return MemoryStore(clock)

    A store on a server, which measures time itself, also says how time passes, in
    `pass_time`, and how exactly: the suite's entries live for ``ttl`` seconds, and must be
    gone ``slack`` seconds after that. Before each test ``self.store`` is a new, empty
    store, ``self.clock`` its `FrozenClock` and ``self.folder`` an empty folder.
    """

    #: Seconds for which entries live in the tests of expiry.
    ttl: float = 10.0
    #: Seconds by which an entry may outlive its time.
    slack: float = 0.0
    #: Whether another process finds what this one has stored.
    shared_by_processes: bool = True
    #: The largest value to try, in bytes after the write id.
    largest: int = 1_000_000

    @abstractmethod
    def make_store(self, clock: Callable[[], float], folder: Path) -> Store:
        """Make an empty store; ``folder`` is one for its files, empty at first."""

    def pass_time(self, seconds: float) -> None:
        """Let time pass for the store: here, by the clock that it was given."""
        self.clock.advance(seconds)

    def setup_method(self) -> None:
        """Make the store, its clock and its folder."""
        self._temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self._temporary.name)
        self.clock = FrozenClock()
        self.store = self.make_store(self.clock, self.folder)
        self.store.prepare()

    def teardown_method(self) -> None:
        """Close the store and remove the folder."""
        self.store.close()
        self._temporary.cleanup()

    def test_absent(self) -> None:
        """What was never stored is absent to every method."""
        self._set("other")
        token = self._loaded("other")[1]  # opaque: only a load can give one
        assert self.store.load("k") is None
        assert self.store.swap("k", token, stamped(b"new"), None) is False
        assert self.store.delete("k") is False
        assert self.store.delete("k", token) is False
        assert self.store.load("k") is None

    def test_create_and_load(self) -> None:
        """What was created is loaded as it was, byte for byte."""
        value = stamped(b"value")
        assert self.store.create("k", value, None) is True
        assert self._loaded("k")[0] == value
        assert isinstance(self._loaded("k")[0], bytes)

    def test_token(self) -> None:
        """Where the write id is said to be the token, a load gives it as the token."""
        write_id = self._set("k")[:WRITE_ID_SIZE]
        assert not self.store.write_id_is_token or self._loaded("k")[1] == write_id

    def test_create_is_exclusive(self) -> None:
        """A key that is there is not created again, and keeps its value."""
        first = self._set("k")
        assert self.store.create("k", stamped(b"second"), None) is False
        assert self._loaded("k")[0] == first

    def test_set_replaces(self) -> None:
        """A set stores the value whatever was there, nothing at first."""
        self._set("k")
        second = self._set("k")
        assert self._loaded("k")[0] == second

    def test_keys_are_apart(self) -> None:
        """Writing or deleting one key changes no other."""
        one, other = self._set("one"), self._set("other")
        assert self.store.delete("one") is True
        assert self.store.load("one") is None
        assert self._loaded("other")[0] == other != one

    def test_swap_of_what_was_loaded(self) -> None:
        """A swap with the token of the last load stores the value."""
        self._set("k")
        value = stamped(b"swapped")
        assert self.store.swap("k", self._loaded("k")[1], value, None) is True
        assert self._loaded("k")[0] == value

    def test_swap_again_needs_the_new_token(self) -> None:
        """A token serves for one swap only."""
        self._set("k")
        token = self._loaded("k")[1]
        first = stamped(b"first")
        assert self.store.swap("k", token, first, None) is True
        assert self.store.swap("k", token, stamped(b"second"), None) is False
        assert self._loaded("k")[0] == first

    def test_swap_after_a_set(self) -> None:
        """A swap fails if the key was set meanwhile, even back to the same contents."""
        self.store.set("k", stamped(b"same"), None)
        token = self._loaded("k")[1]
        self.store.set("k", stamped(b"other"), None)
        back = stamped(b"same")
        self.store.set("k", back, None)
        assert self.store.swap("k", token, stamped(b"swapped"), None) is False
        assert self._loaded("k")[0] == back

    def test_swap_after_delete(self) -> None:
        """A swap never brings back what was deleted, nor replaces what came after it."""
        self._set("k")
        token = self._loaded("k")[1]
        self.store.delete("k")
        assert self.store.swap("k", token, stamped(b"swapped"), None) is False
        assert self.store.load("k") is None
        later = self._set("k")
        assert self.store.swap("k", token, stamped(b"swapped"), None) is False
        assert self._loaded("k")[0] == later

    def test_delete(self) -> None:
        """A delete without a token removes the entry, once."""
        self._set("k")
        assert self.store.delete("k") is True
        assert self.store.load("k") is None
        assert self.store.delete("k") is False

    def test_guarded_delete(self) -> None:
        """A delete with a token removes the entry that was loaded, and no later one."""
        self._set("k")
        old = self._loaded("k")[1]
        later = self._set("k")
        assert self.store.delete("k", old) is False
        assert self._loaded("k")[0] == later
        assert self.store.delete("k", self._loaded("k")[1]) is True
        assert self.store.load("k") is None

    def test_expiry_of_a_created_entry(self) -> None:
        """A created entry is there until its time is over, and gone then; so is the next one."""
        for _ in range(2):
            self.store.create("k", stamped(), self.ttl)
            self._assert_expires("k")

    def test_a_refused_create_extends_nothing(self) -> None:
        """A create that is refused leaves the entry its time to live."""
        self.store.set("k", stamped(), self.ttl)
        self.store.create("k", stamped(), None)
        self._assert_expires("k")

    def test_expiry_of_a_set_entry(self) -> None:
        """A set entry gets the new time to live, not that of what was there."""
        for earlier in (None, self.ttl / 2, self.ttl * 2):
            self.store.set("k", stamped(), earlier)
            self.store.set("k", stamped(), self.ttl)
            self._assert_expires("k")

    def test_expiry_of_a_swapped_entry(self) -> None:
        """A swapped entry gets the new time to live, not that of what was there."""
        for earlier in (None, self.ttl / 2, self.ttl * 2):
            self.store.set("k", stamped(), earlier)
            self.store.swap("k", self._loaded("k")[1], stamped(), self.ttl)
            self._assert_expires("k")

    def test_a_swap_extends(self) -> None:
        """A swap in time keeps an entry for as long again."""
        self.store.set("k", stamped(), self.ttl)
        self.pass_time(self.ttl / 2)
        self.store.swap("k", self._loaded("k")[1], stamped(), self.ttl)
        self._assert_expires("k")

    def test_without_expiry(self) -> None:
        """An entry stored without a time to live stays, whatever was there before."""
        for key in ("set", "swapped"):
            self.store.set(key, stamped(), self.ttl)
        values = {key: stamped() for key in ("created", "set", "swapped")}
        self.store.create("created", values["created"], None)
        self.store.set("set", values["set"], None)
        self.store.swap("swapped", self._loaded("swapped")[1], values["swapped"], None)
        self.pass_time(self.ttl + self.slack)
        assert {key: self._loaded(key)[0] for key in values} == values

    def test_long_and_short_times(self) -> None:
        """An entry may live for less than a second, or for a hundred years."""
        self.store.set("k", stamped(), 0.25)
        self.pass_time(0.25 + self.slack)
        assert self.store.load("k") is None
        for days in (31, 365, 36_500):  # to memcached more than 30 are a date
            self.store.set("k", stamped(), days * 24 * 3600.0)
            assert self.store.load("k") is not None

    def test_an_expired_entry_is_absent(self) -> None:
        """An expired entry is absent to every method, and a create replaces it."""
        self.store.set("k", stamped(), self.ttl)
        token = self._loaded("k")[1]
        self.pass_time(self.ttl + self.slack)
        assert self.store.swap("k", token, stamped(), None) is False
        assert self.store.delete("k", token) is False
        assert self.store.delete("k") is False
        assert self.store.load_many(["k"]) == {}
        assert list(self.store.keys("") or ()) == []
        assert self.store.create("k", stamped(b"new"), None) is True
        assert self._loaded("k")[0].endswith(b"new")

    def test_sweep(self) -> None:
        """A sweep removes nothing that is alive, and tells how much it removed."""
        alive = self._set("alive")
        self.store.set("alive for a time", stamped(), 2 * (self.ttl + self.slack))
        self.store.set("expired", stamped(), self.ttl)
        self.pass_time(self.ttl + self.slack)
        assert self.store.sweep() in (0, 1)
        assert self.store.sweep() == 0
        assert self._loaded("alive")[0] == alive
        assert self.store.load("alive for a time") is not None
        assert self.store.load("expired") is None

    def test_load_many(self) -> None:
        """Several loads at once give the entries that are there, with tokens that swap."""
        values = {key: self._set(key) for key in ("a", "b", "c")}
        self.store.delete("b")
        found = self.store.load_many(iter(["a", "b", "c", "d", "a"]))
        assert {key: value for key, (value, _) in found.items()} == {
            "a": values["a"],
            "c": values["c"],
        }
        assert self.store.swap("a", found["a"][1], stamped(), None) is True
        assert self.store.load_many([]) == {}

    def test_many_entries(self) -> None:
        """Any number of entries is loaded at once, and listed."""
        values = {key: self._set(key) for key in map(str, range(200))}
        found = self.store.load_many(values)
        assert {key: value for key, (value, _) in found.items()} == values
        listed = self.store.keys("")
        assert listed is None or sorted(listed) == sorted(values)

    def test_keys(self) -> None:
        """The keys that begin with a prefix are listed, if the store can list keys at all."""
        keys = sorted(
            ("user:1", "user:2", "user:%", "user:", "user", "USER:1", "a:user:1", "user_1", "u*")
        )
        for key in keys:
            self._set(key)
        for prefix in ("user:", "user_", "u%", "u*", "[u]", ""):
            listed = self.store.keys(prefix)
            wanted = [key for key in keys if key.startswith(prefix)]
            assert listed is None or sorted(listed) == wanted

    def test_prepare(self) -> None:
        """A store that is prepared once more, by hand or not, keeps what is in it."""
        value = self._set("k")
        self.store.prepare()
        self.store.install()
        assert self._loaded("k")[0] == value

    def test_inspect(self) -> None:
        """A store tells only what administrators know to read, and is as it was afterwards."""
        value = self._set("there")
        assert self.store.inspect().keys() <= StoreFacts.__annotations__.keys()
        assert self._loaded("there")[0] == value
        assert self.store.load(PROBE) is None

    def test_any_key(self) -> None:
        """A key may be any string, and is no other one, to every method."""
        values = {key: self._set(key) for key in ANY_KEYS}
        for key, value in values.items():
            assert self._loaded(key)[0] == value
        listed = self.store.keys("")
        assert listed is None or sorted(listed) == sorted(ANY_KEYS)
        assert self.store.load_many(ANY_KEYS).keys() == values.keys()
        for key in ANY_KEYS:
            assert self.store.create(key, stamped(), None) is False
            assert self.store.swap(key, self._loaded(key)[1], stamped(), None) is True
        for key in ANY_KEYS:
            assert self.store.delete(key) is True
            assert self.store.create(key, stamped(), None) is True
            assert self.store.delete(key, self._loaded(key)[1]) is True

    def test_any_value(self) -> None:
        """A value may be any bytes of any length, from a bare write id to a megabyte."""
        some = bytes(range(256))
        sizes = (0, 1, 247, 248, 255, 256, 16_300, 16_384, 65_536, self.largest)
        cut = [(some * (size // 256 + 1))[:size] for size in sizes]
        for contents in (*cut, b" ", b"\r\n", b"\0"):
            created, swapped, value = (stamped(contents) for _ in range(3))
            assert self.store.create("k", created, None) is True
            assert self._loaded("k")[0] == created
            assert self.store.swap("k", self._loaded("k")[1], swapped, None) is True
            assert self._loaded("k")[0] == swapped
            self.store.set("k", value, None)
            assert self._loaded("k")[0] == value
            assert self.store.delete("k", self._loaded("k")[1]) is True

    def test_threads_lose_no_swap(self) -> None:
        """When 8 threads count by swapping, no count is lost."""
        self.store.set("count", stamped(b"0"), None)
        in_threads(8, lambda _: count_up(self.store, "count", times=25))
        assert self._loaded("count")[0][WRITE_ID_SIZE:] == b"200"

    def test_one_thread_creates(self) -> None:
        """When 8 threads create the same key, exactly one is told that it did."""
        for key in ("a", "b", "c", "d", "e", "f", "g", "h"):
            create = functools.partial(self._create_numbered, key)
            created = in_threads(8, create)
            assert sum(created) == 1
            assert self._loaded(key)[0].endswith(b"by %d" % created.index(True))

    def test_one_thread_deletes(self) -> None:
        """When 8 threads delete the same entry, exactly one is told that it did."""
        for _ in range(10):
            self._set("k")
            assert sum(in_threads(8, lambda _: self.store.delete("k"))) == 1

    def test_one_thread_swaps_or_deletes(self) -> None:
        """Of a swap and a delete with the same token exactly one is done."""
        for swapping in (0, 1) * 10:
            assert sum(self._swap_and_delete(swapping, guarded=True)) == 1

    def test_threads_revive_nothing(self) -> None:
        """A swap never brings back what another thread deletes meanwhile."""
        for swapping in (0, 1) * 10:
            assert self._swap_and_delete(swapping, guarded=False)[1 - swapping] is True
            assert self.store.load("k") is None

    def test_fork(self) -> None:
        """A store that was used before a fork serves the parent and the child."""
        self._set("before")
        if not hasattr(os, "fork"):
            return
        assert succeeds_in_child(self._use_in_child)
        if self.shared_by_processes:
            assert self._loaded("child")[0].endswith(b"from the child")
        after = self._set("after")
        assert self._loaded("after")[0] == after

    def test_close(self) -> None:
        """A store may be used again after it was closed, and closed twice."""
        before = self._set("before")
        self.store.close()
        self.store.close()
        assert self._loaded("before")[0] == before
        value = self._set("k")
        assert self._loaded("k")[0] == value

    def _create_numbered(self, key: str, number: int) -> bool:
        return self.store.create(key, stamped(b"by %d" % number), None)

    def _swap_and_delete(self, swapping: int, guarded: bool) -> list[bool]:
        """Swap an entry in the thread of that number, and delete it in the other."""
        self._set("k")
        token = self._loaded("k")[1]

        def work(number: int) -> bool:
            if number == swapping:
                return self.store.swap("k", token, stamped(), None)
            return self.store.delete("k", token if guarded else None)

        return in_threads(2, work)

    def _use_in_child(self) -> None:
        self._loaded("before")
        self.store.set("child", stamped(b"from the child"), None)
        assert self._loaded("child")[0].endswith(b"from the child")

    def _set(self, key: str) -> bytes:
        value = stamped(b"value")
        self.store.set(key, value, None)
        return value

    def _loaded(self, key: str) -> Entry:
        entry = self.store.load(key)
        assert entry is not None
        return entry

    def _assert_expires(self, key: str) -> None:
        self.pass_time(self.ttl * 0.75)
        assert self.store.load(key) is not None
        self.pass_time(self.ttl * 0.25 + self.slack)
        assert self.store.load(key) is None


def stamped(contents: bytes = b"") -> bytes:
    """Give a value to store: a new write id, then the contents."""
    return new_write_id() + contents


def count_up(store: Store, key: str, times: int) -> None:
    """Add 1 so often to the number under the key, by swaps."""
    while times:
        entry = store.load(key)
        assert entry is not None
        value, token = entry
        times -= store.swap(key, token, stamped(b"%d" % (int(value[WRITE_ID_SIZE:]) + 1)), None)
