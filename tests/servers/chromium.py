"""Chromium without a screen, driven as a person would."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import urllib.request

from selenium import webdriver

from . import new_folder
from .process import HOST, Server, program

#: A browser that asks nobody on the net for anything.
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-dev-shm-usage",
)
#: Seconds for a page, beyond which a test fails.
PAGE_PATIENCE = 20


class Chromium(Server):
    """The driver, which starts browsers: each `browser` has a profile of its own."""

    programs = ("chromium", "chromedriver")
    debian = "chromium chromium-driver"

    def command(self) -> list[str]:
        """Listen to the tests of this machine alone."""
        return [program("chromedriver"), f"--port={self.port}"]

    def answers(self) -> bool:
        """Ask whether it is ready."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/status", timeout=1) as answer:
                return bool(json.load(answer)["value"]["ready"])
        except OSError:
            return False

    @contextlib.contextmanager
    def browser(self):
        """Give a browser with an empty profile, which is closed after the block."""
        options = webdriver.ChromeOptions()
        options.binary_location = program("chromium")
        options.accept_insecure_certs = True
        for argument in (*ARGUMENTS, f"--user-data-dir={new_folder()}"):
            options.add_argument(argument)
        driver = webdriver.Remote(f"http://{HOST}:{self.port}", options=options)
        try:
            driver.set_page_load_timeout(PAGE_PATIENCE)
            yield driver
        finally:
            driver.quit()

    def stop(self) -> None:
        """Stop the driver, and every browser that it has started."""
        self.kill()

    def _end(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        super()._end(number)
