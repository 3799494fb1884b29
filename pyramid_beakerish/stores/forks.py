"""What objects must make anew in the child of a fork."""

from __future__ import annotations

import contextlib
import os
import weakref
from typing import Protocol


class ForkAware(Protocol):
    """Something that cannot be used in a child process as the parent left it."""

    def forked(self) -> None:
        """Replace, in the child, what belongs to the parent: its locks and its files."""


_members: weakref.WeakSet[ForkAware] = weakref.WeakSet()


def renew_after_fork(member: ForkAware) -> None:
    """Have ``member.forked()`` called in every child process, as long as the member lives."""
    _members.add(member)


def _renew_all() -> None:
    for member in list(_members):
        member.forked()


with contextlib.suppress(AttributeError):  # where there is no fork there is no such function
    os.register_at_fork(after_in_child=_renew_all)
