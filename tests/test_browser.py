"""The demonstration in a real browser, over https: tabs, devices, and what the cookie is there."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from pyramid_beakerish.demo import main
from tests.https import served
from tests.servers import running
from tests.servers.chromium import PAGE_PATIENCE, Chromium

SETTINGS = {
    "pyramid.includes": "pyramid_beakerish",
    "session.type": "memory",
    "session.secret": "a secret of the tests, long enough not to be guessed",
    "cache.regions": "second, short_term",
    "demo.slow_seconds": "0",
}
NAMES = {"mykey": {}, "__Host-id": {"session.secure": "true"}}


@pytest.fixture
def chromium():
    """The driver of browsers."""
    return running(Chromium)


@pytest.fixture
def site(tmp_path):
    """Serve the demonstration."""
    with served(main({}, **SETTINGS), tmp_path) as address:
        yield address


def wait_for(driver, title):
    """Wait for the page of the title."""
    WebDriverWait(driver, PAGE_PATIENCE).until(
        lambda driver: driver.title.startswith(title), f"{driver.title} is not {title}"
    )


def press(driver, label):
    driver.find_element(By.XPATH, f"//button[text()='{label}']").click()


def is_in_sight(driver, element):
    """Tell whether a click at the middle of it would reach it, with nothing scrolled sideways."""
    middle = "const b = arguments[0].getBoundingClientRect(), x = b.x + b.width / 2;"
    at = "return document.elementFromPoint(x, b.y + b.height / 2) === arguments[0];"
    return driver.execute_script(middle + at, element)


def log_in(driver, site):
    driver.get(f"{site}/login")
    driver.find_element(By.NAME, "user").send_keys("bob")
    press(driver, "Login")
    wait_for(driver, "Welcome bob")


@pytest.mark.parametrize("name", NAMES)
def test_the_cookie_that_a_browser_keeps(chromium, tmp_path, name):
    """The browser keeps the cookie as it was meant, and shows it to no script."""
    app = main({}, **SETTINGS, **NAMES[name], **{"session.key": name})
    with served(app, tmp_path) as site, chromium.browser() as driver:
        log_in(driver, site)
        (cookie,) = driver.get_cookies()
        script = "document.cookie = arguments[0]; return document.cookie"
        shown = driver.execute_script(script, f"{name}=evil; Domain=localhost; Path=/; Secure")
        kept = driver.get_cookies()
    assert cookie["name"] == name
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Lax")
    assert (cookie["path"], cookie["domain"]) == ("/", "localhost")
    assert "expiry" not in cookie
    assert cookie["value"] not in shown
    if name.startswith("__Host-"):
        assert (shown, kept) == ("", [cookie])


def test_two_tabs(chromium, site):
    """Who logs out in one tab is so in the other, and a copy of the cookie opens nothing."""
    with chromium.browser() as driver:
        log_in(driver, site)
        (cookie,) = driver.get_cookies()
        first = driver.current_window_handle
        driver.switch_to.new_window("tab")
        driver.get(f"{site}/read")
        wait_for(driver, "Welcome bob")
        press(driver, "Logout")
        wait_for(driver, "Login")
        driver.switch_to.window(first)
        driver.refresh()
        wait_for(driver, "Login")
        driver.delete_all_cookies()
        driver.add_cookie(cookie)
        driver.get(f"{site}/read")
        wait_for(driver, "Login")


def test_two_devices(chromium, site):
    """Who logs out everywhere in one browser is logged out in the other."""
    with chromium.browser() as phone, chromium.browser() as desk:
        log_in(phone, site)
        log_in(desk, site)
        desk.get(f"{site}/devices")
        assert len(desk.find_elements(By.CSS_SELECTOR, "tbody tr")) == 2
        assert is_in_sight(desk, desk.find_element(By.XPATH, "//button[text()='End']"))
        press(desk, "Log out everywhere")
        wait_for(desk, "Login")
        phone.get(f"{site}/read")
        wait_for(phone, "Login")
