"""Beaker's own back ends and serializers, which write as ever but run no code when they read.

Most of Beaker's back ends load a pickle around the session, and by default there is another one
inside it: anybody who can write to the store can run code (CVE-2013-7489).
"""

from __future__ import annotations

import pickle
from errno import EACCES, ENOENT
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beaker.container import DBMNamespaceManager, FileNamespaceManager
from beaker.ext.database import DatabaseNamespaceManager
from beaker.ext.memcached import MemcachedNamespaceManager, _load_client
from beaker.ext.redisclusternm import RedisClusterNamespaceManager
from beaker.ext.redisnm import RedisNamespaceManager
from beaker.ext.sqla import SqlaNamespaceManager
from beaker.session import CookieSession, Session
from beaker.util import JsonSerializer, SyncDict

from ..errors import CorruptData
from ..serializers.foreign_pickles import ForeignPickles
from ..stores.system.forks import notice_fork, renew_after_fork
from .previous.earlier import moment
from .previous.envelope import from_base64, from_json
from .previous.raw import checked_space

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..settings import SessionSettings


def safely(settings: SessionSettings) -> dict[str, Any]:
    """Give the options that let Beaker's Session read without running any code.

    A ``session_class``, ``namespace_class`` or ``data_serializer`` of the application's own is
    left as it is.
    """
    pickles = ForeignPickles(settings.pickle_classes)
    chosen = settings.given.get("data_serializer", "pickle")
    checked = CheckedCookieSession if settings.type == "cookie" else CheckedSession
    options: dict[str, Any] = {
        "session_class": settings.given.get("session_class", checked),
        "data_serializer": _serializer(chosen, pickles),
    }
    space = SPACES.get(str(settings.type))
    if space is not None and "namespace_class" not in settings.given:
        options["namespace_class"] = partial(space, pickles)
    return options


def _serializer(chosen: Any, pickles: ForeignPickles) -> Any:
    if chosen == "json":
        return SafeJson()
    return SafePickle(pickles) if chosen == "pickle" else chosen


class SafePickle:
    """Pickles as Beaker does, byte for byte, but only what can be read again."""

    def __init__(self, pickles: ForeignPickles) -> None:
        self.loads = pickles.loads

    def dumps(self, data: Any) -> bytes:
        """Give the pickle; raises `CorruptData`, which says which class has to be listed."""
        pickled = pickle.dumps(data, 2)
        self.loads(pickled)
        return pickled


class SafeJson(JsonSerializer):  # type: ignore[misc]
    """Beaker's JSON, which raises `CorruptData` for anything that is not JSON."""

    def loads(self, data_string: bytes) -> Any:
        """Give the data; raises `CorruptData`."""
        return from_json(data_string)


class CheckedSession(Session):  # type: ignore[misc]
    """Beaker's Session, which raises `CorruptData` if what was stored is damaged."""

    def __init__(self, request: Any, session_class: Any = None, **options: Any) -> None:
        # Without ``session_class``: Beaker hands options that it does not know on to its back ends.
        super().__init__(request, **options)

    def _decrypt_data(self, session_data: Any) -> dict[str, Any]:
        if not isinstance(session_data, str | bytes):
            raise CorruptData("what Beaker has stored is not text")
        from_base64(session_data[self.encrypt_nonce_size[1] if self.encrypt_key else 0 :])
        return _checked(super()._decrypt_data(session_data))


class CheckedCookieSession(CheckedSession, CookieSession):  # type: ignore[misc]
    """The same for the session that is in the cookie."""


def _checked(data: Any) -> dict[str, Any]:
    """Give the data; raises `CorruptData` if Beaker could not work with its own part of it."""
    if not isinstance(data, dict):
        raise CorruptData("what Beaker has stored is not a dictionary")
    for name in {"_accessed_time", "_creation_time"} & data.keys():
        moment(data[name])
    if not all(isinstance(data.get(name), str | None) for name in ("_domain", "_path")):
        raise CorruptData("a session of Beaker's has an invalid domain or path")
    return data


class _Safe:
    """Takes the reader of pickles, and then the arguments of Beaker's own class."""

    def __init__(self, pickles: ForeignPickles, *arguments: Any, **options: Any) -> None:
        notice_fork()  # a connection shared by two processes gives one the other's sessions
        self.pickles = pickles
        super().__init__(*arguments, **options)


class SafeFile(_Safe, FileNamespaceManager):  # type: ignore[misc]
    """One file for each session, a pickled dictionary."""

    def do_open(self, flags: str, replace: bool) -> None:
        """Read the file, unless it is about to be replaced."""
        if not replace:
            self._read()
        self.flags = flags

    def _read(self) -> None:
        try:
            data = Path(self.file).read_bytes()
        except OSError as error:
            if error.errno not in (EACCES, ENOENT):  # for Beaker these mean: there is none
                raise
        else:
            self.hash = checked_space(self.pickles.loads(data))


