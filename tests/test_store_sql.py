"""The SQL store: the contract on each database, and what is said about its table."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateIndex, CreateTable

from pyramid_beakerish.errors import SettingsError, StoreError, StoreUnavailable
from pyramid_beakerish.stores.sql.table import make_table
from pyramid_beakerish.testing import SessionSuite, StoreSuite
from pyramid_beakerish.testing.stores import stamped
from pyramid_beakerish.testing.together import in_threads
from tests import servers
from tests.sql_help import (
    KINDS,
    FastMariaDB,
    FastPostgreSQL,
    SharedEngines,
    administrator,
    emptied,
    quick_sqlite,
    sql_store,
)
from tests.store_machine import StoreMachine

TABLE = "beakerish_entries"
shared_engine = SharedEngines()


@pytest.fixture(scope="module", autouse=True)
def close_shared_engines():
    """Close the connections when all tests are done."""
    yield
    shared_engine.dispose()


class TestOnPostgreSQL(StoreSuite):
    def make_store(self, clock, folder):
        return emptied(FastPostgreSQL, clock)


class TestOnMariaDB(StoreSuite):
    def make_store(self, clock, folder):
        return emptied(FastMariaDB, clock)


class TestOnSQLite(StoreSuite):
    def make_store(self, clock, folder):
        return sql_store(f"sqlite:///{folder}/entries.db", clock)


class OnEngine(StoreSuite):
    """On an engine of the application's own, which is set to something else than ours."""

    kind = None

    def make_store(self, clock, folder):
        self.engine = create_engine(servers.running(self.kind).url, isolation_level="SERIALIZABLE")
        return emptied(self.kind, clock, self.engine)

    def teardown_method(self):
        super().teardown_method()
        self.engine.dispose()


class TestOnEngineOfPostgreSQL(OnEngine):
    kind = FastPostgreSQL


class TestOnEngineOfMariaDB(OnEngine):
    kind = FastMariaDB


class TestOnEngineOfSQLite(StoreSuite):
    """On an engine that begins its transactions itself, as SQLAlchemy advises for SQLite."""

    def make_store(self, clock, folder):
        self.engine = create_engine(f"sqlite:///{folder}/entries.db")

        @event.listens_for(self.engine, "connect")
        def leave_beginning_to_us(connection, record):
            connection.isolation_level = None

        @event.listens_for(self.engine, "begin")
        def begin(connection):
            connection.exec_driver_sql("BEGIN")

        return sql_store(self.engine, clock)

    def teardown_method(self):
        super().teardown_method()
        self.engine.dispose()


class SQLiteMachine(StoreMachine):
    def make_store(self, clock, folder):
        self.opened = quick_sqlite(folder)
        store = sql_store(self.opened.__enter__(), clock)
        store.prepare()
        return store

    def teardown(self):
        """Close the database too."""
        self.opened.__exit__(None, None, None)
        super().teardown()

    def make_again(self):
        return sql_store(self.store._database._engine, self.clock)


class ServerMachine(StoreMachine):
    kind = None

    def make_store(self, clock, folder):
        return emptied(self.kind, clock, shared_engine(self.kind))

    def make_again(self):
        return sql_store(shared_engine(self.kind), self.clock)


class PostgreSQLMachine(ServerMachine):
    kind = FastPostgreSQL


class MariaDBMachine(ServerMachine):
    kind = FastMariaDB


TestAnySequence = SQLiteMachine.TestCase
TestAnySequenceOnPostgreSQL = PostgreSQLMachine.TestCase
TestAnySequenceOnMariaDB = MariaDBMachine.TestCase
TestAnySequence.settings = settings(max_examples=20, stateful_step_count=20)
few = settings(max_examples=5, stateful_step_count=20)
TestAnySequenceOnPostgreSQL.settings = TestAnySequenceOnMariaDB.settings = few


