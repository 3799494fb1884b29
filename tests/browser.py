"""A real browser for the tests: headless Chromium, driven by its own driver, with nothing kept."""

from __future__ import annotations

import tempfile
import threading
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, make_server

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from tests.servers import require
from tests.servers.process import HOST, find_program, program

#: Seconds for which a test waits for what a page is to show.
PATIENCE = 20

#: It is to start at once, run as root, and ask nothing of the network but the test's own server.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


class Chromium:
    """The programs it takes; they are no server, but are asked for in the same way."""

    programs = ("chromium", "chromedriver")
    debian = "chromium chromium-driver"

    @classmethod
    def missing_programs(cls):
        """Name the programs that are not installed."""
        return [name for name in cls.programs if find_program(name) is None]


@contextmanager
def browser(width=1000, height=800):
    """Give a browser with an empty profile; skip the test where there is none to be had."""
    require(Chromium)
    options = Options()
    options.binary_location = program("chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options, Service(program("chromedriver")))
        try:
            driver.set_page_load_timeout(PATIENCE)
            yield driver
        finally:
            driver.quit()


@contextmanager
def served(app):
    """Serve a WSGI application on a free port, and give its address."""
    server = make_server(HOST, 0, app, handler_class=_Silent)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE)


class _Silent(WSGIRequestHandler):
    timeout = PATIENCE

    def log_message(self, *message):
        """Say nothing: the tests tell what went wrong."""
