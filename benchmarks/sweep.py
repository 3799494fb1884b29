"""How long the sweep of a million expired sessions takes, and how long others wait meanwhile.

python -m benchmarks sweep
"""

from __future__ import annotations

import gc
import os
import tempfile
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing import get_context, parent_process
from statistics import quantiles
from threading import Event
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, text

from pyramid_beakerish.stores.base import new_write_id
from pyramid_beakerish.stores.file import FileStore
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.stores.sql import SqlStore
from pyramid_beakerish.stores.sqlite import SqliteStore
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.together import Background
from tests.servers import own, remove_folders
from tests.servers.postgresql import PostgreSQLServer

from .harness import Rounds, Table
from .servers import are_there

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from pyramid_beakerish.stores.base import Store

    Waits = dict[str, list[float]]

SERVERS = (PostgreSQLServer,)
ENTRIES = 1_000_000
#: Seconds for which others are looked at while nobody sweeps, and after which all is given up.
QUIET, PATIENCE = 3.0, 500.0
#: What others may wait at most, in milliseconds.
AT_MOST = 50.0
SECONDS, ALONE = "seconds", "nobody sweeps"
WITHOUT_AIM = {SECONDS, ALONE}
TTL = 3600
#: As large as the record of a small session.
SIZE = 100
#: Processes that fill a folder together.
WRITERS = 2

SQLITE_ROWS = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :entries)
    INSERT INTO beakerish_store
    SELECT CAST('session:' || n AS BLOB), :expires, randomblob(:size) FROM numbers
"""
POSTGRESQL_ROWS = """
    INSERT INTO beakerish_entries (key, write_id, expires, value)
    SELECT convert_to('session:' || n, 'UTF8'), '12345678', :expires,
        decode(repeat(md5(n::text), :size / 16), 'hex')
    FROM generate_series(1, :entries) AS n
