"""The SQL store: forks, threads and several processes on one database."""

from __future__ import annotations

import ctypes
import os
import signal
import time

import pytest
from sqlalchemy import create_engine

from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.stores import count_up, exit_with, in_threads, stamped
from tests import servers
from tests.sql_help import KINDS, administrator, emptied, quick_sqlite, sql_store

PATIENCE = 60.0


@pytest.fixture
def clock():
    return FrozenClock()


@pytest.fixture(params=[*KINDS, None], ids=["PostgreSQL", "MariaDB", "SQLite"])
def kind(request):
    """Each database; ``None`` is SQLite."""
    return request.param


@pytest.fixture
def store(kind, clock, tmp_path):
    """A store that was not used yet, on an empty table."""
    if kind is None:
        with quick_sqlite(tmp_path) as engine:
            store = sql_store(engine, clock)
            store.prepare()
            engine.dispose()
            yield store
        return
    emptied(kind, clock).close()
    store = sql_store(servers.running(kind).url, clock)
    yield store
    store.close()


def start_child(work, fork=os.fork):
    """Call the function in a child process; give its id."""
    child = fork()
    if child == 0:
        exit_with(work)
    return child


def statuses(children):
    """Wait for the children, and give how they ended; who does not end is killed."""
    deadline = time.monotonic() + PATIENCE
    ends = {}
    while len(ends) < len(children) and time.monotonic() < deadline:
        for child in set(children) - ends.keys():
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                ends[child] = os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    for child in set(children) - ends.keys():
        os.kill(child, signal.SIGKILL)
        ends[child] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return [ends[child] for child in children]


def raw_fork():
    """Fork without a word to Python, as a server written in C does."""
    return ctypes.PyDLL(None).fork()


def check_answers(store, name, times):
    """Write and read entries, and take each answer for what it must be."""
    own = [f"{name}:{number}" for number in range(4)]
    values = {key: stamped(key.encode()) for key in own}
    for key, value in values.items():
        store.set(key, value, None)
    for number in range(times):
        key = own[number % 4]
        assert store.load(key) == (values[key], values[key][:8])


@pytest.mark.parametrize("fork", [os.fork, raw_fork], ids=["fork", "raw-fork"])
@pytest.mark.parametrize("used", [True, False], ids=["used", "unused"])
def test_fork(store, used, fork):
    """After a fork, whether before or after first use, 300 answers of each process are right."""
    if used:
        store.set("parent", stamped(b"parent"), None)
    children = [
        start_child(lambda name=f"child {number}": check_answers(store, name, 300), fork)
        for number in range(2)
    ]
    check_answers(store, "parent", 300)
    assert statuses(children) == [0, 0]


def test_threads(store):
    """In 8 threads at once 1600 answers are right."""

    def work(number):
        check_answers(store, f"thread {number}", 200)
        return True

    assert all(in_threads(8, work))


def test_engine_of_the_application(kind, clock, tmp_path):
    """A fork does no harm to the application's own use of its engine."""
    url = f"sqlite:///{tmp_path}/entries.db" if kind is None else servers.running(kind).url
    engine = create_engine(url)
    store = sql_store(engine, clock)
    store.prepare()
    with engine.connect() as connection:
        children = [
            start_child(lambda name=f"child {number}": check_answers(store, name, 100))
            for number in range(2)
        ]
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
        assert statuses(children) == [0, 0]
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    engine.dispose()


def test_no_count_is_lost(store):
    """When 4 processes count by swapping, no count is lost."""
    store.set("count", stamped(b"0"), None)
    children = [start_child(lambda: count_up(store, "count", 25)) for _ in range(4)]
    assert statuses(children) == [0] * 4
    assert store.load("count")[0][8:] == b"100"


def test_table_is_made_by_many(kind, clock, tmp_path):
    """When 8 processes start at once, all have their table, and none fails."""
    url = f"sqlite:///{tmp_path}/entries.db" if kind is None else servers.running(kind).url
    for _ in range(2):
        with administrator(url) as execute:
            execute("DROP TABLE IF EXISTS made_entries")
        together = time.monotonic() + 0.05

        def start(together=together):
            store = sql_store(url, clock, table_name="made")
            while time.monotonic() < together:
                pass
            store.install()
            store.set(str(os.getpid()), stamped(), None)

        children = [start_child(start) for _ in range(8)]
        assert statuses(children) == [0] * 8
        store = sql_store(url, clock, table_name="made")
        assert sorted(store.keys("")) == sorted(map(str, children))
        store.close()
