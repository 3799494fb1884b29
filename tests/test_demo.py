"""The demonstration, as example.ini starts it."""

from __future__ import annotations

import contextlib
import itertools
import re
import subprocess
import sys
import threading
import urllib.request
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from markupsafe import escape
from pyramid.paster import get_app
from webtest import TestApp

from tests.servers.process import dies_with_us, wait_or_kill

EXAMPLE = Path(__file__).parent.parent / "example.ini"
START_DEADLINE = 30
SEED_KEYS = [
    "session.type",
    "session.data_dir",
    "session.lock_dir",
    "session.timeout",
    "session.key",
    "session.secret",
    "session.cookie_on_exception",
    "cache.regions",
    "cache.type",
    "cache.second.expire",
    "cache.short_term.expire",
    "cache.default_term.expire",
    "cache.long_term.expire",
]


def copy_of_example(folder, **changed):
    """Write example.ini into a folder of its own, where its data go, with some lines changed."""
    text = EXAMPLE.read_text()
    for key, value in {"demo.slow_seconds": "0", **changed}.items():
        text, count = re.subn(rf"(?m)^{re.escape(key)} = .*$", f"{key} = {value}", text)
        assert count == 1
    path = folder / "example.ini"
    path.write_text(text)
    return path


@pytest.fixture
def ini(tmp_path):
    return copy_of_example(tmp_path)


@pytest.fixture
def app(ini):
    return TestApp(get_app(str(ini)))


def login(app, name, **fields):
    form = app.get("/login").forms[0]
    form["user"] = name
    for field, value in fields.items():
        form[field] = value
    return form.submit()


def add_note(app, note):
    form = app.get("/notes").forms[0]
    form["note"] = note
    return form.submit()


def test_two_pages_share_one_counter(app):
    """The counter goes on over the tutorial's two pages."""
    pages = [app.get(path).text for path in ("/", "/howdy", "/", "/howdy")]
    assert [re.findall(r"Count: \d+", page) for page in pages] == [
        [f"Count: {n}"] for n in (1, 2, 3, 4)
    ]
    assert "Hi Home View" in pages[0]
    assert "Hi Hello View" in pages[1]


def test_visitors_have_counters_of_their_own(ini, app):
    """Another visitor begins at one."""
    app.get("/")
    other = TestApp(app.app)
    assert "Count: 1" in other.get("/").text


def test_counter_goes_on_after_a_restart(ini, app):
    """An application that is started anew on the same folder knows its visitors."""
    assert "Count: 1" in app.get("/").text
    restarted = TestApp(get_app(str(ini)), cookiejar=app.cookiejar)
    assert "Count: 2" in restarted.get("/howdy").text


def test_login_welcome_logout(app):
    """Who logs in is welcomed by name until the logout, each with a message after the redirect."""
    answer = login(app, "bob")
    assert answer.status_int == 303
    welcome = answer.follow()
    assert "Welcome bob" in welcome.text
    assert "You are logged in, bob." in welcome.text
    assert "You are logged in" not in app.get("/login").follow().text
    goodbye = app.get("/read").forms[0].submit().follow()
    assert "You have been logged out" in goodbye.text
    assert "Please log in first." in app.get("/read").follow().text


@pytest.mark.parametrize("page", ["/read", "/devices"])
def test_who_is_sent_to_the_login_again_and_again_is_told_once(app, page):
    """Nobody fills the store by asking for a page that he may not see."""
    answers = [app.get(page) for _ in range(3)]
    assert answers[-1].follow().text.count("Please log in first.") == 1


def test_login_gives_the_session_a_new_id(app):
    """The cookie from before the login opens nothing after it."""
    app.get("/")
    planted = app.cookies["mykey"]
    login(app, "bob")
    assert app.cookies["mykey"] != planted
    stranger = TestApp(app.app)
    stranger.set_cookie("mykey", planted)
    assert stranger.get("/read").status_int == 303


def test_logout_ends_the_session(app):
    """A copy of the cookie is worth nothing after the logout."""
    login(app, "bob")
    copied = app.cookies["mykey"]
    app.get("/read").forms[0].submit()
    thief = TestApp(app.app)
    thief.set_cookie("mykey", copied)
    assert thief.get("/read").status_int == 303


def test_devices_of_a_user(app):
    """A user sees where he is logged in, and ends one session or all of them."""
    other = TestApp(app.app, extra_environ={"HTTP_USER_AGENT": "Phone <b>"})
    login(app, "bob")
    login(other, "bob")
    login(TestApp(app.app), "eve")
    shown = app.get("/devices")
    assert shown.text.count("<tr><td>") == 2
    assert "Phone &lt;b&gt;" in shown.text
    assert "That session has ended." in shown.forms[0].submit().follow().text
    assert other.get("/read").status_int == 303
    login(other, "bob")
    goodbye = app.get("/devices").forms[1].submit("everywhere").follow()
    assert "logged out everywhere" in goodbye.text
    assert other.get("/devices").status_int == app.get("/read").status_int == 303


def test_devices_of_nobody(app):
    """Who is not logged in has no devices to see or to end."""
    assert "Please log in first." in app.get("/devices").follow().text
    token = app.get("/notes").forms[0]["csrf_token"].value
    assert app.post("/devices", {"csrf_token": token}).status_int == 303
    login(app, "bob")
    token = app.get("/notes").forms[0]["csrf_token"].value
    answer = app.post("/devices", {"csrf_token": token, "handle": "nonsense"})
    assert "has ended" not in answer.follow().text


def test_remember_me_keeps_the_cookie_for_a_month(app):
    """The cookie outlives the browser for who asks for it."""
    cookie = SimpleCookie(login(app, "bob", remember=True).headers["Set-Cookie"])["mykey"]
    assert cookie["max-age"] == str(30 * 24 * 3600)


