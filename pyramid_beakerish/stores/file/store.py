"""Entries as files, one each, for the processes of one host."""

from __future__ import annotations

import logging
import math
import os
import time
from contextlib import suppress
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any

from ...errors import SettingsError
from ..base import (
    PAUSE,
    PROBE,
    WRITE_ID_SIZE,
    Entry,
    Store,
    decode_key,
    encode_key,
    sweeping_in_passing,
)
from ..system.errors import translating_errors, unavailable
from ..system.folders import (
    TO_BE_MADE,
    facts_of_folder,
    fsync_name,
    make_private_folder,
    own_folder,
    prepare_folder,
)
from ..system.locks import FileLock
from .entry import (
    FIRST_READ,
    READ,
    UPDATE,
    Record,
    freed_afterwards,
    hint_expiry,
    overwrite,
    previous,
    read_file,
    read_record,
    read_rest,
    surely_alive,
    write_file,
)
from .sweep import STEP, Sweeper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...settings import StoreSettings
    from ..facts import StoreFacts

log = logging.getLogger(__name__)

STRIPES = "0123456789abcdef"

#: What `FileStore._store` can want instead of a token.
ABSENT, ANY = object(), object()

#: Where the entry of a key is: the key as bytes, the name of its file, the path of its file.
#: The name's first digit tells the lock, the first two the folder.
Place = tuple[bytes, str, str]


