"""Statements and their answers: broken connections, conflicts and forks are dealt with here."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from ..system.forks import notice_fork, renew_after_fork
from .errors import KEY_IS_THERE, as_no_connection, code_of, may_be_repeated, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy import Connection, Dialect, Engine, Executable, Table

R = TypeVar("R")

NAMES = {"postgresql": "PostgreSQL", "mysql": "MySQL", "sqlite": "SQLite"}

#: How many bytes the table takes, with its index; SQLite knows that only of the whole file.
SIZES = {
    "postgresql": "SELECT pg_total_relation_size(CAST(:quoted AS regclass))",
    "mysql": "SELECT data_length + index_length FROM information_schema.tables"
    " WHERE table_schema = coalesce(:schema, database()) AND table_name = :name",
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
}

#: Seconds after which a broken connection means a server in trouble, not a stale one in the pool.
PATIENCE = 0.5
#: How often a statement is tried that others' statements have rolled back.
ATTEMPTS = 10


class Written(NamedTuple):
    """What a write has done: how many ``rows`` it has changed, as far as is known.

    ``lost`` tells that the answer to a first attempt was lost: the second may have met
    what the first one wrote.
    """

    rows: int
    lost: bool


class Examined(NamedTuple):
    """How a database was found: whether it has the table, and how many bytes that takes."""

    version: str
    there: bool
    used: int


class Database:
    """Runs statements, each a transaction of its own, on connections of an engine.

    Raises `StoreUnavailable` or `StoreError`, whatever the database or its driver raise.
    """

    # There is no pre-ping, which costs a round trip for each statement: a connection that turns
    # out to be stale is replaced, and the statement repeated once.

    def __init__(self, engine: Engine, table: Table) -> None:
        # Each statement tells how many rows it has changed, even an insertion.
        self._engine = engine.execution_options(preserve_rowcount=True)
        self._driver_error = engine.dialect.loaded_dbapi.Error
        self._table = table
        self._parents: list[Any] = []
        renew_after_fork(self)

    def forked(self) -> None:
        """Leave its connections to the parent, and begin with an empty pool."""
        # Kept, as closing them, here or by the garbage collector, would end the parent's.
        self._parents.append(self._engine.pool)
        self._engine.dispose(close=False)

    def read(self, statement: Executable, **parameters: Any) -> Sequence[Any]:
        """Give all rows of a query."""
        rows, _ = self._run(lambda connection: connection.execute(statement, parameters).all())
        return rows

    def write(self, statements: Iterable[Executable], **parameters: Any) -> Written:
        """Execute the statements, until one of them changes rows."""

        def work(connection: Connection) -> int:
            changes = (_changed(connection, each, parameters) for each in statements)
            return next(filter(None, changes), 0)

        return Written(*self._run(work))

    def examine(self) -> Examined:
        """Tell about the database, and the table in it."""

        def work(connection: Connection) -> Examined:
            there = inspect(connection).has_table(self._table.name, self._table.schema)
            used = _size(connection, self._table) if there else 0
            return Examined(_version(connection.dialect), there, used)

        examined, _ = self._run(work)
        return examined

    def create_table(self) -> None:
        """Make the table and its index, where they are missing."""

        def work(connection: Connection) -> None:
            self._table.create(connection, checkfirst=True)
            for index in self._table.indexes:
                index.create(connection, checkfirst=True)

        self._run(work)

    def close(self) -> None:
        """Close the connections; new ones are made where the database is used again."""
        self._engine.dispose()

    def _run(self, work: Callable[[Connection], R]) -> tuple[R, bool]:
        """Do the work; give its result, and whether the answer to an earlier attempt was lost."""
        notice_fork()
        begun, attempts, lost = time.monotonic(), 0, False
        while True:
            attempts += 1
            try:
                with self._engine.connect() as connection, _autocommit(connection):
                    done = work(connection)
                    _commit_if_begun(connection)
                    return done, lost
            except DBAPIError as error:
                late = time.monotonic() - begun > PATIENCE
                stale = error.connection_invalidated and not (lost or late)
                conflict = may_be_repeated(error) and attempts < ATTEMPTS
                if not (stale or conflict):
                    raise translated(error, self._table.fullname) from None
                lost = lost or stale
            except SQLAlchemyError as error:
                raise translated(error, self._table.fullname) from None
            except self._driver_error as error:  # if the engine has its own isolation level
                raise translated(as_no_connection(error), self._table.fullname) from None


@contextmanager
def _autocommit(connection: Connection) -> Iterator[None]:
    """Keep statements out of transactions, whatever the engine is set to.

    Not by the option isolation_level: SQLAlchemy passes on an error there as the driver
    raised it, and its pool keeps the broken connection, or loses its place.
    """
    dialect: Any = connection.dialect
    driven = connection.connection.dbapi_connection
    try:
        dialect.set_isolation_level(driven, "AUTOCOMMIT")
    except dialect.loaded_dbapi.Error as error:
        connection.invalidate(error)
        connection.engine.dispose()  # the idle ones may be broken, too
        raise as_no_connection(error) from None
    try:
        yield
    finally:
        if not connection.invalidated:
            _set_back(connection, driven)


def _commit_if_begun(connection: Connection) -> None:
    """End the transaction that an engine for SQLite begins itself, if set up as SQLAlchemy advises.

    Elsewhere a COMMIT would be a round trip for nothing.
    """
    if getattr(connection.connection.dbapi_connection, "in_transaction", False):
        connection.commit()


def _set_back(connection: Connection, driven: Any) -> None:
    dialect: Any = connection.dialect
    try:
        dialect.reset_isolation_level(driven)
    except dialect.loaded_dbapi.Error as error:  # what was to be done is done
        connection.invalidate(error)


def _version(dialect: Dialect) -> str:
    maria = getattr(dialect, "is_mariadb", False)  # which a URL may call mysql
    name = "MariaDB" if maria else NAMES[dialect.name]
    return f"{name} {'.'.join(map(str, dialect.server_version_info or ()))}"


def _size(connection: Connection, table: Table) -> int:
    dialect = connection.dialect
    names = {
        "quoted": dialect.identifier_preparer.format_table(table),
        "schema": table.schema,
        "name": table.name,
    }
    size = text(SIZES["mysql" if dialect.name == "mariadb" else dialect.name])
    needed = {name: names[name] for name in size.compile().params}
    return int(connection.execute(size, needed).scalar() or 0)


def _changed(connection: Connection, statement: Executable, parameters: dict[str, Any]) -> int:
    try:
        return connection.execute(statement, parameters).rowcount
    except IntegrityError as error:
        if code_of(error) != KEY_IS_THERE:
            raise
        return 0
