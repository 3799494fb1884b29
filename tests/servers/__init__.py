"""Real servers for the tests: each kind is started once, when a test first asks for it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from .process import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

S = TypeVar("S", bound=Server)

_running: dict[type[Server], Server] = {}


class Policy:
    """What becomes of a test for which a server's programs are missing.

    README promises ``make test`` for a machine with Python, make and a package index alone, so it
    is skipped there, and named at the end of the run. Continuous integration, which has all
    servers, has it fail by ``--servers-required``, so that nothing is skipped where it matters.
    """

    refuse: Callable[[str], object] = pytest.skip


def running(kind: type[S]) -> S:
    """Give this run's server of a kind, for tests that leave it running.

    Skips the test where the server's programs are not installed, or fails it if they are
    required. A test that stops or kills its server makes one of its own: see `own`.
    """
    require(kind)
    server = _running.get(kind)
    if server is None:
        server = _running[kind] = kind(new_folder())
        server.start()
    assert isinstance(server, kind)
    return server


def require(kind: type[Server]) -> None:
    """Skip the test, or fail it if servers are required, where programs are missing."""
    missing = kind.missing_programs()
    if not missing:
        return
    Policy.refuse(f"needs {', '.join(missing)}: apt-get install {kind.debian}")


def own(kind: type[S]) -> S:
    """Give a server that is the test's own, not started yet; use it as a context manager."""
    require(kind)
    return kind(new_folder())


def own_fixture(kind: type[S]) -> Any:
    """Give a fixture: a server that is the test's own, which it may stop, kill and change."""

    @pytest.fixture(name="server")
    def server() -> Iterator[S]:
        with own(kind) as started:
            yield started

    return server


def stop_all() -> None:
    """Stop what `running` has started."""
    while _running:
        _, server = _running.popitem()
        server.stop()


def new_folder() -> Path:
    """Make a folder for a server, which is removed at the end of the run."""
    # Short, because a unix socket's path has 108 bytes at most; readable by a server that has
    # another user than the tests.
    folder = Path(tempfile.mkdtemp(prefix="pb-"))
    folder.chmod(0o755)
    _folders.append(folder)
    return folder


_folders: list[Path] = []


def remove_folders() -> None:
    """Remove the data of all servers."""
    while _folders:
        shutil.rmtree(_folders.pop(), ignore_errors=True)
