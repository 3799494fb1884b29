"""Imports point downwards: edge, then sessions and cache, then stores and settings."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pyramid_beakerish
from pyramid_beakerish import configure, factory

PACKAGE = Path(pyramid_beakerish.__file__).parent
NAME = PACKAGE.name

#: What is not named here is the edge: Pyramid, WSGI, Twisted, commands.
RANKS = {"errors": 0, "settings": 1, "stores": 1, "serializers": 1, "sessions": 2, "cache": 2}
EDGE, TESTS = 3, 4
#: The public test help may use everything; the plugin of pytest's is its door.
HELP = ("testing", "pytest_plugin")
#: Libraries of the edge, and the one module below that reads what Pyramid has signed.
OF_THE_EDGE = ("pyramid", "webob", "zope", "twisted", "transaction")
ALLOWED = {("sessions.previous.signed_cookie", "webob")}

MODULES = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")
    for path in PACKAGE.rglob("*.py")
)


def rank(module):
    part = module.partition(".")[0]
    return TESTS if part in HELP else RANKS.get(part, EDGE)


def imports(module):
    """Give what a module imports: our own modules by their names below ours, others' packages."""
    path = PACKAGE / (module.replace(".", "/") + ".py")
    above = [NAME, *module.split(".")][:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = above[: len(above) - node.level + 1] if node.level else []
            whole = ".".join([*start, *filter(None, [node.module])])
            names = [f"{whole}.{alias.name}" for alias in node.names] if whole == NAME else [whole]
            yield from (name.removeprefix(f"{NAME}.") for name in names)


@pytest.mark.parametrize("module", [name for name in MODULES if rank(name) < TESTS])
def test_imports_point_downwards(module):
    """No module knows one of a higher layer, and sessions and cache know nothing of each other."""
    for name in imports(module):
        if name.partition(".")[0] in OF_THE_EDGE:
            package = name.partition(".")[0]
            assert rank(module) >= EDGE or (module, package) in ALLOWED, name
        elif (PACKAGE / name.replace(".", "/")).exists() or name in MODULES:
            assert rank(name) <= rank(module), name
            assert {name.partition(".")[0], module.partition(".")[0]} != {"sessions", "cache"}, name


def test_the_package_itself_does_without_pyramid():
    """Under WSGI, Twisted and the command Pyramid is imported when it is asked for, if it is."""
    program = f"import sys, {NAME}; sys.exit('pyramid' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def test_what_needs_pyramid_is_a_name_of_the_package_all_the_same():
    """What is imported late is what its module has; a name that is nowhere is an error."""
    assert pyramid_beakerish.includeme is configure.includeme
    assert pyramid_beakerish.SessionUnavailable is factory.SessionUnavailable
    with pytest.raises(AttributeError, match="'pyramid_beakerish' has no attribute 'nowhere'"):
        _ = pyramid_beakerish.nowhere
