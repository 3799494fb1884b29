"""What a store keeps: the bytes that it was given, under the key that they were given for."""

from __future__ import annotations

from ..stores.base import PROBE, WRITE_ID_SIZE
from ..stores.facts import StoreFacts
from .store_base import StoreSuiteBase, stamped

#: Keys that are awkward in file names, in protocols, in patterns and in encodings.
ANY_KEYS = (
    *("", " ", "a b", "a\nb", "a\r\nset", "a\0b", "\0", "\x7f", "tab\t"),
    *("a/b", "/", "..", "../../x", ".", "a\\b", "C:", "CON", "-x", "~", "a.b", "A.B"),
    *("*", "a*", "[a]", "?", "%", "a%b", "_", "'", '"', ";", "$x", "{0}", "#"),
    *("\u00e9", "e\u0301", "\u65e5\u672c", "\U0001f36a", "\u0130", "x" * 300, "\u65e5" * 300),
    *("\ud800", "a\udfff"),
)


class EntriesSuite(StoreSuiteBase):
    """Entries stay as they were stored; only a caller that saw the last change can swap them."""

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
        """If a store says that its tokens are the write ids, a load gives the write id as token."""
        write_id = self._set("k")[:WRITE_ID_SIZE]
        assert not self.store.write_id_is_token or self._loaded("k")[1] == write_id

    def test_create_is_exclusive(self) -> None:
        """A key that is there is not created again, and keeps its value."""
        first = self._set("k")
        assert self.store.create("k", stamped(b"second"), None) is False
        assert self._loaded("k")[0] == first

    def test_set_replaces(self) -> None:
        """A set stores the value, whatever was there before, if anything."""
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
        """A token is good for one swap only."""
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
        """Any number of entries can be loaded at once, and listed."""
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
        """A store that is prepared or installed once more keeps what is in it."""
        value = self._set("k")
        self.store.prepare()
        self.store.install()
        assert self._loaded("k")[0] == value

    def test_inspect(self) -> None:
        """An inspection tells only what `StoreFacts` declares, and changes nothing."""
        value = self._set("there")
        assert self.store.inspect().keys() <= StoreFacts.__annotations__.keys()
        assert self._loaded("there")[0] == value
        assert self.store.load(PROBE) is None

    def test_any_key(self) -> None:
        """A key may be any string, and every method tells it from any other."""
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

    def test_close(self) -> None:
        """A store may be used again after it was closed, and closed twice."""
        before = self._set("before")
        self.store.close()
        self.store.close()
        assert self._loaded("before")[0] == before
        value = self._set("k")
        assert self._loaded("k")[0] == value
