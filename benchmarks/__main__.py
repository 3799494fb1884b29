"""Print all tables, or those of some parts, and write them to benchmarks.json.

python -m benchmarks [sessions] [payloads] [regions] [start] [processes] [load] [million] [sweep]

Without a name it is the first five. Tables that were written earlier stay until they are measured
again.
"""

from __future__ import annotations

import json
import logging
import platform
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from itertools import chain
from pathlib import Path

from tests.servers import Policy

from . import load, million, payloads, processes, regions, sessions, start, sweep

USUAL = (sessions, payloads, regions, start, processes)
PARTS = {part.__name__.rpartition(".")[2]: part for part in (*USUAL, load, million, sweep)}

MEASURED = (
    "beaker cachetools cashews django dogpile.cache gunicorn hiredis psycopg pymemcache pyramid "
    "pyramid_beaker pyramid_nacl_session pyramid_session_redis redis sqlalchemy waitress"
)

RESULTS = Path("benchmarks.json")


def main(*names: str) -> None:
    """Measure these parts, or the usual ones; what is measured is printed when it is known."""
    parts = [PARTS[name] for name in names] or USUAL
    logging.disable()  # what our sessions log is printed nowhere, and costs the same everywhere
    about = {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in MEASURED.split()},
    }
    print(about["date"], about["machine"], *(f"{n} {v}" for n, v in about["versions"].items()))
    tables = earlier_tables()
    for table in chain.from_iterable(part.tables() for part in parts):
        print(*table.lines(), sep="\n", flush=True)
        tables[table.title] = {**table.to_json(), "date": about["date"]}
    RESULTS.write_text(json.dumps({**about, "tables": list(tables.values())}, indent=1))


def earlier_tables() -> dict[str, dict[str, object]]:
    """Give the tables that were written before, by their titles."""
    if not RESULTS.exists():
        return {}
    return {table["title"]: table for table in json.loads(RESULTS.read_text())["tables"]}


if __name__ == "__main__":
    Policy.refuse = sys.exit
    main(*sys.argv[1:])
