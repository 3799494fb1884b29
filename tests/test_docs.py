"""What README, docs and docstrings show: code runs, settings are accepted, links lead somewhere."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
import time
from configparser import ConfigParser
from pathlib import Path
from types import ModuleType

import beaker.cache
import pytest
from pyramid.config import Configurator
from pyramid.scripting import prepare
from webtest import TestApp
from zope.interface import Attribute, Interface, implementer

import pyramid_beakerish
import pyramid_beakerish.configure
from pyramid_beakerish.pyramid_session import PyramidSession
from pyramid_beakerish.settings import (
    option_table,
    read_region_settings,
    read_settings,
    session_settings,
)

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGES.md", *(ROOT / "docs").glob("*.rst")])
FENCED = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
DIRECTIVE = re.compile(r"^( *)\.\. code-block:: (\w+)\n\n((?:\1 {3}.*\n|\n)+)", re.MULTILINE)
EXAMPLE = re.compile(r"^Example::\n\n((?:    .*(?:\n|$)|\n)+)", re.MULTILINE)


def blocks(page, language):
    text = page.read_text()
    fenced = FENCED.findall(text)
    directives = [(name, textwrap.dedent(body)) for _, name, body in DIRECTIVE.findall(text)]
    return [body for name, body in [*fenced, *directives] if name == language]


def pages_with(language):
    pages = [page for page in PAGES if blocks(page, language)]
    return pytest.mark.parametrize("page", pages, ids=lambda page: page.name)


@pytest.fixture
def application(tmp_path, monkeypatch):
    """What an example may take for granted: an application, a request, its session."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SESSION_SECRET", "a secret that only these examples know")
    settings = {
        "session.type": "memory",
        "session.secret": "a secret that only these examples know",
        "cache.regions": "second, short_term, long_term",
    }
    config = Configurator(settings=settings)
    config.include("pyramid_beakerish")
    config.commit()
    with prepare(registry=config.registry) as env:
        request = env["request"]
        given = {"config": config, "settings": settings, "request": request}
        module = ModuleType("example")
        vars(module).update(given, session=request.session)
        monkeypatch.setitem(sys.modules, "example", module)
        yield vars(module)


@pages_with("python")
def test_python_of_a_page_runs(page, application):
    """The blocks of a page run one after the other; what is called main makes an application."""
    settings = application["settings"]
    for body in blocks(page, "python"):
        exec(compile(body, page.name, "exec"), application)
        main = application.pop("main", None)
        assert main is None or callable(main({}, **settings))


@pages_with("python")
def test_a_main_of_a_page_can_be_copied_alone(page, application):
    """A block with a main needs nothing of the blocks before it, so it can be a file."""
    for body in [body for body in blocks(page, "python") if "def main(" in body]:
        copied = {"__name__": "example"}
        exec(compile(body, page.name, "exec"), copied)
        assert callable(copied["main"]({}, **application["settings"]))


@pages_with("ini")
def test_ini_of_a_page_is_accepted(page, tmp_path):
    """Settings that a page shows are obeyed without a mistake or a message."""
    for body in blocks(page, "ini"):
        parser = ConfigParser({"here": str(tmp_path)})
        parser.read_string(body if body.startswith("[") else "[app:main]\n" + body)
        settings = {
            key: value for key, value in parser["app:main"].items() if not key.startswith("here")
        }
        unsaid = {"session.secret": "a secret that only these examples know"}
        assert read_settings({**unsaid, **settings}).messages == ()


def test_readme_application_works(application):
    """The application that a newcomer copies counts visits and caches its report."""
    (body,) = blocks(ROOT / "README.md", "python")
    exec(compile(body, "app.py", "exec"), application)
    app = TestApp(application["main"]({}, **application["SETTINGS"]))
    first, second = app.get("/").text, app.get("/").text
    assert first.startswith("Visit 1, with a report made at ")
    assert second == first.replace("Visit 1", "Visit 2")


def modules():
    found = pkgutil.walk_packages(pyramid_beakerish.__path__, "pyramid_beakerish.")
    return [importlib.import_module(name) for _, name, _ in found]


