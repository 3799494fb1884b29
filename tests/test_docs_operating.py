"""What docs/operating.rst shows of a terminal is what the terminal shows.

Run as a program it writes the page anew with what the commands say now:

    python -m tests.test_docs_operating
"""

from __future__ import annotations

import re
import tempfile
import textwrap
from functools import partial
from pathlib import Path

import pytest

from pyramid_beakerish.settings import session_settings
from pyramid_beakerish.stores import open_store
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.site import Site
from tests.command_help import clock_of_tests, in_terminal
from tests.test_docs import blocks

PAGE = Path(__file__).parent.parent / "docs" / "operating.rst"
CLOCK = "beakerish.clock = tests.command_help:clock_of_tests\n"
APP = "[app:main]\nuse = egg:pyramid_beakerish#demo\n"
MISSPELT = APP + "session.tiemout = 30m\nsession.secure = perhaps\n"

#: A block of the page, a command in it, and the output below.
BLOCK = re.compile(r"(\.\. code-block:: console\n\n)((?: {3}.*\n|\n)+?)(?=\S)")
SHOWN = re.compile(r"^\$ beakerish (.*)\n((?:(?!\$ ).*\n?)*)", re.MULTILINE)
#: A line that the terminal was told to forget, such as that of a progress bar.
ERASED = re.compile(r"[^\n]*\n\x1b\[\?25h\r\x1b\[1A\x1b\[2K|[^\n]*\r\x1b\[2K")
#: What a terminal is told beside the text.
CONTROL = re.compile(r"\x1b\][^\x1b]*\x1b\\|\x1b\[[0-9;?]*[A-Za-z]|\r")
#: What is another one each time, or on each machine.
VARIABLE = re.compile(r"\b[0-9a-f]{12}\b|\d+\.\d+ ms|SQLite [\d.]+|\d+ [kMGT]B|─+|━+| +")
COLUMNS = 98


class Desk:
    """A folder with the page's ini file, where commands are typed.

    The site is started when a command first asks for its sessions, and has two visitors then.
    """

    def __init__(self, folder):
        self.folder = folder
        self.started = False
        (text,) = (body for body in blocks(PAGE, "ini") if body.startswith("[app:main]"))
        (folder / "app.ini").write_text(text.replace("[app:main]\n", "[app:main]\n" + CLOCK))
        (folder / "misspelt.ini").write_text(MISSPELT)

    def begin_sessions(self):
        """Have two visitors log in, the second an hour after the first."""
        self.started = True
        clock = FrozenClock(clock_of_tests() - 3600)
        settings, _ = session_settings(type="sqlite", data_dir=self.folder / "data")
        store = open_store(settings, clock)
        store.prepare()
        for user, device in (("bob", "phone"), ("eve", "desk")):
            browser = Site(store, clock).stranger().put(cart=["apple"])
            browser.use(partial(log_in, user, device))
            clock.advance(3600)
        store.close()

    def type(self, command):
        """Give what the terminal shows, and no setting, of which there are many."""
        if command.startswith("sessions") and not self.started:
            self.begin_sessions()
        _, sent = in_terminal(*command.split(), columns=COLUMNS, cwd=self.folder)
        shown = without_settings(CONTROL.sub("", ERASED.sub("", sent)))
        return "".join(line.rstrip() + "\n" for line in shown.splitlines())


def log_in(user, device, session):
    session.bind_user(user, device=device)


def without_settings(shown):
    """Leave out all but the first rows of the table of settings."""
    if not shown.startswith("Settings"):
        return shown
    table, _, rest = shown.partition("┘\n")
    return "\n".join(table.splitlines()[:7]) + "\n...\n" + rest


def commands():
    return [pair for body in blocks(PAGE, "console") for pair in SHOWN.findall(body)]


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def comparable(shown):
    return VARIABLE.sub("~", shown.strip())


def test_the_page_shows_what_the_commands_say(desk):
    """Each command of the page, typed in its order, shows what the page shows."""
    for command, shown in commands():
        assert comparable(desk.type(command)) == comparable(shown), command


def write_page():
    """Put what the commands say now into the page."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder))

        def typed(match):
            return f"$ beakerish {match[1]}\n{desk.type(match[1])}"

        def block(match):
            body = SHOWN.sub(typed, textwrap.dedent(match[2]))
            return f"{match[1]}{textwrap.indent(body, '   ')}\n"

        PAGE.write_text(BLOCK.sub(block, PAGE.read_text()))


if __name__ == "__main__":
    write_page()
