"""README and docs/performance.rst tell of one measurement, row by row."""

from __future__ import annotations

import re

import pytest

from tests.test_docs import ROOT

PAGE = (ROOT / "docs/performance.rst").read_text()
COSTS = (ROOT / "README.md").read_text().partition("## What it costs")[2].partition("\n## ")[0]
COMPARED = re.findall(r"^\| (.+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]*) ?\|$", COSTS, re.MULTILINE)

BEAKER = "pyramid_beaker"
IN_FILES = "files in memory"
#: Where the page has the two whose sessions a row of README compares.
PLACES = {
    "memory": (("memory", "here"), ("memory", BEAKER)),
    "file": ((IN_FILES, "here, ``file``"), (IN_FILES, f"{BEAKER}, ``file``")),
    "SQLite, beside its files": ((IN_FILES, "here, ``sqlite``"), (IN_FILES, f"{BEAKER}, ``file``")),
    "Redis": (("Redis", "here"), ("Redis", BEAKER)),
}


def table_of(section):
    """Give the rows of the first table of a section of the page."""
    table = PAGE.partition(f"\n{section}\n---")[2].partition(":header-rows: 1\n\n")[2]
    rows = re.findall(r"   \* -(.*)\n((?:     -.*\n)+)", table.partition("\n\n")[0])
    return [[first.strip(), *re.findall("- (.*)", others)] for first, others in rows]


def measured():
    """Give what the page has for each row of README: of ours, and of the other."""
    (_, _, *kinds), *rows = table_of("Sessions")
    found, where = {}, ""
    for store, who, *times in rows:
        where = store or where
        found[where, who] = dict(zip(kinds, times, strict=False))
    for name, pair in PLACES.items():
        for kind in ("read", "write"):
            yield f"{name}: {kind}", *(found[place][kind] for place in pair)
    hits = {who: one for who, one, *_ in table_of("Cache regions")}
    yield "hit of a memory region", hits["here, counters included"], hits["Beaker"]


def test_each_row_of_the_readme_is_what_the_page_has_measured():
    """What it costs is told by one measurement, in both places."""
    (name, longer, there), *others = ((name, here, there) for name, here, there, _ in COMPARED)
    assert others == list(measured())
    assert (name, there) == ("session not touched", "0")
    assert f"does not touch the session takes {longer} longer" in PAGE


@pytest.mark.parametrize(("name", "here", "there", "ratio"), COMPARED[1:])
def test_a_ratio_is_that_of_its_row(name, here, there, ratio):
    """It is the median of the ratios of all rounds: nearly, but not quite, that of the medians."""
    assert float(ratio) == pytest.approx(float(here) / float(there), abs=0.01)
