"""Where Beaker keeps sessions without a server: in memory, in files, in dbm files."""

from __future__ import annotations

import dbm
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beaker.container import MemoryNamespaceManager
from beaker.synchronization import file_synchronizer

from ...errors import CorruptData, StoreUnavailable
from .raw import KEY, text_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...serializers.foreign_pickles import ForeignPickles
    from ...settings import SessionSettings

#: Seconds to wait for a lock of Beaker's.
PATIENCE = 1.0
_PAUSE = 0.005
_ENDINGS = ("", ".db", ".dat", ".pag", ".dir", ".bak")


class MemoryRaw:
    """The memory of this process."""

    def __init__(self, settings: SessionSettings, pickles: ForeignPickles) -> None:
        """Ignore the settings: there is only one memory."""

    def read(self, session_id: str) -> Any:
        """Give the text of a session; see `RawStore.read`."""
        return self._space(session_id).get(KEY)

    def remove(self, session_id: str) -> bool:
        """Remove a session; tell whether it was there."""
        return self._space(session_id).pop(KEY, None) is not None

    def _space(self, session_id: str) -> dict[str, Any]:
        space: dict[str, Any] = MemoryNamespaceManager.namespaces.dict.get(session_id, {})
        return space


class FileRaw:
    """Files of one pickled dictionary each, replaced as a whole, so that no lock is needed."""

    def __init__(self, settings: SessionSettings, pickles: ForeignPickles) -> None:
        folder = settings.backend.get("file_dir") or f"{settings.data_dir}/container_file"
        self._folder = Path(folder)
        self._pickles = pickles

    def read(self, session_id: str) -> Any:
        """Give the text of a session; see `RawStore.read`."""
        try:
            data = _path(self._folder, session_id, ".cache").read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unavailable(error) from None
        return text_in(self._pickles.loads(data))

    def remove(self, session_id: str) -> bool:
        """Remove a session; tell whether it was there."""
        return _removed(_path(self._folder, session_id, ".cache"))


class DbmRaw:
    """A dbm file, or a few, for each session, read and removed under Beaker's own lock."""

    def __init__(self, settings: SessionSettings, pickles: ForeignPickles) -> None:
        backend = settings.backend
        self._folder = Path(backend.get("dbm_dir") or f"{settings.data_dir}/container_dbm")
        self._lock_dir = settings.lock_dir or f"{settings.data_dir}/container_dbm_lock"
        self._module = backend.get("dbmmodule") or dbm
        self._pickles = pickles

    def read(self, session_id: str) -> Any:
        """Give the text of a session; see `RawStore.read`."""
        path = _path(self._folder, session_id, ".dbm")
        if not _files(path):  # opening it would make it, and its lock
            return None
        with self._locked(session_id):
            data = self._found(path) if _files(path) else None
        return None if data is None else self._pickles.loads(data)

    def remove(self, session_id: str) -> bool:
        """Remove a session; tell whether it was there."""
        path = _path(self._folder, session_id, ".dbm")
        if not _files(path):
            return False
        with self._locked(session_id):
            removed = [_removed(file) for file in _files(path)]
        return any(removed)

    def _found(self, path: Path) -> bytes | None:
        try:
            with self._module.open(str(path), "r") as opened:
                data: bytes | None = opened.get(KEY.encode())
        except Exception:  # each dbm module has its own for damaged files
            raise CorruptData("a dbm file of Beaker's cannot be read") from None
        return data

    @contextmanager
    def _locked(self, session_id: str) -> Iterator[None]:
        lock = file_synchronizer(session_id, lock_dir=self._lock_dir)
        deadline = time.monotonic() + PATIENCE
        while not lock.acquire_write_lock(wait=False):
            if time.monotonic() > deadline:
                raise StoreUnavailable("a dbm file of Beaker's is locked")
            time.sleep(_PAUSE)
        try:
            yield
        finally:
            lock.release_write_lock()


def _path(folder: Path, session_id: str, ending: str) -> Path:
    return folder / session_id[:1] / session_id[:2] / (session_id + ending)


def _files(path: Path) -> list[Path]:
    files = (path.with_name(path.name + ending) for ending in _ENDINGS)
    return [file for file in files if file.exists()]


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unavailable(error) from None
    return True


def _unavailable(error: OSError) -> StoreUnavailable:
    # Without the name of the file, which is the id of the session.
    return StoreUnavailable(f"a file of Beaker's cannot be used: {os.strerror(error.errno or 0)}")