def test_forgotten_login_has_no_max_age(app):
    """Without the tick the cookie ends with the browser."""
    cookie = SimpleCookie(login(app, "bob").headers["Set-Cookie"])["mykey"]
    assert cookie["max-age"] == ""
    assert cookie["httponly"]


def test_empty_input_is_asked_for_again(app):
    """An empty name or note is refused with a message."""
    assert "Please enter a name." in login(app, "  ").follow().text
    assert "Please enter a note." in add_note(app, "").follow().text


def test_a_file_in_the_place_of_a_text(app):
    """A field that carries a file is as good as empty."""
    for path, form, field in (("/login", 0, "user"), ("/notes", 0, "note")):
        token = app.get(path).forms[form]["csrf_token"].value
        sent = app.post(path, {"csrf_token": token}, upload_files=[(field, "a.txt", b"text")])
        assert "Please enter a" in sent.follow().text


def test_notes_are_kept(app):
    """The last notes are listed in their order."""
    for n in range(7):
        add_note(app, f"note {n}")
    page = app.get("/notes").text
    assert re.findall(r"<li>(.*)</li>", page) == [f"note {n}" for n in range(2, 7)]


def test_form_with_a_wrong_token_is_refused(app):
    """A wrong or missing token is answered with a friendly page, and nothing is kept."""
    refusal = app.get("/notes").forms[1].submit(status=400)
    assert "This form was refused" in refusal.text
    app.post("/notes", {"note": "You will not see this."}, status=400)
    app.post("/logout", status=400)
    assert "<li>" not in app.get("/notes").text


@pytest.mark.parametrize(
    "evil", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{x}"]
)
def test_what_visitors_send_is_escaped(app, evil):
    """Names and notes are shown as they were typed, never as markup."""
    evil_pages = [login(app, evil).follow(), app.get("/read"), add_note(app, evil).follow()]
    for page in evil_pages:
        assert str(escape(evil)) in page.text
        assert evil not in page.text or evil == str(escape(evil))


def test_odd_bytes_do_no_harm(app):
    """What is no UTF-8 is taken as replacement characters."""
    token = app.get("/notes").forms[0]["csrf_token"].value
    app.post("/notes", f"csrf_token={token}&note=%ff%ed%a0%80%00x".encode(), status=303)
    assert "<li>" in app.get("/notes").text


def report_rows(page):
    cells = r'<th scope="row">(\w+)</th><td>([\d.]+) s</td><td>(\w+)</td>\n<td>[\d.]+ s</td>'
    return re.findall(cells, page.text)


def test_slow_page_is_cached_in_two_regions(app):
    """The first visit makes both reports, the next finds that of the longer region at least."""
    assert report_rows(app.get("/cache")) == [("second", "1", "miss"), ("short_term", "60", "miss")]
    assert report_rows(app.get("/cache"))[1] == ("short_term", "60", "hit")


def test_button_forgets_both_reports(app):
    """After the button both reports are made anew, and a message says so."""
    page = app.get("/cache")
    after = page.forms[0].submit().follow()
    assert "Both reports were forgotten" in after.text
    assert [row[2] for row in report_rows(after)] == ["miss", "miss"]


def test_session_page_shows_keys_and_no_values(app):
    """The page names what the session holds; values and the id are not on it."""
    assert "nothing yet" in app.get("/session").text
    login(app, "a name that is nowhere else")
    app.get("/read")
    page = app.get("/session").text
    assert "user" in page
    assert "nowhere else" not in page
    assert app.cookies["mykey"].partition(".")[0] not in page


@pytest.mark.parametrize(
    "path", ["/", "/howdy", "/login", "/notes", "/cache", "/session", "/no/such/page"]
)
def test_every_page_leads_to_every_other(app, path):
    """Each page has the navigation, and loads nothing from elsewhere."""
    page = app.get(path, status="*")
    links = set(re.findall(r'href="([^"]*)"', page.text))
    assert {"/", "/howdy", "/login", "/notes", "/cache", "/session"} <= links
    assert not re.search(r"https?://|src=", page.text)
    assert '<html lang="en">' in page.text


def test_example_names_every_setting_of_the_seed():
    """Each key of the documented example stands at the start of a line, below its comment."""
    lines = EXAMPLE.read_text().splitlines()
    keys = {line.split(" = ")[0]: above for above, line in itertools.pairwise(lines)}
    for key in SEED_KEYS:
        assert keys[key].startswith("# "), key


# The real server


@contextlib.contextmanager
def served(ini):
    """Run ``pserve example.ini`` and tell its address; end it when that is done with."""
    command = dies_with_us([sys.executable, "-m", "pyramid.scripts.pserve", str(ini)])
    with subprocess.Popen(command, cwd=ini.parent, stderr=subprocess.PIPE, text=True) as server:
        too_late = threading.Timer(START_DEADLINE, server.kill)
        too_late.daemon = True
        too_late.start()
        try:
            yield address_of(server)
        finally:
            too_late.cancel()
            server.terminate()
            wait_or_kill(server)


def address_of(server):
    log = []
    for line in server.stderr:
        log.append(line)
        if " Serving on " in line:
            return line.split()[-1]
    pytest.fail("pserve did not start:\n" + "".join(log))


def test_pserve_serves_it_and_the_counter_goes_on(tmp_path):
    """The server itself, stopped and started again, goes on counting."""
    ini = copy_of_example(tmp_path, listen="127.0.0.1:0")
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    for expected in ("Count: 1", "Count: 2"):
        with served(ini) as address, browser.open(address + "/") as answer:
            assert expected in answer.read().decode()
