"""What objects must give up before a fork, and make anew in the child."""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
import weakref
from typing import Any, Protocol


class ForkAware(Protocol):
    """Something that cannot be used in a child process as the parent left it."""

    def forked(self) -> None:
        """Replace, in the child, what belongs to the parent: its locks and its files."""


class ForkShy(ForkAware, Protocol):
    """Something that must have nothing in use at a fork, as a child must not even inherit that."""

    def before_fork(self) -> None:
        """Give everything up, and begin nothing until `resume` or `forked` is called."""

    def resume(self) -> None:
        """Go on, in the parent."""


#: ``MADV_WIPEONFORK``: a child finds zeros, whoever forked it (madvise(2), Linux 4.14).
WIPE_ON_FORK = 18


class MarkById:
    """A mark at index 0 that is true only in the process that set it, known by its id."""

    def __init__(self) -> None:
        self[0] = 1

    def __setitem__(self, at: int, value: int) -> None:
        self._id = os.getpid()

    def __getitem__(self, at: int) -> bool:
        return self._id == os.getpid()


def mark() -> Any:
    """Give a mark at index 0 that is true until a fork, and can be set again in the child.

    Looking at memory that a fork wipes takes 0.04 us, asking the system for an id 0.15.
    """
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.madvise(WIPE_ON_FORK)
    except (AttributeError, OSError):  # other systems have neither
        return MarkById()
    page[0] = 1
    return page


_is_known = mark()
_stopped: list[ForkShy] = []

#: Held from before a fork until after it: threads that fork at once take turns.
_turn = threading.Lock()

#: The lock of the threads that notice a fork, by the id of their process.
_renewing: dict[int, threading.Lock] = {}
_members: weakref.WeakSet[ForkAware] = weakref.WeakSet()
_shy_members: weakref.WeakSet[ForkShy] = weakref.WeakSet()


def renew_after_fork(member: ForkAware) -> None:
    """Have ``member.forked()`` called in every child process, as long as the member lives."""
    _members.add(member)


def stop_for_fork(member: ForkShy) -> None:
    """Have the member give everything up before each fork, and go on after it on both sides."""
    _members.add(member)
    _shy_members.add(member)


def notice_fork() -> None:
    """Renew everything if this is the child of a fork that Python was not told of.

    uWSGI forks in C, and tells Python only if ``py-call-osafterfork`` is set:
    https://uwsgi-docs.readthedocs.io/en/latest/Options.html#py-call-osafterfork
    """
    if not _is_known[0]:
        # A lock of this process's own: the parent's may be held for ever in here.
        with _renewing.setdefault(os.getpid(), threading.Lock()):
            if not _is_known[0]:
                _renew_all()


def _stop_all() -> None:
    _turn.acquire()
    for member in list(_shy_members):
        _stopped.append(member)
        member.before_fork()


def _resume_all() -> None:
    while _stopped:
        _stopped.pop().resume()
    _turn.release()


def _renew_all() -> None:
    if _turn.locked():  # by the thread that has forked, or by one that a child does not have
        _turn.release()
    _stopped.clear()
    for member in list(_members):
        member.forked()
    _is_known[0] = 1  # and no sooner: other threads must find everything renewed


with contextlib.suppress(AttributeError):  # where there is no fork there is no such function
    os.register_at_fork(before=_stop_all, after_in_parent=_resume_all, after_in_child=_renew_all)