class SessionsOnServer(SessionSuite):
    kind = None

    def settings(self, folder):
        emptied(self.kind, self.clock, shared_engine(self.kind))
        return {"session.type": "sql", "session.url": shared_engine(self.kind)}


class TestSessionsOnPostgreSQL(SessionsOnServer):
    kind = FastPostgreSQL


class TestSessionsOnMariaDB(SessionsOnServer):
    kind = FastMariaDB


class TestSessionsOnSQLite(SessionSuite):
    def settings(self, folder):
        self.opened = quick_sqlite(folder)
        return {"session.type": "ext:sqla", "session.bind": self.opened.__enter__()}

    def setup_method(self):
        super().setup_method()
        self.store.prepare()

    def teardown_method(self):
        self.opened.__exit__(None, None, None)
        super().teardown_method()


@pytest.fixture(params=[*KINDS, None], ids=["PostgreSQL", "MariaDB", "SQLite"])
def url(request, tmp_path):
    """The URL of each database."""
    if request.param is None:
        return f"sqlite:///{tmp_path}/entries.db"
    return servers.running(request.param).url


@pytest.fixture
def store(url, clock, tmp_path):
    """A store on each database, with an empty table."""
    with quick_sqlite(tmp_path) as engine:
        store = sql_store(engine if url.startswith("sqlite") else url, clock)
        store.prepare()
        store._database.write([store._table.delete()])
        yield store
        store.close()


@pytest.fixture
def execute(url):
    """A function that executes SQL on the database."""
    with administrator(url) as execute:
        execute("DROP TABLE IF EXISTS other_entries")
        yield execute


def rows(execute, condition="1 = 1"):
    """Count the rows of the table."""
    return execute(f"SELECT count(*) FROM {TABLE} WHERE {condition}")[0][0]


