"""Each example is started as a process of its own, visited over HTTP, and restarted."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.servers.process import HOST, accepts_connections, dies_with_us, free_port, wait_or_kill

EXAMPLES = Path(__file__).parent.parent / "examples"
PATIENCE = 30  # seconds


class Browser:
    """Visits an example, and keeps its cookies over a restart."""

    def __init__(self):
        self.port = 0
        self.cookies = {}

    def get(self, path, status=200):
        """Give the text of a page."""
        connection = HTTPConnection(HOST, self.port, timeout=PATIENCE)
        try:
            cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        assert response.status == status, text
        for header in response.headers.get_all("Set-Cookie", []):
            name, _, value = header.partition(";")[0].partition("=")
            self.cookies[name] = value
        return text


@contextmanager
def started(folder, command, browser):
    """Run an example in its folder; ``{port}`` in the command, and 6543 in its ini, is free."""
    browser.port = free_port()
    for ini in folder.glob("*.ini"):
        text = ini.read_text()
        ini.write_text(re.sub(r"listen = .*", f"listen = {HOST}:{browser.port}", text))
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    command = [part.format(port=browser.port) for part in command]
    with open(folder / "log", "ab") as log:
        process = subprocess.Popen(
            dies_with_us([sys.executable, *command]),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not accepts_connections(browser.port):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        wait_or_kill(process)


@pytest.fixture
def browser():
    return Browser()


@pytest.fixture
def run(tmp_path, browser):
    """Start a copy of an example for the browser, as often as one likes."""

    def run(name, *command):
        folder = tmp_path / name
        if not folder.exists():
            shutil.copytree(EXAMPLES / name, folder)
        return started(folder, command, browser)

    return run


PSERVE = ("-m", "pyramid.scripts.pserve", "development.ini")


def other(browser):
    """Give the browser of another visitor of the same example."""
    stranger = Browser()
    stranger.port = browser.port
    return stranger


def test_quick_tutorial(run, browser):
    """Both pages count in one session, which goes on after a restart of the application."""
    with run("quick_tutorial", *PSERVE):
        assert "<h1>Hi Home View</h1>\n<p>Count: 1</p>" in browser.get("/")
        assert "<h1>Hi Hello View</h1>\n<p>Count: 2</p>" in browser.get("/howdy")
    with run("quick_tutorial", *PSERVE):
        assert "<p>Count: 3</p>" in browser.get("/")
        assert "<p>Count: 1</p>" in other(browser).get("/")


def test_login(run, browser):
    """Who has entered a name is welcomed, after a restart too, until the logout."""
    with run("login", "session/main.py", "{port}"):
        assert "Enter User name" in browser.get("/")
        assert browser.cookies == {}
        assert "Session object added." in browser.get("/add?user=bob%3Cb%3E")
        assert "Welcome bob&lt;b&gt; " in browser.get("/read")
        before = dict(browser.cookies)
        browser.get("/add?user=alice")
        assert browser.cookies != before
    with run("login", "session/main.py", "{port}"):
        assert "Welcome alice " in browser.get("/read")
        assert "You have been logged out" in browser.get("/logout")
        browser.get("/read", status=500)


def test_twisted_counter(run, browser):
    """Twisted's counter of visits goes on after a restart; the files are used in threads."""
    with run("twisted_counter", "counter.py", "{port}"):
        assert browser.get("/") == "Visit #1 for you!"
        assert browser.get("/") == "Visit #2 for you!"
        assert other(browser).get("/") == "Visit #1 for you!"
    with run("twisted_counter", "counter.py", "{port}"):
        assert browser.get("/") == "Visit #3 for you!"


def test_cromlech_style(run, browser):
    """A block that raises, and what is rolled back, is not saved; the rest is, over a restart."""
    with run("cromlech_style", "app.py", "{port}"):
        assert browser.get("/foo") == "/foo, (seen)"
        assert browser.get("/fail", status=400) == "failed"
        assert browser.get("/undo") == "/foo, (seen), /undo"
    with run("cromlech_style", "app.py", "{port}"):
        assert browser.get("/bar") == "/foo, (seen), /undo, /bar, (seen)"


def test_pyramid_beaker_docs(run, browser):
    """The settings and the code of pyramid_beaker's documentation do what they say there."""
    with run("pyramid_beaker_docs", *PSERVE):
        assert browser.get("/") == "Visit 1; the report r was made 1 times"
        assert list(browser.cookies) == ["mykey"]
        assert browser.get("/") == "Visit 2; the report r was made 1 times"
        assert browser.get("/fail") == "sorry"
    with run("pyramid_beaker_docs", *PSERVE):
        assert browser.get("/") == "Visit 101; the report r was made 1 times"
