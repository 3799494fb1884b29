"""The SQL store while its server is stopped, killed, paused, read-only, or cuts connections."""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import contextmanager, suppress

import psycopg
import pytest
from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import OperationalError

from pyramid_beakerish.errors import StoreError, StoreUnavailable
from pyramid_beakerish.testing.stores import count_up, stamped
from pyramid_beakerish.testing.together import Background, in_threads
from tests import servers
from tests.servers.proxy import Proxy
from tests.sql_help import (
    KINDS,
    FastMariaDB,
    FastPostgreSQL,
    administrator,
    emptied,
    sql_store,
    with_port,
)
from tests.timing import within

#: Seconds that a request waits at most for a server that does not answer.
LONGEST_WAIT = 2.5

each_method = pytest.mark.parametrize(
    "method", ["load", "load_many", "create", "swap", "set", "delete"]
)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def server(request):
    """A server that the tests of this module may ill-treat, if they leave it running."""
    with servers.own(request.param) as server:
        yield server


@pytest.fixture
def store(server, clock):
    store = sql_store(server.url, clock)
    store.prepare()
    for key in list(store.keys("")):
        store.delete(key)
    yield store
    store.close()


@contextmanager
def linked(server, clock):
    """Give a store whose connection can be cut, and the proxy that cuts it."""
    with Proxy(server.port) as proxy:
        store = sql_store(with_port(server.url, proxy.port), clock)
        try:
            assert store.load("nothing") is None  # the connection is made
            yield store, proxy
        finally:
            store.close()


def do(store, method):
    """Call the method on the entry ``k`` that `store_entry` has stored; assert what it gives."""
    value, token = store.old
    if method == "load":
        assert store.load("k") == (value, token)
    elif method == "load_many":
        assert store.load_many(["k", "other"]) == {"k": (value, token)}
    elif method == "create":
        assert store.create("new", stamped(b"created"), None) is True
        assert store.load("new")[0].endswith(b"created")
    elif method == "swap":
        assert store.swap("k", token, stamped(b"swapped"), None) is True
        assert store.load("k")[0].endswith(b"swapped")
    elif method == "set":
        store.set("k", stamped(b"set"), None)
        assert store.load("k")[0].endswith(b"set")
    else:
        assert store.delete("k", token) is True
        assert store.load("k") is None


def store_entry(store):
    """Store the entry for `do`."""
    store.set("k", stamped(b"old"), None)
    store.old = store.load("k")


def kill_connections(server):
    """Have the server end all connections."""
    with administrator(server.url) as execute:
        if isinstance(server, FastPostgreSQL):
            execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        else:
            others = "id <> connection_id() AND command = 'Sleep'"
            ids = f"SELECT id FROM information_schema.processlist WHERE {others}"
            for (number,) in execute(ids):
                with suppress(OperationalError):  # it has gone by itself
                    execute(f"KILL CONNECTION {number}")


class TestDown:
    @pytest.mark.parametrize("end", ["stop", "kill"])
    def test_down_and_back(self, server, store, end):
        """While the server is down all methods say so at once; the first call after that works."""
        store_entry(store)
        getattr(server, end)()
        try:
            with within(LONGEST_WAIT):
                for method in ("load", "load_many", "create", "swap", "set", "delete"):
                    with pytest.raises(StoreUnavailable):
                        do(store, method)
                with pytest.raises(StoreUnavailable):
                    list(store.keys(""))
                with pytest.raises(StoreUnavailable):
                    store.sweep()
        finally:
            server.start()
        do(store, "swap")

    def test_nothing_acknowledged_is_lost(self, server, store):
        """What was stored when the server was killed is there when it is back."""
        values = {f"k{number}": stamped(b"%d" % number) for number in range(50)}
        for key, value in values.items():
            assert store.create(key, value, None) is True
        server.kill()
        server.start()
        found = store.load_many(values)
        assert {key: value for key, (value, _) in found.items()} == values

    @pytest.mark.usefixtures("usual_waits")
    def test_paused(self, server, store):
        """A server that keeps its connections and answers nothing costs a request two seconds."""
        store_entry(store)
        server.pause()
        try:
            with within(LONGEST_WAIT), pytest.raises(StoreUnavailable):
                store.load("k")
            # There is no connection now: this one waits for a new one.
            with within(LONGEST_WAIT), pytest.raises(StoreUnavailable):
                store.swap("k", store.old[1], stamped(), None)
        finally:
            server.resume()
        do(store, "load")

    @pytest.mark.usefixtures("usual_waits")
    def test_locked_table(self, server, store):
        """A table that somebody has locked costs a request no longer."""
        store_entry(store)
        lock = {
            FastPostgreSQL: "LOCK TABLE beakerish_entries",
            FastMariaDB: "LOCK TABLES beakerish_entries WRITE",
        }
        engine = create_engine(server.url)
        with engine.connect() as connection:
            connection.exec_driver_sql(lock[type(server)])
            with within(LONGEST_WAIT), pytest.raises(StoreUnavailable):
                store.load("k")
            connection.invalidate()  # which ends the lock
        engine.dispose()
        do(store, "load")

    def test_start_while_it_is_down(self, server, store, clock, caplog):
        """An application starts while the server is down, with a warning, and works afterwards."""
        store_entry(store)
        other = sql_store(server.url, clock)
        server.stop()
        try:
            other.prepare()
        finally:
            server.start()
        (record,) = [each for each in caplog.records if each.name.startswith("pyramid_beakerish")]
        assert record.levelno == logging.WARNING
        assert "The table beakerish_entries could not be looked for" in record.getMessage()
        assert "refused" in record.getMessage()
        assert other.load("k") == store.old
        other.close()


