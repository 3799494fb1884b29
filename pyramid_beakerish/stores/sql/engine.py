"""From settings to an engine that never waits without a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, engine_from_config, event, make_url
from sqlalchemy.exc import DBAPIError, NoSuchModuleError

from ...errors import SettingsError
from ...settings.databases import database_of, engine_options, with_driver
from .errors import TAKES_NO_WRITES, code_of
from .limits import ANSWER, CONNECT, POOL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import URL
    from sqlalchemy.engine import ExceptionContext

    from ...settings import StoreSettings

#: What keeps waits short, by driver: a URL that says otherwise in its query is obeyed.
BOUNDS: dict[str, dict[str, Any]] = {
    # libpq takes whole seconds, at least 2. The client's own limit is in postgresql.py.
    "psycopg": {"connect_timeout": 2, "options": f"-c statement_timeout={ANSWER * 1000:.0f}"},
    "pymysql": {
        "connect_timeout": CONNECT,
        "read_timeout": ANSWER,
        "write_timeout": ANSWER,
        # sql_mode: so that nothing is cut off, and PyMySQL's way to write bytes is understood.
        "init_command": (
            "SET SESSION innodb_lock_wait_timeout = 1, lock_wait_timeout = 1, "
            "sql_mode = 'STRICT_ALL_TABLES'"
        ),
    },
    # Not how long to wait for a server, but for the writers before this one.
    "pysqlite": {"timeout": 5.0},
}


def open_engine(settings: StoreSettings) -> tuple[Engine, bool]:
    """Give the engine of the settings, and whether it was made here; nothing is contacted.

    Raises `SettingsError` for engine options that SQLAlchemy does not take.
    """
    place = database_of(settings)
    if isinstance(place, Engine):
        return place, False
    url = with_driver(make_url(place))
    given = engine_options(settings)
    options = {**_defaults(given), **given, "sa.url": url}
    options["sa.connect_args"] = {**_bounds(url), **options.get("sa.connect_args", {})}
    try:
        # No rollback: there is nothing to roll back, and it would be a round trip.
        engine = engine_from_config(
            options, "sa.", isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True
        )
    except (ImportError, NoSuchModuleError) as error:
        raise SettingsError(
            [f"{settings.key_prefix}url needs a driver that cannot be imported: {error}"]
        ) from None
    except (TypeError, ValueError) as error:
        reason = f"the engine options under {settings.key_prefix}sa.* cannot be obeyed: {error}"
        raise SettingsError([reason]) from None
    event.listen(engine, "handle_error", _leave_reader)
    if engine.driver == "psycopg":
        event.listen(engine, "do_connect", _connect_bounded)
    return engine, True


def _defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    own_pool = "sa.poolclass" in given or "sa.pool" in given
    return {
        "sa.hide_parameters": True,
        "sa.pool_reset_on_return": None,  # no rollback, see `open_engine`
        "sa.pool_recycle": 300,  # before a firewall forgets a connection that is idle
        **({} if own_pool else {"sa.pool_timeout": POOL}),
    }


def _bounds(url: URL) -> dict[str, Any]:
    bounds = BOUNDS.get(url.get_driver_name(), {})
    return {name: value for name, value in bounds.items() if name not in url.query}


def _leave_reader(context: ExceptionContext) -> None:
    """Renew all connections once one takes no writes: the server's name may lead elsewhere now."""
    error = context.sqlalchemy_exception
    if isinstance(error, DBAPIError) and code_of(error) in TAKES_NO_WRITES:
        context.is_disconnect = True


def _connect_bounded(
    dialect: Any, record: Any, arguments: list[Any], options: Mapping[str, Any]
) -> Any:
    from .postgresql import BoundedConnection

    return BoundedConnection.connect(*arguments, **options)
