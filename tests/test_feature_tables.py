"""The tables in the docs: every feature of the other systems, and a test that is there."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("from_*.rst"))
NAMED = re.compile(r"``(test_\w+\.py)::(test_\w+)``")
ROW = re.compile(r"^   ([CTZ]\d+) \|", re.MULTILINE)
FEATURES = {
    *(f"C{number}" for number in range(1, 17)),
    *(f"T{number}" for number in range(1, 26)),
    *(f"Z{number}" for number in range(1, 16)),
}


@functools.cache
def _names_in(path):
    return {node.name for node in ast.parse(path.read_text()).body if hasattr(node, "name")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_named_test_exists(page):
    """A test that a page names is a function of that module, with a docstring of its own."""
    named = NAMED.findall(page.read_text())
    assert named
    missing = {f"{file}::{name}" for file, name in named if name not in _names_in(_path(file))}
    assert missing == set()


def test_every_feature_has_a_row_with_a_test():
    """C1 to C16, T1 to T25 and Z1 to Z15 each have one row, which names a test."""
    lines = [line for page in PAGES for line in page.read_text().splitlines()]
    rows = [line for line in lines if ROW.match(line)]
    assert sorted(ROW.match(row)[1] for row in rows) == sorted(FEATURES)
    assert [row for row in rows if not NAMED.search(row)] == []


def _path(file):
    return ROOT / "tests" / file