"""


def tables(entries: int = ENTRIES, quiet: float = QUIET) -> Iterator[Table]:
    """Sweep each kind of store that has something to sweep."""
    kinds = {"memory": memory, "file": files, "sqlite": sqlite}
    if are_there(PostgreSQLServer, what="the sweep of a table of PostgreSQL"):
        kinds["sql, PostgreSQL"] = postgresql
    found = {name: measured(kind, entries, quiet) for name, kind in kinds.items()}
    table = Table(f"sweep of {entries:,} expired sessions, and the longest waits meanwhile, in ms")
    for column in found["file"]:
        once = {name: each[column] for name, each in found.items() if column in each}
        table.columns[column] = Rounds.once(once)
    longest = max(each[name] for each in found.values() for name in each.keys() - WITHOUT_AIM)
    met = "reached" if longest <= AT_MOST else "MISSED"
    table.notes.append(f"others wait {longest:.0f} ms at most, at most {AT_MOST:.0f}: {met}")
    yield table
    remove_folders()


class RunningClock(FrozenClock):
    """A clock that goes on by itself, too."""

    def __call__(self) -> float:
        """Give the time."""
        return self.now + time.monotonic()


def measured(
    kind: Callable[[FrozenClock, int], AbstractContextManager[Store]], entries: int, quiet: float
) -> dict[str, float]:
    """Give the seconds of a sweep, and the longest waits of others, with it and without."""
    clock = RunningClock()
    with kind(clock, entries) as store:
        gc.collect()
        gc.freeze()  # else a collection would stop all threads for as long as a sweep may
        with_process = not isinstance(store, MemoryStore)
        _, without = others_meanwhile(store, partial(time.sleep, quiet), with_process)
        clock.advance(2 * TTL)
        seconds, waits = others_meanwhile(store, store.sweep, with_process)
        if store.sweep() or any(not key.startswith("alive") for key in store.keys("")):
            raise RuntimeError("this sweep leaves something")
        store.close()
    found = {SECONDS: seconds, ALONE: max(map(max, without.values()))}
    return found | dict(_tails(waits))


def _tails(waits: Waits) -> Iterator[tuple[str, float]]:
    """Give what one of a thousand reads and writes takes, and the longest, whoever it was."""
    for what, each in waits.items():
        yield f"{what}, 99.9 %", quantiles(each, n=1000)[-1]
        yield f"{what}, longest", max(each)


def others_meanwhile(
    store: Store, work: Callable[[], object], with_process: bool
) -> tuple[float, Waits]:
    """Do the work while a thread and a process use the store; tell how long each took."""
    with ExitStack() as others:
        lookers = [others.enter_context(process_that_uses(store))] if with_process else []
        lookers.append(others.enter_context(thread_that_uses(store)))
        began = time.perf_counter()
        work()
        seconds = time.perf_counter() - began
        found = [looker() for looker in lookers]
    return seconds, {what: [w for each in found for w in each[what]] for what in found[0]}


@contextmanager
def thread_that_uses(store: Store) -> Iterator[Callable[[], Waits]]:
    """Have a thread use the store; what is given ends it, and tells how long it waited."""
    ended = Event()
    using = Background(use, store, "thread", ended.is_set)

    def end() -> Waits:
        ended.set()
        return using.result()

    yield end
    ended.set()


@contextmanager
def process_that_uses(store: Store) -> Iterator[Callable[[], Waits]]:
    """Have another process use the store; the same."""
    context = get_context("fork")
    ended, (ours, theirs) = context.Event(), context.Pipe()
    over = lambda: ended.is_set() or not parent_process().is_alive()  # noqa: E731
    process = context.Process(target=lambda: theirs.send(use(store, "process", over)), daemon=True)
    process.start()

    def end() -> Waits:
        ended.set()
        if not ours.poll(PATIENCE):
            raise RuntimeError("the other process does not end")
        return ours.recv()

    yield end
    process.kill()
    process.join(PATIENCE)


def use(store: Store, who: str, ended: Callable[[], bool]) -> Waits:
    """Read and write an entry again and again; give the milliseconds that each took."""
    key = f"alive: {who}"
    reads, writes = [], []
    store.set(key, new_write_id(), None)
    deadline = time.monotonic() + PATIENCE
    while len(reads) < 2 or (not ended() and time.monotonic() < deadline):
        began = time.perf_counter()
        _, token = store.load(key)
        read = time.perf_counter()
        if not store.swap(key, token, new_write_id(), None):
            raise RuntimeError("this store loses what is written")
        written = time.perf_counter()
        reads.append((read - began) * 1e3)
        writes.append((written - read) * 1e3)
        time.sleep(0.001)
    return {"read": reads, "write": writes}


@contextmanager
def memory(clock: FrozenClock, entries: int) -> Iterator[MemoryStore]:
    """Give a store in memory."""
    store = MemoryStore(clock, max_entries=2 * entries)
    fill(store, range(entries))
    yield store


@contextmanager
def files(clock: FrozenClock, entries: int) -> Iterator[FileStore]:
    """Give a folder of files."""
    with tempfile.TemporaryDirectory() as folder:
        store = FileStore(folder, clock=clock)
        with get_context("fork").Pool(WRITERS, _inherit, (store,)) as pool:
            parts = [range(first, entries, WRITERS) for first in range(WRITERS)]
            pool.map_async(_fill_inherited, parts).get(PATIENCE)
        yield store


@contextmanager
def sqlite(clock: FrozenClock, entries: int) -> Iterator[SqliteStore]:
    """Give a SQLite file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "sessions.db")
        store = SqliteStore(path, clock=clock)
        store.prepare()
        insert(f"sqlite:///{path}", SQLITE_ROWS, clock, entries)
        yield store


@contextmanager
def postgresql(clock: FrozenClock, entries: int) -> Iterator[SqlStore]:
    """Give a table of a PostgreSQL server of its own."""
    with own(PostgreSQLServer) as server:
        store = SqlStore(create_engine(server.url), clock=clock, owned=True)
        store.prepare()
        insert(server.url, POSTGRESQL_ROWS, clock, entries)
        yield store


def insert(url: str, rows: str, clock: FrozenClock, entries: int) -> None:
    """Make the rows at once: one by one takes minutes, and it is their end that is measured."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(rows), {"entries": entries, "expires": clock() + TTL, "size": SIZE})
    engine.dispose()


def fill(store: Store, numbers: range) -> None:
    """Create as many sessions."""
    for number in numbers:
        store.create(f"session:{number}", new_write_id() + bytes(SIZE), TTL)


_inherited: list[Store] = []


def _inherit(store: Store) -> None:
    _inherited.append(store)


def _fill_inherited(numbers: range) -> None:
    fill(_inherited[0], numbers)
