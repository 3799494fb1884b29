"""What no serializer takes: values that would come back different, and foreign bytes."""

from __future__ import annotations

import collections
import enum
import io
import sys
import uuid
from contextlib import suppress
from datetime import datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup
from translationstring import TranslationString

from pyramid_beakerish.errors import CorruptData, SerializationError
from pyramid_beakerish.serializers import serializer_for
from pyramid_beakerish.serializers.foreign_pickles import ForeignPickles
from pyramid_beakerish.testing.together import in_threads
from tests.strategies import values

MSGPACK = serializer_for("msgpack")


JSON = serializer_for("json")


PICKLE = serializer_for("pickle")


both = pytest.mark.parametrize("serializer", [MSGPACK, JSON], ids=lambda it: it.name)


every = pytest.mark.parametrize("serializer", [MSGPACK, JSON, PICKLE], ids=lambda it: it.name)


class Level(enum.IntEnum):
    LOW = 1


class Text(str):
    __slots__ = ()


class Items(list):
    pass


class Owner:
    pass


Point = collections.namedtuple("Point", "x y")


class BadZone(tzinfo):
    """A zone with an offset that depends on fold, or none, or that fails."""

    def __init__(self, offset):
        self.offset = offset

    def utcoffset(self, moment):
        return self.offset(moment)

    def dst(self, moment):
        return None


#: A pickle that calls ``int``.
INT_OF_SECRET = b"\x80\x04\x8c\x08builtins\x8c\x03int\x93\x8c\x06secret\x85R."


def shown(error):
    """Give the error, and those that its traceback shows with it."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def raises(*_):
    raise OSError


class TestRefusal:
    GENERIC = (
        "store the str, int, list, dict ... that it is made of, or set data_serializer = pickle "
        "(for a cache region serializer = pickle) and add {} to pickle_classes"
    )
    UNICODE = "it holds lone surrogates, which UTF-8 does not have: encode it and store the bytes"
    ZONE = "its time zone cannot be stored: convert it to UTC or a zoneinfo zone"

    def test_class_that_no_name_leads_to(self):
        """A class that cannot be listed in pickle_classes is not advised to be."""
        inner = type("inner", (), {"__qualname__": "view.<locals>.inner"})
        for value in (inner(), raises, (n for n in range(3))):
            with pytest.raises(SerializationError) as caught:
                serializer_for("msgpack").dumps(value)
            assert str(caught.value).endswith("list, dict ... that it is made of")

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
            (Items(), f"{__name__}.Items", "convert it to list"),
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
    @pytest.mark.parametrize("rule", [b"\nUTC0\n", b"\nCET-1CEST,M3.5.0,M10.5.0/3\n"])
    def test_nameless_zone(self, serializer, rule):
        """A ZoneInfo that was read from a file of one's own has no name to be stored by."""
        header = b"TZif2" + bytes(15) + bytes(16) + b"\0\0\0\1\0\0\0\4"
        block = bytes(6) + b"UTC\0"
        nameless = ZoneInfo.from_file(
            io.BytesIO(header + block + header + block + b"\n" + rule + b"\n")
        )
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
    @settings(max_examples=300)
    @given(data=st.binary(max_size=40))
    def test_random(self, serializer, data):
        """Random bytes are a value or corrupt, nothing else."""
        with suppress(CorruptData):
            serializer.loads(data)

    @every
    @settings(max_examples=200)
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


class Telling:
    """What is given to it is in its errors, as a serializer and when it is pickled."""

    def dumps(self, value):
        raise ValueError("secret")

    def loads(self, data):
        raise ValueError(data)

    def __reduce__(self):
        raise ValueError("secret")


class TestNoContents:
    """Not even the traceback of an error, which is logged, has what was stored."""

    @pytest.mark.parametrize(
        ("serializer", "data"),
        [
            (MSGPACK, msgpack.packb(msgpack.ExtType(4, msgpack.packb("secret")))),
            (JSON, b'{"$int":"secret"}'),
            (serializer_for(Telling()), b"bsecret"),
            (serializer_for("pickle", ["builtins:int"]), INT_OF_SECRET),
            (ForeignPickles(), INT_OF_SECRET),
        ],
    )
    def test_corrupt(self, serializer, data):
        """It is not told of what could not be read."""
        with pytest.raises(CorruptData) as caught:
            serializer.loads(data)
        assert "secret" not in "\n".join(map(str, shown(caught.value)))

    @pytest.mark.parametrize("serializer", [serializer_for(Telling()), PICKLE])
    def test_refused(self, serializer):
        """Nor of what could not be written."""
        with pytest.raises(SerializationError) as caught:
            serializer.dumps(Telling())
        assert "secret" not in "\n".join(map(str, shown(caught.value)))


class TestSharedPackers:
    def test_threads(self):
        """Threads that pack at once, failures among them, each get their own value."""

        def work(number):
            value = {"who": number, "many": [number] * 50, "big": (number, 2**70)}
            bad = [number, "\ud800"]
            for _ in range(200):
                for refused in (bad, [1, object()]):
                    with pytest.raises(SerializationError):
                        MSGPACK.dumps(refused)
                for item in (value, value["many"], number):
                    assert MSGPACK.loads(MSGPACK.dumps(item)) == item

        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            in_threads(4, work)
        finally:
            sys.setswitchinterval(interval)
