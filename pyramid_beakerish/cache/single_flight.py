"""One creation of a value at a time: the other threads wait for it, or fail with it."""

from __future__ import annotations

import copy
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..stores.system.forks import renew_after_fork

if TYPE_CHECKING:
    from types import TracebackType

#: Says that there is no value, where ``None`` is one.
ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "ABSENT"})()

#: Says that nothing can be shared: each caller has to call its own creator.
UNSHARED: Any = type("Unshared", (), {"__repr__": lambda self: "UNSHARED"})()

#: Stands for no thread: the numbers of threads are not 0.
_NO_THREAD = 0


class _Process:
    """What the threads of this process are creating, and which of them wait for what."""

    def __init__(self) -> None:
        self.forked()

    def forked(self) -> None:
        """Begin with nothing: a child has none of the threads that were creating something."""
        self.guard = threading.Lock()
        self.under_way: dict[tuple[SingleFlight, str], Creation] = {}
        self.waits_of: dict[int, Creation] = {}


_process = _Process()
renew_after_fork(_process)


class Creation:
    """A value on its way: entered by its creator, awaited by the others.

    When the creator leaves it, what it put into ``result``, or its exception, goes to
    those who wait. ``wanted`` becomes false if the key is invalidated meanwhile: what
    was read before that must not be kept after it.
    """

    def __init__(self, flight: SingleFlight, key: str, group: str) -> None:
        self.wanted = True
        self.result: Any = ABSENT
        self.group = group
        self._flight = flight
        self._key = key
        self._thread = threading.get_ident()
        self._awaited = False
        self._failure: tuple[Exception, Exception | None] | None = None
        self._over = threading.Lock()
        self._over.acquire()

    def __enter__(self) -> Creation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._flight.end(self._key, self)
        # Copied before the creator's own request can go on to change it. What asks the
        # creator's thread to end (SystemExit, GreenletExit) was not meant for the others.
        if isinstance(error, Exception) and self._awaited:
            self._failure = (error, _own_copy(error))
        self._over.release()

    def wait(self) -> Any:
        """Wait for the result; raise an exception of the caller's own if it failed.

        Gives `UNSHARED` if the creator waits, through however many others, for this very
        thread, or if its exception cannot be copied; `ABSENT` if its thread was ended.
        """
        thread = threading.get_ident()
        with _process.guard:
            if self._waits_for(thread):
                return UNSHARED
            _process.waits_of[thread] = self
        try:
            with self._over:
                pass
        finally:
            del _process.waits_of[thread]
        return self._outcome()

    def _waits_for(self, thread: int) -> bool:
        creation: Creation | None = self
        while creation is not None and creation._thread != thread:
            creation = _process.waits_of.get(creation._thread)
        return creation is not None

    def _outcome(self) -> Any:
        if self._failure is None:
            return self.result
        original, pristine = self._failure
        own = None if pristine is None else _own_copy(pristine)
        if own is None:
            return UNSHARED
        raise own from original


class SingleFlight:
    """Lets one thread at a time create the value of a key."""

    def __init__(self) -> None:
        self.ended = 0

    def begin(self, key: str, group: str, *, anew: bool = False) -> tuple[Creation, bool]:
        """Give the creation of the key's value, and whether it is up to the caller.

        If it is, the caller has to enter it as a context; if not, to wait for it. With
        ``anew`` it always is, and one that was under way is no longer wanted. ``group``
        is what `disown_all` may name.
        """
        with _process.guard:
            creation = _process.under_way.get((self, key))
            if creation is not None and not anew:
                creation._awaited = True
                return creation, False
            self._disown(creation)
            creation = _process.under_way[self, key] = Creation(self, key, group)
            return creation, True

    def end(self, key: str, creation: Creation) -> None:
        """Take note that a creation is over."""
        with _process.guard:
            self.ended += 1
            # Those who wait may not be awake yet; if this thread now waits for them,
            # that is no circle.
            creation._thread = _NO_THREAD
            if _process.under_way.get((self, key)) is creation:
                del _process.under_way[self, key]

    def disown(self, key: str) -> None:
        """See to it that what is being created for the key is not kept."""
        with _process.guard:
            self._disown(_process.under_way.pop((self, key), None))

    def disown_all(self, group: str = "") -> None:
        """See to it that what is being created for the group, or at all, is not kept."""
        with _process.guard:
            for (flight, key), creation in list(_process.under_way.items()):
                if flight is self and group in ("", creation.group):
                    self._disown(_process.under_way.pop((flight, key)))

    @staticmethod
    def _disown(creation: Creation | None) -> None:
        if creation is not None:
            creation.wanted = False


def _own_copy(error: Exception) -> Exception | None:
    # Deep, because an HTTPException is a response: a shallow copy shares its list of
    # headers, and with it one visitor's Set-Cookie.
    with suppress(Exception):  # what cannot be copied raises whatever it likes
        own = copy.deepcopy(error)
        if type(own) is type(error) and own.args == error.args:
            return own
    with suppress(Exception):
        return _rebuilt(error)
    return None


def _rebuilt(error: Exception) -> Exception:
    """Copy an exception without calling its class, which may take arguments other than ``args``."""
    kind = type(error)
    built_in: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    _, args, *state = copy.deepcopy(built_in.__reduce__(error))
    own: Exception = built_in.__new__(kind, *args)
    built_in.__init__(own, *args)
    for attributes in state:
        own.__setstate__(attributes)
    return own
