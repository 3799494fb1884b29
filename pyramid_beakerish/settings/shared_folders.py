"""Stores with settings of their own that keep their files in the same folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .options import StoreSettings

#: Our own stores in which nothing but lock files keeps writers apart.
BY_LOCK_FILES = ("dbm", "file")


def differing_locks(stores: Iterable[StoreSettings]) -> Iterator[str]:
    """Give a sentence for each store that shares files, but not lock files, with another.

    The two would write at the same time, and undo what the other has stored.
    """
    first: dict[tuple[Any, str], StoreSettings] = {}
    for store in stores:
        folder = _folder(store)
        if folder is None or not _keeps_files(store):
            continue
        other = first.setdefault((store.type, os.path.abspath(folder)), store)
        if _lock_folder(store) != _lock_folder(other):
            yield (
                f"{store.key_prefix}lock_dir must be the same as {other.key_prefix}lock_dir: both "
                f"keep type = {store.type} in the same folder. Or use another folder."
            )


def _keeps_files(store: StoreSettings) -> bool:
    is_ours = getattr(store, "format", "beakerish") == "beakerish"
    return is_ours and store.type in BY_LOCK_FILES


def _folder(store: StoreSettings) -> str | None:
    folder: str | None = store.backend.get("dbm_dir") or store.data_dir
    return folder


def _lock_folder(store: StoreSettings) -> str:
    return os.path.abspath(str(store.lock_dir or store.data_dir))
