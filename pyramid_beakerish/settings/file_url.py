"""The file that a URL names."""

from __future__ import annotations

import os
from typing import Any

from .convert import RefusedError

SCHEME = "sqlite:///"


def read_file_url(url: Any) -> str:
    """Give the path that ``url`` names.

    It is a path, or ``sqlite:///`` and a path: as in SQLAlchemy, four slashes if it is absolute.
    Raises `RefusedError` for anything else.
    """
    path = os.fspath(url) if isinstance(url, (str, os.PathLike)) else ""
    if path.startswith(SCHEME):
        path = path[len(SCHEME) :]
    # Nothing else can open a database in memory, and options after a question mark are not obeyed.
    if not path or path == ":memory:" or "://" in path or "?" in path:
        raise RefusedError(f"names no file: use a path, or {SCHEME} and a path.")
    return path
