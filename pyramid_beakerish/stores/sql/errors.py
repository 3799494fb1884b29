"""What goes wrong in a database, in the words of the store contract."""

from __future__ import annotations

from typing import Any

from sqlalchemy import exc

from ...errors import StoreError, StoreUnavailable

#: SQLSTATE of PostgreSQL and numbers of MariaDB for a statement that was rolled back because of
#: another one, and may be tried again: https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html
ROLLED_BACK = ("40001", "40P01", 1213)
#: Codes for a table or an index that another process has made a moment ago.
MADE_BY_OTHERS = ("42P07", "23505", 1050, 1061)
#: MariaDB's answer if an inserted key is there; the others are told to update its row then.
KEY_IS_THERE = 1062
#: Codes of a server that takes no writes, such as one that another server has replaced.
TAKES_NO_WRITES = ("25006", 1290)
NO_TABLE = ("42P01", 1146)
#: MariaDB's refusals, which PyMySQL takes for a failure of the server.
NOT_ALLOWED = (1044, 1142, 1143)

#: What drivers raise where the server is down, slow, full or read-only.
UNAVAILABLE = (exc.OperationalError, exc.InternalError, exc.InterfaceError)


def code_of(error: exc.DBAPIError) -> Any:
    """Give the database's own code of an error, ``None`` where it has none."""
    original: Any = error.orig
    first = next(iter(original.args), None)
    if isinstance(first, dict):  # pg8000
        return first.get("C")
    number = getattr(original, "errno", first)  # the attribute is that of MariaDB's own driver
    if isinstance(number, int):
        return number
    return getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)


def may_be_repeated(error: exc.DBAPIError) -> bool:
    """Tell whether a statement has done nothing because of another one at the same time."""
    made_by_others = str(error.orig).endswith("already exists")  # SQLite has no code for that
    return made_by_others or code_of(error) in (*ROLLED_BACK, *MADE_BY_OTHERS)


def as_no_connection(error: Exception) -> exc.DBAPIError:
    """Give the error that SQLAlchemy should have made of one that it passes on from the driver."""
    return exc.OperationalError(None, None, error, connection_invalidated=True)


def translated(error: exc.SQLAlchemyError, table: str) -> StoreError:
    """Give the error for callers, which tells nothing about what was sent to the database."""
    if isinstance(error, exc.DBAPIError):
        if _lacks_table(error):
            return StoreError(
                f"the table {table} does not exist: beakerish prepare makes it, and so does the "
                "application when it starts, unless create_table is false"
            )
        if error.connection_invalidated or _is_unavailable(error):
            return StoreUnavailable(f"the database cannot be used: {_described(error)}")
        return StoreError(f"the database refuses: {_described(error)}")
    if isinstance(error, exc.TimeoutError):
        return StoreUnavailable("no connection to the database was free in time")
    return StoreError(f"SQLAlchemy refuses: {type(error).__name__}")


def _lacks_table(error: exc.DBAPIError) -> bool:
    return code_of(error) in NO_TABLE or str(error.orig).startswith("no such table")


def _is_unavailable(error: exc.DBAPIError) -> bool:
    return isinstance(error, UNAVAILABLE) and code_of(error) not in NOT_ALLOWED


def _described(error: exc.DBAPIError) -> str:
    code = code_of(error)
    name = type(error.orig).__name__
    if error.statement is None:  # connecting failed: the text is only about that
        return f"{name}: {' '.join(str(error.orig).split())}"
    return name if code is None else f"{name} ({code})"