class TestConnections:
    @pytest.mark.parametrize("method", ["load", "swap"])
    def test_restart(self, server, store, method):
        """The first call after a restart works, whether it reads or writes."""
        store_entry(store)
        server.stop()
        server.start()
        do(store, method)

    @each_method
    def test_killed_connection(self, server, store, method):
        """A connection that the server has ended is replaced without a word."""
        store_entry(store)
        kill_connections(server)
        do(store, method)

    @each_method
    @pytest.mark.parametrize("cut", ["cut_before_request", "cut_in_answer"])
    def test_reset(self, server, store, clock, method, cut):
        """A reset before or in an answer is made good for: what was to be done is done, once."""
        store_entry(store)
        with linked(server, clock) as (other, proxy):
            other.old = store.old
            getattr(proxy, cut)()
            if (method, cut) == ("delete", "cut_in_answer"):
                with pytest.raises(StoreUnavailable, match="is not known"):
                    other.delete("k", store.old[1])
                assert store.load("k") is None
            else:
                do(other, method)

    @pytest.mark.parametrize("method", ["create", "swap"])
    def test_lost_answer_and_another_write(self, server, store, clock, method):
        """Where nothing tells whether a write was done, since another followed, it is an error."""
        store_entry(store)
        with linked(server, clock) as (other, proxy):
            other.old = store.old
            proxy.cut_in_answer(
                lambda: store.set("new" if method == "create" else "k", stamped(), None)
            )
            with pytest.raises(StoreUnavailable, match="whether the write was done is not known"):
                do(other, method)

    def test_two_resets(self, server, store, clock):
        """A connection that breaks twice is a server that is down."""
        store_entry(store)
        with linked(server, clock) as (other, proxy):
            proxy.cut_in_answer(proxy.cut_before_request)
            with pytest.raises(StoreUnavailable):
                other.load("k")
            assert other.load("k") == store.old

    def test_no_counting_is_lost(self, server, store):
        """While connections are killed again and again, every count that was told is counted."""
        store.set("count", stamped(b"0"), None)
        end = threading.Event()

        def kill():
            while not end.wait(0.05):
                kill_connections(server)

        killer = Background(kill)
        try:
            told = sum(in_threads(4, lambda _: self.count(store, 50)))
        finally:
            end.set()
        killer.result()
        counted = int(store.load("count")[0][8:])
        assert told <= counted <= 200

    @staticmethod
    def count(store, times):
        """Add 1 so often; tell how often it was told that this was done."""
        told = 0
        for _ in range(times):
            try:
                count_up(store, "count", 1)
                told += 1
            except StoreUnavailable:
                continue
        return told