class FileStore(Store):
    """Keeps each entry in a file of its own, for all processes of this host.

    The files are in the folder ``beakerish`` of ``data_dir``, with hashed names, readable
    by this user only. Lock files are in the folder ``beakerish`` of ``lock_dir``, or
    beside the others. A killed process leaves the old or the new value, never a torn one;
    unless ``fsync`` is true, a power cut may undo the last writes, or take their entries
    away. Every process that uses a ``data_dir`` must name the same ``lock_dir``.
    ``clock`` gives seconds since the epoch (`time.time`). A write waits up to
    ``patience`` seconds (2) for others before it raises `StoreUnavailable`.

    >>> from tempfile import mkdtemp
    >>> store = FileStore(mkdtemp())
    >>> store.create("greeting", b"12345678hello", ttl=60)
    True
    >>> store.load("greeting")
    (b'12345678hello', b'12345678')
    """

    write_id_is_token = True

    # Readers take no lock, unless what they see is damaged or being written (see entry.py).
    # Writers hold the lock of one stripe, and open the file under it: so nobody writes to a file
    # that was replaced or removed. A stripe has one temporary file: killed writers leave no more.

    def __init__(
        self,
        data_dir: str | os.PathLike[str],
        lock_dir: str | os.PathLike[str] | None = None,
        fsync: bool = False,
        clock: Callable[[], float] = time.time,
        *,
        patience: float = 2.0,
    ) -> None:
        self._root = own_folder(data_dir)
        self._lock_root = lock_root = own_folder(data_dir if lock_dir is None else lock_dir)
        self._locks = {digit: FileLock(f"{lock_root}{digit}.lock", patience) for digit in STRIPES}
        self._fsync = fsync
        self._clock = clock
        self._sweeper = Sweeper(self._root, FileLock(f"{lock_root}sweep.lock", patience))
        self._reported: set[str] = set()

    @classmethod
    def from_settings(cls, settings: StoreSettings, clock: Callable[[], float]) -> FileStore:
        """Make the store from ``data_dir``, ``lock_dir`` and ``fsync``; no file is made yet."""
        if settings.data_dir is None:
            under = settings.key_prefix
            told = f"{under}type = file needs {under}data_dir, the folder to keep the files in"
            raise SettingsError([told])
        return cls(settings.data_dir, settings.lock_dir, settings.fsync, clock)

    def prepare(self) -> None:
        """Make the folders, so that a mistake shows at the start."""
        for folder in (self._root, self._lock_root):
            prepare_folder(os.path.dirname(folder), "file")

    def load(self, key: str) -> Entry | None:
        """Give the value under the key and its write id, or ``None``."""
        # `_place`, `read_file` and the translation of errors are spelt out here:
        # calling them costs 0.6 of 5.3 us, and more in an application, where less of
        # the code is in the processor's caches.
        encoded = key.encode("utf-8", "surrogatepass")
        name = blake2b(encoded, digest_size=20).hexdigest()
        try:
            fd = os.open(f"{self._root}{name[:2]}{os.sep}{name}", READ)
            try:
                data = os.read(fd, FIRST_READ)
                if len(data) == FIRST_READ:
                    data = read_rest(fd, data)
            finally:
                os.close(fd)
            record = read_record(data, encoded) or self._record(name, encoded)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unavailable(error) from None
        if record is None or record[2] <= self._clock():
            return None
        value = record[1]
        return value, value[:WRITE_ID_SIZE]

    def create(self, key: str, value: bytes, ttl: float | None) -> bool:
        """Store the value only if the key is absent; tell whether it was stored."""
        return self._store(key, ABSENT, value, ttl)

    def swap(self, key: str, token: Any, value: bytes, ttl: float | None) -> bool:
        """Store the value only if the entry is still the one that ``load`` gave."""
        return self._store(key, token, value, ttl)

    def set(self, key: str, value: bytes, ttl: float | None) -> None:
        """Store the value, whatever was there."""
        self._store(key, ANY, value, ttl)

    @translating_errors
    def delete(self, key: str, token: Any = None) -> bool:
        """Remove the entry, with a token only if it is unchanged; tell whether it was removed."""
        encoded, name, path = self._place(key)
        with freed_afterwards(path), self._locks[name[0]]:
            record = self._locked_record(name, encoded)
            if record is None or record[2] <= self._clock():
                return False
            if token not in (None, record[1][:WRITE_ID_SIZE]):
                return False
            self._unlink(path)
        return True

    def keys(self, prefix: str) -> Iterator[str]:
        """List the keys that begin with the prefix; every file is read."""
        start, now = encode_key(prefix), self._clock()
        try:
            for name in self._sweeper.names():
                record = self._record(name)
                if record and record[2] > now and record[0].startswith(start):
                    yield decode_key(record[0])
        except OSError as error:
            raise unavailable(error) from None

    @translating_errors
    def sweep(self) -> int:
        """Remove what has expired or is damaged, some at a time; tell how much."""
        now, removed = self._clock(), 0
        with self._sweeper.sweeping() as names:
            while some := list(islice(names, STEP)):
                if gone := sum(self._examine(name, now) for name in some):
                    removed += gone
                    time.sleep(PAUSE)
        return removed

    def inspect(self) -> StoreFacts:
        """Tell how much room the disk has; raise `StoreUnavailable` if the folder is not writable.

        The folder is not made: it would belong to the user who asks.
        """
        facts = facts_of_folder(self._root)
        self.load(PROBE)
        if not os.path.isdir(self._root):
            facts["absent"] = TO_BE_MADE
        return facts

    def close(self) -> None:
        """Close the lock files; the store may be used again."""
        self._sweeper.close()
        for lock in self._locks.values():
            lock.close()

    def _place(self, key: str) -> Place:
        encoded = encode_key(key)
        name = blake2b(encoded, digest_size=20).hexdigest()
        return encoded, name, self._path(name)

    def _path(self, name: str) -> str:
        return f"{self._root}{name[:2]}{os.sep}{name}"

    def _store(self, key: str, wanted: Any, value: bytes, ttl: float | None) -> bool:
        """Store the value if ``wanted`` is the token of what is there, or `ANY`."""
        place = self._place(key)
        try:
            with self._locks[place[1][0]]:
                now = self._clock()
                expires = math.inf if ttl is None else now + ttl
                stored = self._put(place, wanted, value, expires, now)
        except OSError as error:
            raise unavailable(error) from None
        if self._sweeper.due(now):
            with sweeping_in_passing():
                self._sweep_a_little()
        return stored

    def _put(self, place: Place, wanted: Any, value: bytes, expires: float, now: float) -> bool:
        key, name, path = place
        try:
            fd = os.open(path, UPDATE)
        except FileNotFoundError:
            if wanted is ABSENT or wanted is ANY:
                self._put_new(place, value, expires, replace=False)
                return True
            return False
        try:
            data = os.read(fd, FIRST_READ)
            if len(data) == FIRST_READ:
                data = read_rest(fd, data)
            record = read_record(data, key) or self._previous(data, name, key)
            token: Any = ABSENT
            if record is not None and record[2] > now:
                token = record[1][:WRITE_ID_SIZE]
            if wanted is not ANY and wanted != token:
                return False
            if overwrite(fd, path, len(data), record, value, expires, self._fsync):
                return True
        finally:
            os.close(fd)
        self._put_new(place, value, expires, replace=token is not ABSENT)
        return True

    def _put_new(self, place: Place, value: bytes, expires: float, *, replace: bool) -> None:
        key, name, path = place
        # In place where nothing alive is replaced: a file that is cut off is taken for absent, too.
        temporary = f"{self._root}{name[0]}.tmp" if replace else path
        try:
            write_file(path, temporary, key, value, expires, self._fsync)
        except FileNotFoundError:
            make_private_folder(os.path.dirname(path), self._fsync)
            write_file(path, temporary, key, value, expires, self._fsync)
        self._reported.discard(name)

    def _record(self, name: str, key: bytes | None = None) -> Record | None:
        """Read the current record; wait for the lock if it is damaged or always being written."""
        for _ in range(3):
            data = read_file(self._path(name))
            if data is None:
                return None
            if record := read_record(data, key):
                return record
        with self._locks[name[0]]:
            return self._locked_record(name, key)

    def _locked_record(self, name: str, key: bytes | None = None) -> Record | None:
        """Read the current record, which nobody is writing: the lock is held."""
        data = read_file(self._path(name))
        if data is None:
            return None
        return read_record(data, key) or self._previous(data, name, key)

    def _previous(self, data: bytes, name: str, key: bytes | None) -> Record | None:
        """Find the record that was current before the newest one was damaged."""
        if name not in self._reported:
            self._reported.add(name)
            log.warning(
                "A file of the file store is empty, cut off or damaged, and what was last written "
                "to it counts as absent. The process or the machine may have stopped uncleanly, or "
                "the disk or the memory may be faulty."
            )
        return previous(data, key)

    def _unlink(self, path: str) -> None:
        os.unlink(path)
        if self._fsync:
            fsync_name(path)

    @translating_errors
    def _sweep_a_little(self) -> None:
        self._sweeper.step(self._examine_if_free, self._clock)

    def _examine(self, name: str, now: float) -> bool:
        """Remove the entry if it has expired or is damaged; tell whether it was removed."""
        path = self._path(name)
        with suppress(FileNotFoundError):
            if not surely_alive(path, now):
                with freed_afterwards(path), self._locks[name[0]]:
                    return self._remove_unless_alive(name, now)
        return False

    def _examine_if_free(self, name: str, now: float) -> bool:
        """Do the same without waiting for others; tell whether it was done."""
        path = self._path(name)
        with suppress(FileNotFoundError):
            if not surely_alive(path, now):
                with freed_afterwards(path), self._locks[name[0]].if_free() as free:
                    if free:
                        self._remove_unless_alive(name, now)
                return free
        return True

    def _remove_unless_alive(self, name: str, now: float) -> bool:
        path = self._path(name)
        record = self._locked_record(name)
        if record is not None and record[2] > now:
            hint_expiry(path, record[2])
            return False
        os.unlink(path)  # no fsync: what a power cut brings back has expired all the same
        return True
