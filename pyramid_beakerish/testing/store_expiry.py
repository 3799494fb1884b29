"""The end of an entry, which is the same for every method."""

from __future__ import annotations

from .store_base import StoreSuiteBase, stamped


class ExpirySuite(StoreSuiteBase):
    """An entry lives for as long as its last write said."""

    def test_expiry_of_a_created_entry(self) -> None:
        """A created entry is there until its time is over, and then gone; so is the next one."""
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
        """A swap in time gives an entry its whole time to live again."""
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
        for days in (31, 365, 36_500):  # memcached takes more than 30 for a date
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

    def _assert_expires(self, key: str) -> None:
        self.pass_time(self.ttl * 0.75)
        assert self.store.load(key) is not None
        self.pass_time(self.ttl * 0.25 + self.slack)
        assert self.store.load(key) is None
