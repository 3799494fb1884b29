"""Any back end that Beaker has, or that is registered with it, as a store of this package."""

from __future__ import annotations

import logging
import math
import os
import random
import time
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from beaker.exceptions import BeakerException

from ...errors import SettingsError, StoreError, StoreUnavailable
from ...settings.registered import registered
from ..base import WRITE_ID_SIZE, Entry, Store, encode_key
from ..file.entry import FRAME_SIZE, Record, pack, read_record
from ..system.folders import make_private_folder, own_folder
from ..translating import translating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from ...settings import StoreSettings

log = logging.getLogger(__name__)

#: The beginning of our namespaces' names: no session or function of Beaker's has such a name.
PREFIX = "beakerish_"

#: The one key in each namespace.
ENTRY = "entry"

SHORTEST_PAUSE, LONGEST_PAUSE = 0.000_5, 0.05


def unavailable(error: Exception) -> StoreUnavailable:
    """Translate an error of any kind, leaving out its text: a client may quote what it sent."""
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
    return StoreUnavailable(f"Beaker's back end failed with {kind}{reason}")


#: Makes a method raise `StoreUnavailable` for whatever the back end raises.
translating_errors = translating(Exception, unavailable, passing=(StoreError, SettingsError))


class BeakerStore(Store):
    """Keeps entries with a Beaker NamespaceManager, each in a namespace of its own.

    ``manager`` is the manager's class, ``options`` are its keyword arguments. It is
    handed only bytes, under hashed names. Whether two processes can both create one
    key, or lose each other's swaps, depends on the manager's own creation lock; a call
    that has waited ``patience`` seconds (10) for that lock raises `StoreUnavailable`.
    ``clock`` gives seconds since the epoch (`time.time`).

    >>> from beaker.container import MemoryNamespaceManager
    >>> store = BeakerStore(MemoryNamespaceManager, {})
    >>> store.create("greeting", b"12345678hello", ttl=60)
    True
    >>> store.load("greeting")
    (b'12345678hello', b'12345678')
    """

    # One namespace for each key, as Beaker's sessions have it, and not one for them all: many
    # back ends read and write a whole namespace at a time, and damage to one stays in it. A
    # manager object serves one call only: some of them cannot be shared by threads or forks.

    prefix = PREFIX

    write_id_is_token = True

    def __init__(
        self,
        manager: Callable[..., Any],
        options: Mapping[str, Any],
        clock: Callable[[], float] = time.time,
        *,
        patience: float = 10.0,
    ) -> None:
        self._manager = manager
        self._options = dict(options)
        self._clock = clock
        self._patience = patience

    @classmethod
    def from_settings(cls, settings: StoreSettings, clock: Callable[[], float]) -> BeakerStore:
        """Make the store from the manager that is registered with Beaker as ``settings.type``."""
        return cls(cls.find_manager(str(settings.type)), manager_options(settings), clock)

    @classmethod
    def find_manager(cls, name: str) -> Callable[..., Any]:
        """Import the manager of that name."""
        (entry, *_) = registered("beaker.backends").select(name=name)
        manager: Callable[..., Any] = entry.load()
        return manager

    def prepare(self) -> None:
        """Find out whether the manager takes these options, even if its server is down.

        Raises `SettingsError` if it does not take them.
        """
        try:
            self._open(self.prefix)
        except SettingsError:
            raise
        except Exception as error:
            log.warning("The session store or cache cannot be used yet: %s", unavailable(error))

    @translating_errors
    def load(self, key: str) -> Entry | None:
        """Give the value under the key and its write id, or ``None``."""
        encoded, name = self._place(key)
        with self._reading(name) as namespace:
            value = self._live(namespace, encoded, self._clock())
        return None if value is None else (value, value[:WRITE_ID_SIZE])

    def create(self, key: str, value: bytes, ttl: float | None) -> bool:
        """Store the value only if the key is absent; tell whether it was stored."""
        return self._put(key, value, ttl, lambda current: current is None)

    def swap(self, key: str, token: Any, value: bytes, ttl: float | None) -> bool:
        """Store the value only if the entry is still the one that ``load`` gave."""
        return self._put(key, value, ttl, lambda current: current is not None and current == token)

    def set(self, key: str, value: bytes, ttl: float | None) -> None:
        """Store the value, whatever was there."""
        self._put(key, value, ttl, lambda current: True)

    @translating_errors
    def delete(self, key: str, token: Any = None) -> bool:
        """Remove the entry, with a token only if it is unchanged; tell whether it was removed."""
        encoded, name = self._place(key)
        with self._writing(name) as namespace:
            value = self._live(namespace, encoded, self._clock())
            if value is None or token not in (None, value[:WRITE_ID_SIZE]):
                return False
            del namespace[ENTRY]
        return True

    def keys(self, prefix: str) -> Iterator[str] | None:
        """Give ``None``: Beaker's managers cannot list their namespaces."""
        return None

    def _place(self, key: str) -> tuple[bytes, str]:
        """Give the key as bytes, and the name of its namespace, which any back end can hold."""
        encoded = encode_key(key)
        return encoded, self.prefix + blake2b(encoded, digest_size=20).hexdigest()

    @translating_errors
    def _put(
        self, key: str, value: bytes, ttl: float | None, wanted: Callable[[bytes | None], bool]
    ) -> bool:
        """Store the value if ``wanted`` accepts the token of what is there, or ``None``."""
        encoded, name = self._place(key)
        with self._writing(name) as namespace:
            now = self._clock()
            current = self._live(namespace, encoded, now)
            if not wanted(current if current is None else current[:WRITE_ID_SIZE]):
                return False
            expires = math.inf if ttl is None else now + ttl
            data = pack(encoded, value, expires, 1, FRAME_SIZE + len(encoded) + len(value))
            # For managers whose server removes what has expired; our own clock decides.
            seconds = None if ttl is None else max(1, math.ceil(ttl))
            namespace.set_value(ENTRY, data, expiretime=seconds)
        return True

    def _live(self, namespace: Any, key: bytes, now: float) -> bytes | None:
        record = self._record(namespace, key)
        return None if record is None or record[2] <= now else record[1]

    def _record(self, namespace: Any, key: bytes | None) -> Record | None:
        try:
            data = namespace[ENTRY]
        except KeyError:
            return None
        record = read_record(data, key, 0) if type(data) is bytes else None
        if record is None and data is not None:  # some give None for what is absent
            log.warning(
                "An entry in one of Beaker's back ends is damaged, or was written by somebody "
                "else, and counts as absent."
            )
        return record

    @contextmanager
    def _reading(self, name: str) -> Iterator[Any]:
        namespace = self._open(name)
        namespace.acquire_read_lock()
        try:
            yield namespace
        finally:
            namespace.release_read_lock()

    @contextmanager
    def _writing(self, name: str) -> Iterator[Any]:
        with self._excluding_others(name):
            namespace = self._open(name)
            namespace.acquire_write_lock()
            try:
                yield namespace
            finally:
                namespace.release_write_lock()

    def _excluding_others(self, name: str) -> AbstractContextManager[object]:
        # One lock for many keys: managers never remove the files that they lock.
        stripe = self._open(f"{PREFIX}lock_{name[-2:]}")
        return self._held(stripe.get_creation_lock("lock"))

    @contextmanager
    def _held(self, lock: Any) -> Iterator[None]:
        # Beaker itself would wait for ever: a process that was killed would stop all others.
        deadline, pause = time.monotonic() + self._patience, SHORTEST_PAUSE
        while not lock.acquire(wait=False):
            if time.monotonic() >= deadline:
                raise StoreUnavailable(
                    "another thread or process has held a lock of Beaker's back end for "
                    f"{self._patience:g} s"
                )
            time.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - no secret
            pause = min(2 * pause, LONGEST_PAUSE)
        try:
            yield
        finally:
            lock.release()

    def _open(self, name: str) -> Any:
        for option in ("data_dir", "lock_dir"):
            if self._options.get(option):
                make_private_folder(self._options[option])
        try:
            return self._manager(name, **self._options)
        except (BeakerException, TypeError) as error:
            raise SettingsError(
                [f"Beaker's back end {self._manager.__name__} refuses its options: {error}"]
            ) from error


def manager_options(settings: StoreSettings) -> dict[str, Any]:
    """Give the keyword arguments that Beaker's sessions hand to a manager, with our own folders."""
    options = {"digest_filenames": False, "data_dir": own_subfolder(settings.data_dir)}
    if settings.lock_dir is not None:
        options["lock_dir"] = own_subfolder(settings.lock_dir)
    if settings.url is not None:
        options["url"] = settings.url
    return {**options, **settings.backend}


def own_subfolder(folder: str | None) -> str | None:
    """Give the path of our own folder inside this one, where Beaker has no files."""
    return None if folder is None else os.path.dirname(own_folder(folder))
