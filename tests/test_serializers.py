"""What every serializer keeps, and how it spells it."""

from __future__ import annotations

import decimal
import importlib.util
import json
import sys
import threading
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from types import SimpleNamespace
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup
from msgpack import ExtType, packb
from translationstring import TranslationString

from pyramid_beakerish.errors import CorruptData, SerializationError
from pyramid_beakerish.serializers import plain, serializer_for
from pyramid_beakerish.testing.together import Background
from tests.strategies import canonical, hashables, values

MSGPACK = serializer_for("msgpack")


JSON = serializer_for("json")


PICKLE = serializer_for("pickle")


both = pytest.mark.parametrize("serializer", [MSGPACK, JSON], ids=lambda it: it.name)


every = pytest.mark.parametrize("serializer", [MSGPACK, JSON, PICKLE], ids=lambda it: it.name)


few = settings(max_examples=100)


class BadZone(tzinfo):
    """A zone with an offset that depends on fold, or none, or that fails."""

    def __init__(self, offset):
        self.offset = offset

    def utcoffset(self, moment):
        return self.offset(moment)

    def dst(self, moment):
        return None


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
            ({1: "a"},),
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
        size = threading.stack_size(512 * 1024)
        try:
            thread = Background(lambda: serializer.loads(serializer.dumps(deep)))
        finally:
            threading.stack_size(size)
        assert thread.result() == deep


class TestStored:
    """What earlier releases have stored is read, and they read what is stored today."""

    NIGHT, TEXT = datetime(2024, 10, 27, 2, 30), "2024-10-27T02:30:00"
    MESSAGE = TranslationString("m", "d", "x", {"n": 1}, "c")
    BERLIN, HOUR, MICRO = ZoneInfo("Europe/Berlin"), timedelta(hours=1), 3600 * 10**6

    @pytest.mark.parametrize(
        ("code", "tag", "value", "content"),
        [
            (1, "tuple", (1, 2), [1, 2]),
            (2, "set", {2, 1}, [1, 2]),
            (3, "frozenset", frozenset([2, 1]), [1, 2]),
            (4, "int", 2**64, "0x10000000000000000"),
            (8, "datetime", NIGHT.replace(fold=1), [TEXT, 1, None, None]),
            (8, "datetime", NIGHT.replace(tzinfo=timezone.utc), [TEXT, 0, 0, None]),
            (8, "datetime", NIGHT.replace(tzinfo=BERLIN), [TEXT, 0, "Europe/Berlin", None]),
            (8, "datetime", NIGHT.replace(tzinfo=timezone(HOUR)), [TEXT, 0, MICRO, None]),
            (8, "datetime", NIGHT.replace(tzinfo=timezone(HOUR, "Z")), [TEXT, 0, MICRO, "Z"]),
            (9, "date", date(2024, 1, 2), "2024-01-02"),
            (10, "time", time(1, 2, 3), ["01:02:03", 0, None, None]),
            (11, "timedelta", timedelta(1, 2, 3), [1, 2, 3]),
            (12, "Decimal", decimal.Decimal("1.50"), "1.50"),
            (13, "UUID", UUID(int=7), "00000000-0000-0000-0000-000000000007"),
            (14, "TranslationString", MESSAGE, ["m", "d", "x", {"n": 1}, "c"]),
            (15, "Markup", Markup("<b>"), "<b>"),
        ],
    )
    def test_types_of_the_table(self, code, tag, value, content):
        """Each type has its number in msgpack and its name in JSON for ever."""
        assert MSGPACK.dumps(value) == packb(ExtType(code, packb(content)))
        assert json.loads(JSON.dumps(value)) == {f"${tag}": content}

    def test_other_keys(self):
        """So has a dictionary with keys that the format does not have."""
        assert MSGPACK.dumps({(): 5}) == packb(ExtType(7, packb([ExtType(1, packb([])), 5])))
        assert json.loads(JSON.dumps({1: 5})) == {"$dict": [1, 5]}


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
            ([2**64 - 1, -(2**63)], "[18446744073709551615,-9223372036854775808]"),
            (-(2**63) - 1, '{"$int":"-0x8000000000000001"}'),
        ],
        ids=str,
    )
    def test_readable(self, value, text):
        """An operator reads what is in the store."""
        assert JSON.dumps(value).decode() == text


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
            (b"secret", "bytes is not stored: dumps of the serializer raised AttributeError"),
            (5, "int is not stored: dumps of the serializer gave int, neither str nor bytes"),
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
        with pytest.raises(CorruptData, match=r"^the serializer cannot read a stored value: "):
            serializer_for(Reversing()).loads(data)


class TestSerializerFor:
    @pytest.mark.parametrize(
        "wanted",
        [
            *("yaml", "", None, object(), object),
            *(SimpleNamespace(dumps=str), SimpleNamespace(loads=str)),
            *(SimpleNamespace(dumps=str, loads=""), SimpleNamespace(dumps="", loads=str)),
        ],
    )
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
