"""What the tests of the stores that keep files share."""

from __future__ import annotations

import os
import resource
from contextlib import contextmanager, suppress
from hashlib import blake2b
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


def digit_of(key):
    """Give the first digit of the name of the key's file, which names its lock."""
    return blake2b(key.encode(), digest_size=20).hexdigest()[0]


def open_files():
    """Name the files that this process has open."""
    names = []
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that listed them
            names.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return names


def descriptor_of(path):
    """Give the number under which this process has the file open."""
    found = os.stat(path)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):  # the one that listed them
            if os.path.samestat(os.fstat(descriptor), found):
                return descriptor
    raise FileNotFoundError(path)


@contextmanager
def umask(mask):
    """Have the process mask the modes of new files."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def largest_file(size):
    """Have the kernel refuse to write more than so many bytes to a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
