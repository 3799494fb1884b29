"""The file that a URL names."""

from __future__ import annotations

import os
from typing import Any

SCHEME = "sqlite:///"

#: What such a URL looks like, for messages.
FILE_URL = f"a path or {SCHEME} and a path"


def file_path(url: Any) -> str | None:
    """Give the path that ``url`` names, or ``None`` if it names no file.

    It is a path, or ``sqlite:///`` and a path: as in SQLAlchemy, four slashes if it is absolute.
    """
    if not isinstance(url, (str, os.PathLike)):
        return None
    path = os.fspath(url)
    if path.startswith(SCHEME):
        path = path[len(SCHEME) :]
    # A database in memory is nobody else's, and options after a question mark are not obeyed.
    is_file = path and path != ":memory:" and "://" not in path and "?" not in path
    return path if is_file else None
