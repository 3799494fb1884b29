"""Pickles behind the list of classes, and planted ones."""

from __future__ import annotations

import dataclasses
import enum
import fractions
import os
import pickle
import sys
import threading
import uuid

import pytest
from markupsafe import Markup

from pyramid_beakerish.errors import CorruptData, SerializationError
from pyramid_beakerish.serializers import serializer_for

PICKLE = serializer_for("pickle")


class Level(enum.IntEnum):
    LOW = 1


class Owner:
    pass


@dataclasses.dataclass
class Cart:
    lines: dict

    class Line:
        def __eq__(self, other):
            return type(other) is type(self)

        __hash__ = None


class Chameleon:
    def __reduce__(self):
        return (Cart, ({},))


CART = f"{__name__}:Cart"


@pytest.fixture
def listed():
    return serializer_for("pickle", [CART, f"{__name__}:Cart.Line", "fractions.Fraction"])


class TestPickle:
    def test_listed(self, listed):
        """Classes that are listed come back, by either spelling, and one in another."""
        value = [Cart({"a": Cart.Line()}), fractions.Fraction(1, 3)]
        assert listed.loads(listed.dumps(value)) == value

    def test_plain_pickle(self, listed):
        """A pickle that another program wrote by protocol 4 is read as well."""
        assert listed.loads(pickle.dumps(Cart({1: "x" * 300}), 4)) == Cart({1: "x" * 300})

    def test_unlisted(self):
        """A class that is not listed is refused when it is stored, with the line to add."""
        with pytest.raises(SerializationError) as caught:
            PICKLE.dumps({"cart": Cart({"a": "secret"})})
        assert str(caught.value) == (
            f"dict would not come back as it was: {__name__}.Cart is not listed; if it only "
            f"holds values, add the line {CART} to pickle_classes"
        )

    def test_unlisted_in_store(self, listed):
        """A class that is no longer listed is corrupt data, with the line to add."""
        with pytest.raises(CorruptData, match=f"add the line {CART} to pickle_classes"):
            PICKLE.loads(listed.dumps(Cart({})))

    def test_dots_do_not_reach_further(self, listed):
        """What hangs on a listed class is not listed."""
        stored = listed.dumps(Cart({})).replace(b"\x04Cart", b"\x0dCart.__init__")
        with pytest.raises(CorruptData):
            listed.loads(b"\x80\x04" + stored[stored.index(b"\x8c") :])

    @pytest.mark.parametrize("value", [lambda: None, {"a": Owner()}, threading.Lock(), Level.LOW])
    def test_refused(self, value):
        """What pickle cannot write, or what it could not read back, is refused."""
        with pytest.raises(SerializationError):
            PICKLE.dumps(value)

    def test_cannot_be_pickled(self):
        """The error of a failed pickle names the type, and no value."""
        with pytest.raises(SerializationError) as caught:
            PICKLE.dumps(["secret", threading.Lock()])
        assert str(caught.value) == (
            "list cannot be pickled (TypeError); store values of module-level classes only"
        )

    def test_comes_back_as_another(self, listed):
        """A class whose pickle is of another type is refused."""
        with pytest.raises(
            SerializationError, match=r"comes back as .*Cart; change its __reduce__"
        ):
            listed.dumps(Chameleon())

    def test_class_gone(self):
        """A listed class that a deploy has renamed is corrupt data."""
        gone = serializer_for("pickle", ["fractions:Gone"])
        data = b"\x80\x04\x8c\x09fractions\x8c\x04Gone\x93."
        with pytest.raises(CorruptData, match=r"^a stored value is not a pickle as written here$"):
            gone.loads(data)

    def test_canary(self, tmp_path):
        """A planted pickle that would create a file creates none."""
        canary = tmp_path / "canary"

        class Planted:
            def __reduce__(self):
                return (os.mkdir, (str(canary),))

        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(CorruptData):
                PICKLE.loads(pickle.dumps(Planted(), protocol))
        assert not canary.exists()
        with pytest.raises(SerializationError):
            PICKLE.dumps(Planted())
        assert not canary.exists()

    def test_another_of_an_old_name(self):
        """What is listed is loaded, and not what protocol 2 means by that name."""
        listed = serializer_for("pickle", ["commands:Popen"])
        for protocol in (b"\x02", b"\x04"):
            with pytest.raises(CorruptData):
                listed.loads(b"\x80" + protocol + b"\x8c\x08commands\x8c\x05Popen\x93.")

    def test_imports_nothing(self, tmp_path, monkeypatch):
        """A module that is not listed is not even imported."""
        (tmp_path / "beakerish_canary.py").write_text("class Cart: pass")
        monkeypatch.syspath_prepend(tmp_path)
        data = b"\x80\x04\x8c\x10beakerish_canary\x8c\x04Cart\x93."
        with pytest.raises(CorruptData, match="add the line beakerish_canary:Cart to"):
            PICKLE.loads(data)
        assert "beakerish_canary" not in sys.modules

    @pytest.mark.parametrize(
        "names", [b"\x8c\x06secret\x8c\x05a\nlog", b"\x8c\x05a\nlog\x8c\x06secret"]
    )
    def test_forged_name(self, names):
        """What stands in the place of a module or class name, and is none, is not repeated."""
        data = b"\x80\x04" + names + b"\x93."
        with pytest.raises(CorruptData, match=r"^a stored value names a class by an invalid name$"):
            PICKLE.loads(data)

    @pytest.mark.parametrize(
        "data",
        [
            b"Nr\xff\xff\xff\xff.",
            b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",
            b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
            b"cos\nsystem\n.",
            b"\x82\x01.",
            b"(" * 1000,
        ],
    )
    def test_hostile(self, data):
        """Opcodes that claim memory or name things by other means are not carried out."""
        with pytest.raises(CorruptData):
            PICKLE.loads(data)

    @pytest.mark.parametrize(
        "before",
        [
            *(b"N", b"K\x01", b"\x8a\x01\x05", b"\x8b\x01\x00\x00\x00\x05", b"\x8c\x01a"),
            *(b"X\x01\x00\x00\x00a", b"\x8e\x01" + bytes(7) + b"a"),
        ],
    )
    def test_hostile_behind_what_is_not(self, before):
        """Wherever such an opcode stands it is found, also where Python would carry it out."""
        data = b"\x80\x05" + before + b"0\x96\x01" + bytes(7) + b"a."
        assert pickle.loads(data) == bytearray(b"a")
        with pytest.raises(CorruptData):
            PICKLE.loads(data)

    def test_table_cannot_be_altered(self):
        """A pickle cannot change how the types of the table are made or named afterwards."""
        stored = PICKLE.dumps(uuid.UUID(int=1))
        named = stored[stored.index(b"\x8c") : stored.index(b"\x93") + 1]
        PICKLE.loads(b"\x80\x04" + named + b"N}\x8c\x0c__qualname__\x8c\x01xs\x86b.")
        assert PICKLE.dumps(PICKLE.loads(stored)) == stored

    def test_table_needs_no_class(self):
        """No class is admitted for the table: a pickle could set attributes on it."""
        with pytest.raises(CorruptData, match=r"markupsafe\.Markup is not listed"):
            PICKLE.loads(b"\x80\x04\x8c\x0amarkupsafe\x8c\x06Markup\x93N}\x8c\x06escapeNs\x86b.")
        assert Markup.escape("<") == Markup("&lt;")

    @pytest.mark.parametrize(
        "entry", ["Cart", "", ":Cart", "shop:", "shop.models:a b", "a b:Cart", "shop:.x"]
    )
    def test_bad_entry(self, entry):
        """A name that is no module and class is an error at once."""
        with pytest.raises(ValueError, match=r"is not package\.module:Class"):
            serializer_for("pickle", [entry])
