"""What goes wrong in a database, in the words of the store contract."""

from __future__ import annotations

from typing import Any

from sqlalchemy import exc

from pyramid_beakerish.errors import StoreError, StoreUnavailable

#: SQLSTATE of PostgreSQL and numbers of MariaDB for a statement that was rolled back because of
#: another one, and may be tried again: https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html
ROLLED_BACK = ("40001", "40P01", 1213)
NO_TABLE = ("42P01", 1146)

#: What drivers raise where the server is down, slow, full or read-only.
UNAVAILABLE = (exc.OperationalError, exc.InternalError)


def code_of(error: exc.DBAPIError) -> Any:
    """Give the database's own code of an error, ``None`` where it has none."""
    original: Any = error.orig
    state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    if state is None and original.args and isinstance(original.args[0], int):
        return original.args[0]
    return state


def was_rolled_back(error: exc.DBAPIError) -> bool:
    """Tell whether the statement has done nothing and may be tried again."""
    return code_of(error) in ROLLED_BACK


def translated(error: exc.SQLAlchemyError, table: str) -> StoreError:
    """Give the error for callers, which tells nothing of what was sent to the database."""
    if isinstance(error, exc.DBAPIError):
        if _lacks_table(error):
            return StoreError(
                f"the table {table} is not there: it is made when the application starts, "
                "unless create_table is false"
            )
        if error.connection_invalidated or isinstance(error, UNAVAILABLE):
            return StoreUnavailable(f"the database cannot be used: {_described(error)}")
        return StoreError(f"the database refuses: {_described(error)}")
    if isinstance(error, exc.TimeoutError):
        return StoreUnavailable("no connection to the database was free in time")
    return StoreError(f"SQLAlchemy refuses: {type(error).__name__}")


def _lacks_table(error: exc.DBAPIError) -> bool:
    return code_of(error) in NO_TABLE or str(error.orig).startswith("no such table")


def _described(error: exc.DBAPIError) -> str:
    code = code_of(error)
    name = type(error.orig).__name__
    if error.statement is None:  # it failed to connect, so that its text tells of that alone
        return f"{name}: {' '.join(str(error.orig).split())}"
    return name if code is None else f"{name} ({code})"
