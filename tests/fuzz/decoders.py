"""Everything that makes values out of bytes, and bytes for it.

A reader of another format is one line more in `DECODERS`.
"""

from __future__ import annotations

import contextlib
import pickle
from datetime import datetime, timezone
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from pyramid_beakerish.errors import CorruptData
from pyramid_beakerish.serializers import serializer_for
from tests.rivals import Boobytrap

from .bytes import damaged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Decoder(NamedTuple):
    """Something that reads bytes: what it reads, pieces of it, and what it may raise."""

    decode: Callable[[bytes], Any]
    valid: Sequence[bytes]
    pieces: Sequence[bytes]
    refusals: tuple[type[Exception], ...] = (CorruptData,)


SAMPLE = {"a": [1, (2.5, b"x"), {"k"}], "at": datetime(2024, 1, 1, tzinfo=timezone.utc), "n": 2**70}

MSGPACK = serializer_for("msgpack")
JSON = serializer_for("json")
PICKLE = serializer_for("pickle", ["fractions.Fraction"])

MSGPACK_PIECES = (
    *(b"\xc1", b"\xc7\x05", b"\xd4", b"\xd5", b"\xc8\xff\xff", b"\xdd\xff\xff\xff\xff", b"\x91"),
    *(b"\x81", b"\xa1z", b"\xc9\xff\xff\xff\xff\x01", b"\xd6\xff", b"\x92", b"\xde\0\x02", b"\xcb"),
    *(bytes([code]) for code in range(1, 17)),
)
JSON_PIECES = (
    *(
        b'{"$',
        b'":',
        b"}",
        b"[",
        b"]",
        b",",
        b'"',
        b"1",
        b"-",
        b".",
        b"e9",
        b"NaN",
        b"\\u",
        b"d800",
    ),
    *(b'{"$tuple":', b'{"$set":', b'{"$int":"', b'{"$datetime":[', b'{"$dict":[', b'{"$Decimal":"'),
)
TRAPS = [pickle.dumps(Boobytrap(), protocol) for protocol in range(6)]
PICKLE_PIECES = (
    *(b"ctests.rivals\nspring\n", b"\x8c\x0ctests.rivals", b"\x8c\x06spring", b"\x93", b"R", b")"),
    *(b"\x80\x04", b".", b"(", b"t", b"\x85", b"\x81", b"\x92", b"}", b"b", b"o", b"ios\nsystem\n"),
    *(b"\x94", b"h\0", b"j\0\0\0\0", b"r\xff\xff\xff\xff", b"\x82\x01", b"P0\n", b"Q", b"0", b"2"),
    *(
        b"\x8c\x08builtins",
        b"\x8c\x04exec",
        b"\x8c\x04eval",
        b"\x8c\x09fractions",
        b"\x8c\x08Fraction",
    ),
    *(
        b"\x8c\x1fpyramid_beakerish.serializers.pickles",
        b"\x8c\x07_revive",
        b"N",
        b"K\x01",
        b"\x95",
    ),
)

DECODERS = {
    "msgpack": Decoder(MSGPACK.loads, [MSGPACK.dumps(SAMPLE)], MSGPACK_PIECES),
    "json": Decoder(JSON.loads, [JSON.dumps(SAMPLE)], JSON_PIECES),
    "pickle": Decoder(
        PICKLE.loads,
        [PICKLE.dumps(SAMPLE), PICKLE.dumps([Fraction(1, 3)] * 2), *TRAPS],
        PICKLE_PIECES,
    ),
}


def decoding(decoder):
    """Give cases for a decoder, and the check: a value or a refusal, and nothing is executed."""
    Boobytrap.sprung = False

    def check(data):
        with contextlib.suppress(*decoder.refusals):
            decoder.decode(data)
        assert not Boobytrap.sprung

    return damaged(decoder.valid, decoder.pieces), check
