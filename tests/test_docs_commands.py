"""What the pages have somebody type exists: commands, their options, targets of make, extras."""

from __future__ import annotations

import re
import shlex
from configparser import ConfigParser

import pytest
from waitress.adjustments import Adjustments

from pyramid_beakerish.commands.program import ini_last, make_parser
from tests.servers.redis import SecureRedisServer
from tests.test_docs import DIRECTIVE, FENCED, PAGES, ROOT, blocks
from tests.test_extras import extras

EVERY_PAGE = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
TEXTS = {page.name: page.read_text() for page in EVERY_PAGE}
#: Words of a page that are code.
LITERAL = re.compile(r"(?<!`)(`{1,2})([^`]+)\1(?!`)")

#: What sees to blocks of a language: python, ini, sql and console are run.
SEEN_TO = {
    "python": "test_docs", "ini": "test_docs", "console": "test_docs_operating",
    "sql": "test_store_sql", "sh": "here", "cfg": "here", "text": "here, and test_docs",
}  # fmt: skip

#: What a line of a shell may be; the rest of the line is looked at below.
LINES = ("python3 -m venv ", "pip install ", "venv/bin/pip install ", "venv/bin/python ", "make ")


def literals(start):
    """Give what begins like this, in the text of a page or in a block of it."""
    for page in EVERY_PAGE:
        words = [" ".join(body.split()) for _, body in LITERAL.findall(TEXTS[page.name])]
        lines = [line for body in blocks(page, "sh") for line in body.splitlines()]
        yield from (word for word in [*words, *lines] if word.startswith(start))


def parsed(line):
    """Have the command's own parser read a command line."""
    arguments = shlex.split(line.partition(" >")[0].partition(" #")[0])
    assert arguments[0] == "beakerish"
    return make_parser().parse_args(ini_last(arguments[1:]))


@pytest.mark.parametrize("line", sorted(set(literals("beakerish "))))
def test_a_command_line_that_a_page_names_is_one(line):
    """The command takes it as it stands there; where the ini file is left out, with one."""
    names_a_file = ".ini" in line or "secret" in line
    assert parsed(line if names_a_file else f"{line} app.ini").run


def test_options_that_the_page_on_operating_names_exist(capsys):
    """Each ``--option`` is in the help of some part of the command."""
    named = set(re.findall(r"``(--[\w-]+)", TEXTS["operating.rst"]))
    assert {"--user", "--reveal", "--json"} <= named
    helps = []
    for action in ("check", *(f"sessions {name}" for name in ("list", "show", "end"))):
        with pytest.raises(SystemExit):
            parsed(f"beakerish {action} --help")
        helps.append(capsys.readouterr().out)
    assert [option for option in named if option not in " ".join(helps)] == []


def test_targets_of_make_that_pages_name_exist():
    """``make`` knows what README, CONTRIBUTING and the pages have one call, and helps with all."""
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    named = {words.split()[1] for words in literals("make ")}
    assert {"demo", "test", "lint", "docs", "wheel", "bench"} <= named <= set(phony.split())
    helped = set(re.findall(r'@echo "make ([\w-]+)', makefile))
    assert helped == set(phony.split()) - {"help"}


def test_extras_that_pages_name_exist():
    """What is in square brackets behind the package's name can be installed."""
    text = "".join(TEXTS.values())
    named = set(re.findall(r"pyramid_beakerish\[(\w+)\]", text))
    assert {"command", "redis", "sql"} <= named <= set(extras())


def test_lines_of_a_shell_are_of_a_known_kind():
    """A block of commands has nothing that no test looks at."""
    lines = [
        line for page in EVERY_PAGE for body in blocks(page, "sh") for line in body.split("\n")
    ]
    assert [line for line in lines if line and not line.startswith(LINES)] == []


def test_every_language_of_a_block_is_seen_to():
    """No block is of a kind that no test reads."""
    found = {
        name
        for text in TEXTS.values()
        for name in [*(name for name, _ in FENCED.findall(text)), *languages(text)]
    }
    assert found == set(SEEN_TO)


def languages(text):
    found = [name for _, name, _ in DIRECTIVE.findall(text)]
    assert len(found) == text.count(".. code-block::")
    return found


def test_the_rights_that_the_page_on_redis_names_are_those_of_the_tests():
    """The server under which the store is tested gives its user these rights, and no other."""
    (rule,) = (body.split() for body in blocks(ROOT / "docs/stores_redis.rst", "text"))
    given = SecureRedisServer.rights
    assert rule[:4] == ["ACL", "SETUSER", "store", "on"]
    assert set(rule[5:]) == set(given.split())


def test_the_server_behind_a_proxy_takes_what_the_page_says():
    """Waitress understands the section, and believes the proxy alone."""
    (body,) = blocks(ROOT / "docs/security.rst", "cfg")
    parser = ConfigParser()
    parser.read_string(body)
    section = dict(parser["server:main"])
    assert section.pop("use") == "egg:waitress#main"
    waitress = Adjustments(**section)
    assert (waitress.trusted_proxy, waitress.clear_untrusted_proxy_headers) == ("127.0.0.1", True)
    assert waitress.trusted_proxy_headers == {"x-forwarded-proto"}
