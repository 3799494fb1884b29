"""The contract between sessions, caches and whatever keeps their bytes."""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from .facts import StoreFacts
from .system.forks import notice_fork, renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..settings import StoreSettings

log = logging.getLogger(__name__)

#: What ``Store.load`` gives: the value, and an opaque token for ``Store.swap``.
Entry = tuple[bytes, Any]

WRITE_ID_SIZE = 8

#: A key that nobody uses: loading it shows whether a store answers.
PROBE = "probe:"

#: Seconds for which a sweep lets others work before it goes on.
PAUSE = 0.002


class _WriteIds:
    """Numbers that count up from a random one, anew in each process.

    Counting takes a fifth of the time of ``os.urandom`` (0.2 us, not 1, in a running application),
    as long as the numbers fit a machine word: hence only 62 of the 64 bits are random.
    """

    def __init__(self) -> None:
        self.forked()
        renew_after_fork(self)

    def forked(self) -> None:
        """Count from another number than the parent."""
        self.numbers = count(int.from_bytes(os.urandom(WRITE_ID_SIZE), "big") >> 2)


_write_ids = _WriteIds()


def new_write_id() -> bytes:
    """Give the 8 bytes with which the next stored value begins.

    No two writes share them, so they tell whether an entry is still the one that was
    read, and whether a write whose answer was lost has happened. They are not secret.
    """
    notice_fork()  # two workers that count alike would not see each other's changes
    return next(_write_ids.numbers).to_bytes(WRITE_ID_SIZE, "big")


def encode_key(key: str) -> bytes:
    """Spell any string as bytes, even with lone surrogates."""
    return key.encode("utf-8", "surrogatepass")


def decode_key(encoded: bytes) -> str:
    """Give the string that `encode_key` has spelt."""
    return encoded.decode("utf-8", "surrogatepass")


@contextmanager
def sweeping_in_passing() -> Iterator[None]:
    """Log what goes wrong when a write sweeps in passing: the write itself is done."""
    try:
        yield
    except StoreError as error:
        log.warning("Expired entries could not be removed: %s", error)


class Store(ABC):
    """A dictionary of bytes under string keys, with expiry and compare-and-swap.

    Every value begins with a write id (`new_write_id`). A ``ttl`` is in seconds,
    ``None`` means for ever. Every method treats an expired entry as absent. Each method
    is safe to call from several threads, and after a fork.

    Raises `StoreUnavailable` when the keeper of the bytes cannot be reached, is too
    slow, full or read-only, and `StoreError` for anything else that goes wrong there.
    """

    #: Whether ``load`` gives the write id as the token, so that a writer knows it without a load.
    write_id_is_token = False

    @classmethod
    @abstractmethod
    def from_settings(cls, settings: StoreSettings, clock: Callable[[], float]) -> Store:
        """Make the store that the settings describe; nothing is contacted yet."""

    def prepare(self) -> None:  # noqa: B027 - most stores need nothing
        """Make what the keeper of the bytes needs before any entry, such as a table.

        Called when a configuration opens its store. A cache region that could not open
        its store then calls it again in a request.
        """

    def install(self) -> None:
        """Make the same because an administrator says so, with ``beakerish prepare``.

        This differs from `prepare` only in stores where settings leave it to the
        administrator (``create_table = false``), or where `prepare` puts up with a failure.
        """
        self.prepare()

    @abstractmethod
    def load(self, key: str) -> Entry | None:
        """Give the value under the key and its token, or ``None``."""

    def load_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        """Give the entries found under several keys, in one round trip where that is possible."""
        found = ((key, self.load(key)) for key in keys)
        return {key: entry for key, entry in found if entry is not None}

    @abstractmethod
    def create(self, key: str, value: bytes, ttl: float | None) -> bool:
        """Store the value only if the key is absent; tell whether it was stored."""

    @abstractmethod
    def swap(self, key: str, token: Any, value: bytes, ttl: float | None) -> bool:
        """Store the value only if the entry is still the one that ``load`` gave."""

    @abstractmethod
    def set(self, key: str, value: bytes, ttl: float | None) -> None:
        """Store the value, whatever was there."""

    @abstractmethod
    def delete(self, key: str, token: Any = None) -> bool:
        """Remove the entry, with a token only if it is unchanged; tell whether it was removed."""

    @abstractmethod
    def keys(self, prefix: str) -> Iterator[str] | None:
        """List the keys that begin with the prefix; give ``None`` where they cannot be listed."""

    def sweep(self) -> int:
        """Remove what has expired and tell how much; do nothing where the server does it."""
        return 0

    def inspect(self) -> StoreFacts:
        """Contact the keeper of the bytes, change nothing, and give what an administrator needs.

        A store tells what it can find out; the rest is left out.
        """
        self.load(PROBE)
        return StoreFacts()

    def close(self) -> None:  # noqa: B027 - many stores have nothing to give back
        """Give back connections and files; the store may be used again."""
