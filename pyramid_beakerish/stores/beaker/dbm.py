"""Entries as dbm files, one each, by Beaker's manager for dbm files."""

from __future__ import annotations

import glob
import logging
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from beaker.container import DBMNamespaceManager
from beaker.synchronization import null_synchronizer

from ...errors import SettingsError
from ..base import PROBE, decode_key, encode_key, sweeping_in_passing
from ..file.store import STRIPES
from ..file.sweep import Sweeper, list_folder
from ..system.folders import TO_BE_MADE, facts_of_folder, own_folder
from ..system.locks import FileLock
from .store import ENTRY, BeakerStore, translating_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ...settings import StoreSettings
    from ..facts import StoreFacts
    from ..file.entry import Record

log = logging.getLogger(__name__)


class DbmNamespace(DBMNamespaceManager):  # type: ignore[misc]
    """A dbm file that the first write makes, and whose value is kept as it is.

    Beaker's own makes the file at the first look, and unpickles what is in it.
    """

    # None where there is no file.
    dbm: Any

    def get_access_lock(self) -> Any:
        """Lock nothing: the store locks, with few lock files and a limit to the waiting."""
        return null_synchronizer()

    def _checkfile(self) -> None:
        """Make no file."""

    def do_open(self, flags: str, replace: bool) -> None:
        """Open the file, if it is there or is to be written; to write, make a damaged one anew."""
        self.dbm = None
        if flags == "r" and not self.file_exists(self.file):
            return
        with self._noticing_damage():
            self.dbm = self.dbmmodule.open(self.file, flags)
        if self.dbm is None and flags != "r":
            self._make_anew()

    def __getitem__(self, key: str) -> Any:
        if self.dbm is None:
            raise KeyError(key)
        return self.dbm[key]

    def __setitem__(self, key: str, value: bytes) -> None:
        with self._noticing_damage():
            self.dbm[key] = value
            return
        self.do_close()
        self._make_anew()
        self.dbm[key] = value

    def __delitem__(self, key: str) -> None:
        """Remove the file: it has no other entry."""
        self.do_close()
        self.dbm = None
        self.do_remove()

    def get_filenames(self) -> list[str]:
        """Give every file that any dbm module makes for this name, backups too."""
        return glob.glob(glob.escape(self.file) + "*")

    def _make_anew(self) -> None:
        self.do_remove()
        self.dbm = self.dbmmodule.open(self.file, "c")

    @contextmanager
    def _noticing_damage(self) -> Iterator[None]:
        """Log, instead of raising, that a file is damaged or not the module's own."""
        try:
            yield
        except Exception as error:
            if getattr(error, "errno", None) is not None:  # dbm.gnu's own errors have no number
                raise
            log.warning("A dbm file is damaged: what was in it counts as absent.")


