"""Pickles, limited by a list of the classes that may be in them."""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import TYPE_CHECKING, Any

from ..errors import CorruptData, SerializationError
from .plain import BY_KIND, BY_TAG, type_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: The opcodes of protocol 4, as every Python since 3.4 writes it; none that names a class
#: or a memo slot by other means. LONG_BINPUT, in 6 bytes, makes CPython fill a memo of up to
#: 64 GB (python/cpython#115952), and BYTEARRAY8 makes it take as much memory as it claims.
OPCODES = (
    "ADDITEMS APPEND APPENDS BINBYTES BINBYTES8 BINFLOAT BINGET BININT BININT1 BININT2 "
    "BINUNICODE BINUNICODE8 BUILD EMPTY_DICT EMPTY_LIST EMPTY_SET EMPTY_TUPLE FRAME FROZENSET "
    "LONG1 LONG4 LONG_BINGET MARK MEMOIZE NEWFALSE NEWOBJ NEWOBJ_EX NEWTRUE NONE POP POP_MARK "
    "PROTO REDUCE SETITEM SETITEMS SHORT_BINBYTES SHORT_BINUNICODE STACK_GLOBAL STOP TUPLE "
    "TUPLE1 TUPLE2 TUPLE3"
)
_PROTOCOL = 4


def argument_sizes(names: str) -> dict[int, int]:
    """Give the size of the argument of each opcode named, as pickletools tells it."""
    wanted = names.split()
    return {
        ord(opcode.code): opcode.arg.n if opcode.arg else 0
        for opcode in pickletools.opcodes
        if opcode.name in wanted
    }


_ARGUMENT_SIZES = argument_sizes(OPCODES)
_LENGTH_SIZES = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_LONG_BINPUT = ord(pickle.LONG_BINPUT)

#: The types of the table that pickle would name as classes. They go through `_revive`
#: instead, so that no class is admitted for them: a pickle can set attributes on any class
#: it can name, and ``Markup.escape`` is one worth setting.
_REVIVED = {kind: row for kind, row in BY_KIND.items() if kind.__module__ != "builtins"}


def _revive(tag: str, plain: Any) -> Any:
    return BY_TAG[tag].from_plain(plain)


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        row = _REVIVED.get(type(value))
        return NotImplemented if row is None else (_revive, (row.tag, row.to_plain(value)))


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, classes: frozenset[tuple[str, str]]) -> None:
        # No fix_imports: it would load ``subprocess.Popen`` for a listed ``commands:Popen``.
        super().__init__(io.BytesIO(data), fix_imports=False)
        self._classes = classes

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == (_revive.__module__, _revive.__name__):
            return lambda tag, plain: _revive(tag, plain)  # not shared: a pickle may alter it
        if (module, name) in self._classes:
            return super().find_class(module, name)
        raise CorruptData(unlisted(module, name))


class PickleSerializer:
    """Pickles that hold plain values, the types of the table, and the classes listed.

    ``classes`` are the classes that may be loaded, each as ``package.module:Class`` or
    ``package.module.Class``; a class within a class needs the colon. Nothing else is
    imported or called. Whoever can write to the store can still call these classes with
    any arguments, and set attributes on them: list only classes that just hold values.

    Raises `ValueError` for a name of any other form.

    >>> PickleSerializer(["fractions.Fraction"]).loads(b"no pickle")
    Traceback (most recent call last):
    pyramid_beakerish.errors.CorruptData: a stored value is not a pickle as written here
    """

    name = "pickle"
    spells_alike = False

    def __init__(self, classes: Sequence[str] = ()) -> None:
        self._classes = frozenset(parsed_classes(classes))

    def dumps(self, value: Any) -> bytes:
        """Give the value as a pickle that `loads` is known to read.

        Raises `SerializationError` for what cannot be pickled, or holds a class that is not
        listed.
        """
        kind = type(value)
        data = _pickled(value)
        try:
            back = self.loads(data)
        except CorruptData as error:
            reason = str(error)
        else:
            if type(back) is kind:
                return data
            reason = f"it comes back as {type_name(type(back))}; change its __reduce__"
        raise SerializationError(f"{type_name(kind)} would not come back as it was: {reason}")

    def loads(self, data: bytes) -> Any:
        """Give the value back.

        Raises `CorruptData`, which names the class if one is not listed, and nothing else.
        """
        try:
            check_opcodes(data, _ARGUMENT_SIZES)
            return _Unpickler(data, self._classes).load()
        except CorruptData:
            raise
        except Exception:  # a listed class may raise anything on such bytes
            raise CorruptData("a stored value is not a pickle as written here") from None


def _pickled(value: Any) -> bytes:
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, _PROTOCOL).dump(value)
    except Exception as error:  # a class may raise what it likes while it is pickled
        raise SerializationError(
            f"{type_name(type(value))} cannot be pickled ({type_name(type(error))}); "
            "store values of module-level classes only"
        ) from None
    return buffer.getvalue()


def check_opcodes(data: bytes, argument_sizes: Mapping[int, int]) -> None:
    """Raise an error of some kind for a pickle with any opcode but these."""
    at = 0
    while at < len(data):
        opcode = data[at]
        size = argument_sizes[opcode]
        at += 1
        if size == pickletools.UP_TO_NEWLINE:  # only GLOBAL: two lines
            at = data.index(b"\n", data.index(b"\n", at) + 1) + 1
            continue
        if size < 0:
            width = _LENGTH_SIZES[size]
            size = width + int.from_bytes(data[at : at + width], "little")
        elif opcode == _LONG_BINPUT and int.from_bytes(data[at : at + size], "little") > len(data):
            raise ValueError(opcode)  # a pickle has at least one byte for each memo slot
        at += size


def parsed_classes(classes: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Give the module and the name of each class; raise `ValueError` for any other form."""
    for entry in classes:
        module, colon, name = entry.partition(":")
        if not colon:
            module, _, name = entry.rpartition(".")
        if not (_is_dotted(module) and _is_dotted(name)):
            raise ValueError(f"{entry!r} in pickle_classes is not package.module:Class")
        yield module, name


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def unlisted(module: str, name: str) -> str:
    """Tell that a class may not be loaded, and which line would admit it."""
    # What is not a name may be anything, even contents of the session or forged log lines.
    if not (_is_dotted(module) and _is_dotted(name)):
        return "a stored value names a class by an invalid name"
    return (
        f"{module}.{name} is not listed; if it only holds values, "
        f"add the line {module}:{name} to pickle_classes"
    )
