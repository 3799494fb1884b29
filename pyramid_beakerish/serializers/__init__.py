"""Values of a session or a cache as bytes, and back, equal and of the same type."""

from __future__ import annotations

import json
import math
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from msgpack import ExtType, Packer, Unpacker, unpackb

from ..errors import CorruptData, SerializationError
from .plain import BY_CODE, BY_TAG, DEEPEST, Row, fits_64_bits, is_unicode, to_tree, type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


class Serializer(Protocol):
    """Turns one value into bytes and back, and says so when it cannot."""

    #: What ``data_serializer`` calls it; ``json`` promises one line of text.
    name: str
    #: Whether equal values of the same types always give the same bytes.
    spells_alike: bool

    def dumps(self, value: Any) -> bytes:
        """Give the value as bytes.

        Raises `SerializationError` for what would not come back equal and of the same
        type. The error names the type and the way to it, never the value.
        """

    def loads(self, data: bytes) -> Any:
        """Give the value that the bytes stand for.

        Raises `CorruptData`, and nothing else, for bytes that it cannot read.
        """


def serializer_for(name_or_object: str | object, pickle_classes: Sequence[str] = ()) -> Serializer:
    """Give the serializer that a ``data_serializer`` setting asks for.

    ``name_or_object`` is ``msgpack``, ``json``, ``pickle``, or an object with ``dumps`` and
    ``loads``. ``pickle_classes`` are the classes that ``pickle`` may load, each as
    ``package.module:Class`` or ``package.module.Class``.

    Raises `ValueError` for anything else.

    >>> serializer = serializer_for("json")
    >>> serializer.dumps({"position": (51.5, -0.1)})
    b'{"position":{"$tuple":[51.5,-0.1]}}'
    >>> serializer.loads(serializer.dumps({"position": (51.5, -0.1)}))
    {'position': (51.5, -0.1)}
    """
    if name_or_object == "msgpack":
        return MsgpackSerializer()
    if name_or_object == "json":
        return JsonSerializer()
    if name_or_object == "pickle":
        from .pickles import PickleSerializer  # not needed without pickles

        return PickleSerializer(pickle_classes)
    if callable(getattr(name_or_object, "dumps", None)) and callable(
        getattr(name_or_object, "loads", None)
    ):
        return ObjectSerializer(name_or_object)
    raise ValueError("a serializer is msgpack, json, pickle or an object with dumps and loads")


def _always(value: Any) -> bool:
    return True


def _all_native(natives: Mapping[type, Callable[[Any], bool]], keys: Iterable[Any]) -> bool:
    return all(type(key) in natives and natives[type(key)](key) for key in keys)


_SCALARS: dict[type, Callable[[Any], bool]] = {
    type(None): _always,
    bool: _always,
    int: fits_64_bits,
    float: _always,
    str: is_unicode,
    bytes: _always,
}
_SCALAR_TYPES = frozenset(_SCALARS)


def _is_plain(value: Any, deepest: int = DEEPEST) -> bool:
    """Tell whether msgpack can be given the value as it is.

    msgpack's own strict mode is not enough: it takes a bytearray, a memoryview and its
    own Timestamp and ExtType, which do not come back as they were.
    """
    kind = type(value)
    if kind in _SCALAR_TYPES:
        return True
    if kind is dict and _SCALAR_TYPES.issuperset(map(type, value)):
        value = value.values()
    elif kind is not list:
        return False
    if deepest > 0 and _SCALAR_TYPES.issuperset(map(type, value)):
        return True  # flat, as is found out without a loop in Python
    return deepest > 0 and all(_is_plain(item, deepest - 1) for item in value)


# Idle packers. Packing a counter takes 13 ns with a packer at hand, 34 ns with one from here,
# 108 ns with a new one, 292 ns with `packb` and a `default` (CPython 3.11, msgpack 1.2). Each
# is taken out and put back, and so serves one call at a time: sharing a single one would be
# safe only under a GIL, and not from a finalizer that runs in the middle of packing.
_idle_packers: list[Packer] = []


def pack(tree: Any) -> bytes:
    """Give a tree of plain values as msgpack."""
    try:
        packer = _idle_packers.pop()
    except IndexError:
        packer = Packer(strict_types=True)
    packed: bytes = packer.pack(tree)
    _idle_packers.append(packer)  # one that failed is not used again
    return packed


#: `unpackb` keeps 40 kB of state on the C stack, and threads may have 512 kB in all: where
#: more values of the table than this are nested, the inner ones are read with that
#: state on the heap.
_ON_C_STACK = 4


def _unpack(data: bytes, depth: int) -> Any:
    # timestamp=3: msgpack's own extension, which we never write, at least reads as a datetime.
    options = {"ext_hook": _EXT_HOOKS[depth], "strict_map_key": False, "timestamp": 3}
    if depth < _ON_C_STACK:
        return unpackb(data, **options)
    unpacker = Unpacker(max_buffer_size=len(data), **options)
    unpacker.feed(data)
    value = unpacker.unpack()
    if unpacker.tell() != len(data):
        raise ValueError
    return value