class TestTable:
    def test_names(self, url, clock, execute):
        """The table is named after table_name, so that it is never the one that Beaker has made."""
        execute("CREATE TABLE IF NOT EXISTS other (id INTEGER)")
        store = sql_store(url, clock, table_name="other")
        store.prepare()
        store.set("k", stamped(), None)
        assert execute("SELECT count(*) FROM other_entries") == [(1,)]
        assert execute("SELECT count(*) FROM other") == [(0,)]
        store.close()

    def test_schema(self, clock):
        """schema_name is obeyed."""
        url = servers.running(FastPostgreSQL).url
        with administrator(url) as execute:
            execute("CREATE SCHEMA IF NOT EXISTS apart")
            store = sql_store(url, clock, schema_name="apart")
            store.prepare()
            store.set("schema", stamped(), None)
            assert execute("SELECT count(*) FROM apart.beakerish_entries") == [(1,)]
            execute("DROP SCHEMA apart CASCADE")
        store.close()

    def test_prepared_twice(self, url, clock, execute):
        """A table that is there is left as it is, and gets its index if that is missing."""
        store = sql_store(url, clock, table_name="other")
        store.prepare()
        store.set("k", stamped(), None)
        mysql = url.startswith("mysql")
        execute("DROP INDEX other_entries_expires" + (" ON other_entries" if mysql else ""))
        store.prepare()
        store.prepare()
        execute("DROP INDEX other_entries_expires" + (" ON other_entries" if mysql else ""))
        assert store.load("k")
        store.close()

    def test_create_table_is_false(self, url, clock, execute):
        """With create_table = false nobody makes the table but who is asked to."""
        store = sql_store(url, clock, table_name="other", create_table=False)
        store.prepare()
        for call in (lambda: store.load("k"), lambda: store.set("k", stamped(), None)):
            with pytest.raises(
                StoreError, match=r"^the table other_entries does not exist"
            ) as caught:
                call()
            assert not isinstance(caught.value, StoreUnavailable)
        store.install()
        assert store.load("k") is None
        store.close()

    def test_create_table_is_false_and_no_server(self, clock, caplog):
        """With create_table = false the start of an application contacts nothing."""
        store = sql_store("postgresql://127.0.0.1:1/none", clock, create_table=False)
        store.prepare()
        assert caplog.messages == []
        with pytest.raises(StoreUnavailable):
            store.install()
        store.close()

    def test_what_is_told(self, url, clock, execute):
        """The database has a name and a version, and a table that is to be made is absent."""
        store = sql_store(url, clock, table_name="other")
        facts = store.inspect()
        told = "The table other_entries is made when the application starts, or by "
        assert facts.pop("absent") == told + "beakerish prepare."
        name, number = facts.pop("version").split(" ")
        is_file = url.startswith("sqlite")
        kinds = {"postgresql+psycopg": "PostgreSQL", "sqlite": "SQLite"}
        assert name == kinds.get(url.partition(":")[0], "MariaDB")
        assert all(part.isdecimal() for part in number.split("."))
        assert facts == {"reach": "host" if is_file else "network", "persistent": True}
        store.prepare()
        facts = store.inspect()
        assert "absent" not in facts
        assert facts["used"] > 4000
        store.close()

    def test_a_table_that_nobody_makes(self, url, clock, execute):
        """With create_table = false a missing table is an error that names the remedy."""
        store = sql_store(url, clock, table_name="other", create_table=False)
        with pytest.raises(StoreError, match="beakerish prepare makes it"):
            store.inspect()
        store.install()
        assert "absent" not in store.inspect()
        store.close()

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_table_that_wants_more(self, kind, clock):
        """What a column of somebody else's refuses is an error, not a key that is there already."""
        url = servers.running(kind).url
        with administrator(url) as execute:
            execute("DROP TABLE IF EXISTS other_entries")
            store = sql_store(url, clock, table_name="other")
            store.prepare()
            execute("ALTER TABLE other_entries ADD COLUMN tenant VARCHAR(9) NOT NULL")
            for write in (store.create, store.set):
                with pytest.raises(StoreError, match="the database"):
                    write("k", stamped(), None)
            store.close()
            execute("DROP TABLE other_entries")

    @pytest.mark.parametrize("kind", KINDS)
    def test_permissions(self, kind, clock):
        """To read and write rows is all that a user needs once the table is there."""
        url = servers.running(kind).url
        emptied(kind, clock).close()
        with administrator(url) as execute, clerk(kind, execute) as user:
            execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLE} TO {user}")
            url = make_url(url).set(username="clerk")
            store = sql_store(url, clock)
            store.prepare()
            store.set("k", stamped(), 1)
            assert store.delete("k", store.load("k")[1])
            store.close()
            other = sql_store(url, clock, table_name="no_such")
            with pytest.raises(StoreError) as caught:
                other.prepare()
            assert not isinstance(caught.value, StoreUnavailable)
            other.close()

    def test_key_that_was_cut(self, store):
        """Keys of any length that differ anywhere are apart, and are listed whole."""
        keys = ["x" * length for length in (214, 215, 216, 253, 254, 255, 256, 5000)]
        keys += ["x" * 300 + end for end in "ab"]
        for key in keys:
            assert store.create(key, stamped(key.encode()), None) is True
        assert {key: value[8:] for key, (value, _) in store.load_many(keys).items()} == {
            key: key.encode() for key in keys
        }
        assert sorted(store.keys("")) == sorted(keys)
        assert sorted(store.keys("x" * 255)) == sorted(key for key in keys if len(key) > 254)
        assert list(store.keys("x" * 300 + "b")) == ["x" * 300 + "b"]

    def test_many_keys(self, store):
        """Keys are listed some at a time, each once, and none that expired meanwhile."""
        values = [
            {"key": b"k%04d" % number, "write_id": b"1" * 8, "expires": 1e18, "value": b"1" * 8}
            for number in range(1100)
        ]
        store._database.write([store._table.insert().values(values)])
        store.set("l", stamped(), None)
        assert list(store.keys("k")) == [f"k{number:04d}" for number in range(1100)]
        assert len(list(store.keys("k0"))) == 1000

    @pytest.mark.parametrize("kind", KINDS)
    def test_documented(self, kind):
        """The statements that the docs show are those that make the table."""
        dialect = create_engine(servers.running(kind).url).dialect
        table = make_table(None, None)
        (index,) = table.indexes
        page = (Path(__file__).parent.parent / "docs" / "stores_sql.rst").read_text()
        shown = " ".join(page.split())
        for made in (CreateTable(table), CreateIndex(index)):
            assert " ".join(str(made.compile(dialect=dialect)).split()) + ";" in shown