#: The ``errno`` of a damaged file: none from the system, or that one of the dbm's files is missing.
_OF_DAMAGE = (None, 0, ENOENT)


class SafeDbm(_Safe, DBMNamespaceManager):  # type: ignore[misc]
    """One dbm file for each session."""

    def _checkfile(self) -> None:
        """Make the file if there is none, under a lock: no other request sees half of it."""
        if self.file_exists(self.file):
            return
        self.access_lock.acquire_write_lock()
        try:
            super()._checkfile()
        finally:
            self.access_lock.release_write_lock()

    def do_open(self, flags: str, replace: bool) -> None:
        """Open the file; raises `CorruptData` if its dbm module cannot read it."""
        try:
            self.dbm = self.dbmmodule.open(self.file, flags)
        except Exception as error:  # each dbm module has its own for damaged files
            if isinstance(error, OSError) and error.errno not in _OF_DAMAGE:
                raise
            raise CorruptData("a dbm file of Beaker's cannot be read") from None

    def __getitem__(self, key: str) -> Any:
        return self.pickles.loads(self.dbm[key])


class SafeRedis(_Safe, RedisNamespaceManager):  # type: ignore[misc]
    """A pickled text for each session."""

    def __getitem__(self, key: str) -> Any:
        entry = self.client.get(self._format_key(key))
        if entry is None:
            raise KeyError(key)
        return self.pickles.loads(entry)


class SafeRedisCluster(SafeRedis, RedisClusterNamespaceManager):  # type: ignore[misc]
    """The same on several servers."""


class SafeMemcached(_Safe, MemcachedNamespaceManager):  # type: ignore[misc]
    """A text for each session; anything else is a pickle, which the client library would load."""

    safe_clients = SyncDict()

    def __init__(self, pickles: ForeignPickles, namespace: str, url: str, **options: Any) -> None:
        super().__init__(pickles, namespace, url, **options)
        library = options.get("memcache_module", "auto")
        make = partial(_load_client(library).Client, unpickler=_Unpickled)
        self.mc = self.safe_clients.get((library, url), make, url.split(";"))

    def __getitem__(self, key: str) -> Any:
        found = super().__getitem__(key)
        if isinstance(found, _Unpickled):
            raise CorruptData("what Beaker has stored is not text")
        return found


class _Unpickled:
    """Stands where a pickle was found: client libraries turn an error into a missing value."""

    def __init__(self, file: Any) -> None:
        """Leave the file unread."""

    def load(self) -> Any:
        """Give this object, not what the pickle holds."""
        return self


class SafeSqla(_Safe, SqlaNamespaceManager):  # type: ignore[misc]
    """A row for each session, whose column ``data`` SQLAlchemy would unpickle."""

    def do_open(self, flags: str, replace: bool) -> None:
        """Read the row, once."""
        if not self.loaded:
            self._read()
        self.flags = flags

    def _read(self) -> None:
        from sqlalchemy import LargeBinary, select, type_coerce

        columns = self.table.c
        statement = select(type_coerce(columns.data, LargeBinary))
        with self.bind.connect() as connection:
            mine = columns.namespace == self.namespace
            row = connection.execute(statement.where(mine)).fetchone()
        self._is_new = row is None
        self.hash = {} if row is None else checked_space(self.pickles.loads(bytes(row[0])))
        self.loaded = True


class SafeDatabase(SafeSqla, DatabaseNamespaceManager):  # type: ignore[misc]
    """The same in a table that Beaker makes."""


class _Connections:
    """The connections that Beaker keeps to all its servers for as long as the process lives."""

    def __init__(self) -> None:
        self._parents: list[Any] = []
        renew_after_fork(self)

    def forked(self) -> None:
        """Leave the parent its connections, and begin with none."""
        # Kept: if the garbage collector closed them, it would end the parent's, too.
        self._parents.append(SafeMemcached.safe_clients)
        SafeMemcached.safe_clients = SyncDict()
        for engine in list(SqlaNamespaceManager.binds.dict.values()):
            self._parents.append(engine.pool)
            engine.dispose(close=False)


_connections = _Connections()


SPACES: Mapping[str, type[_Safe]] = {
    "file": SafeFile,
    "dbm": SafeDbm,
    "ext:redis": SafeRedis,
    "ext:rediscluster": SafeRedisCluster,
    "ext:memcached": SafeMemcached,
    "memcached": SafeMemcached,
    "ext:sqla": SafeSqla,
    "sqla": SafeSqla,
    "ext:database": SafeDatabase,
    "database": SafeDatabase,
}
