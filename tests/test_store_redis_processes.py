"""The Redis store in threads and in forked processes: nobody reads another's answers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pyramid_beakerish.stores.base import new_write_id
from pyramid_beakerish.stores.redis import RedisStore
from pyramid_beakerish.testing.stores import stamped
from pyramid_beakerish.testing.together import in_threads, start_child, succeeds_in_child, wait_for
from tests.redis_help import empty
from tests.servers import running
from tests.servers.redis import RedisServer

READS = 2500


@pytest.fixture
def store():
    server = running(RedisServer)
    empty(server).close()
    store = RedisStore(server.url)
    yield store
    store.close()


def read_own(store, number):
    """Read so often one's own entry, and at times write it; no other answer may ever come."""
    key, contents = f"own:{number}", b"contents of %d" % number
    store.set(key, stamped(contents), 60)
    for round_ in range(READS):
        entry = store.load(key)
        assert entry is not None
        assert entry[0][8:] == contents
        if round_ % 100 == 0:
            assert store.swap(key, entry[1], stamped(contents), 60)


def test_threads(store):
    """Of 10,000 answers that four threads wait for at the same time each gets its own."""
    in_threads(4, lambda number: read_own(store, number))


@pytest.mark.parametrize("used_before", [True, False])
def test_forks(store, used_before):
    """Of 10,000 answers for three children and their parent each gets its own."""
    if used_before:
        in_threads(4, lambda number: read_own_once(store, number))
    children = [start_child(lambda number=number: read_own(store, number)) for number in range(3)]
    read_own(store, 3)
    assert [wait_for(child) for child in children] == [0, 0, 0]


def read_own_once(store, number):
    store.set(f"own:{number}", stamped(b""), 60)
    store.load(f"own:{number}")


#: uWSGI, whose master has loaded the application, forks like this: Python is not told.
FORKS_UNTOLD = """
import sys
from pyramid_beakerish.stores.base import new_write_id
from pyramid_beakerish.stores.redis import RedisStore
from pyramid_beakerish.testing.together import start_child, wait_for
from tests.process_help import fork_in_c
from tests.test_store_redis_processes import read_own, read_own_once

store = RedisStore(sys.argv[1])
read_own_once(store, 0)
new_write_id()

def work(number):
    store.set(f"id:{number}", new_write_id(), 60)
    read_own(store, number)

children = [start_child(lambda number=number: work(number), fork_in_c) for number in range(3)]
work(3)
assert [wait_for(child) for child in children] == [0, 0, 0]
ids = [int.from_bytes(store.load(f"id:{number}")[0], "big") for number in range(4)]
ids.sort()
assert all(later - earlier > 10_000 for earlier, later in zip(ids, ids[1:])), ids
"""


def test_forks_of_which_python_is_not_told(store):
    """A fork by the C library alone is noticed: each process has its own connections and ids."""
    command = [sys.executable, "-c", FORKS_UNTOLD, running(RedisServer).url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("measured_children")
def test_the_child_closes_nothing_of_its_parent(store):
    """A child that drops its parent's connections leaves them open for the parent."""
    store.load("k")
    with running(RedisServer).client() as client:
        before = client.info("stats")["total_connections_received"]
        assert succeeds_in_child(lambda: store.load("k"))
        assert store.load("k") is None
        # The child's own one; the parent goes on with the one that it had.
        assert client.info("stats")["total_connections_received"] - before == 1


def test_as_many_connections_as_threads(store):
    """There are never more connections than threads that wait for an answer at one time."""
    with running(RedisServer).client() as client:
        before = client.info("stats")["total_connections_received"]
        in_threads(4, lambda number: [store.load("k") for _ in range(50)])
        for _ in range(50):
            store.load("k")
        assert client.info("stats")["total_connections_received"] - before <= 4


def test_write_ids_of_threads():
    """No two threads are given the same write id."""
    drawn = in_threads(4, lambda _: [new_write_id() for _ in range(2000)])
    assert len({number for numbers in drawn for number in numbers}) == 8000
