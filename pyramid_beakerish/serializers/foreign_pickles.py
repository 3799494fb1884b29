"""Pickles that others have written, above all Beaker, limited by the same list of classes."""

from __future__ import annotations

import io
import pickle
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING  # the tables of pickle itself
from collections import OrderedDict, defaultdict
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from ..errors import CorruptData
from .pickles import OPCODES, argument_sizes, check_opcodes, parsed_classes, unlisted
from .plain import BY_TAG

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: The opcodes that Python 3 writes by any protocol from 2 on; none that only older ones wrote.
_ARGUMENT_SIZES = argument_sizes(OPCODES + " BINPUT GLOBAL LONG_BINPUT")

# A pickle can set attributes on any class that it can name (``Markup.escape`` is worth it). Types
# in C refuse that; for the others, a function or class made for one pickle only stands in.


def _encode(text: str, encoding: str) -> bytes:
    """Protocol 2 spells bytes as a call of ``_codecs.encode``."""
    if encoding != "latin1":
        raise ValueError(encoding)
    return text.encode(encoding)


def _attribute(owner: Any, name: str) -> Any:
    """Protocol 2 spells ``ZoneInfo._unpickle`` as a call of ``getattr``: of this one alone."""
    if owner is not _ZONE or name != "_unpickle":
        raise ValueError(name)
    return _zone


_ZONE = object()


def _zone(key: str, from_cache: bool) -> ZoneInfo:
    return ZoneInfo(key)


def _stand_in(make: Callable[..., Any]) -> type:
    """Make a class whose instances are made by the function, for the opcode NEWOBJ."""
    return type("StandIn", (), {"__new__": lambda cls, *arguments: make(*arguments)})


def _function(make: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: make(*arguments)


def _itself(found: Any) -> Any:
    return found


#: What a pickle may name, with how and from what the object for that name is made.
_KNOWN: Mapping[tuple[str, str], tuple[Callable[[Any], Any], Any]] = {
    **{
        ("builtins", kind.__name__): (_itself, kind)
        for kind in (bool, dict, float, frozenset, int, list, set, str, tuple)
    },
    ("builtins", "bytes"): (_function, lambda: b""),  # protocol 2 spells empty bytes like this
    ("builtins", "getattr"): (_function, _attribute),
    ("_codecs", "encode"): (_function, _encode),
    **{("datetime", kind.__name__): (_function, kind) for kind in (date, datetime, time)},
    **{("datetime", kind.__name__): (_function, kind) for kind in (timedelta, timezone)},
    ("decimal", "Decimal"): (_function, Decimal),
    ("uuid", "UUID"): (_stand_in, partial(UUID.__new__, UUID)),
    ("zoneinfo", "ZoneInfo"): (_itself, _ZONE),
    ("zoneinfo", "ZoneInfo._unpickle"): (_function, _zone),
    ("translationstring", "TranslationString"): (
        _function,
        lambda *plain: BY_TAG["TranslationString"].from_plain(plain),
    ),
    ("markupsafe", "Markup"): (_stand_in, lambda text: BY_TAG["Markup"].from_plain(text)),
}

_DICTS = {
    ("collections", "OrderedDict"): (_function, OrderedDict),
    ("collections", "defaultdict"): (_function, defaultdict),
}
#: For ``flat``: both become plain dictionaries.
_FLAT: Mapping[tuple[str, str], Any] = dict.fromkeys(_DICTS, (_function, lambda *arguments: {}))


def _of_today(module: str, name: str) -> tuple[str, str]:
    """Give today's name of what protocol 2 calls by Python 2's: ``__builtin__.xrange``, say."""
    return NAME_MAPPING.get((module, name)) or (IMPORT_MAPPING.get(module, module), name)


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, classes: frozenset[tuple[str, str]], known: Any) -> None:
        super().__init__(io.BytesIO(data), fix_imports=False)
        self._classes = classes
        self._known = known

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._classes:
            module, name = _of_today(module, name)
        if (module, name) in self._classes:
            return super().find_class(module, name)
        if (module, name) not in self._known:
            raise CorruptData(unlisted(module, name))
        stand_in, found = self._known[module, name]
        return stand_in(found)


class ForeignPickles:
    """Reads what ``pickle.dumps`` has written, if it holds only plain values and listed classes.

    ``classes`` is as in `PickleSerializer`. With ``flat`` every dictionary is read as a plain
    one, as the other serializers know no other kind. Nothing else is imported or called.

    >>> import pickle
    >>> ForeignPickles().loads(pickle.dumps({"cart": [1, 2]}, 2))
    {'cart': [1, 2]}
    """

    def __init__(self, classes: Sequence[str] = (), *, flat: bool = False) -> None:
        self._classes = frozenset(parsed_classes(classes))
        self._known = {**_KNOWN, **(_FLAT if flat else _DICTS)}

    def loads(self, data: bytes) -> Any:
        """Give the value back.

        Raises `CorruptData`, which names the class if one is not listed, and nothing else.
        """
        try:
            check_opcodes(data, _ARGUMENT_SIZES)
            return _Unpickler(data, self._classes, self._known).load()
        except CorruptData:
            raise
        except Exception:  # a listed class may raise anything on such bytes
            raise CorruptData("a stored value is not a pickle of plain values") from None
