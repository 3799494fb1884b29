"""What contributors call may be called first: its extra brings all that it needs."""

from __future__ import annotations

import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pyramid_beakerish
from tests.test_layers import MODULES, NAME, imports

ROOT = Path(__file__).parent.parent
OWN = {NAME, *dir(pyramid_beakerish), *(module.partition(".")[0] for module in MODULES)}
#: What Pyramid brings with it.
OF_PYRAMID = {"plaster", "translationstring", "webob", "zope"}
IMPORTED = {name.partition(".")[0] for module in MODULES for name in imports(module)}
#: Two that modules of this package are named after.
NAMESAKES = {"transaction", "twisted"}
OTHERS = IMPORTED - (OWN - NAMESAKES) - OF_PYRAMID - set(sys.stdlib_module_names)

FORBIDS = "import sys; sys.modules.update(dict.fromkeys({!r}))\n"
IMPORTS = "import pkgutil\nfor name in {!r}: pkgutil.resolve_name(name)\n"


def options():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup


def extras():
    """Give the lines of each extra, by its name."""
    return options()["options.extras_require"]


def brought(extra):
    """Give the libraries of an extra, and those that are always there."""
    lines = options()["options"]["install_requires"] + extras()[extra]
    return set(re.findall(r"^[\w-]+", lines, re.MULTILINE))


def test_types_can_be_checked_with_the_extra_lint_alone():
    """Each library that the package imports is in the extra, unless mypy does without it."""
    ignored = re.findall(r'"(\w+)\.\*"', (ROOT / "pyproject.toml").read_text())
    assert {"redis", "pytest", "pyramid"} <= OTHERS
    assert OTHERS - brought("lint") - set(ignored) == set()


def test_pages_can_be_built_with_the_extra_docs_alone():
    """What the page of the API describes can be imported without any other library."""
    page = (ROOT / "docs" / "api.rst").read_text()
    named = re.findall(r"^\.\. auto\w+:: (\S+)", page, re.MULTILINE)
    assert len(named) > 20
    forbidden = sorted(OTHERS - brought("docs"))
    assert {"redis", "pytest"} <= set(forbidden)
    program = FORBIDS.format(forbidden) + IMPORTS.format(named)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
