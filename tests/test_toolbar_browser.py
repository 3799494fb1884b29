"""The panel in a real browser: switched on by hand, and read by whoever debugs.

Run as a program it makes the picture that the documentation shows:

    python -m tests.test_toolbar_browser docs/toolbar.png
"""

from __future__ import annotations

import sys

from pyramid.response import Response
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.command import Command
from selenium.webdriver.support import expected_conditions as seen
from selenium.webdriver.support.wait import WebDriverWait

from pyramid_beakerish import cache_region
from tests.https import served
from tests.servers import new_folder, own, remove_folders, running
from tests.servers.chromium import PAGE_PATIENCE, Chromium
from tests.test_toolbar import Toolbar

PAGE = "<html><body>{}</body></html>"


@cache_region("short_term")
def price(article):
    return {"apple": 30, "pear": 50}[article]


def shop(request):
    """A view that does a little of everything."""
    session = request.session
    session.setdefault("cart", []).append("apple")
    session.modify("visits", lambda n: n + 1, 0)
    total = sum(price(article) for article in session["cart"])
    return Response(PAGE.format(total))


def on(driver):
    return WebDriverWait(driver, PAGE_PATIENCE)


def open_toolbar(driver, address):
    """Visit the page, and open the toolbar's page for that request."""
    driver.get(f"{address}/page")
    button = on(driver).until(seen.presence_of_element_located((By.ID, "pShowToolBarButton")))
    driver.get(button.get_attribute("href"))


def switch_on(driver, address):
    """Switch the panel on, as a developer does."""
    open_toolbar(driver, address)
    click(driver, By.LINK_TEXT, "Settings")
    click(driver, By.ID, "pDebugPanel-beakerish-switch")


def show_panel(driver, address):
    """Visit the page, and show what the panel tells of it."""
    open_toolbar(driver, address)
    click(driver, By.ID, "pDebugPanel-beakerish")
    where = (By.ID, "beakerish-panel")
    return on(driver).until(seen.visibility_of_element_located(where))


def click(driver, by, name):
    on(driver).until(seen.element_to_be_clickable((by, name))).click()


def site():
    toolbar = Toolbar(**{"cache.regions": "short_term"})
    toolbar.view = shop
    return toolbar.site.app


def test_the_panel_is_switched_on_and_read(tmp_path):
    """Off it says so; switched on in the toolbar's settings it tells of the next request."""
    with served(site(), tmp_path) as address, running(Chromium).browser() as driver:
        assert "was off" in show_panel(driver, address).text
        switch_on(driver, address)
        text = show_panel(driver, address).text
        assert "Cookie not sent" in text
        assert "read, changed" in text
        assert "swap session" in text
        assert "test_toolbar_browser.price" in text
        assert driver.get_cookie("beaker.session.id")["value"].partition(".")[0] not in text
        assert errors(driver) == []


def errors(driver):
    """Give what the browser complains of, but for the icon that no page has."""
    log = driver.execute(Command.GET_LOG, {"type": "browser"})["value"]
    found = (entry["message"] for entry in log)
    return [message for message in found if "favicon.ico" not in message]


def take_picture(path):
    """Write the picture for the documentation."""
    with (
        own(Chromium) as chromium,
        served(site(), new_folder()) as address,
        chromium.browser() as driver,
    ):
        driver.set_window_size(980, 1500)
        switch_on(driver, address)
        show_panel(driver, address)
        show_panel(driver, address).screenshot(path)


if __name__ == "__main__":
    take_picture(sys.argv[1])
    remove_folders()
