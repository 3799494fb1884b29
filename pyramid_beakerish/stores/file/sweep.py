"""A walk through the folders of a file store that stops after every few entries."""

from __future__ import annotations

import math
import os
from contextlib import contextmanager
from itertools import chain, groupby, zip_longest
from operator import itemgetter
from typing import TYPE_CHECKING

from ..system.forks import renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..system.locks import FileLock

    Examine = Callable[[str, float], bool]

#: How many entries, and how many folders, one step looks at.
STEP = 20

#: Seconds after which a step ends, however few entries it saw: on a busy disk each takes long.
LONGEST_STEP = 0.005

LAST = itemgetter(-1)

#: Seconds from the beginning of one walk to that of the next.
REST = 600.0


class Sweeper:
    """Shows the entries of a store, a few at each step, to a function that removes expired ones.

    ``root`` is the folder that the folders are in, ending with a separator. A step does
    nothing if the last walk has ended and began less than ten minutes ago. ``lock``
    lets only one thread or process at a time sweep in passing.
    """

    def __init__(self, root: str, lock: FileLock) -> None:
        self._root = root
        self._lock = lock
        self._walk: Iterator[str | None] | None = None
        self._busy: tuple[str, ...] = ()
        self._begun = -math.inf
        renew_after_fork(self)

    def due(self, now: float) -> bool:
        """Tell whether a step would do anything."""
        return self._walk is not None or abs(now - self._begun) >= REST

    def step(self, examine: Examine, clock: Callable[[], float]) -> None:
        """Show the next few entries, unless another thread or process is doing so.

        An entry for which the function gives false, as somebody else holds it, ends the
        step and is the first of the next one.
        """
        with self._lock.if_free() as free:
            if not free:
                return
            now = clock()
            end = now + LONGEST_STEP
            if self._walk is None:
                self._begun = now
                self._walk = self._steps()
            self._go_on(self._walk, lambda name: examine(name, now), lambda: clock() > end)

    @contextmanager
    def sweeping(self) -> Iterator[Iterator[str]]:
        """Give the names of all entries for a sweep; meanwhile nobody sweeps in passing."""
        # On ext4 a removal takes 80 ms now and then, and a mere write would have to wait for it.
        names = self.names()
        first = next(names, None)
        if first is None:
            yield names  # without making a folder for the lock
            return
        with self._lock.if_free():  # if it is not, somebody else sweeps as well
            yield chain((first,), names)

    def names(self) -> Iterator[str]:
        """Give the name of every entry."""
        return filter(None, self._steps())

    def close(self) -> None:
        """Close the lock, if nobody sweeps."""
        self._lock.close()

    def forked(self) -> None:
        """Get ready to serve a child process, which must not go on with its parent's walk."""
        self._walk = None
        self._busy = ()
        self._begun = -math.inf

    def _go_on(
        self, walk: Iterator[str | None], examine: Callable[[str], bool], late: Callable[[], bool]
    ) -> None:
        entries = folders = 0
        for name in chain(self._busy, walk):
            self._busy = ()
            if name is None:
                folders += 1
            elif examine(name):
                entries += 1
            else:
                self._busy = (name,)
                return
            if STEP in (entries, folders) or late():
                return
        self._walk = None

    def _steps(self) -> Iterator[str | None]:
        """Give the names of entries, in turn from folders of different locks; ``None`` per folder.

        So a sweep that takes the lock of each for a moment holds none of them for long.
        """
        # Where one lock is released and taken again for a whole folder, others hardly
        # hit the moments between: beside a sweep of 60,000 files a write waited for 61
        # ms, and with turns for 29.
        for _, folders in groupby(sorted(self._folders(), key=LAST), LAST):
            listed = []
            for folder in folders:
                listed.append(self._names_in(folder))
                yield None
            for names in zip_longest(*listed):
                yield from filter(None, names)

    def _folders(self) -> Iterator[str]:
        """Give the folders below the root; each ends with the first two digits of its entries."""
        return (folder for folder in list_folder(self._root) if len(folder) == 2)

    def _names_in(self, folder: str) -> Iterator[str]:
        return (name for name in list_folder(self._root + folder) if name.startswith(folder))


def list_folder(path: str) -> list[str]:
    """Give the names in a folder; none if it does not exist."""
    # A list, as an open scandir would be shared with the parent after a fork.
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []
