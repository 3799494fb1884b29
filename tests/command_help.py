"""What the tests of the command need: ini files, a site whose sessions they name, a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

from pyramid_beakerish.commands import main
from pyramid_beakerish.settings import read_settings
from pyramid_beakerish.stores import open_store
from pyramid_beakerish.testing.site import SECRET, Site

#: Seconds after which a command that has not ended is killed.
PATIENCE = 30

COMMAND = (sys.executable, "-c", "from pyramid_beakerish.commands import main; exit(main())")


def ini(folder, *lines, name="app.ini", server=()):
    """Write an ini file with these lines for the application, and give its path."""
    app = ["[app:main]", "use = egg:pyramid_beakerish#demo", *lines]
    if not any(line.startswith("session.secret = ") for line in lines):
        app.append(f"session.secret = {SECRET}")
    path = folder / name
    path.write_text("\n".join([*app, "[server:main]", "use = egg:waitress#main", *server]) + "\n")
    return str(path)


def clock_of_tests():
    """The time that the commands and the sites of these tests have, unless they set another."""
    return clock_of_tests.now


clock_of_tests.now = 1_700_000_000.0
CLOCK = "beakerish.clock = tests.command_help:clock_of_tests"


class Application:
    """An application with stored sessions, and the ini file that describes it."""

    def __init__(self, folder, *lines):
        self.ini = ini(folder, CLOCK, *lines)
        settings = dict(line.split(" = ", 1) for line in lines)
        read = read_settings({"session.secret": SECRET, **settings})
        self.store = open_store(read.session, clock_of_tests)
        self.store.prepare()
        self.site = Site(self.store, clock_of_tests)

    def visitor(self, user=None, about=None, **contents):
        """Give the browser of a visitor with a session."""
        browser = self.site.stranger().put(**contents)
        if user is not None:
            browser.use(lambda session: session.bind_user(user, **(about or {})))
        return browser


class Run:
    """Runs the command in this process, and keeps what it wrote."""

    def __init__(self, capsys):
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments):
        """Run, and give the exit code."""
        self._capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse
            code = end.code
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, *arguments, code=0):
        """Run with --json, and give what was written, decoded."""
        assert self(*arguments, "--json") == code, self.err
        return json.loads(self.out)


def piped(*arguments, **options):
    """Run the command with its output in a pipe; give the finished process."""
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=PATIENCE, **options
    )


def in_terminal(*arguments, typed="", columns=120, **options):
    """Run the command in a terminal; give its exit code and all that the terminal was sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environ = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": os.getcwd()}
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        environ.pop(name, None)
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environ, start_new_session=True, **options,
    )  # fmt: skip
    os.close(theirs)
    try:
        os.write(ours, typed.encode())
        sent = _read_all(ours, time.monotonic() + PATIENCE)
        return process.wait(PATIENCE), sent.decode()
    finally:
        process.kill()
        process.wait(PATIENCE)
        os.close(ours)


def _read_all(descriptor, deadline):
    sent = bytearray()
    while True:
        ready, _, _ = select.select([descriptor], [], [], max(0, deadline - time.monotonic()))
        assert ready, "the command does not end"
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # Linux says so when the other end is closed
            return bytes(sent)
        if not part:
            return bytes(sent)
        sent += part
