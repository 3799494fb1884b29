"""``python -m tests.torture [SECONDS] [SEED] [STORE ...]``: torture stores, and print a table."""

from __future__ import annotations

import random
import sys
from collections import Counter

from tests.servers import remove_folders

from .run import torture
from .stores import STORES


def main(seconds="20", seed=None, *names):
    """Give the number of violations."""
    seed = random.randrange(2**32) if seed is None else int(seed)
    print(f"seed {seed}, {seconds} s each")
    violations = 0
    for name in names or STORES:
        result = torture(STORES[name], float(seconds), seed)
        faults = ", ".join(f"{count} {kind}" for kind, count in Counter(result.faults).items())
        print(
            f"{name}: {result.requests} requests, {result.failures} without an answer, slowest "
            f"{result.slowest:.1f} s; faults: {faults}; violations: {len(result.violations)}"
        )
        for violation in result.violations[:20]:
            print("   ", violation)
        violations += len(result.violations)
    return violations


if __name__ == "__main__":
    try:
        found = main(*sys.argv[1:])
    finally:
        remove_folders()
    sys.exit(bool(found))
