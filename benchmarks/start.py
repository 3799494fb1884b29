"""What it takes to start an application: the import of the package, and its includeme.

python -m benchmarks start
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

from .harness import Rounds, Table, Target, pin
from .peers import BEAKER, OURS
from .site import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS = ()
#: In a process of its own, where Pyramid has been imported before.
PROGRAM = """
import sys, time
for module in %r:
    sys.modules[module] = None
import pyramid.request, pyramid.response
from pyramid.config import Configurator
began = time.perf_counter()
config = Configurator(settings={"session.type": "memory", "session.secret": %r})
config.include(%r)
config.make_wsgi_app()
print((time.perf_counter() - began) * 1e6)
"""

#: What Beaker imports where it is installed; and pycryptodome, which comes with the tests alone.
CLIENTS = ("bson", "cryptography", "pylibmc", "memcache", "pymongo", "redis", "sqlalchemy")
WITHOUT = {"with client libraries": ("Crypto",), "without any": ("Crypto", *CLIENTS)}


def tables(rounds: int = 9) -> Iterator[Table]:
    """Measure a start, with the client libraries that Beaker imports and without them."""
    pin()
    table = Table("start of an application with sessions in memory: microseconds")
    for column, missing in WITHOUT.items():
        timers = {name: partial(start, name, missing) for name in (OURS, BEAKER)}
        table.columns[column] = Rounds.of(timers, rounds)
        table.targets.append(Target(column, OURS, BEAKER, 1.2))
    yield table


def start(package: str, missing: tuple[str, ...]) -> float:
    """Give the time that one start takes."""
    program = PROGRAM % (missing, SECRET, package)
    run = [sys.executable, "-c", program]
    # With bytecode beside the source, as it is where a package has been installed.
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    ended = subprocess.run(run, check=True, capture_output=True, timeout=60, env=environ)
    return float(ended.stdout)