class TestEngineOfTheApplication:
    """On an engine that is set to nothing: its connections must be set to AUTOCOMMIT, and back."""

    @pytest.fixture
    def shared(self, server, store, clock):
        store_entry(store)
        engine = create_engine(server.url)
        shared = sql_store(engine, clock)
        shared.old = store.old
        with engine.connect(), engine.connect():  # so that the pool has several
            do(shared, "load")
        yield shared
        engine.dispose()

    @each_method
    def test_killed_connection(self, server, shared, method):
        """A connection that the server has ended is replaced without a word."""
        kill_connections(server)
        do(shared, method)

    def test_down(self, server, shared):
        """A server that is down is that, and no error of the driver's."""
        server.stop()
        try:
            with within(LONGEST_WAIT), pytest.raises(StoreUnavailable):
                shared.load("k")
        finally:
            server.start()
        do(shared, "load")

    def test_reset_at_the_end(self, clock):
        """What was written is told, and the pool keeps its size, if the connection breaks then."""
        server = servers.running(FastMariaDB)
        emptied(FastMariaDB, clock).close()
        with Proxy(server.port) as proxy:
            url = with_port(server.url, proxy.port)
            engine = create_engine(url, pool_size=1, max_overflow=0, pool_timeout=0)
            store = sql_store(engine, clock)
            store.load("k")
            proxy.cut_before_request(b"SET SESSION TRANSACTION")
            assert store.create("k", stamped(), None) is True
            assert store.load("k")
            engine.dispose()

    def test_a_level_of_its_own(self, clock):
        """What breaks where the engine sets its own level is no error of the driver's either."""
        server = servers.running(FastMariaDB)
        emptied(FastMariaDB, clock).close()
        with Proxy(server.port) as proxy:
            options = {"isolation_level": "SERIALIZABLE"}
            engine = create_engine(with_port(server.url, proxy.port), execution_options=options)
            store = sql_store(engine, clock)
            store.load("k")
            proxy.cut_before_request()
            with pytest.raises(StoreUnavailable, match="2013"):
                store.load("k")
            assert store.load("k") is None
            engine.dispose()


def test_a_socket_that_psycopg_finds_closed(clock, monkeypatch):
    """It leaves such a connection open, in the middle of a conversation: it is replaced."""
    store = sql_store(servers.running(FastPostgreSQL).url, clock)
    store.prepare()
    store_entry(store)
    wait = psycopg.Connection.wait

    def break_off(connection, conversation, **options):
        try:
            next(conversation)
        except StopIteration as end:  # nothing is sent in it
            return end.value
        monkeypatch.setattr(psycopg.Connection, "wait", wait)
        raise psycopg.OperationalError("connection socket closed")

    monkeypatch.setattr(psycopg.Connection, "wait", break_off)
    do(store, "load")
    store.close()


def make_app(server):
    """Make a user of MariaDB's that obeys read_only, as root does not."""
    if isinstance(server, FastMariaDB):
        with administrator(server.url) as execute:
            execute("CREATE OR REPLACE USER app@'%'")
            execute("GRANT ALL ON test.* TO app@'%'")


class TestReadOnly:
    @pytest.fixture
    def user(self, server, store):
        """A user from whom the server takes no writes."""
        store_entry(store)
        make_app(server)
        if isinstance(server, FastPostgreSQL):
            user, setting = "test", "ALTER ROLE test SET default_transaction_read_only = {}"
        else:
            user, setting = "app", "SET GLOBAL read_only = {}"
        with administrator(server.url) as execute:
            execute(setting.format("on"))
            yield user
            execute(setting.format("off"))

    @pytest.fixture
    def reader(self, server, clock, user):
        """A store that may only read."""
        reader = sql_store(make_url(server.url).set(username=user), clock)
        yield reader
        reader.close()

    @pytest.mark.parametrize("method", ["create", "swap", "set", "delete"])
    def test_read_only(self, store, reader, method):
        """A server that takes no writes serves reads, and says so to writes."""
        reader.old = store.old
        do(reader, "load")
        with pytest.raises(StoreUnavailable, match=r"25006|1290"):
            do(reader, method)
        do(reader, "load_many")

    def test_failover(self, server, user, clock):
        """The first write is taken once the name leads to a server that takes writes."""
        other = servers.running(type(server))
        emptied(type(server), clock).close()
        make_app(other)
        with Proxy(server.port) as proxy:
            store = sql_store(with_port(server.url, proxy.port).set(username=user), clock)
            with pytest.raises(StoreUnavailable):
                store.set("k", stamped(), None)
            store.load("k")
            proxy.target = other.port
            assert store.create("k", stamped(), None) is True
            store.close()

    def test_large(self, reader):
        """It is the server that refuses a large value then, and not the value's size."""
        with pytest.raises(StoreUnavailable, match=r"25006|1290"):
            reader.set("k", stamped(bytes(600_000)), None)


class TestLarge:
    @pytest.fixture
    def narrow(self, clock):
        """A store on a MariaDB that takes no statement of more than 1 MB."""
        server = servers.running(FastMariaDB)
        emptied(FastMariaDB, clock).close()
        with administrator(server.url) as execute:
            ((usual,),) = execute("SELECT @@max_allowed_packet")
            execute("SET GLOBAL max_allowed_packet = 1048576")
            store = sql_store(server.url, clock)
            yield store
            store.close()
            execute(f"SET GLOBAL max_allowed_packet = {usual}")

    # It answers what is a little too large, and breaks the connection under what is more.
    @pytest.mark.parametrize("size", [600_000, 5_000_000])
    def test_too_large(self, narrow, size):
        """A value that is too large is an error that tells why, and leaves what was there."""
        store_entry(narrow)
        _, token = narrow.old
        large = stamped(bytes(size))
        for write in (
            lambda: narrow.swap("k", token, large, None),
            lambda: narrow.create("new", large, None),
            lambda: narrow.set("k", large, None),
        ):
            with pytest.raises(StoreError, match="max_allowed_packet is 1048576") as caught:
                write()
            assert not isinstance(caught.value, StoreUnavailable)
        assert narrow.load_many(["k", "new"]) == {"k": narrow.old}


