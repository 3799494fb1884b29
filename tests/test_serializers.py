"""Every serializer: what it keeps, what it refuses, and what it makes of foreign bytes."""

from __future__ import annotations

import collections
import dataclasses
import decimal
import enum
import fractions
import importlib.util
import io
import json
import os
import pickle
import sys
import threading
import uuid
from contextlib import suppress
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup
from translationstring import TranslationString

from pyramid_beakerish.errors import CorruptData, SerializationError
from pyramid_beakerish.sessions import plain
from pyramid_beakerish.sessions.serializers import serializer_for
from tests.strategies import canonical, hashables, values

MSGPACK = serializer_for("msgpack")
JSON = serializer_for("json")
PICKLE = serializer_for("pickle")

both = pytest.mark.parametrize("serializer", [MSGPACK, JSON], ids=lambda it: it.name)
every = pytest.mark.parametrize("serializer", [MSGPACK, JSON, PICKLE], ids=lambda it: it.name)
few = settings(max_examples=100, deadline=None)


class Level(enum.IntEnum):
    LOW = 1


class Text(str):
    __slots__ = ()


class Owner:
    pass


Point = collections.namedtuple("Point", "x y")


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


class BadZone(tzinfo):
    """A zone with an offset that depends on fold, or none, or that fails."""

    def __init__(self, offset):
        self.offset = offset

    def utcoffset(self, moment):
        return self.offset(moment)

    def dst(self, moment):
        return None


CART = f"{__name__}:Cart"


def raises(*_):
    raise OSError


def nested(depth, wrap, leaf=0):
    value = leaf
    for _ in range(depth):
        value = wrap(value)
    return value


def in_a_list(value):
    return [value]


def in_a_tuple(value):
    return (value,)


def in_a_frozenset(value):
    return frozenset([value])


def in_a_dict(value):
    return {"k": value}


def in_an_odd_dict(value):
    return {2**70: value}


def in_a_message(value):
    return TranslationString("m", mapping={"k": value})


