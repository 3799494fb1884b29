"""Pickles that Python itself has written, behind the list of what may be in them."""

from __future__ import annotations

import datetime
import decimal
import os
import pickle
import sys
import types
import uuid
import zoneinfo
from collections import OrderedDict, UserDict, defaultdict
from urllib.parse import urlsplit

import pytest
from markupsafe import Markup
from translationstring import TranslationString

from pyramid_beakerish.errors import CorruptData
from pyramid_beakerish.serializers.foreign_pickles import ForeignPickles

PARIS = zoneinfo.ZoneInfo("Europe/Paris")
UTC = datetime.timezone.utc
VALUES = [
    {"a": [1, 2.5, None, True, 10**40, -5, "\u65e5"], "b": {"c": (1, (2,), ())}},
    *(b"", b"\x00\xff", {1, 2}, frozenset([3]), set(), "x" * 70_000, [str(n) for n in range(999)]),
    datetime.datetime(2024, 5, 6, 7, 8, 9, 10, tzinfo=UTC),
    datetime.datetime(2024, 5, 6, tzinfo=PARIS),
    datetime.datetime(2024, 5, 6, tzinfo=datetime.timezone(datetime.timedelta(hours=2), "X")),
    *(datetime.date(2024, 5, 6), datetime.time(7, 8), datetime.timedelta(3, 4, 5)),
    *(decimal.Decimal("1.50"), uuid.UUID(int=7), Markup("<b>")),
    TranslationString("m", domain="d", default="D", mapping={"n": 1}),
    *(OrderedDict(b=1, a=2), defaultdict(list, {"x": [1]}), [OrderedDict(), {}]),
]


class Point:
    """A class of an application's."""

    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return vars(other) == vars(self)

    __hash__ = None


class Calls:
    """An object whose pickle calls something."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


protocols = pytest.mark.parametrize("protocol", [2, 3, 4, 5])


@protocols
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_read(value, protocol):
    """Plain values and the types of the table come back, whatever protocol wrote them."""
    back = ForeignPickles().loads(pickle.dumps(value, protocol))
    assert (type(back), back) == (type(value), value)


@protocols
@pytest.mark.parametrize("value", [OrderedDict(b=1, a=2), defaultdict(list, {"x": [1]})])
def test_flat(value, protocol):
    """Where only plain dictionaries can be kept, the others become plain."""
    back = ForeignPickles(flat=True).loads(pickle.dumps(value, protocol))
    assert (type(back), back) == (dict, value)
    listed = ForeignPickles(["collections:OrderedDict", "collections:defaultdict"], flat=True)
    assert type(listed.loads(pickle.dumps(value, protocol))) is type(value)


@protocols
def test_listed(protocol):
    """A class of the application's is read if it is listed, and named if it is not."""
    data = pickle.dumps([Point(1)], protocol)
    name = f"{__name__}:Point"
    assert ForeignPickles([name]).loads(data) == [Point(1)]
    with pytest.raises(CorruptData, match=f"add the line {name} to pickle_classes"):
        ForeignPickles().loads(data)


@protocols
@pytest.mark.parametrize(
    ("value", "name"),
    [
        (range(3), "builtins:range"),
        (urlsplit("https://example.com/a"), "urllib.parse:SplitResult"),
        (UserDict(a=1), "collections:UserDict"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_renamed(value, name, protocol):
    """A class that protocol 2 calls as Python 2 did is listed, and told, by its name of today."""
    data = pickle.dumps(value, protocol)
    with pytest.raises(CorruptData, match=f"add the line {name} to pickle_classes"):
        ForeignPickles().loads(data)
    assert ForeignPickles([name]).loads(data) == value


@protocols
@pytest.mark.parametrize(
    "value",
    [
        Calls(os.system, "false"),
        Calls(eval, "1"),
        Calls(getattr, Point, "mro"),
        Calls(getattr, zoneinfo.ZoneInfo, "clear_cache"),
        Calls(getattr, 5, "_unpickle"),
        Calls(bytes, 10**12),
        Calls(bytearray, 10),
        Calls(zoneinfo.ZoneInfo, "UTC"),
        Calls(__import__, "os"),
    ],
    ids=lambda value: value.call[0].__name__,
)
def test_refused(value, protocol):
    """Nothing else is called, be it with other arguments alone."""
    with pytest.raises(CorruptData):
        ForeignPickles().loads(pickle.dumps(value, protocol))


ENCODE = b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00utf-8\x86R."


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02N",
        b"no pickle",
        "text",
        ENCODE,
        b"\x80\x02cos\nsystem",
        b"\x80\x02N" + b"r\xff\xff\xff\x7f" + b".",  # a memo of many gigabytes
        b"\x80\x02(cos\nsystem\nX\x04\x00\x00\x00trueo.",  # OBJ
        b"(X\x04\x00\x00\x00trueios\nsystem\n.",  # INST
        b"\x80\x02K\x01Q.",  # a persistent id
        b"\x80\x02\x82\x01.",  # an extension
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",  # a bytearray of any size
    ],
    ids=repr,
)
def test_no_pickle_of_these(data):
    """What Python does not write by protocol 2 and above, or by halves, is corrupt data."""
    with pytest.raises(CorruptData):
        ForeignPickles().loads(data)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x80\x02Nr\x00\x10\x00\x00.", None),  # a memo that has room for thousands
        (b"\x80\x02(cbuiltins\nint\nX\x01\x00\x00\x005o.", 5),
        (b"\x80\x02cbuiltins\nint\n0(X\x01\x00\x00\x005ibuiltins\nint\n.", 5),
        (b"\x80\x05\x96\x01" + bytes(7) + b"a.", bytearray(b"a")),
    ],
)
def test_no_opcode_of_these(data, value):
    """Nor is what Python could read by other opcodes."""
    assert pickle.loads(data) == value
    with pytest.raises(CorruptData):
        ForeignPickles().loads(data)


@protocols
def test_a_module_of_an_old_name(protocol, monkeypatch):
    """The class that is listed is read, though Python 2 had another module of this name."""
    commands = types.ModuleType("commands")
    commands.Order = type("Order", (), {"__module__": "commands"})
    monkeypatch.setitem(sys.modules, "commands", commands)
    back = ForeignPickles(["commands:Order"]).loads(pickle.dumps(commands.Order(), protocol))
    assert type(back) is commands.Order


def test_classes_stay_as_they_are():
    """A pickle that sets an attribute on a class sets it on a stand-in."""
    escape = Markup.escape
    data = b"\x80\x02cmarkupsafe\nMarkup\nN}X\x06\x00\x00\x00escapeK\x01s\x86b."
    ForeignPickles().loads(data)
    assert Markup.escape == escape
    with pytest.raises(CorruptData):
        ForeignPickles().loads(b"\x80\x02cbuiltins\nstr\nN}X\x01\x00\x00\x00aK\x01s\x86b.")


def test_a_class_that_is_gone():
    """A class that is listed, and no longer there, is corrupt data."""
    with pytest.raises(CorruptData):
        ForeignPickles(["no.such:Class"]).loads(b"\x80\x02cno.such\nClass\n.")
