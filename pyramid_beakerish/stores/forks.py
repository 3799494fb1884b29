"""What objects must give up before a fork, and make anew in the child."""

from __future__ import annotations

import contextlib
import os
import weakref
from typing import Protocol


class ForkAware(Protocol):
    """Something that cannot be used in a child process as the parent left it."""

    def forked(self) -> None:
        """Replace, in the child, what belongs to the parent: its locks and its files."""


class ForkShy(ForkAware, Protocol):
    """Something of which a child must not even inherit what is in use."""

    def before_fork(self) -> None:
        """Give everything up, and begin nothing until `resume` or `forked` is called."""

    def resume(self) -> None:
        """Go on, in the parent."""


class _Process:
    """What this process knows of itself: its id, and who was stopped for a fork of it."""

    id = os.getpid()
    stopped: tuple[ForkShy, ...] = ()


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
    if os.getpid() != _Process.id:
        _renew_all()


def _stop_all() -> None:
    _Process.stopped = tuple(_shy_members)
    for member in _Process.stopped:
        member.before_fork()


def _resume_all() -> None:
    for member in _Process.stopped:
        member.resume()
    _Process.stopped = ()


def _renew_all() -> None:
    _Process.id = os.getpid()
    _Process.stopped = ()
    for member in list(_members):
        member.forked()


with contextlib.suppress(AttributeError):  # where there is no fork there is no such function
    os.register_at_fork(before=_stop_all, after_in_parent=_resume_all, after_in_child=_renew_all)