@every
class TestRoundTrip:
    @few
    @given(value=values)
    def test_any_value(self, serializer, value):
        """What is loaded has the type of what was dumped, and is equal to it, recursively."""
        back = serializer.loads(serializer.dumps(value))
        assert canonical(back) == canonical(value)

    @pytest.mark.parametrize(
        "value",
        [
            2**64,
            -(2**63) - 1,
            1 << 20_000,
            -(1 << 20_000),
            2**64 - 1,
            -(2**63),
            float("nan"),
            float("inf"),
            -0.0,
            {1: "a", "1": "b", None: 3, 2.5: 4, b"1": 5},
            {(1, 2): 1, frozenset([1]): 2, 2**70: 3},
            {"$tuple": [1]},
            {"$": 1},
            {"$dict": {"$dict": []}},
            {"$a": 1, "$b": 2},
            {"": ""},
            "line\nline\ttab\u2028\x85\x00",
            datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
            datetime(2024, 3, 31, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")),
            datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=23))),
            datetime.max.replace(tzinfo=timezone(-timedelta(seconds=1, microseconds=5))),
            datetime(2024, 1, 1, tzinfo=timezone(timedelta(0), "UTC")),
            datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1), "CET")),
            time(1, 2, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
            time(1, 2, tzinfo=timezone.utc),
            decimal.Decimal("-NaN123"),
            decimal.Decimal("sNaN"),
            decimal.Decimal("1.10"),
            Markup("<b>"),
            TranslationString("m", "d", "", {"n": (1, Markup("x"))}, "c"),
            TranslationString("m", mapping={}),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_edges(self, serializer, value):
        """The edges of every type come back as they were."""
        back = serializer.loads(serializer.dumps(value))
        assert canonical(back) == canonical(value)

    def test_keys_that_equal_nothing(self, serializer):
        """Two keys that hold a NaN each are two keys afterwards too."""
        value = {(float(text),): text for text in ("nan", "-nan")}
        assert len(value) == 2
        assert canonical(serializer.loads(serializer.dumps(value))) == canonical(value)

    def test_utc(self, serializer):
        """UTC comes back as the one UTC object."""
        now = datetime(2024, 1, 1, tzinfo=timezone.utc)
        assert serializer.loads(serializer.dumps(now)).tzinfo is timezone.utc

    def test_foreign_zone(self, serializer):
        """A zone of another library comes back as the fixed offset it stood for."""
        there = BadZone(lambda moment: timedelta(hours=2))
        value = datetime(2024, 1, 1, 12, tzinfo=there)
        back = serializer.loads(serializer.dumps(value))
        assert back == value
        assert back.tzinfo == timezone(timedelta(hours=2))


@both
class TestEncoding:
    @few
    @given(items=st.lists(hashables, max_size=6), data=st.data())
    def test_stable(self, serializer, items, data):
        """Sets of the same elements are the same bytes, in whatever order they were filled."""
        shuffled = data.draw(st.permutations(items))
        one, other = {repr(i): i for i in items}, {repr(i): i for i in shuffled}
        for kind in (set, frozenset):
            left, right = kind(one.values()), kind(other.values())
            if canonical(left) == canonical(right):  # not so where 1 is kept for True
                assert serializer.dumps(left) == serializer.dumps(right)

    def test_stable_despite_collisions(self, serializer):
        """Elements that collide iterate as they were filled, and are the same bytes yet."""
        assert list({8, 0}) != list({0, 8})
        assert serializer.dumps({8, 0}) == serializer.dumps({0, 8})

    def test_canonical_after_loading(self, serializer):
        """What was loaded and not changed is encoded to the bytes it came from."""
        value = {"a": [1, (2, {3}), {4: Markup("5")}], "b": datetime(2024, 1, 1)}
        data = serializer.dumps(value)
        assert serializer.dumps(serializer.loads(data)) == data

    @pytest.mark.parametrize(
        ("wrap", "containers"),
        [
            (in_a_list, 1),
            (in_a_tuple, 1),
            (in_a_frozenset, 1),
            (in_a_dict, 1),
            (in_an_odd_dict, 1),
            (in_a_message, 2),
        ],
    )
    @pytest.mark.parametrize("leaf", [0, decimal.Decimal(1)])
    def test_depth(self, serializer, wrap, containers, leaf):
        """A hundred containers in one another come back, one more is refused."""
        deep = nested(plain.DEEPEST // containers, wrap, leaf)
        assert canonical(serializer.loads(serializer.dumps(deep))) == canonical(deep)
        with pytest.raises(SerializationError, match="in 100 other containers, or in itself"):
            serializer.dumps(wrap(deep))

    def test_small_stack(self, serializer):
        """The deepest value can be stored by a thread with a small stack, and read."""
        deep = nested(plain.DEEPEST, in_a_tuple)
        outcome = []
        size = threading.stack_size(512 * 1024)
        try:
            thread = threading.Thread(
                target=lambda: outcome.append(serializer.loads(serializer.dumps(deep)) == deep)
            )
            thread.start()
        finally:
            threading.stack_size(size)
        thread.join()
        assert outcome == [True]


class TestRefusal:
    GENERIC = (
        "store the str, int, list, dict ... that it is made of, or use data_serializer = pickle "
        "with {} in session.pickle_classes"
    )
    UNICODE = "it holds lone surrogates, which UTF-8 does not have: encode it and store the bytes"
    ZONE = "its time zone cannot be stored: convert it to UTC or a zoneinfo zone"

    @pytest.mark.parametrize(
        ("value", "where", "remedy"),
        [
            (Level.LOW, f"{__name__}.Level", "convert it to int"),
            ({1: [Level.LOW]}, f"{__name__}.Level in a list in a dict", "convert it to int"),
            ({Level.LOW: 1}, f"{__name__}.Level in a dict", "convert it to int"),
            ((Level.LOW,), f"{__name__}.Level in a tuple", "convert it to int"),
            ({Level.LOW}, f"{__name__}.Level in a set", "convert it to int"),
            (Text("a"), f"{__name__}.Text", "convert it to str"),
            ({Text("a"): 1}, f"{__name__}.Text in a dict", "convert it to str"),
            (Point(1, 2), f"{__name__}.Point", "convert it to tuple"),
            (collections.OrderedDict(), "collections.OrderedDict", "convert it to dict"),
            (
                collections.UserList(),
                "collections.UserList",
                GENERIC.format("collections:UserList"),
            ),
            (object(), "object", GENERIC.format("builtins:object")),
            (bytearray(b"a"), "bytearray", GENERIC.format("builtins:bytearray")),
            ([memoryview(b"a")], "memoryview in a list", GENERIC.format("builtins:memoryview")),
            (1j, "complex", GENERIC.format("builtins:complex")),
            (Owner, "type", GENERIC.format("builtins:type")),
            (msgpack.ExtType(1, b"\x90"), "msgpack.ext.ExtType", "convert it to tuple"),
            (
                msgpack.Timestamp(1),
                "msgpack.ext.Timestamp",
                GENERIC.format("msgpack.ext:Timestamp"),
            ),
            ("secret\ud800", "str", UNICODE),
            (["secret\ud800"], "str in a list", UNICODE),
            ({"secret\ud800": 1}, "str in a dict", UNICODE),
            ({1: "secret\ud800"}, "str in a dict", UNICODE),
            (Markup("secret\ud800"), "markupsafe.Markup", UNICODE),
            (
                TranslationString("m", mapping={"k": Level.LOW}),
                f"{__name__}.Level in a dict in a TranslationString",
                "convert it to int",
            ),
            (
                datetime(2024, 1, 1, tzinfo=timezone(timedelta(0), "\ud800")),
                "datetime.datetime",
                ZONE,
            ),
            (datetime(2024, 1, 1, tzinfo=BadZone(raises)), "datetime.datetime", ZONE),
            (time(1, tzinfo=BadZone(lambda moment: None)), "datetime.time", ZONE),
            (
                datetime(2024, 1, 1, tzinfo=BadZone(lambda moment: timedelta(hours=moment.fold))),
                "datetime.datetime",
                ZONE,
            ),
        ],
    )
    @both
    def test_message(self, serializer, value, where, remedy):
        """What would come back different is refused by type, way and remedy, never by value."""
        with pytest.raises(SerializationError) as caught:
            serializer.dumps(value)
        assert str(caught.value) == f"{where} would not come back as it was; {remedy}"
        assert "secret" not in str(caught.value)

    @both
    def test_nameless_zone(self, serializer):
        """A ZoneInfo that was read from a file of one's own has no name to be stored by."""
        header = b"TZif2" + bytes(15) + bytes(16) + b"\0\0\0\1\0\0\0\4"
        block = bytes(6) + b"UTC\0"
        nameless = ZoneInfo.from_file(io.BytesIO(header + block + header + block + b"\nUTC0\n"))
        for value in (time(1, tzinfo=nameless), datetime(2024, 1, 1, tzinfo=nameless)):
            with pytest.raises(SerializationError, match="time zone cannot be stored"):
                serializer.dumps(value)

    @both
    @pytest.mark.parametrize("kind", [list, dict])
    def test_cycle(self, serializer, kind):
        """A value that lies in itself is refused."""
        value = kind()
        value.append(value) if kind is list else value.update(me=value)
        with pytest.raises(SerializationError, match=f"^{kind.__name__} would .* or in itself"):
            serializer.dumps(value)

    @both
    def test_clean_afterwards(self, serializer):
        """A refusal half way leaves nothing behind for the next value."""
        for bad in ([1, 2, "\ud800"], {"a": 2**64, "b": object()}, ["x", [object()]]):
            with pytest.raises(SerializationError):
                serializer.dumps(bad)
            assert serializer.loads(serializer.dumps([7])) == [7]


class TestForeignBytes:
    @every
    @settings(max_examples=300, deadline=None)
    @given(data=st.binary(max_size=40))
    def test_random(self, serializer, data):
        """Random bytes are a value or corrupt, nothing else."""
        with suppress(CorruptData):
            serializer.loads(data)

    @every
    @settings(max_examples=200, deadline=None)
    @given(value=values, data=st.data())
    def test_damaged(self, serializer, value, data):
        """A stored value with a byte changed, put in or cut off is a value or corrupt."""
        stored = serializer.dumps(value)
        at = data.draw(st.integers(0, len(stored) - 1))
        byte = data.draw(st.binary(max_size=2))
        for damaged in (stored[:at], stored[:at] + byte + stored[at + len(byte) :]):
            with suppress(CorruptData):
                serializer.loads(damaged)

    @every
    def test_every_prefix(self, serializer):
        """A stored value that was cut short is corrupt wherever it was cut."""
        stored = serializer.dumps({"a": [1, (2.5, b"x"), {"k"}], "b": uuid.UUID(int=5)})
        for size in range(len(stored)):
            with pytest.raises(CorruptData):
                serializer.loads(stored[:size])

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\xc1",
            b"\x01\x01",
            b"\xdd\xff\xff\xff\xff",
            b"\xdf\xff\xff\xff\xff",
            b"\xc6\xff\xff\xff\xff",
            b"\xc9\xff\xff\xff\xff\x01",
            b"\x91" * 100_000,
            b"\x81\x90\x01",
            b"\xd9\x01\xff",
            b"\xc7\x0c\xff" + b"\xff" * 12,
            msgpack.packb(msgpack.ExtType(99, b"\x01")),
            msgpack.packb(msgpack.ExtType(1, b"\x01")),
            msgpack.packb(msgpack.ExtType(2, b"\x91\x90")),
            msgpack.packb(msgpack.ExtType(4, b"\xa1z")),
            msgpack.packb(msgpack.ExtType(7, b"\x91\x01")),
            msgpack.packb(msgpack.ExtType(8, msgpack.packb(["2024-01-01", 0, "../x", None]))),
            msgpack.packb(msgpack.ExtType(8, msgpack.packb(["2024-01-01", 0, 2**62, None]))),
            msgpack.packb(msgpack.ExtType(11, msgpack.packb([10**12, 0, 0]))),
            msgpack.packb(msgpack.ExtType(12, b"\xa1x")),
            msgpack.packb(msgpack.ExtType(13, b"\x05")),
        ],
    )
    def test_hostile_msgpack(self, data):
        """Lying lengths, deep nesting, unknown tags and impossible contents are corrupt."""
        with pytest.raises(CorruptData, match=r"^a stored value is not msgpack as written here$"):
            MSGPACK.loads(data)

    @pytest.mark.parametrize("tail", [b"", b"\x01"])
    @pytest.mark.parametrize("depth", [50, 3000])
    def test_hostile_nesting(self, depth, tail):
        """Extension in extension in extension is corrupt, where it once was a crash."""
        data = b"\x01" + tail
        for _ in range(depth):
            data = msgpack.packb(msgpack.ExtType(13, data))
        with pytest.raises(CorruptData):
            MSGPACK.loads(data)

    def test_extra_in_depth(self):
        """Bytes after the end of a deeply tagged value are corrupt too."""
        data = b"\x90\x01"
        for _ in range(20):
            data = msgpack.packb(msgpack.ExtType(1, b"\x91" + data))
        with pytest.raises(CorruptData):
            MSGPACK.loads(data)

    def test_timestamp(self):
        """msgpack's own timestamp, which is never written, reads as a value one can store."""
        stamp = msgpack.packb(msgpack.Timestamp(0))
        assert MSGPACK.loads(stamp) == datetime(1970, 1, 1, tzinfo=timezone.utc)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\xff",
            b"NaN",
            b"[Infinity]",
            b"-Infinity",
            b"[1,]",
            b"1 2",
            b"[" * 100_000,
            b'{"a":' * 100_000,
            b'{"$nope":1}',
            b'{"$":1}',
            b'{"$tuple":1}',
            b'{"$set":[[]]}',
            b'{"$float":"x"}',
            b'{"$bytes":"*"}',
            b'{"$dict":[1]}',
            b'{"$int":5}',
        ],
    )
    def test_hostile_json(self, data):
        """What is not strict JSON, or not of the table, is corrupt."""
        with pytest.raises(CorruptData, match=r"^a stored value is not JSON as written here$"):
            JSON.loads(data)


