"""The store: what its methods mean in SQL."""

from __future__ import annotations

import itertools
import logging
import random
import time
import weakref
from typing import TYPE_CHECKING, Any, Literal

from ...errors import SettingsError, StoreError, StoreUnavailable
from ...settings.databases import database_mistakes
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
from ..facts import StoreFacts
from .database import Database
from .engine import open_engine
from .table import (
    BATCH,
    CUT_AT,
    FOREVER,
    SWEPT_AT_ONCE,
    Statements,
    make_table,
    pack_key,
    unpack_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Engine, Executable

    from ...settings import StoreSettings
    from .database import Written

log = logging.getLogger(__name__)

#: Bytes from which MariaDB and MySQL may refuse a value: half of the smallest default limit.
LARGE = 2**19

#: One in so many writes removes expired entries: up to five times as many as are written.
WRITES_PER_SWEEP = 20


class SqlStore(Store):
    """Keeps entries as rows of a table, for all processes of all hosts that reach the database.

    ``engine`` is a SQLAlchemy engine for PostgreSQL, MariaDB, MySQL or SQLite; every statement is
    a transaction of its own, whatever the engine is set to. The table is ``<table_name>_entries``
    (``beakerish_entries``) in ``schema_name``; `prepare` makes it where it is missing, unless
    ``create_table`` is false. ``clock`` gives seconds since the epoch (`time.time`): expiry
    follows it, not the clock of the database. If ``owned`` is true, `close` closes the
    engine's connections.

    >>> from sqlalchemy import create_engine
    >>> from tempfile import mkdtemp
    >>> store = SqlStore(create_engine(f"sqlite:///{mkdtemp()}/entries.db"), owned=True)
    >>> store.prepare()
    >>> store.create("greeting", b"12345678hello", ttl=60)
    True
    >>> store.load("greeting")
    (b'12345678hello', b'12345678')
    >>> store.close()
    """

    def __init__(
        self,
        engine: Engine,
        table_name: str | None = None,
        schema_name: str | None = None,
        create_table: bool = True,
        clock: Callable[[], float] = time.time,
        *,
        owned: bool = False,
    ) -> None:
        self._table = make_table(table_name, schema_name)
        self._statements = Statements(self._table, engine.dialect.name)
        self._database = Database(engine, self._table)
        self._is_file = engine.dialect.name == "sqlite"
        self._creates_table = create_table
        self._clock = clock
        self._owned = owned
        if owned:
            # Not at the end of the process: a child that ends would close its parent's connections.
            weakref.finalize(self, engine.dispose).atexit = False
        # From a random start, so that processes that end after a few writes sweep as well.
        self._writes = itertools.count(random.randrange(WRITES_PER_SWEEP))  # noqa: S311

    @classmethod
    def from_settings(cls, settings: StoreSettings, clock: Callable[[], float]) -> SqlStore:
        """Make the store from ``url``, ``bind`` and database options; nothing is contacted.

        Raises `SettingsError` for a database that cannot be used.
        """
        mistakes = database_mistakes(settings, settings.key_prefix)
        if mistakes:
            raise SettingsError(mistakes)
        engine, owned = open_engine(settings)
        names = settings.backend.get("table_name"), settings.backend.get("schema_name")
        return cls(engine, *names, settings.create_table, clock, owned=owned)

    def prepare(self) -> None:
        """Make the table, unless ``create_table`` is false; then nothing is contacted.

        A database that cannot be reached is logged as a warning: it may have the table,
        and will be used as soon as it is back.
        """
        if not self._creates_table:
            return
        try:
            self.install()
        except StoreUnavailable as error:
            log.warning("The table %s could not be looked for: %s", self._table.fullname, error)

    def install(self) -> None:
        """Make the table and its index if they are not there, whatever ``create_table`` says."""
        self._database.create_table()

    def load(self, key: str) -> Entry | None:
        """Give the value under the key and its write id, or ``None``."""
        packed, _ = pack_key(key)
        rows = self._database.read(self._statements.load, this=packed, now=self._clock())
        return _entry(rows[0].value) if rows else None

    def load_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        """Give the entries found under several keys, in one round trip."""
        names = {pack_key(key)[0]: key for key in keys}
        rows = self._database.read(self._statements.load_many, these=list(names), now=self._clock())
        return {names[bytes(row.key)]: _entry(row.value) for row in rows}

    def create(self, key: str, value: bytes, ttl: float | None) -> bool:
        """Store the value only if the key is absent; tell whether it was stored."""
        return self._put(self._statements.create, key, value, ttl)

    def swap(self, key: str, token: Any, value: bytes, ttl: float | None) -> bool:
        """Store the value only if the entry is still the one that ``load`` gave."""
        return self._put([self._statements.swap], key, value, ttl, token=token)

    def set(self, key: str, value: bytes, ttl: float | None) -> None:
        """Store the value, whatever was there."""
        self._put([self._statements.set], key, value, ttl)

    def delete(self, key: str, token: Any = None) -> bool:
        """Remove the entry, with a token only if it is unchanged; tell whether it was removed."""
        packed, _ = pack_key(key)
        statement = self._statements.delete if token is None else self._statements.delete_unchanged
        written = self._database.write([statement], this=packed, token=token, now=self._clock())
        if written.lost and not written.rows:
            raise _unknown()
        return written.rows > 0

    def keys(self, prefix: str) -> Iterator[str]:
        """List the keys that begin with the prefix, in the order of their bytes."""
        start = encode_key(prefix)
        first = start[:CUT_AT]
        while True:
            rows = self._database.read(self._statements.keys, first=first, now=self._clock())
            for packed, rest in rows:
                if not bytes(packed).startswith(start[:CUT_AT]):
                    return
                whole = unpack_key(packed, rest)
                if whole.startswith(start):
                    yield decode_key(whole)
            if len(rows) < BATCH:
                return
            first = bytes(rows[-1].key) + b"\0"  # the next possible one

    def sweep(self) -> int:
        """Remove what has expired, a few at a time, so that nobody waits long; tell how much."""
        now, removed = self._clock(), 0
        while True:
            found, gone = self._sweep_batch(now)
            removed += gone
            if found < SWEPT_AT_ONCE:
                return removed
            time.sleep(PAUSE)

    def inspect(self) -> StoreFacts:
        """Tell the version of the database, the table's size, and whether it is still to be made.

        Raises `StoreError` if the table is missing and ``create_table`` is false.
        """
        version, there, used = self._database.examine()
        reach: Literal["host", "network"] = "host" if self._is_file else "network"
        facts = StoreFacts(version=version, reach=reach, persistent=True)
        if there:
            facts["used"] = used
        if there or not self._creates_table:
            self.load(PROBE)
        else:
            facts["absent"] = (
                f"The table {self._table.fullname} is made when the application starts, or by "
                "beakerish prepare."
            )
        return facts

    def close(self) -> None:
        """Close the connections, unless the engine is the application's."""
        if self._owned:
            self._database.close()

    def _put(
        self,
        statements: Iterable[Executable],
        key: str,
        value: bytes,
        ttl: float | None,
        **parameters: Any,
    ) -> bool:
        """Execute the statements with the row that is to be stored."""
        packed, rest = pack_key(key)
        now = self._clock()
        try:
            written = self._database.write(
                statements,
                this=packed,
                rest=rest,
                new_write_id=value[:WRITE_ID_SIZE],
                new_expires=FOREVER if ttl is None else now + ttl,
                new_value=value,
                now=now,
                **parameters,
            )
        except StoreUnavailable:
            self._refuse_if_too_large(len(value))
            raise
        stored = self._settled(written, packed, value[:WRITE_ID_SIZE])
        if next(self._writes) % WRITES_PER_SWEEP == 0:
            with sweeping_in_passing():
                self._sweep_batch(now)
        return stored

    def _refuse_if_too_large(self, size: int) -> None:
        """Raise `StoreError` if MariaDB has broken the connection because of the value's size.

        Waiting for the server would be in vain.
        """
        if self._statements.limit is None or size < LARGE:
            return
        ((limit,),) = self._database.read(self._statements.limit)
        if 2 * size > limit:  # PyMySQL spells some bytes as two
            raise StoreError(
                f"the database refuses a value of {size} bytes: its max_allowed_packet is {limit}"
            )

    def _settled(self, written: Written, packed: bytes, write_id: bytes) -> bool:
        """Tell whether a write was done, even if its first answer was lost."""
        if written.rows or not written.lost:
            return written.rows > 0
        rows = self._database.read(self._statements.write_id, this=packed)
        if [bytes(row.write_id) for row in rows] == [write_id]:
            return True
        raise _unknown()

    def _sweep_batch(self, now: float) -> tuple[int, int]:
        """Remove some of what has expired; tell how much was found, and removed."""
        rows = self._database.read(self._statements.expired, now=now)
        if not rows:
            return 0, 0
        these = sorted(row.key for row in rows)  # so that two sweeps never wait for each other
        written = self._database.write([self._statements.remove_expired], these=these, now=now)
        return len(rows), written.rows


def _entry(value: bytes) -> Entry:
    return value, value[:WRITE_ID_SIZE]


def _unknown() -> StoreUnavailable:
    return StoreUnavailable(
        "an answer of the database was lost: whether the write was done is not known"
    )