class TestSweeping:
    def test_writes_sweep(self, store, clock, execute):
        """Twenty writes remove what has expired."""
        for number in range(20):
            store.set(f"k{number}", stamped(), 1)
        clock.advance(1)
        for _ in range(20):
            store.set("alive", stamped(), None)
        assert rows(execute) == 1

    def test_failed_sweep(self, store, clock, caplog):
        """A sweep that fails is a line in the log, and the write is done."""
        store._database.read, read = self.fail, store._database.read
        for number in range(20):
            store.set(f"k{number}", stamped(), None)
        store._database.read = read
        (message,) = caplog.messages
        assert message == "Expired entries could not be removed: the test says so"
        assert len(list(store.keys("k"))) == 20

    @staticmethod
    def fail(statement, **parameters):
        raise StoreUnavailable("the test says so")

    def test_many(self, store, clock, execute):
        """A sweep removes all that has expired, however much it is, and nothing else."""
        values = [
            {"key": b"k%d" % n, "write_id": b"1" * 8, "expires": clock() + n % 2, "value": b"1"}
            for n in range(2100)
        ]
        store._database.write([store._table.insert().values(values)])
        assert store.sweep() == 1050
        assert store.sweep() == 0
        assert rows(execute) == 1050

    def test_others_have_turns(self, store, clock, execute, monkeypatch):
        """A sweep removes at most 100 at once, and pauses before it goes on."""
        values = [
            {"key": b"k%d" % n, "write_id": b"1" * 8, "expires": clock(), "value": b"1"}
            for n in range(250)
        ]
        store._database.write([store._table.insert().values(values)])
        left = []
        monkeypatch.setattr(time, "sleep", lambda seconds: left.append(rows(execute)))
        assert store.sweep() == 250
        assert left == [150, 50]