class TestConflicts:
    def test_serializable(self, server, store, clock):
        """No count is lost where the database serializes, and rolls back who was too late."""
        if isinstance(server, FastPostgreSQL):
            options = {"options": "-c default_transaction_isolation=serializable"}
        else:
            options = {"init_command": "SET SESSION tx_isolation = 'SERIALIZABLE'"}
        store.set("count", stamped(b"0"), None)
        other = sql_store(server.url, clock, sa__connect_args=options)
        in_threads(8, lambda _: count_up(other, "count", times=10))
        assert other.load("count")[0][8:] == b"80"
        other.close()

    def test_endless_conflict(self, server, store):
        """Who is rolled back again and again gives up, as if the server were down."""
        if isinstance(server, FastPostgreSQL):
            refuse = (
                (
                    "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
                    "$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$"
                ),
                (
                    "CREATE TRIGGER refuse BEFORE UPDATE ON beakerish_entries "
                    "FOR EACH ROW EXECUTE FUNCTION refuse()"
                ),
            )
            remedy = "DROP TRIGGER refuse ON beakerish_entries"
        else:
            refuse = (
                (
                    "CREATE TRIGGER refuse BEFORE UPDATE ON beakerish_entries FOR EACH ROW "
                    "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213"
                ),
            )
            remedy = "DROP TRIGGER refuse"
        store_entry(store)
        with administrator(server.url) as execute:
            for statement in refuse:
                execute(statement)
            try:
                with (
                    within(LONGEST_WAIT),
                    pytest.raises(StoreUnavailable, match=r"40001|1213"),
                ):
                    do(store, "swap")
            finally:
                execute(remedy)
        do(store, "swap")


def numbered(number):
    """Make an error as MariaDB's own driver raises it."""
    error = sqlite3.ProgrammingError("what is wrong")
    error.errno, error.sqlstate = number, "42S02"
    return error


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (sqlite3.InterfaceError("network error"), StoreUnavailable, "cannot be used"),
        (sqlite3.ProgrammingError({"S": "ERROR", "C": "42P01"}), StoreError, "does not exist"),
        (numbered(1146), StoreError, "does not exist"),
    ],
)
def test_other_drivers(clock, error, kind, said):
    """The code is found in the dictionary of pg8000, and in the attribute of MariaDB's driver."""

    def fail():
        raise error

    store = sql_store(create_engine("sqlite://", creator=fail), clock)
    with pytest.raises(StoreError, match=said) as caught:
        store.load("k")
    assert type(caught.value) is kind


def test_full(tmp_path, clock):
    """A database that is full takes no writes, says so, and loses nothing."""
    engine = create_engine(f"sqlite:///{tmp_path}/entries.db")

    @event.listens_for(engine, "connect")
    def limit(connection, record):
        connection.execute("PRAGMA max_page_count = 20")

    store = sql_store(engine, clock)
    store.prepare()
    store_entry(store)
    with pytest.raises(StoreUnavailable):
        store.set("large", stamped(b"x" * 100_000), None)
    do(store, "load")
    engine.dispose()


def test_read_only_file(tmp_path, clock):
    """A file of SQLite that may only be read serves reads."""
    store = sql_store(f"sqlite:///{tmp_path}/entries.db", clock)
    store.prepare()
    store_entry(store)
    reader = sql_store(f"sqlite:///file:{tmp_path}/entries.db?mode=ro&uri=true", clock)
    assert reader.load("k") == store.old
    with pytest.raises(StoreUnavailable):
        reader.set("k", stamped(), None)
    store.close()
    reader.close()


def test_no_database(tmp_path, clock):
    """A file that is no database is an error, which does not tell what was to be stored."""
    (tmp_path / "entries.db").write_bytes(b"something else" * 1000)
    store = sql_store(f"sqlite:///{tmp_path}/entries.db", clock)
    with pytest.raises(StoreError, match=r"^the database refuses: DatabaseError$"):
        store.set("secret-key", stamped(b"secret value"), None)
    store.close()
