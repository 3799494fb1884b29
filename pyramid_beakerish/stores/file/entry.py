"""One entry as one file: what is in it, and the time stamps that tell its expiry.

A file has two halves, and a record in both or only in the first. A write goes into the half
that is not current, so that the current record stays whole until the new one is. A record is
whole if its checksum is right; of two whole ones that with the higher number is current. A
file whose halves would be large has only one record and is replaced at each write.
"""

from __future__ import annotations

import contextlib
import math
import os
import struct
from typing import TYPE_CHECKING
from zlib import crc32

from ..system.folders import fsync_name

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"BKR2"
# Magic, size of the file, number of the write, moment of expiry, lengths of key and value.
HEADER = struct.Struct(">4sIQdII")
HEADER_SIZE = HEADER.size
CHECKSUM = struct.Struct("<I")
CHECKSUM_SIZE = CHECKSUM.size
FRAME_SIZE = HEADER_SIZE + CHECKSUM_SIZE
# The checksum is last and little-endian, because then the CRC-32 over the whole record is always
# this number: checking needs no copy without it.
RESIDUE = 0x2144DF1C

#: Files smaller than this have two halves, and one call reads them.
FIRST_READ = 16_384

# A multiple of 8, which aligns the number of a write: readers see it whole, old or new.
LARGEST_HALF = FIRST_READ // 2 - 8

SMALLEST_ROOM = 256

#: Tells `read_record` to find the newest record itself.
NEWEST = -1

# O_BINARY exists only on Windows, the others only elsewhere. Without O_NONBLOCK
# everybody would wait for a named pipe in the place of a file.
ALWAYS = getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
READ = os.O_RDONLY | ALWAYS
UPDATE = os.O_RDWR | ALWAYS | getattr(os, "O_NOFOLLOW", 0)
WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | ALWAYS | getattr(os, "O_NOFOLLOW", 0)

#: Nanoseconds between the two time stamps of an entry's file, see `hint_expiry`.
HINT_MARK = 86_400 * 10**9

# The latest time stamp: with the mark it fits into the 31 bits that some file systems have.
# Entries that expire later are read once their time stamp has come.
NEVER = 2**31 - 2 * 86_400

TIMES_BY_DESCRIPTOR = os.utime in os.supports_fd

REMOVES_OPEN_FILES = hasattr(os, "O_NOFOLLOW")  # Windows does not

#: A whole record: key, value, moment of expiry, where it begins, number of the write.
#: (A plain tuple, as each load makes one.)
Record = tuple[bytes, bytes, float, int, int]


def pack(key: bytes, value: bytes, expires: float, number: int, file_size: int) -> bytes:
    """Spell a record."""
    body = HEADER.pack(MAGIC, file_size, number, expires, len(key), len(value)) + key + value
    return body + CHECKSUM.pack(crc32(body))


def read_record(data: bytes, key: bytes | None, start: int = NEWEST) -> Record | None:
    """Read what `pack` wrote there, or give ``None`` if even one bit of it has changed.

    ``data`` is a whole file, and by default the record with the higher number is read.
    If a key is given, a record of another key counts as none.
    """
    if start == NEWEST:
        start = len(data) // 2
        # The numbers of the writes: they are big-endian, so that their bytes compare alike.
        if len(data) >= FIRST_READ or data[start + 8 : start + 16] <= data[8:16]:
            start = 0
    try:
        magic, size, number, expires, key_size, value_size = HEADER.unpack_from(data, start)
    except struct.error:
        return None
    value_start = start + HEADER_SIZE + key_size
    end = value_start + value_size
    if crc32(data[start : end + CHECKSUM_SIZE]) != RESIDUE:
        return None
    stored_key = data[start + HEADER_SIZE : value_start]
    if size != len(data) or magic != MAGIC or (stored_key != key and key is not None):
        return None
    return stored_key, data[value_start:end], expires, start, number


