"""Print all tables, and write them to a file as JSON: python -m benchmarks [file]."""

from __future__ import annotations

import json
import logging
import platform
import sys
from datetime import date
from importlib.metadata import version
from itertools import chain

from . import sessions

MEASURED = (
    "beaker cachetools cashews django dogpile.cache hiredis pymemcache pyramid pyramid_beaker "
    "pyramid_nacl_session pyramid_session_redis redis"
)


def main(path: str | None = None) -> None:
    """Measure everything; what is measured is printed when it is known."""
    logging.disable()  # what our sessions log is printed nowhere, and costs the same everywhere
    about = {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in MEASURED.split()},
    }
    print(about["date"], about["machine"], *(f"{n} {v}" for n, v in about["versions"].items()))
    found = []
    for table in chain(sessions.tables()):
        print(*table.lines(), sep="\n", flush=True)
        found.append(table.to_json())
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**about, "tables": found}, file, indent=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
