"""docs/security names tests that exist, and leaves no requirement out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from pyramid_beakerish import testing

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.rst").read_text()
FOLDERS = (ROOT / "tests", Path(testing.__file__).parent)
NAMED = sorted(set(re.findall(r"`(\w+(?:::\w+)+)`", PAGE)))
ROWS = {row.partition("\n")[0]: row for row in re.split(r"^   \* - ", PAGE, flags=re.MULTILINE)[1:]}

#: What the library must do, or make possible, of OWASP ASVS 5.0, its cheat sheet and NIST.
REQUIREMENTS = [
    *("7.1.1", "7.1.2", "7.2.1", "7.2.2", "7.2.3", "7.2.4", "7.3.1", "7.3.2", "7.4.1", "7.4.2"),
    *("7.4.3", "7.4.5", "7.5.2", "3.3.1", "3.3.2", "3.3.3", "3.3.4", "3.3.5", "1.5.2"),
    *("9.1.1", "9.1.2", "9.1.3", "9.2.1", "14.3.1", "14.3.2", "16.2.5"),
    *("CS name", "CS strict", "CS input", "CS renewal", "CS expiry", "CS idle numbers"),
    *("CS cookie", "CS cache", "CS binding", "CS log", "CS logons", "NIST 800-63B"),
]
FEATURES = [str(number) for number in range(1, 50)]
#: What no test here proves: an interface that does not exist, and what cookie sessions
#: and encryption prove where they are made.
UNPROVEN = {"49"}


def definitions(tree, prefix=()):
    """Give the names of all functions and classes, as pytest spells them."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield (*prefix, node.name)
        if isinstance(node, ast.ClassDef):
            yield from definitions(node, (*prefix, node.name))


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_the_page_names_exists(name):
    """Each test that the page names is there; the class of a suite need not be named."""
    module, *inside = name.split("::")
    (path,) = [path for folder in FOLDERS for path in folder.glob(f"{module}.py")]
    found = [names[-len(inside) :] for names in definitions(ast.parse(path.read_text()))]
    assert tuple(inside) in found


@pytest.mark.parametrize("row", [*REQUIREMENTS, *FEATURES])
def test_every_requirement_is_listed(row):
    """Each requirement and each feature has a row, which names a test."""
    assert ("::" in ROWS[row]) is (row not in UNPROVEN)