def previous(data: bytes, key: bytes | None) -> Record | None:
    """Give the record that is whole although the newest is not, if there is one."""
    if len(data) >= FIRST_READ:
        return None
    return read_record(data, key, 0) or read_record(data, key, len(data) // 2)


def new_file_size(record_size: int, value_size: int) -> int:
    """Give the size of a file that has room for the value to grow by half, if it is small."""
    if record_size > LARGEST_HALF:
        return max(record_size, FIRST_READ)
    half = record_size + max(value_size // 2, SMALLEST_ROOM - value_size)
    return 2 * min(-(-half // 8) * 8, LARGEST_HALF)


def read_file(path: str) -> bytes | None:
    """Read the whole file, or give ``None`` if there is none."""
    try:
        fd = os.open(path, READ)
    except FileNotFoundError:
        return None
    try:
        data = os.read(fd, FIRST_READ)
        return data if len(data) < FIRST_READ else read_rest(fd, data)
    finally:
        os.close(fd)


def read_rest(fd: int, data: bytes) -> bytes:
    """Read on to the end of the file; give all of it."""
    parts = [data]
    while part := os.read(fd, 64 * FIRST_READ):
        parts.append(part)
    return b"".join(parts)


def overwrite(
    fd: int, path: str, size: int, old: Record | None, value: bytes, expires: float, fsync: bool
) -> bool:
    """Write a record into the half that the old one is not in; tell whether it fits.

    Nobody else may write to the file meanwhile. After a failure the old record, if there is
    one, is still the current one. A power cut cannot undo the write if ``fsync`` is true.
    """
    half = size // 2
    if old is None or size >= FIRST_READ or FRAME_SIZE + len(old[0]) + len(value) > half:
        return False
    key, _, _, start, number = old
    os.lseek(fd, 0 if start else half, os.SEEK_SET)  # pwrite: 0.2 us faster, but not on Windows
    write_all(fd, pack(key, value, expires, number + 1, size))
    finish(fd, path, expires, fsync)
    return True


def write_file(
    path: str, temporary: str, key: bytes, value: bytes, expires: float, fsync: bool
) -> None:
    """Make a file of one record that only this user may read.

    If ``temporary`` is another path, which nobody else may use meanwhile, the file appears in
    one step, and after a failure what was at the path is unchanged. If it is the same, nothing
    is there after a failure. A power cut cannot undo the write if ``fsync`` is true.
    """
    record_size = FRAME_SIZE + len(key) + len(value)
    size = new_file_size(record_size, len(value))
    data = pack(key, value, expires, 1, size).ljust(size, b"\0")
    try:
        fill(temporary, data, expires, fsync)
        if temporary != path:
            os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):  # the failure itself is what the caller is told
            os.unlink(temporary)
        raise
    if fsync:
        fsync_name(path)


def fill(path: str, data: bytes, expires: float, fsync: bool) -> None:
    """Make a file that holds the data."""
    fd = os.open(path, WRITE, 0o600)
    try:
        write_all(fd, data)
        finish(fd, path, expires, fsync)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write the data; the system may take a part at a time."""
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, data[written:])


def finish(fd: int, path: str, expires: float, fsync: bool) -> None:
    """Set the time stamps, and if ``fsync`` is true wait until a power cut undoes nothing."""
    hint_expiry(fd if TIMES_BY_DESCRIPTOR else path, expires)
    if fsync:
        os.fsync(fd)


def hint_expiry(target: int | str, expires: float) -> None:
    """Say by the time stamps when the entry expires, so that a sweep need not read it.

    The file's modification time becomes the expiry. The access time is set a day later:
    that marks the pair as ours, and the kernel need not write it anew at each read
    (``relatime`` does so while it is the older of the two).
    """
    mtime = math.ceil(min(expires, NEVER)) * 10**9
    os.utime(target, ns=(mtime + HINT_MARK, mtime))


@contextlib.contextmanager
def freed_afterwards(path: str) -> Iterator[None]:
    """Let the room of a file that is removed in this block be freed only after the block.

    On ext4 freeing it takes 60 us, and now and then 80 ms, while others would wait for
    the block's lock. Removing just the name of a file, while it is open, takes 5 us.
    """
    try:
        fd = os.open(path, READ) if REMOVES_OPEN_FILES else None
    except FileNotFoundError:
        fd = None
    try:
        yield
    finally:
        if fd is not None:
            os.close(fd)


def surely_alive(path: str, now: float) -> bool:
    """Tell whether the time stamps are ours and say that the entry has not expired."""
    found = os.stat(path)
    ours = found.st_atime_ns - found.st_mtime_ns == HINT_MARK
    return ours and found.st_mtime_ns > now * 10**9