def _from_ext(depth: int, code: int, data: bytes) -> Any:
    return BY_CODE[code].from_plain(_unpack(data, depth))


_EXT_HOOKS = [partial(_from_ext, depth) for depth in range(1, DEEPEST + 3)]
_read_ext = _EXT_HOOKS[0]


class MsgpackSerializer:
    """The default: compact and fast, with every type of the table and no application's classes."""

    name = "msgpack"
    spells_alike = True
    natives: Mapping[type, Callable[[Any], bool]] = {
        **_SCALARS,
        list: _always,
        dict: partial(_all_native, _SCALARS),
    }

    def dumps(self, value: Any) -> bytes:
        """Give the value as msgpack; see `Serializer.dumps`."""
        try:
            if type(value) in _SCALAR_TYPES or _is_plain(value):
                return pack(value)
        except (OverflowError, UnicodeEncodeError):
            pass  # the table takes a big int, and refuses a lone surrogate
        return self.spell(to_tree(value, self))

    def loads(self, data: bytes) -> Any:
        """Give the value back; see `Serializer.loads`."""
        try:
            return unpackb(data, ext_hook=_read_ext, strict_map_key=False, timestamp=3)
        except Exception:  # the types of the table may raise anything on such bytes
            raise CorruptData("a stored value is not msgpack as written here") from None

    def tagged(self, row: Row, content: Any) -> ExtType:
        """Give the extension value of a row of the table."""
        return ExtType(row.code, pack(content))

    def spell(self, tree: Any) -> bytes:
        """Encode a tree."""
        return pack(tree)


def _has_plain_keys(mapping: dict[Any, Any]) -> bool:
    if not _all_native({str: is_unicode}, mapping):
        return False
    return len(mapping) != 1 or not next(iter(mapping)).startswith("$")


def _from_object(mapping: dict[str, Any]) -> Any:
    if len(mapping) != 1:
        return mapping
    ((key, content),) = mapping.items()
    return BY_TAG[key[1:]].from_plain(content) if key.startswith("$") else mapping


def _no_constant(name: str) -> Any:
    raise ValueError


_encode_json = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
).encode
_decode_json = json.JSONDecoder(object_hook=_from_object, parse_constant=_no_constant).decode


class JsonSerializer:
    """One line of strict, compact JSON in UTF-8, for stores that people and programs read.

    A type that JSON lacks becomes an object of one key: ``{"$tuple": [1, 2]}``. A dict that
    would look like that, or has keys other than str, becomes ``{"$dict": [key, value, ...]}``.
    """

    name = "json"
    spells_alike = True
    natives: Mapping[type, Callable[[Any], bool]] = {
        type(None): _always,
        bool: _always,
        int: fits_64_bits,
        float: math.isfinite,
        str: is_unicode,
        list: _always,
        dict: _has_plain_keys,
    }

    def dumps(self, value: Any) -> bytes:
        """Give the value as JSON; see `Serializer.dumps`."""
        return self.spell(to_tree(value, self))

    def loads(self, data: bytes) -> Any:
        """Give the value back; see `Serializer.loads`."""
        try:
            return _decode_json(data.decode())
        except Exception:  # the types of the table may raise anything on such bytes
            raise CorruptData("a stored value is not JSON as written here") from None

    def tagged(self, row: Row, content: Any) -> dict[str, Any]:
        """Give the object of one key for a row of the table."""
        return {f"${row.tag}": content}

    def spell(self, tree: Any) -> bytes:
        """Encode a tree."""
        return _encode_json(tree).encode()


class ObjectSerializer:
    """An application's own object with ``dumps`` and ``loads``, as Beaker takes it.

    What ``dumps`` gives, str or bytes, is what ``loads`` gets: the first byte stored tells
    which. How faithful it is to types is the object's own affair.
    """

    name = "object"
    spells_alike = False

    def __init__(self, codec: Any) -> None:
        self._codec = codec

    def dumps(self, value: Any) -> bytes:
        """Give what the object makes of the value; see `Serializer.dumps`."""
        try:
            spelled = self._codec.dumps(value)
            if isinstance(spelled, str):
                return b"t" + spelled.encode()
        except Exception as error:  # whatever the application's object raises
            raise _refusal(value, f"raised {type_name(type(error))}") from None
        if not isinstance(spelled, bytes):
            raise _refusal(value, f"gave {type_name(type(spelled))}, neither str nor bytes")
        return b"b" + spelled

    def loads(self, data: bytes) -> Any:
        """Give the value back; see `Serializer.loads`."""
        try:
            if data[:1] == b"t":
                return self._codec.loads(data[1:].decode())
            if data[:1] == b"b":
                return self._codec.loads(data[1:])
            found = "it is not marked as str or bytes"
        except Exception as error:  # whatever the application's object raises
            found = type_name(type(error))
        raise CorruptData(f"the serializer cannot read a stored value: {found}")


def _refusal(value: Any, reason: str) -> SerializationError:
    return SerializationError(
        f"{type_name(type(value))} is not stored: dumps of the serializer {reason}; "
        "store plain values, or teach it the type"
    )
