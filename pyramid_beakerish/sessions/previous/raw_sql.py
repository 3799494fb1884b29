"""Where Beaker keeps sessions in a SQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ...errors import StoreUnavailable
from .raw import ANSWER, text_in

if TYPE_CHECKING:
    from ...serializers.foreign_pickles import ForeignPickles
    from ...settings import SessionSettings

#: How each driver is told when to give up connecting; libpq and MySQL count whole seconds.
_CONNECT_ARGUMENTS = {
    "psycopg": {"connect_timeout": 1},
    "psycopg2": {"connect_timeout": 1},
    "pymysql": {"connect_timeout": 1, "read_timeout": 1},
    "mysqldb": {"connect_timeout": 1},
    "pysqlite": {"timeout": ANSWER},
}


_OF_POOLS = ("sa.pool", "sa.max_overflow")


class SqlRaw:
    """A row for each session, whose column ``data`` is a pickled dictionary: read as bytes."""

    def __init__(self, settings: SessionSettings, pickles: ForeignPickles) -> None:
        backend = settings.backend
        table = backend.get("table")
        self._name = table.name if table is not None else backend.get("table_name", "beaker_cache")
        self._schema = table.schema if table is not None else backend.get("schema_name")
        columns = sa.column("namespace", sa.String), sa.column("data", sa.LargeBinary)
        self._table = sa.table(self._name, *columns, schema=self._schema)
        self._pickles = pickles
        engine = backend.get("bind") or settings.url
        self._engine = engine if isinstance(engine, sa.Engine) else _engine(settings)

    def read(self, session_id: str) -> Any:
        """Give the text of a session; see `RawStore.read`."""
        columns = self._table.c
        data = self._execute(sa.select(columns.data).where(columns.namespace == session_id), _first)
        return None if data is None else text_in(self._pickles.loads(bytes(data)))

    def remove(self, session_id: str) -> bool:
        """Remove a session; tell whether it was there."""
        mine = self._table.c.namespace == session_id
        return bool(self._execute(sa.delete(self._table).where(mine), _count))

    def _execute(self, statement: Any, result: Any) -> Any:
        try:
            with self._engine.begin() as connection:
                return result(connection.execute(statement))
        except SQLAlchemyError as error:
            if self._has_table() is False:
                return None  # Beaker has never stored anything here
            raise StoreUnavailable(f"Beaker's database: {type(error).__name__}") from None

    def _has_table(self) -> bool | None:
        try:
            there: bool = sa.inspect(self._engine).has_table(self._name, self._schema)
        except SQLAlchemyError:
            return None
        return there


def _first(result: Any) -> Any:
    return result.scalar()


def _count(result: Any) -> Any:
    return result.rowcount


def _engine(settings: SessionSettings) -> Any:
    options = {**settings.backend.get("sa_opts", {})}
    options.update((name, value) for name, value in settings.backend.items() if name[:3] == "sa.")
    url = sa.make_url(settings.url or options["sa.url"])
    timeouts = _CONNECT_ARGUMENTS.get(url.get_driver_name(), {})
    options.setdefault("sa.connect_args", timeouts)
    # Each visitor is adopted once: no connection is kept open for that, or shared with a fork.
    options = {name: value for name, value in options.items() if not name.startswith(_OF_POOLS)}
    return sa.engine_from_config({**options, "sa.url": url, "sa.poolclass": NullPool}, "sa.")
