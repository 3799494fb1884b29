"""Print all tables, or those of some parts, and write them to benchmarks.json.

python -m benchmarks [sessions] [payloads] [regions] [start]
"""

from __future__ import annotations

import json
import logging
import platform
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from itertools import chain

from . import payloads, regions, sessions, start

PARTS = {part.__name__.rpartition(".")[2]: part for part in (sessions, payloads, regions, start)}

MEASURED = (
    "beaker cachetools cashews django dogpile.cache hiredis pymemcache pyramid pyramid_beaker "
    "pyramid_nacl_session pyramid_session_redis redis"
)


def main(*names: str) -> None:
    """Measure these parts, or all; what is measured is printed when it is known."""
    parts = [PARTS[name] for name in names or PARTS]
    logging.disable()  # what our sessions log is printed nowhere, and costs the same everywhere
    about = {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in MEASURED.split()},
    }
    print(about["date"], about["machine"], *(f"{n} {v}" for n, v in about["versions"].items()))
    found = []
    for table in chain.from_iterable(part.tables() for part in parts):
        print(*table.lines(), sep="\n", flush=True)
        found.append(table.to_json())
    with open("benchmarks.json", "w", encoding="utf-8") as file:
        json.dump({**about, "tables": found}, file, indent=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