class TestSharedPackers:
    def test_threads(self):
        """Threads that pack at once, failures among them, each get their own value."""
        wrong = []

        def work(number):
            value = {"who": number, "many": [number] * 50, "big": (number, 2**70)}
            bad = [number, "\ud800"]
            for _ in range(200):
                for refused in (bad, [1, object()]):
                    with pytest.raises(SerializationError):
                        MSGPACK.dumps(refused)
                for item in (value, value["many"], number):
                    if MSGPACK.loads(MSGPACK.dumps(item)) != item:
                        wrong.append(number)

        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)
        assert wrong == []


class TestJson:
    @few
    @given(value=values)
    def test_one_strict_line(self, value):
        """The text is one line of UTF-8 that a strict reader of JSON takes."""

        def refuse(constant):
            raise AssertionError(constant)

        data = JSON.dumps(value)
        assert b"\n" not in data
        assert b"\t" not in data
        assert b"\r" not in data
        json.loads(data.decode(), parse_constant=refuse)

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ({"name": "Zoë", "n": 1.5}, '{"name":"Zoë","n":1.5}'),
            ((1, 2), '{"$tuple":[1,2]}'),
            ({2, 1}, '{"$set":[1,2]}'),
            (float("nan"), '{"$float":"nan"}'),
            (-float("inf"), '{"$float":"-inf"}'),
            (b"abc", '{"$bytes":"YWJj"}'),
            ({1: "a"}, '{"$dict":[1,"a"]}'),
            ({"$set": 1}, '{"$dict":["$set",1]}'),
            (2**64, '{"$int":"0x10000000000000000"}'),
            (date(2024, 1, 2), '{"$date":"2024-01-02"}'),
            (datetime(2024, 1, 2), '{"$datetime":["2024-01-02T00:00:00",0,null,null]}'),
            (decimal.Decimal("1.50"), '{"$Decimal":"1.50"}'),
        ],
        ids=str,
    )
    def test_readable(self, value, text):
        """An operator reads what is in the store."""
        assert JSON.dumps(value).decode() == text


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
            f"holds values, add the line {CART} to session.pickle_classes"
        )

    def test_unlisted_in_store(self, listed):
        """A class that is no longer listed is corrupt data, with the line to add."""
        with pytest.raises(CorruptData, match=f"add the line {CART} to session.pickle_classes"):
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

    def test_imports_nothing(self, tmp_path, monkeypatch):
        """A module that is not listed is not even imported."""
        (tmp_path / "beakerish_canary.py").write_text("class Cart: pass")
        monkeypatch.syspath_prepend(tmp_path)
        data = b"\x80\x04\x8c\x10beakerish_canary\x8c\x04Cart\x93."
        with pytest.raises(CorruptData, match="add the line beakerish_canary:Cart to"):
            PICKLE.loads(data)
        assert "beakerish_canary" not in sys.modules

    def test_forged_name(self):
        """What stands in the place of a class name, and is none, is not repeated."""
        data = b"\x80\x04\x8c\x06secret\x8c\x05a\nlog\x93."
        with pytest.raises(CorruptData, match=r"^a stored value names a class that cannot be$"):
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

    @pytest.mark.parametrize("entry", ["Cart", "", ":Cart", "shop:", "shop.models:a b", "shop:.x"])
    def test_bad_entry(self, entry):
        """A name that is no module and class is an error at once."""
        with pytest.raises(ValueError, match=r"is not package\.module:Class"):
            serializer_for("pickle", [entry])


