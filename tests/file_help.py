"""What the tests of the file store share."""

from __future__ import annotations

from pathlib import Path

from pyramid_beakerish.testing.stores import stamped

HOUR = 3600.0


def files(folder):
    """Give every file below the folder."""
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def entries(folder):
    """Give the files that hold entries: those in a folder of two digits."""
    return [path for path in files(folder) if len(path.parent.name) == 2]


def fill(store, prefix, count, ttl=None):
    """Store so many entries."""
    for number in range(count):
        store.set(f"{prefix}{number}", stamped(), ttl)
