"""A site replaces pyramid_beaker at noon, runs both for a while, and goes back: nobody notices."""

from __future__ import annotations

from configparser import ConfigParser

import beaker.cache
import beaker.session
import pytest
from webtest import TestApp

from tests import shop

#: The package, and what is added to the ini file.
STAGES = [
    ("pyramid_beaker", ""),
    ("pyramid_beakerish", ""),
    ("pyramid_beakerish", "beaker.session.format = beaker\n"),
    ("pyramid_beaker", ""),
]


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Give a function that starts the shop anew for a stage."""
    monkeypatch.setattr(beaker.cache, "cache_regions", {})
    monkeypatch.setattr(beaker.cache, "cache_managers", {})
    monkeypatch.setattr(beaker.session, "time", beaker.session.time)
    running = []

    def start(package, more=""):
        text = shop.INI.format(package=package, folder=tmp_path) + more
        parser = ConfigParser(interpolation=None)
        parser.read_string(f"[app:main]\n{text}")
        running[:] = [shop.main(**parser["app:main"])]

    start.browser = lambda: Browser(lambda environ, begin: running[0](environ, begin))
    return start


class Browser:
    """A visitor of the shop, who fills in forms of pages that were shown before."""

    def __init__(self, app):
        self.app = TestApp(app)
        self.token = ""

    def look(self):
        """Open the page."""
        page = self.app.get("/").json
        self.token = page["token"]
        return page

    def post(self, path, **form):
        """Send a form with the token of the page that was opened last."""
        self.app.post(path, {**form, "csrf_token": self.token}, status=303)


def names(page):
    """Give what is in the cart."""
    return [line["name"] for line in page["cart"].get("lines", [])]


def test_there_and_back(site):
    """Login, cart, messages and tokens live through the old package, the new one, and back."""
    site("pyramid_beaker")
    users = {name: site.browser() for name in ("alice", "bob", None)}
    for name, browser in users.items():
        browser.look()
        if name:
            browser.post("/login", user=name)
            browser.look()
    bought = []
    for package, more in STAGES:
        site(package, more)
        for name, browser in users.items():
            browser.post("/add", name="tea")  # the token was shown by the package before
            page = browser.look()
            assert page["user"] == name
            assert names(page) == [*bought, "tea"]
            assert page["cart"]["note"] == ["no", 1]
            assert page["prices"] == [3, 20]
            left = ["pot is in the cart"] if bought else []  # by the package before
            assert page["messages"] == [*left, "tea is in the cart"]
            browser.post("/add", name="pot")
        bought += ["tea", "pot"]


@pytest.mark.parametrize("last", [2, 3])
def test_logout_holds_at_every_stage(site, last):
    """Who logs out in one stage is logged out in the next, whichever cookie is sent."""
    site("pyramid_beaker")
    browser = site.browser()
    browser.look()
    browser.post("/login", user="alice")
    cookies = []
    for package, more in STAGES[:last]:
        site(package, more)
        assert browser.look()["user"] == "alice"
        cookies.append(browser.app.cookies["shop"])
    browser.post("/logout")
    for package, more in STAGES[1:]:
        site(package, more)
        for cookie in cookies:
            thief = TestApp(browser.app.app)
            assert thief.get("/", headers={"Cookie": f"shop={cookie}"}).json["user"] is None