class DbmStore(BeakerStore):
    """Keeps each entry in a dbm file of its own, for all processes of this host.

    The files are in the folder ``beakerish/dbm`` of ``folder``, readable by this user only;
    lock files are in the folder ``beakerish`` of ``lock_dir``. ``dbmmodule`` opens the dbm
    files: by default dbm.gnu, or dbm.dumb where that is missing, as in Beaker. A process
    that is killed while it writes an entry may destroy that entry, as dbm modules
    overwrite in place. ``clock`` and ``patience`` are as in `BeakerStore`.
    """

    prefix = ""

    def __init__(
        self,
        folder: str,
        lock_dir: str | None = None,
        dbmmodule: Any = None,
        clock: Callable[[], float] = time.time,
        *,
        patience: float = 10.0,
    ) -> None:
        root = self._root = os.path.join(own_folder(folder), "dbm")
        # The same folder for all: otherwise Beaker would make another one for lock files.
        options = {"dbm_dir": root, "data_dir": root, "lock_dir": root, "dbmmodule": dbmmodule}
        super().__init__(DbmNamespace, {**options, "digest_filenames": False}, clock)
        locks = own_folder(folder if lock_dir is None else lock_dir)
        paths = {digit: f"{locks}dbm-{digit}.lock" for digit in STRIPES}
        self._locks = {digit: FileLock(path, patience) for digit, path in paths.items()}
        lock = FileLock(f"{locks}dbm-sweep.lock", patience)
        self._sweeper = _Sweeper(os.path.join(root, ""), lock)

    @classmethod
    def from_settings(cls, settings: StoreSettings, clock: Callable[[], float]) -> DbmStore:
        """Make the store from ``dbm_dir`` or ``data_dir``, ``lock_dir`` and ``dbmmodule``."""
        given = settings.backend
        folder = given.get("dbm_dir", settings.data_dir)
        if folder is None:
            under = settings.key_prefix
            needs = f"{under}data_dir, or {under}dbm_dir and {under}lock_dir"
            raise SettingsError([f"{under}type = dbm needs {needs}"])
        lock_dir = settings.lock_dir or settings.data_dir
        return cls(folder, lock_dir, given.get("dbmmodule"), clock)

    def keys(self, prefix: str) -> Iterator[str]:
        """List the keys that begin with the prefix; every file is read."""
        return iter(self._keys(encode_key(prefix)))

    @translating_errors
    def sweep(self) -> int:
        """Remove what has expired or is damaged, and tell how much."""
        now = self._clock()
        with self._sweeper.sweeping() as names:
            return sum(self._examine(name, now) for name in names)

    @translating_errors
    def inspect(self) -> StoreFacts:
        """Tell how much room the disk has; raise `StoreUnavailable` if the folder is not writable.

        The folder is not made: it would belong to the user who asks.
        """
        facts = facts_of_folder(self._root)
        try:
            os.stat(self._root)
        except FileNotFoundError:
            facts["absent"] = TO_BE_MADE
        else:
            self.load(PROBE)
        return facts

    def close(self) -> None:
        """Close the lock files; the store may be used again."""
        self._sweeper.close()
        for lock in self._locks.values():
            lock.close()

    @translating_errors
    def _keys(self, start: bytes) -> list[str]:
        now = self._clock()
        found = (self._record_of(name) for name in self._sweeper.names())
        alive = (record[0] for record in found if record and _is_alive(record, now))
        return [decode_key(key) for key in alive if key.startswith(start)]

    def _put(self, *arguments: Any) -> bool:
        stored = super()._put(*arguments)
        now = self._clock()
        if self._sweeper.due(now):
            with sweeping_in_passing():
                self._sweep_a_little()
        return stored

    @translating_errors
    def _sweep_a_little(self) -> None:
        self._sweeper.step(self._examined, self._clock)

    def _examined(self, name: str, now: float) -> bool:
        self._examine(name, now)
        return True

    def _examine(self, name: str, now: float) -> bool:
        if _is_alive(self._record_of(name), now):
            return False
        with self._writing(name) as namespace:
            alive = _is_alive(self._record(namespace, None), now)
            if not alive:
                del namespace[ENTRY]
        return not alive

    def _record_of(self, name: str) -> Record | None:
        with self._reading(name) as namespace:
            return self._record(namespace, None)

    @contextmanager
    def _reading(self, name: str) -> Iterator[Any]:
        # Readers keep writers out: most dbm modules cannot have both at once.
        with self._locks[name[0]], super()._reading(name) as namespace:
            yield namespace

    def _excluding_others(self, name: str) -> AbstractContextManager[object]:
        return self._locks[name[0]]


class _Sweeper(Sweeper):
    """Walks through the folders that Beaker makes for its dbm files."""

    def _folders(self) -> Iterator[str]:
        digits = list_folder(self._root)
        return (f"{d}{os.sep}{name}" for d in digits for name in list_folder(self._root + d))

    def _names_in(self, folder: str) -> Iterator[str]:
        return iter({file.partition(".")[0] for file in list_folder(self._root + folder)})


def _is_alive(record: Record | None, now: float) -> bool:
    return record is not None and record[2] > now
