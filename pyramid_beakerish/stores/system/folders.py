"""Folders that only this user may use."""

from __future__ import annotations

import os
from contextlib import suppress
from shutil import disk_usage

from ...errors import StoreUnavailable
from ..facts import StoreFacts
from .errors import unavailable

#: Our own folder in ``data_dir`` and ``lock_dir``, as Beaker keeps its files there too.
FOLDER = "beakerish"

#: Why a folder is not there.
TO_BE_MADE = "The folder is made when the application starts."


def own_folder(folder: str | os.PathLike[str]) -> str:
    """Give the absolute path of our own folder in this one, ending with a separator."""
    return os.path.join(os.path.abspath(folder), FOLDER, "")


def make_private_folder(path: str, fsync: bool = False) -> None:
    """Make the folder, and those above it, for this user only; leave those that are there.

    A power cut cannot undo that if ``fsync`` is true.
    """
    above = os.path.dirname(path)
    with suppress(FileExistsError):
        try:
            os.mkdir(path, 0o700)
        except FileNotFoundError:
            if above == path:  # a drive that is not there
                raise
            make_private_folder(above, fsync)
            os.mkdir(path, 0o700)  # only this once: above may be a link that leads nowhere
        os.chmod(path, 0o700)  # the umask may have taken away even the owner's rights
        if fsync:
            fsync_name(path)


def prepare_folder(path: str, store: str) -> None:
    """Make the folder, unless it is there; raise `StoreUnavailable`, which names it, on failure."""
    try:
        make_private_folder(path, fsync=True)  # a power cut must not take what will be in it
        os.stat(os.path.join(path, ""))  # which fails for a file
    except OSError as error:
        raise unavailable(error, store, f" {path}") from None


def facts_of_folder(path: str) -> StoreFacts:
    """Tell how much room there is at the path, or at the first folder above it that is there.

    Raises `StoreUnavailable` if this user could store nothing there.
    """
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    if not os.path.exists(path):
        raise StoreUnavailable(f"{path} is a link to a missing folder")
    if not os.access(path, os.W_OK):
        raise StoreUnavailable(f"this user may not write to {path}")
    return StoreFacts(reach="host", persistent=True, free=disk_usage(path).free)


def fsync_name(path: str) -> None:
    """Make sure that the name, or its removal, outlives a power cut."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows keeps names safe itself, and opens no folder
        return
    fd = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
