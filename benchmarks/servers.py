"""The servers that some parts need: what needs one that is not installed is left out."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, TypeVar

from tests.servers import own, remove_folders
from tests.servers.process import PATIENCE, Server, program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .harness import Table

S = TypeVar("S", bound=Server)


def with_server(kind: type[S], what: str, measure: Callable[[S], Table]) -> Iterator[Table]:
    """Measure this with a server of its own, or say that it is left out."""
    if are_there(kind, what=what):
        with own(kind) as server:
            yield measure(server)
        remove_folders()


def are_there(*kinds: type[Server], what: str) -> bool:
    """Tell whether these are installed; say what is left out where they are not."""
    missing = [kind.debian for kind in kinds if kind.missing_programs()]
    if missing:
        print(f"\nleft out for want of {', '.join(missing)}: {what}", flush=True)
    return not missing


def versions(kinds: Iterable[type[Server]]) -> dict[str, str]:
    """Give the versions of those that are installed."""
    return {kind.debian: _version(kind) for kind in kinds if not kind.missing_programs()}


def _version(kind: type[Server]) -> str:
    command = [program(kind.programs[0]), "--version"]
    told = subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE).stdout
    found = re.search(r"\d+(\.\d+)+", told.decode())
    return found[0] if found else "unknown"