class TestEngine:
    def test_cost(self, clock):
        """A load is one command at the server, without a ping and without a rollback."""
        store = emptied(FastMariaDB, clock)
        store.set("k", stamped(), None)
        with administrator(servers.running(FastMariaDB).url) as execute:

            def counted():
                found = execute("SHOW GLOBAL STATUS WHERE variable_name REGEXP '^(Com_|Questions)'")
                return {name.lower(): int(count) for name, count in found}

            counted()
            unavoidable = self.difference(counted(), counted())["questions"]
            before = counted()
            store.load("k")
            cost = self.difference(before, counted())
            assert (cost["com_select"], cost["com_rollback"] - 1) == (1, 0)
            assert cost["questions"] - unavoidable == 1
        store.close()

    @staticmethod
    def difference(before, after):
        return {name: after[name] - before[name] for name in before}

    @pytest.mark.parametrize("kind", KINDS)
    def test_close(self, kind, clock):
        """Closing a store closes all its connections, and those of no engine of others."""
        engine = create_engine(servers.running(kind).url)
        of_the_application, store = sql_store(engine, clock), emptied(kind, clock)
        before = connections(kind)
        in_threads(4, lambda _: store.load("k"))
        of_the_application.load("k")
        assert connections(kind) > before
        store.close()
        await_connections(kind, before)
        of_the_application.close()
        assert engine.pool.checkedin() == 1
        engine.dispose()
        await_connections(kind, before - 1)

    @pytest.mark.parametrize("kind", KINDS)
    def test_transactions_of_the_application(self, kind, clock):
        """What a store on the application's engine has written stays when that rolls back."""
        engine = create_engine(servers.running(kind).url, pool_size=1, max_overflow=1)
        emptied(kind, clock).close()
        store = sql_store(engine, clock)
        with administrator(servers.running(kind).url) as execute:
            execute("CREATE TABLE IF NOT EXISTS of_the_application (id INTEGER)")
            for _ in range(
                3
            ):  # from the second on with the very connection that the store has used
                with engine.connect() as connection:
                    connection.execute(text("INSERT INTO of_the_application VALUES (1)"))
                    store.set("k", stamped(b"kept"), None)
                    connection.rollback()
            assert execute("SELECT count(*) FROM of_the_application") == [(0,)]
        assert store.load("k")[0].endswith(b"kept")
        engine.dispose()

    def test_pool_that_is_empty(self, tmp_path, clock):
        """Where no connection is free in time, the store is unavailable."""
        url = f"sqlite:///{tmp_path}/entries.db"
        store = sql_store(url, clock, sa__pool_size="1", sa__max_overflow="0", sa__pool_timeout="0")
        store.prepare()
        with store._database._engine.connect(), pytest.raises(StoreUnavailable, match="was free"):
            store.load("k")
        store.close()

    def test_options(self, tmp_path, clock):
        """Engine options of both spellings are obeyed, texts too."""
        store = sql_store(
            None,
            clock,
            sa_opts={"sa.url": f"sqlite:///{tmp_path}/entries.db", "sa.poolclass": NullPool},
            sa__echo="false",
        )
        store.prepare()
        assert isinstance(store._database._engine.pool, NullPool)
        store.close()

    @pytest.mark.parametrize("option", [{"sa__colour": "red"}, {"sa__pool_size": "red"}])
    def test_unknown_option(self, clock, option):
        """An option that SQLAlchemy does not know or take is a mistake in the settings."""
        with pytest.raises(
            SettingsError, match=r"^the engine options under sa.\* cannot be obeyed: "
        ):
            sql_store("sqlite:////x.db", clock, **option)

    def test_query_of_the_url(self, clock):
        """What the query of a URL says goes before our own bounds."""
        store = sql_store(
            f"{servers.running(FastPostgreSQL).url}?options=-cstatement_timeout=7s", clock
        )
        with store._database._engine.connect() as connection:
            assert connection.execute(text("SHOW statement_timeout")).scalar() == "7s"
        store.close()

    def test_plain_wrong_use(self, tmp_path, clock):
        """What cannot be sent to a database at all is an error that does not show it."""
        store = sql_store(f"sqlite:///{tmp_path}/entries.db", clock)
        with pytest.raises(StoreError, match=r"^SQLAlchemy refuses: StatementError$"):
            store.swap("k", object(), stamped(b"secret"), None)
        store.close()

    def test_mistakes(self, clock):
        """Settings that lead to no database are refused where the store is made."""
        with pytest.raises(SettingsError, match=r"^type = sql needs url, bind or sa\.url\.$"):
            sql_store(None, clock)


@contextmanager
def clerk(kind, execute):
    """Make a user without any rights; give his name as a GRANT spells it."""
    name = "clerk" if kind is FastPostgreSQL else "clerk@'%'"
    execute("CREATE ROLE clerk LOGIN" if kind is FastPostgreSQL else f"CREATE USER {name}")
    try:
        yield name
    finally:
        if kind is FastPostgreSQL:
            execute("DROP OWNED BY clerk")
        execute(f"DROP USER {name}")


def connections(kind):
    """Count the clients' connections at the server, without this one."""
    query = {
        FastPostgreSQL: (
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        ),
        FastMariaDB: "SELECT count(*) FROM information_schema.processlist WHERE user = 'root'",
    }
    with administrator(servers.running(kind).url) as execute:
        return execute(query[kind])[0][0] - 1


def await_connections(kind, count):
    """Wait until there are no more connections than so many."""
    deadline = time.monotonic() + 10
    while connections(kind) > count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
