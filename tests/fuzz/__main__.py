"""``python -m tests.fuzz [CASES] [SECONDS] [SEED]``: try cases of every target, and print how many.

Each target gets its share, in rounds with a new seed each, until all are tried or the time is over.
"""

from __future__ import annotations

import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from .targets import TARGETS, rounds

PROCESSES = 2
#: What a process may take beyond its time, in seconds, before it is given up.
PATIENCE = 120


def main(cases="1000000", seconds="1200", seed=None):
    """Give the number of targets that failed."""
    seed = random.randrange(2**32) if seed is None else int(seed)
    start, shares = time.time(), sum(target.share for target in TARGETS.values())
    print(f"seed {seed}, {cases} cases, {seconds} s at most", flush=True)
    deadline, total, failed = start + float(seconds), 0, 0
    with ProcessPoolExecutor(PROCESSES) as pool:
        jobs = {
            name: pool.submit(rounds, name, -(-int(cases) * target.share // shares), seed, deadline)
            for name, target in TARGETS.items()
        }
        for name, job in jobs.items():
            tried, failure = job.result(deadline - time.time() + PATIENCE)
            print(f"{name}: {tried} cases", failure or "", flush=True)
            total, failed = total + tried, failed + (failure is not None)
    print(f"{total} cases in {time.time() - start:.0f} s; {failed} targets failed")
    return failed


if __name__ == "__main__":
    sys.exit(bool(main(*sys.argv[1:])))
