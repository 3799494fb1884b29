"""Folders that are nobody else's business."""

from __future__ import annotations

import os


def make_private_folder(path: str) -> None:
    """Make the folder, and those above it, for this user only; leave those that are there."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        make_private_folder(os.path.dirname(path))
        make_private_folder(path)
        return
    os.chmod(path, 0o700)  # the umask may have taken away even the owner's rights