class Reversing:
    """A serializer of the application's own, in bytes."""

    def dumps(self, value):
        return value if isinstance(value, int) else value.encode()[::-1]

    def loads(self, data):
        assert type(data) is bytes
        return data[::-1].decode()


class TestObject:
    def test_text(self):
        """An object that gives str gets str back."""

        class Strict:
            dumps = staticmethod(json.dumps)

            def loads(self, text):
                assert type(text) is str
                return json.loads(text)

        serializer = serializer_for(Strict())
        assert serializer.loads(serializer.dumps({"a": "ë"})) == {"a": "ë"}

    def test_bytes(self):
        """An object that gives bytes gets bytes back."""
        serializer = serializer_for(Reversing())
        assert serializer.loads(serializer.dumps("abc")) == "abc"

    def test_module(self):
        """A module will do, and its JSON is not taken for ours."""
        serializer = serializer_for(json)
        assert serializer.name == "object"
        assert serializer.loads(serializer.dumps([1])) == [1]

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (b"secret", "bytes is not stored: dumps of data_serializer raised AttributeError"),
            (5, "int is not stored: dumps of data_serializer gave int, neither str nor bytes"),
        ],
    )
    def test_refused(self, value, message):
        """What the object cannot write is an error that names the type and what went wrong."""
        with pytest.raises(SerializationError) as caught:
            serializer_for(Reversing()).dumps(value)
        assert str(caught.value) == f"{message}; store plain values, or teach it the type"

    @pytest.mark.parametrize("data", [b"", b"t\xff", b"b\xff", b"tx", b"xx"])
    def test_corrupt(self, data):
        """What the object cannot read is corrupt data."""
        with pytest.raises(CorruptData, match=r"^data_serializer cannot read a stored value: "):
            serializer_for(Reversing()).loads(data)


class TestSerializerFor:
    @pytest.mark.parametrize("wanted", ["yaml", "", None, object(), Owner()])
    def test_unknown(self, wanted):
        """What is no serializer is an error that says what is one."""
        with pytest.raises(ValueError, match="msgpack, json, pickle or an object with dumps"):
            serializer_for(wanted)

    @pytest.mark.parametrize("name", ["msgpack", "json", "pickle"])
    def test_name(self, name):
        """A serializer has the name it is asked for by."""
        assert serializer_for(name).name == name

    def test_without_markupsafe(self, monkeypatch):
        """Without markupsafe the table is the same but for Markup."""
        monkeypatch.setitem(sys.modules, "markupsafe", None)
        spec = importlib.util.find_spec(plain.__name__)
        bare = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(bare)
        assert set(plain.BY_TAG) - set(bare.BY_TAG) == {"Markup"}