def documented(module):
    """Give every function, class and method that is defined in the module, by its full name."""
    owners = [module, *(each for each in vars(module).values() if is_class_of(each, module))]
    for owner in owners:
        for name, each in vars(owner).items():
            function = getattr(each, "fget", None) or getattr(each, "__func__", each)
            if getattr(function, "__module__", None) == module.__name__ and callable(function):
                title = "" if isinstance(owner, ModuleType) else owner.__name__ + "."
                yield f"{module.__name__}:{title}{name}", inspect.getdoc(function) or ""


def is_class_of(each, module):
    return inspect.isclass(each) and each.__module__ == module.__name__


EXAMPLES = [
    pytest.param(textwrap.dedent(body), module, id=name)
    for module in modules()
    for name, text in documented(module)
    for body in EXAMPLE.findall(text)
]


def component_classes():
    """Give the interface and the class that examples of components take for granted."""

    class ICounter(Interface):
        value = Attribute("How often it was counted")

    @implementer(ICounter)
    class Counter:
        def __init__(self, session):
            self.value = 0

    return {"ICounter": ICounter, "Counter": Counter}


@pytest.mark.parametrize(("body", "module"), EXAMPLES)
def test_example_in_a_docstring_runs(body, module, application):
    """An example can be copied: it runs in its module, given what it takes for granted."""
    about_parts = module is not pyramid_beakerish.configure
    given = {
        "session_settings": session_settings,
        "session_id": "x" * 43,
        "regions": read_region_settings({"cache.regions": "short"})[0],
        "time": time,
        "beaker": beaker,
        "Session": PyramidSession,
        **component_classes(),
        **application,
        **({"settings": session_settings(type="memory")[0]} if about_parts else {}),
    }
    exec(compile(body, "docstring", "exec"), {**given, **vars(module)})


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.__name__)
def test_dialogues_in_docstrings_hold(module, application):
    """What follows ``>>>`` gives what the docstring says."""
    results = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0


def test_every_option_that_a_page_names_exists():
    """A reference to a setting leads to one in the table."""
    known = {f"{row.scope}.{row.name}" for row in option_table()}
    named = {name for page in PAGES for name in re.findall(r":confval:`([^`]+)`", page.read_text())}
    assert named <= known
    assert named


def test_modules_that_the_page_on_architecture_names_exist():
    """The picture and the text name files and folders that are there."""
    text = (ROOT / "docs" / "architecture.rst").read_text()
    named = set(re.findall(r"\b[a-z_]+(?:/[a-z_]+)*(?:\.py\b|/)", text))
    package = Path(pyramid_beakerish.__file__).parent
    assert {"tween.py", "stores/", "sessions/mapping.py"} <= named
    assert [name for name in named if not any((at / name).exists() for at in (package, ROOT))] == []


def test_every_extra_is_on_the_page_on_installation():
    """Whoever installs the package finds what brings each library; developers have the Makefile."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    of_developers = {"test", "bench", "lint", "docs", "wheel"}
    page = (ROOT / "docs" / "installation.rst").read_text()
    listed = set(re.findall(r"pyramid_beakerish\[(\w+)\]", page))
    assert listed == set(config["options.extras_require"]) - of_developers


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_links_of_the_readme_lead_to_files(name):
    """A relative link is that of a file in the repository, or of a section of a page."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)#?([^)]*)\)", (ROOT / name).read_text())
    assert links
    for file, section in links:
        assert (ROOT / file).exists()
        assert not section or section in sections(ROOT / file)


def sections(page):
    """Give what links call the sections of a page."""
    titles = re.findall(r"^(.+)\n---+$", page.read_text(), re.MULTILINE)
    return [title.lower().replace(" ", "-") for title in titles]


def test_readme_opens_with_the_two_commands_and_then_says_whose_is_what():
    """The first paragraph has the commands, the second what is Beaker's and what is ours."""
    text = (ROOT / "README.md").read_text()
    assert text.index("make demo") < text.index("make test") < text.index("What\nis Beaker's")
    paragraphs = [p for p in FENCED.sub("", text).split("\n\n") if p.strip()]
    assert paragraphs[0].startswith("# ")
    assert "pyramid_beaker" in paragraphs[2]
    assert "What is ours" in paragraphs[2]
