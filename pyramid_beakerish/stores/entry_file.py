"""One entry as one file: what is in it, and the time stamps that tell its expiry."""

from __future__ import annotations

import contextlib
import math
import os
import struct
from zlib import crc32

from .folders import fsync_name

MAGIC = b"BKR1"
HEADER = struct.Struct("<4sId")  # magic, length of the key, moment of expiry
HEADER_SIZE = HEADER.size
CHECKSUM = struct.Struct("<I")
CHECKSUM_START = -CHECKSUM.size
# The checksum is last and little-endian, because then the CRC-32 over the whole file is always
# this number: checking needs no copy without it.
RESIDUE = 0x2144DF1C

FIRST_READ = 16_384

# O_BINARY is Windows'; O_NOFOLLOW is not.
READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)
WRITE = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_TRUNC
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
)

#: Nanoseconds between the two time stamps of an entry's file, see `hint_expiry`.
HINT_MARK = 86_400 * 10**9

# The latest time stamp: with the mark it fits into the 31 bits that some file systems have.
# Entries that expire later are read once their time stamp has come.
NEVER = 2**31 - 2 * 86_400

TIMES_BY_DESCRIPTOR = os.utime in os.supports_fd


#: What an undamaged file says: key, value, moment of expiry. (A plain tuple: one at each load.)
Content = tuple[bytes, bytes, float]


def pack(key: bytes, value: bytes, expires: float) -> bytes:
    """Spell the content as the bytes of a file."""
    body = HEADER.pack(MAGIC, len(key), expires) + key + value
    return body + CHECKSUM.pack(crc32(body))


def unpack(data: bytes) -> Content | None:
    """Read what `pack` wrote, or give ``None`` if a single bit of it has changed."""
    if crc32(data) != RESIDUE or not data.startswith(MAGIC):
        return None
    _, key_size, expires = HEADER.unpack_from(data)
    start = HEADER_SIZE + key_size
    return data[HEADER_SIZE:start], data[start:CHECKSUM_START], expires


def read_file(path: str) -> bytes | None:
    """Read the whole file, or give ``None`` if there is none."""
    try:
        fd = os.open(path, READ)
    except FileNotFoundError:
        return None
    try:
        data = os.read(fd, FIRST_READ)
        if len(data) == FIRST_READ:
            data += read_rest(fd)
    finally:
        os.close(fd)
    return data


def read_rest(fd: int) -> bytes:
    """Read on to the end of the file."""
    parts = []
    while part := os.read(fd, 64 * FIRST_READ):
        parts.append(part)
    return b"".join(parts)


def write_file(path: str, temporary: str, data: bytes, expires: float, fsync: bool) -> None:
    """Put the data at the path in one step, by way of the temporary file.

    Nobody else may use the temporary file meanwhile. After a failure it is gone, and what
    was at the path is unchanged. A power cut cannot undo the write if ``fsync`` is true.
    """
    try:
        fill(temporary, data, expires, fsync)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):  # the failure itself is what the caller is told
            os.unlink(temporary)
        raise
    if fsync:
        fsync_name(path)


def fill(path: str, data: bytes, expires: float, fsync: bool) -> None:
    """Make a file of the data that only this user may read."""
    fd = os.open(path, WRITE, 0o600)
    try:
        written = os.write(fd, data)
        while written < len(data):
            written += os.write(fd, data[written:])
        hint_expiry(fd if TIMES_BY_DESCRIPTOR else path, expires)
        if fsync:
            os.fsync(fd)
    finally:
        os.close(fd)


def hint_expiry(target: int | str, expires: float) -> None:
    """Say by the time stamps when the entry expires: who sweeps needs not read it then.

    The file's modification time becomes the expiry. The access time is set a day later:
    that marks the pair as ours, and the kernel need not write it anew at each read
    (``relatime`` does so while it is the older of the two).
    """
    mtime = math.ceil(min(expires, NEVER)) * 10**9
    os.utime(target, ns=(mtime + HINT_MARK, mtime))


def surely_alive(path: str, now: float) -> bool:
    """Tell whether the time stamps are ours and say that the entry has not expired."""
    found = os.stat(path)
    ours = found.st_atime_ns - found.st_mtime_ns == HINT_MARK
    return ours and found.st_mtime_ns > now * 10**9
