"""A mapping whose values stay encoded until they are read, and that knows what has changed."""

from __future__ import annotations

import copy
import logging
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from ..errors import CorruptData, SerializationError
from .dict_methods import DictMethods
from .flash import FLASH_PREFIX
from .record import NOTHING, merge_queues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..serializers import Serializer
    from .record import Values

    Modifier = tuple[Callable[[Any], Any], Any]

log = logging.getLogger(__name__)

#: The types of values that cannot change behind the mapping's back once handed out.
ATOMS = frozenset((str, int, float, bool, bytes, type(None)))

UNSET: Any = object()
NO_KEYS: frozenset[str] = frozenset()


class EncodedMapping(DictMethods):
    """The application's side of a record: loaded at first touch, compared at the end.

    A subclass fills ``_base`` in `_load`, and may refuse writes in `_prepare_to_write`.

    What every request does is in a few, somewhat longer functions, here and in the classes that
    it uses: with many short ones a read took 1.4 times as long, and a write 1.3 times, in an
    application whose other code fills the processor's caches.
    """

    #: The attributes that a `Snapshot` leaves alone. All others are replaced, never changed in
    #: place, so that a snapshot can keep references to them.
    _lasting = frozenset(
        ("_serializer", "_announced", "_values", "_suspects", "_views", "_writable")
    )
    _unreadable = NO_KEYS
    #: For a key whose value is made from another object: a function that gives its current value.
    #: On the class, as few sessions have any: one more attribute on each cost 0.3 us of a read's
    #: 2.4.
    _views: Mapping[str, Any] = NOTHING

    def __init__(self, serializer: Serializer, announced: str | None) -> None:
        # None of these has a default on the class: CPython finds an attribute faster if the
        # class has nothing of that name.
        self._serializer = serializer
        self._announced = announced  # the key of which `_prepare_to_write` is told at each write
        self._base: Values | None = None  # what is stored, as far as is known here
        self._values: dict[str, Any] = {}  # what was read or written, decoded
        # The keys of ``_values`` that may differ from what is stored, in the order in which the
        # application used them; with the encoded value if it is known.
        self._suspects: dict[str, bytes | None] = {}
        self._gone = NO_KEYS  # the keys that were removed
        # What `modify` made of a key, and how, to do it again with what others have stored.
        self._modifiers: Mapping[str, tuple[bytes, tuple[Modifier, ...]]] = NOTHING
        self._cleared = False  # whether to remove what others have stored meanwhile, too
        # Whether anything but setting values was done: the short way of `persist` does only that.
        self._unusual = False
        self._dirty = False  # whether anything was written
        self._writable = False  # whether `_prepare_to_write` may be skipped
        self._writes_through = False  # whether a change is stored at once: the answer is on its way

    @abstractmethod
    def _load(self) -> None:
        """Fill ``_base``."""

    @abstractmethod
    def _prepare_to_write(self, key: str | None = None) -> None:
        """Load, and raise if nothing may be written; ``key`` is the one that is about to be set."""

    @abstractmethod
    def persist(self) -> None:
        """Store what has changed, now."""

    def __getitem__(self, key: str) -> Any:
        try:
            return self._values[key]
        except KeyError:
            return self._read(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Give the value of a key, or the default."""
        try:
            return self._values[key] if key in self._values else self._read(key)
        except KeyError:
            return default

    def __contains__(self, key: Any) -> bool:
        return self.get(key, UNSET) is not UNSET

    def __iter__(self) -> Iterator[str]:
        values, base = self._read_all(), self._base or {}
        stored = [key for key in base if key in values]
        return iter([*stored, *(key for key in values if key not in base)])

    def __len__(self) -> int:
        return len(self._read_all())

    def __setitem__(self, key: str, value: Any) -> None:
        if not self._writable or key == self._announced:
            self._prepare_to_write(key)
        if self._modifiers:
            self._forget_modifiers(key)
        self._values[key] = value
        self._suspects[key] = None
        self._dirty = True
        if self._writes_through:
            self.persist()

    def __delitem__(self, key: str) -> None:
        if not self._writable:
            self._prepare_to_write()
        if key not in self:
            raise KeyError(key)
        if key not in self._values:
            return  # not data, such as the time of creation
        del self._values[key]
        self._suspects.pop(key, None)
        self._forget_view(key)
        self._gone |= {key}
        self._forget_modifiers(key)
        self._wrote()

    def clear(self) -> None:
        """Remove everything, including what other requests add at the same time."""
        if not self._writable:
            self._prepare_to_write()
        self._forget_values()
        self._cleared = True
        self._gone = frozenset(self._base or ())
        self._wrote()

    def modify(self, key: str, function: Callable[[Any], Any], default: Any = None) -> Any:
        """Change a value by a function, with effect exactly once, whatever others do meanwhile.

        ``function`` takes the value, or a copy of ``default``, and returns the new one. It is
        called again with what another request has stored at the same time, so it must do
        nothing else. Gives the new value.

        Example::

            session.modify("visits", lambda n: n + 1, 0)
        """
        if not self._writable or key == self._announced:
            self._prepare_to_write(key)
        modifiers = self._modifiers_of(key)
        value = self._values[key] = function(self.get(key, copy.deepcopy(default)))
        self._suspects[key] = None
        if modifiers is not None:
            made = (*modifiers, (function, default))
            self._modifiers = {**self._modifiers, key: (self._encode(key), made)}
        self._wrote()
        return value

    # Reading

    def _read(self, key: str) -> Any:
        if self._base is None:
            self._load()
            if key in self._values:
                return self._values[key]
        base = self._base or NOTHING
        encoded = None if key in self._gone else base.get(key)
        if encoded is None:
            return self._missing(key)
        try:
            value = self._values[key] = self._serializer.loads(encoded)
        except CorruptData as error:
            return self._unread(key, error)
        if type(value) not in ATOMS:
            self._suspects[key] = None
        return value

    @abstractmethod
    def _missing(self, key: str) -> Any:
        """Give what stands for a key that is not there, or raise `KeyError`."""

    def _unread(self, key: str, error: CorruptData) -> Any:
        # Treated as absent; what is stored stays, for a release that can read it.
        if key not in self._unreadable:
            log.warning("The value of %r in a session cannot be read: %s", key, error)
            self._unreadable |= {key}
        return self._missing(key)

    def _read_all(self) -> dict[str, Any]:
        if self._base is None:
            self._load()
        for key in self._base or ():
            self.get(key)
        self._read_views()
        return self._values

    def _read_views(self) -> None:
        for key, view in self._views.items():
            self._values[key] = view()

    # Keeping track

    def _wrote(self) -> None:
        """Take note of a change other than the setting of a value."""
        self._dirty = self._unusual = True
        if self._writes_through:
            self.persist()

    def _forget_modifiers(self, key: str) -> None:
        if key in self._modifiers:
            self._modifiers = {name: m for name, m in self._modifiers.items() if name != key}

    def _forget_view(self, key: str) -> None:
        if key in self._views:
            self._views = {name: view for name, view in self._views.items() if name != key}

    def _forget_values(self) -> None:
        self._values.clear()
        self._suspects.clear()
        self._modifiers = NOTHING
        if self._views:
            self._views = NOTHING
        self._gone = NO_KEYS
        self._cleared = False

    def _modifiers_of(self, key: str) -> tuple[Modifier, ...] | None:
        """Give what to redo to the key on a conflict; ``None`` if it was also set or removed."""
        if key in self._modifiers:
            encoded, modifiers = self._modifiers[key]
            return modifiers if self._encode(key) == encoded else None
        suspects = self._suspects
        if key in suspects and self._differs(key, self._encode(key)):
            return None
        return None if key in self._gone else ()

    def _encode(self, key: str) -> bytes:
        try:
            if type(key) is not str:
                raise SerializationError(f"keys are strings, not {type(key).__name__}")
            if not key.isascii():
                key.encode()  # raises for a lone surrogate
            if key in self._views:
                self._values[key] = self._views[key]()
            return self._serializer.dumps(self._values[key])
        except (SerializationError, UnicodeEncodeError) as error:
            raise SerializationError(f"session[{key!a}] cannot be stored: {error}") from error

    def _differs(self, key: str, encoded: bytes) -> bool:
        """Tell whether a value differs from the stored one, and not just in its encoding.

        Pickles of equal values may differ: a set has another order in each process, for one.
        """
        stored = (self._base or NOTHING).get(key)
        if stored is None or stored == encoded or self._serializer.spells_alike:
            return stored != encoded
        try:
            return self._serializer.dumps(self._serializer.loads(stored)) != encoded
        except (CorruptData, SerializationError):
            return True

    def _changed(self) -> dict[str, bytes]:
        """Give the values that differ from what is stored; raises `SerializationError`.

        From now on only mutable values are suspected of differing again.
        """
        base, values, gone = self._base or NOTHING, self._values, self._gone
        changed: dict[str, bytes] = {}
        mutable: dict[str, bytes | None] = {}
        spells_alike = self._serializer.spells_alike
        for key, known in self._suspects.items():
            value, encoded = values[key], known or self._encode(key)
            # `_differs` tests this as well: doing it here saves a call in most writes.
            other = base.get(key) != encoded and (spells_alike or self._differs(key, encoded))
            if other or key in gone:
                changed[key] = encoded
            if type(value) not in ATOMS:
                mutable[key] = None
        self._suspects = mutable
        return changed

    def _apply(self, changed: dict[str, bytes], stored: Values) -> Values:
        """Give the stored values, ours or those of others, with our changes."""
        if stored is self._base and not (self._gone or self._cleared):
            return stored | changed
        values = {} if self._cleared else {**stored}
        for key in self._gone:
            values.pop(key, None)
        values.update(changed)
        if stored is not self._base:
            self._merge(changed, NOTHING if self._cleared else stored, values)
        return values

    # Meeting the changes of others

    def _merge(
        self, changed: Mapping[str, bytes], theirs: Mapping[str, bytes], into: dict[str, bytes]
    ) -> None:
        for key in {*changed, *self._gone}:
            encoded, modifiers = self._modifiers.get(key, (b"", ()))
            if modifiers and changed.get(key) == encoded:
                into[key] = self._modify_again(modifiers, theirs.get(key))
            elif key.startswith(FLASH_PREFIX):
                merged = self._merge_queue(key, changed.get(key), theirs.get(key))
                into.pop(key, None)
                into.update(merged)

    def _modify_again(self, modifiers: tuple[Modifier, ...], theirs: bytes | None) -> bytes:
        value = self._decoded(theirs, UNSET)
        for function, default in modifiers:
            value = function(copy.deepcopy(default) if value is UNSET else value)
        return self._serializer.dumps(value)

    def _merge_queue(self, key: str, mine: bytes | None, theirs: bytes | None) -> dict[str, bytes]:
        encoded = ((self._base or NOTHING).get(key), mine, theirs)
        queues = [self._decoded(queue, []) for queue in encoded]
        if not all(isinstance(queue, list) for queue in queues):
            return {} if mine is None else {key: mine}
        merged = merge_queues(*queues, taken=key in self._gone)
        return {key: self._serializer.dumps(merged)} if merged else {}

    def _decoded(self, encoded: bytes | None, default: Any) -> Any:
        """Decode a value that others have stored; one that cannot be read counts as absent."""
        try:
            return default if encoded is None else self._serializer.loads(encoded)
        except CorruptData:
            return default
