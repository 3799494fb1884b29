"""Print all tables, or those of some parts, and write them to benchmarks.json."""

from __future__ import annotations

import argparse
import json
import logging
import platform
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import load, million, payloads, processes, regions, servers, sessions, start, sweep

if TYPE_CHECKING:
    from types import ModuleType

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
    print(*spelled(circumstances(*parts)), flush=True)
    for part in parts:
        about = circumstances(part)
        for table in part.tables():
            print(*table.lines(), sep="\n", flush=True)
            keep({**table.to_json(), **about})


def circumstances(*parts: ModuleType) -> dict[str, Any]:
    """Tell when, where and of what the tables of these parts are."""
    kinds = dict.fromkeys(kind for part in parts for kind in part.SERVERS)
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": f"{platform.machine()}, {processor()}, Python {platform.python_version()}",
        "versions": {n: version(n) for n in MEASURED.split()} | servers.versions(kinds),
    }


def processor() -> str:
    """Give the name that the processor has for the system."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def spelled(about: dict[str, Any]) -> list[str]:
    """Give the words of it, for the head of the tables."""
    return [about["date"], about["machine"], *(f"{n} {v}" for n, v in about["versions"].items())]


def keep(table: dict[str, Any]) -> None:
    """Write a table to the others, in the place of what was measured of the same earlier.

    At once, so that nothing is lost of a run that ends early. Each table says itself when and of
    what it is: some may be of an earlier run.
    """
    tables = json.loads(RESULTS.read_text())["tables"] if RESULTS.exists() else []
    others = [other for other in tables if other["title"] != table["title"]]
    RESULTS.write_text(json.dumps({"tables": [*others, table]}, indent=1))


def arguments(given: list[str]) -> argparse.Namespace:
    """Read the command line; a wrong name is refused with all that there are."""
    usual = ", ".join(name for name, part in PARTS.items() if part in USUAL)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"{__doc__} Without a name these parts are measured: {usual}.",
        epilog="parts:\n" + "\n".join(f"  {line}" for line in descriptions()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", type=part_name, metavar="part")
    return parser.parse_args(given)


def part_name(name: str) -> str:
    """Give the name of a part."""
    if name not in PARTS:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(PARTS)}")
    return name


def descriptions() -> list[str]:
    """Tell of each part what it measures, and which servers it starts."""
    found = []
    for name, part in PARTS.items():
        needed = ", ".join(kind.debian for kind in part.SERVERS)
        first_line = str(part.__doc__).partition("\n")[0]
        found.append(f"{name:<10} {first_line}" + (f" ({needed})" if needed else ""))
    return found


if __name__ == "__main__":
    main(*arguments(sys.argv[1:]).parts)
