"""Entries in one SQLite file, for the processes of one host."""

from __future__ import annotations

import math
import os
import sqlite3
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from ...errors import SettingsError
from ...settings.file_url import read_file_url
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
from ..system.errors import unavailable
from ..system.folders import facts_of_folder, own_folder, prepare_folder
from .connections import Connections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ...settings import StoreSettings
    from ..facts import StoreFacts

#: The name of the file in our own folder of ``data_dir``.
FILE = "sqlite.db"

# Keys are blobs: they are compared byte by byte, and any string has its own. The order of the
# columns lets a search for expired entries skip the value. A table WITHOUT ROWID would keep
# values between the keys: loading one of 20,000 entries of 3 kB would take 5 us, not 3.7.
SCHEMA = (
    """CREATE TABLE IF NOT EXISTS beakerish_store
    (key BLOB PRIMARY KEY NOT NULL, expires REAL NOT NULL, value BLOB NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS beakerish_store_expires ON beakerish_store (expires)",
)

LOAD = "SELECT value FROM beakerish_store WHERE key = ? AND expires > ?"
# Each hit of a region loads two keys, which takes 4.4 us like this and 5.7 with
# ``key IN``: that makes a table of the keys, with an index, for one statement.
LOAD_MANY = (
    "WITH wanted (name) AS (VALUES {}) SELECT key, value FROM wanted CROSS JOIN beakerish_store"
    " WHERE key = name AND expires > ?"
)
SET = (
    "INSERT INTO beakerish_store VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE"
    " SET expires = excluded.expires, value = excluded.value"
)
CREATE = f"{SET} WHERE expires <= ?"
# substr gives NULL for an empty value, which only another program can have written.
WRITE_ID = f"ifnull(substr(value, 1, {WRITE_ID_SIZE}), x'')"
UNCHANGED = f"key = ? AND expires > ? AND {WRITE_ID} = ?"
SWAP = f"UPDATE beakerish_store SET expires = ?, value = ? WHERE {UNCHANGED}"  # noqa: S608
DELETE = "DELETE FROM beakerish_store WHERE key = ? AND expires > ?"
DELETE_UNCHANGED = f"DELETE FROM beakerish_store WHERE {UNCHANGED}"  # noqa: S608
KEYS = (
    "SELECT key FROM beakerish_store WHERE key >= ? AND key < ? AND expires > ?"
    " ORDER BY key LIMIT ?"
)
DELETE_EXPIRED = (
    "DELETE FROM beakerish_store WHERE rowid IN"
    " (SELECT rowid FROM beakerish_store WHERE expires <= ? LIMIT ?)"
)

#: Comes after all that begins with a prefix: no byte of UTF-8 is as high as this one.
HIGHEST = b"\xff"

#: How many keys one statement takes or gives; SQLite before 3.32 takes 999.
MOST_KEYS = 500

#: How many expired entries a write removes at most, and a sweep at once.
LITTLE, BATCH = 20, 100

#: Seconds from a write that finds no more expired entries to the next one that looks for them.
REST = 1.0


class SqliteStore(Store):
    """Keeps all entries in one SQLite file, for all processes of this host.

    The file is ``path``, in a folder that others must not write to; it is made when it is needed,
    and only this user may read it. While it is in use, two files of SQLite's are beside it. The
    lock file is beside it, too, or in the folder ``beakerish`` of ``lock_dir``. A killed process
    loses nothing that was stored; unless ``fsync`` is true, a power cut may undo the last writes.
    ``clock`` gives seconds since the epoch (`time.time`). A write waits up to ``patience``
    seconds (2) for others before it raises `StoreUnavailable`.

    >>> from tempfile import mkdtemp
    >>> store = SqliteStore(os.path.join(mkdtemp(), "sessions.db"))
    >>> store.create("greeting", b"12345678hello", ttl=60)
    True
    >>> store.load("greeting")
    (b'12345678hello', b'12345678')
    >>> store.close()
    """

    write_id_is_token = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        lock_dir: str | os.PathLike[str] | None = None,
        fsync: bool = False,
        clock: Callable[[], float] = time.time,
        *,
        patience: float = 2.0,
    ) -> None:
        path = self._path = os.path.abspath(path)
        lock_path = f"{path}.lock" if lock_dir is None else f"{own_folder(lock_dir)}sqlite.lock"
        self._connections = Connections(path, lock_path, SCHEMA, fsync, patience)
        self._clock = clock
        self._swept = 0.0

    @classmethod
    def from_settings(cls, settings: StoreSettings, clock: Callable[[], float]) -> SqliteStore:
        """Make the store from ``url`` or ``data_dir``, ``lock_dir`` and ``fsync``; no file yet."""
        return cls(path_of(settings), settings.lock_dir, settings.fsync, clock)

    def prepare(self) -> None:
        """Make the file and its table, and see that they can be used."""
        prepare_folder(os.path.dirname(self._path), "sqlite")
        self._connections.prepare()

    def load(self, key: str) -> Entry | None:
        """Give the value under the key and its write id, or ``None``."""
        now = self._clock()
        rows, _ = self._connections.execute(LOAD, (encode_key(key), now), now)
        if not rows:
            return None
        value = rows[0][0]
        return value, value[:WRITE_ID_SIZE]

    def load_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        """Give the entries found under several keys, with one statement for every 500."""
        names, now = {encode_key(key): key for key in keys}, self._clock()
        wanted = [*names]
        found: dict[str, Entry] = {}
        while wanted:
            some, wanted = wanted[:MOST_KEYS], wanted[MOST_KEYS:]
            rows, _ = self._connections.execute(_load_many(len(some)), (*some, now), now)
            for name, value in rows:
                found[names[name]] = value, value[:WRITE_ID_SIZE]
        return found

    def create(self, key: str, value: bytes, ttl: float | None) -> bool:
        """Store the value only if the key is absent; tell whether it was stored."""
        now = self._clock()
        return self._write(CREATE, (encode_key(key), expiry(now, ttl), value, now), now)

    def swap(self, key: str, token: Any, value: bytes, ttl: float | None) -> bool:
        """Store the value only if the entry is still the one that ``load`` gave."""
        now = self._clock()
        return self._write(SWAP, (expiry(now, ttl), value, encode_key(key), now, token), now)

    def set(self, key: str, value: bytes, ttl: float | None) -> None:
        """Store the value, whatever was there."""
        now = self._clock()
        self._write(SET, (encode_key(key), expiry(now, ttl), value), now)

    def delete(self, key: str, token: Any = None) -> bool:
        """Remove the entry, with a token only if it is unchanged; tell whether it was removed."""
        now = self._clock()
        if token is None:
            return self._write(DELETE, (encode_key(key), now), now)
        return self._write(DELETE_UNCHANGED, (encode_key(key), now, token), now)

    def keys(self, prefix: str) -> Iterator[str]:
        """List the keys that begin with the prefix, a few hundred at a time."""
        now = self._clock()
        start, end = encode_key(prefix), encode_key(prefix) + HIGHEST
        while True:
            rows, _ = self._connections.execute(KEYS, (start, end, now, MOST_KEYS), now)
            yield from (decode_key(key) for (key,) in rows)
            if len(rows) < MOST_KEYS:
                return
            start = rows[-1][0] + b"\0"  # the first that can come after it

    def sweep(self) -> int:
        """Remove what has expired, a little at a time, so that nobody waits long; tell how much."""
        now = self._clock()
        removed = batch = self._delete_expired(BATCH, now)
        while batch == BATCH:
            time.sleep(PAUSE)
            batch = self._delete_expired(BATCH, now)
            removed += batch
        return removed

    def inspect(self) -> StoreFacts:
        """Tell the version of SQLite, how large the file is, and how much room the disk has.

        The file is not made: it would belong to the user who asks.
        """
        facts = facts_of_folder(self._path)
        facts["version"] = f"SQLite {sqlite3.sqlite_version}"
        try:
            facts["used"] = os.path.getsize(self._path)
        except FileNotFoundError:
            facts["absent"] = "The file is made when the application starts."
        except OSError as error:
            raise unavailable(error, "sqlite") from None
        else:
            self.load(PROBE)
        return facts

    def close(self) -> None:
        """Close the file; the store may be used again."""
        self._connections.close()

    def _write(self, statement: str, parameters: tuple[Any, ...], now: float) -> bool:
        """Run a statement that changes an entry; tell whether it did."""
        _, changed = self._connections.execute(statement, parameters, now)
        if not 0 <= now - self._swept < REST:
            with sweeping_in_passing():
                self._sweep_a_little(now)
        return changed > 0

    def _sweep_a_little(self, now: float) -> None:
        if self._delete_expired(LITTLE, now) < LITTLE:
            self._swept = now

    def _delete_expired(self, most: int, now: float) -> int:
        return self._connections.execute(DELETE_EXPIRED, (now, most), now)[1]


@cache  # a hit of a region asks for two keys each time
def _load_many(keys: int) -> str:
    return LOAD_MANY.format(", ".join(["(?)"] * keys))


def path_of(settings: StoreSettings) -> str:
    """Give the path of the file that the settings name."""
    try:
        if settings.url is not None:
            return read_file_url(settings.url)
    except ValueError as refusal:
        raise SettingsError([f"{settings.key_prefix}url {refusal}"]) from refusal
    if settings.data_dir is None:
        under = settings.key_prefix
        needs = f"{under}url, or {under}data_dir, the folder to keep its file in"
        raise SettingsError([f"{under}type = sqlite needs {needs}"])
    return own_folder(settings.data_dir) + FILE


def expiry(now: float, ttl: float | None) -> float:
    """Give the moment at which an entry ends."""
    return math.inf if ttl is None else now + ttl
