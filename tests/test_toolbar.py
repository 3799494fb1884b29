"""The panel of the debug toolbar: what it tells of a request, and that looking changes nothing."""

from __future__ import annotations

import html
import re
import threading
from functools import cached_property

import pytest
from pyramid.response import Response
from webtest import TestApp

from pyramid_beakerish import cache_region
from pyramid_beakerish.cache.configured import configured
from pyramid_beakerish.cache.watched import watched_calls
from pyramid_beakerish.errors import RegionNotConfigured, StoreUnavailable
from pyramid_beakerish.settings import session_settings
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.stores.timed import TimedStore
from tests.scenarios import Site, set_cookies

PANEL = "pyramid_beakerish.toolbar.SessionPanel"
SECRET = "a secret that only these tests know, long enough"
CONTENT = re.compile(r'<div id="beakerish-panel">(.*?)</div>', re.DOTALL)
ROW = re.compile(r"<tr>(.*?)</tr>", re.DOTALL)
CELL = re.compile(r"<td>(.*?)</td>", re.DOTALL)


class Toolbar:
    """A site with the toolbar, and a visitor who has switched panels on."""

    def __init__(self, *active, **settings):
        given = {"debugtoolbar.extra_panels": PANEL, "session.secret": SECRET}
        self.site = Site("pyramid_debugtoolbar", settings={**given, **settings})
        self.site.page("page")(lambda request: self.view(request))
        self.active = "%2C".join(active)

    @cached_property
    def browser(self):
        browser = self.site.stranger()
        browser.set_cookie("pdtb_active", self.active)
        return browser

    def visit(self, view, **options):
        """Have a view answer a request of the visitor's, and give the response."""
        self.view = view
        return self.browser.get("/page", **options)

    def panel(self):
        """Give the HTML of the panel for the last request, as the toolbar's own page shows it."""
        request_id = self.site.app.registry.pdtb_history.last(1)[0][0]
        (content,) = CONTENT.findall(self.browser.get(f"/_debug_toolbar/{request_id}").text)
        return content

    def rows(self, title):
        """Give the cells of the rows under a title of the panel."""
        _, _, part = self.panel().partition(f"<h4>{title}</h4>")
        part = part.partition("<h4>")[0]
        rows = [CELL.findall(row) for row in ROW.findall(part)]
        return [[html.unescape(cell) for cell in row] for row in rows if row]

    def session(self):
        return dict(self.rows("Session"))

    def keys(self):
        return {key: done for key, _, done in self.rows("Keys")}

    def commands(self):
        return [
            (command, kind) for command, kind, _, _ in self.rows("Commands to the session store")
        ]


@pytest.fixture
def on():
    return Toolbar("beakerish", **{"cache.regions": "short, off", "cache.off.enabled": "false"})


def test_it_tells_what_was_read_changed_and_removed(on):
    """Each key has its size in the store and what the application did with it."""
    on.visit(lambda request: request.session.update(seen=1, cart=["apple"], old="x", other="y"))
    assert on.keys() == dict.fromkeys(["seen", "cart", "old", "other"], "changed")

    def use(request):
        session = request.session
        del session["old"]
        session["cart"].append("pear")
        return str(session["seen"])

    on.visit(use)
    assert on.keys() == {
        "seen": "read", "cart": "read, changed", "old": "read, removed", "other": ""
    }  # fmt: skip
    assert on.session()["Size"] == f"{sum(int(size or 0) for _, size, _ in on.rows('Keys'))} bytes"
    assert int(on.session()["Size"].split()[0]) > 20


def test_iteration_reads_every_key(on):
    """Whoever goes through all keys has read them."""
    on.visit(lambda request: request.session.update(a=1, b=2))
    on.visit(lambda request: Response(str(dict(request.session))))
    assert on.keys() == {"a": "read", "b": "read"}


def test_it_tells_the_commands_and_how_long_they_took(on):
    """Each call to the store is there in order, with its time."""
    on.visit(lambda request: request.session.update(a=1))
    assert on.commands() == [("create", "session")]
    on.visit(lambda request: request.session.update(a=2))
    assert on.commands() == [("load", "session"), ("swap", "session")]
    times = [time for _, _, time, _ in on.rows("Commands to the session store")]
    assert all(re.fullmatch(r"\d+\.\d{3} ms", time) for time in times)


def test_it_tells_which_command_failed(on):
    """A store that is down shows as the error it raised."""
    on.visit(lambda request: request.session.update(a=1))
    on.site.store.fail("load")
    on.visit(lambda request: request.session["a"], status=503)
    (row,) = on.rows("Commands to the session store")
    assert (row[0], row[3]) == ("load", "StoreUnavailable")


def test_it_tells_the_sessions_times(on):
    """When the session began, was last used and ends, and the limits that hold for it."""
    on.visit(lambda request: request.session.update(a=1))
    on.visit(lambda request: request.session.set_lifetime(timeout=3600, lifetime=7200))
    assert on.session() == {
        "Name in the log": on.session()["Name in the log"],
        "Begun": "2023-11-14 22:13:20 UTC",
        "Last used": "2023-11-14 22:13:20 UTC",
        "Ends": "2023-11-14 23:14:20 UTC",
        "Timeout": "3600",
        "Lifetime": "7200",
        "Size": on.session()["Size"],
        "Age": "0:00:00",
        "Cookie": "sent, as this session's own times, path, domain or user were set",
    }


def test_a_session_without_end_says_so():
    """A session that never ends by itself shows that."""
    toolbar = Toolbar("beakerish", **{"session.timeout": "none"})
    toolbar.visit(lambda request: request.session.update(a=1))
    assert (toolbar.session()["Ends"], toolbar.session()["Timeout"]) == ("never", "none")


def test_the_name_is_that_of_the_log_and_no_id(on, caplog):
    """The session has the fingerprint that the log has; its id is nowhere in the panel."""
    caplog.set_level("INFO", "pyramid_beakerish")
    on.visit(lambda request: request.session.update(a=1))
    assert on.session()["Name in the log"] in caplog.text
    session_id = on.browser.cookies["beaker.session.id"].partition(".")[0]
    assert session_id not in on.panel()


def login(request):
    request.session["auth.userid"] = "bob"
    return "hello"


def test_it_tells_why_a_cookie_was_sent(on):
    """A new session, a login and a logout each have their reason; a plain read has none."""
    on.visit(lambda request: request.session.update(a=1))
    assert on.session()["Cookie"] == "sent, as the session is new"
    on.visit(lambda request: str(request.session["a"]))
    assert on.session()["Cookie"] == "not sent"
    on.visit(login)
    assert on.session()["Cookie"] == "sent, as the session has a new id, as after a login"
    on.visit(lambda request: request.session.invalidate())
    assert on.session()["Cookie"].startswith("sent, as the session was ended")
    assert on.rows("Events") == [["SessionEnded: logout"]]


def test_it_tells_of_renewal_and_of_sliding():
    """A cookie that lives on, and an id that was old enough, have their reasons."""
    settings = {"session.cookie_expires": "14d", "session.renew_id_every": "1h"}
    toolbar = Toolbar("beakerish", **settings)
    toolbar.visit(lambda request: request.session.update(a=1))
    toolbar.site.clock.advance(120)
    toolbar.visit(lambda request: str(request.session["a"]))
    assert (
        toolbar.session()["Cookie"] == "sent, as the cookie's expiry is extended with the session's"
    )
    before = dict(toolbar.browser.cookies)
    toolbar.site.clock.advance(3600)
    toolbar.visit(lambda request: str(request.session["a"]))
    assert "renew_id_every" in toolbar.session()["Cookie"]
    assert toolbar.rows("Events") == [["SessionRotated"]]
    toolbar.browser.set_cookie("beaker.session.id", before["beaker.session.id"])
    toolbar.visit(lambda request: str(request.session["a"]))
    assert toolbar.session()["Cookie"] == "sent, as another request has just renewed the id"


def test_it_tells_of_a_new_secret():
    """A cookie that an older secret has signed is sent anew, and the panel says why."""
    old = Toolbar("beakerish")
    old.visit(lambda request: request.session.update(a=1))
    settings = {"session.secret": f"{SECRET} as well\n{SECRET}", "session.type": old.site.store}
    new = Toolbar("beakerish", **settings)
    new.browser.set_cookie("beaker.session.id", old.browser.cookies["beaker.session.id"])
    new.visit(lambda request: str(request.session["a"]))
    assert "not signed with the newest" in new.session()["Cookie"]


def test_it_tells_of_a_session_that_was_brought_over(tmp_path):
    """The cookie of a session that was kept elsewhere before is sent for that reason."""
    own = {"type": "file", "data_dir": str(tmp_path), "secret": SECRET}
    old = Toolbar(**{f"session.{name}": value for name, value in own.items()})
    old.visit(lambda request: request.session.update(a=1))
    new = Toolbar("beakerish", **{f"session.previous.{name}": value for name, value in own.items()})
    new.browser.set_cookie("beaker.session.id", old.browser.cookies["beaker.session.id"])
    new.visit(lambda request: str(request.session["a"]))
    assert new.session()["Cookie"] == "sent, as the session comes from an earlier configuration"


def test_it_tells_of_a_renewal_under_way():
    """A change that meets another request's renewal sends the cookie for that reason."""
    toolbar = Toolbar("beakerish", **{"session.renew_id_every": "1h"})
    site = toolbar.site
    settings = {"session.type": site.store, "beakerish.clock": site.clock}
    other = Toolbar(**{"session.renew_id_every": "1h"}, **settings)
    toolbar.visit(lambda request: request.session.update(a=1))
    other.browser.set_cookie("beaker.session.id", toolbar.browser.cookies["beaker.session.id"])
    site.clock.advance(3599)

    def meanwhile(request):
        request.session["b"] = 2
        site.clock.advance(1)
        other.visit(lambda request: str(request.session["a"]))

    toolbar.visit(meanwhile)
    assert toolbar.session()["Cookie"] == "sent, as another request has just renewed the id"


@cache_region("short")
def doubled(number):
    return 2 * number


@cache_region("off")
def tripled(number):
    return 3 * number


def test_it_tells_of_cache_calls(on):
    """A call of a decorated function, and one to a region, with key, outcome and time."""

    def ask(request):
        region = request.cache_regions["short"]
        return str([doubled(1), doubled(1), region.get_or_create("k", str), tripled(2)])

    on.visit(ask)
    rows = on.rows("Cache calls")
    assert [(row[0], row[3]) for row in rows] == [
        ("short", "miss"), ("short", "hit"), ("short", "miss")
    ]  # fmt: skip
    assert rows[0][1].endswith("doubled")
    assert rows[0][2] == rows[1][2] != rows[2][2] == "k"
    assert all(re.fullmatch(r"\d+\.\d{3} ms", row[4]) for row in rows)


def test_a_call_within_a_call_has_a_row_of_its_own(on):
    """A function that asks for another one: both are there, each with its own outcome."""

    @cache_region("short", "within")
    def outer(number):
        return doubled(number) + 1

    on.visit(lambda request: str((doubled(9), outer(9))))
    assert [row[3] for row in on.rows("Cache calls")] == ["miss", "hit", "miss"]


def test_what_is_no_question_works_as_ever(on):
    """A watched region can be refreshed and invalidated, which are no rows."""

    def change(request):
        doubled.refresh(4)
        doubled.invalidate(4)
        request.cache_regions["short"].invalidate("k")
        return str(request.cache_regions["short"].peek("k"))

    on.visit(change)
    assert on.rows("Cache calls") == []


def test_watched_regions_are_switched_like_plain_ones(on):
    """What a watched request switches off, one region or all, is off afterwards as well."""
    plain = on.site.app.registry.pyramid_beakerish_regions

    def switch(request):
        regions, states = request.cache_regions, []
        for region, enabled in ((regions, True), (regions["short"], False), (regions, False)):
            region.enabled = enabled
            states.append((regions.enabled, [each.enabled for each in plain.values()]))
        return states

    states = [(True, [True, True]), (True, [False, True]), (False, [False, False])]
    assert on.visit(switch).text.startswith(str(states))


@cache_region("nowhere")
def from_nowhere():
    return 1


def test_a_region_that_is_not_there_is_told_as_ever(on):
    """A watched request, too, is told which regions there are."""

    def ask(request):
        for question in (lambda: request.cache_regions["nowhere"], from_nowhere):
            with pytest.raises(RegionNotConfigured, match="configured regions: short, off"):
                question()

    on.visit(ask)


def test_two_requests_are_watched_at_once(on):
    """Each has its own calls, and the regions stay watched until both are over."""
    plain = on.site.app.registry.pyramid_beakerish_regions
    first, second = [], []
    with watched_calls(first):
        doubled(41)
        with watched_calls(second):
            doubled(42)
        assert configured.regions is not plain
        doubled(43)
    assert configured.regions is plain
    assert (len(first), len(second)) == (2, 1)


def test_each_change_of_a_session_that_is_there_is_told(on):
    """The usual write, into a session that exists, is told like the first one."""
    on.visit(lambda request: request.session.update(a=1))
    on.visit(lambda request: request.session.update(a=1, b=2))
    assert on.keys() == {"a": "", "b": "changed"}


def test_a_write_that_somebody_else_has_overtaken_is_no_change(on):
    """A change that is tried again, as another request was faster, is told once."""
    on.visit(lambda request: request.session.update(a=1))

    def overtaken(request):
        request.session["b"] = 2
        (key,) = on.site.store.keys("session:")
        value, token = on.site.store.load(key)
        on.site.store.swap(key, token, b"87654321" + value[8:], None)
        return "done"

    on.visit(overtaken)
    assert on.keys() == {"a": "", "b": "changed"}
    assert on.commands().count(("swap", "session")) == 2


def test_other_threads_are_not_watched(on):
    """What another thread asks while the request is watched is not in its panel."""

    def ask(request):
        thread = threading.Thread(target=doubled, args=(77,), daemon=True)
        thread.start()
        thread.join(10)
        return "done"

    on.visit(ask)
    assert on.rows("Cache calls") == []


def test_regions_are_plain_again_afterwards(on):
    """Once the request is over, decorated functions use the regions that were configured."""
    app = on.site.app
    during = []
    on.visit(lambda request: during.append(configured.regions))
    assert during[0] is not app.registry.pyramid_beakerish_regions
    assert configured.regions is app.registry.pyramid_beakerish_regions


@pytest.mark.usefixtures("own_caches")
def test_regions_that_are_configured_meanwhile_stay(on):
    """A configuration during a watched request is not undone at its end."""
    other = Site(settings={"cache.regions": "other"})

    def configure(request):
        other.config.commit()
        return "done"

    on.visit(configure)
    assert configured.regions is other.config.registry.pyramid_beakerish_regions


def test_a_page_without_session_has_none(on):
    """Looking is no use: a request that does without session has none, and nothing is loaded."""
    on.visit(lambda request: request.session.update(a=1))
    on.site.journal.clear()
    response = on.visit(lambda request: "plain")
    assert "did not use a session" in on.panel()
    assert on.site.journal == []
    assert set_cookies(response) == []
    assert "Vary" not in response.headers


def test_to_look_changes_nothing(on):
    """What the panel shows is not asked of the store, however often one looks."""
    on.visit(lambda request: request.session.update(a=["b"]))
    on.visit(lambda request: str(request.session["a"]))
    on.site.journal.clear()
    assert on.panel() == on.panel()
    assert on.site.journal == []


@pytest.mark.usefixtures("own_caches")
def test_nothing_is_collected_while_it_is_off():
    """With the panel off, the session and the regions are the plain ones."""
    toolbar = Toolbar()
    seen = []
    toolbar.visit(lambda request: seen.append((type(request.session), configured.regions)))
    assert seen[0][0].__name__ == "PyramidSession"
    assert seen[0][1] is toolbar.site.app.registry.pyramid_beakerish_regions
    assert "nothing was collected" in toolbar.panel()


@pytest.mark.parametrize("active", [(), ("beakerish",), ("beakerish", "session")], ids=str)
def test_a_request_is_served_alike(active):
    """On or off, alone or beside the toolbar's own panel: the same cookies, commands, contents."""
    toolbar = Toolbar(*active)
    response = toolbar.visit(lambda request: request.session.update(a=["b"]))
    assert set_cookies(response) == ["beaker.session.id"]
    toolbar.site.journal.clear()
    toolbar.visit(lambda request: request.session["a"].append("c"))
    assert toolbar.site.journal == ["load", "swap"]
    assert toolbar.site.contents(toolbar.browser) == {"a": ["b", "c"]}


def test_beside_the_toolbars_own_panel_the_applications_use_is_told(on):
    """What the other panel reads is not taken for the application's."""
    toolbar = Toolbar("beakerish", "session")
    toolbar.visit(lambda request: request.session.update(a=1, b=2))
    toolbar.visit(lambda request: str(request.session["a"]))
    assert toolbar.keys() == {"a": "read", "b": ""}


@pytest.mark.parametrize("format_name", ["beaker", "none"])
def test_other_sessions_are_left_alone(format_name, tmp_path):
    """Beaker's sessions, and an application without any, have no part in the panel."""
    settings = {"session.type": "file", "session.data_dir": str(tmp_path)}
    toolbar = Toolbar("beakerish", **settings, **{"session.format": "beaker"})
    if format_name == "none":
        toolbar.site.config.set_session_factory(lambda request: {})
    toolbar.visit(lambda request: request.session.update(a=1))
    assert "did not use a session" in toolbar.panel()


def test_without_cookies_the_header_is_not_read():
    """With session.use_cookies = false a watched session takes no cookie either."""
    toolbar = Toolbar("beakerish", **{"session.use_cookies": "false"})
    toolbar.visit(
        lambda request: request.session.update(a=1), headers={"Cookie": "pdtb_active=beakerish"}
    )
    assert toolbar.commands() == [("create", "session")]


def test_a_session_in_a_cookie_stays_there():
    """What the panel watches is a session of the kind that the settings ask for."""
    toolbar = Toolbar("beakerish", **{"session.type": "cookie"})
    toolbar.visit(lambda request: request.session.update(a=1))
    assert toolbar.session()["Cookie"] == "sent, as the session is new"
    unwatched = Toolbar(**{"session.type": "cookie"})
    unwatched.browser.set_cookie("beaker.session.id", toolbar.browser.cookies["beaker.session.id"])
    assert "1" in unwatched.visit(lambda request: str(request.session["a"])).text
    ids = []
    toolbar.visit(lambda request: (request.session.update(a=2), ids.append(request.session.id)))
    assert toolbar.keys() == {"a": "changed"}
    assert toolbar.commands() == []
    assert ids[0] not in toolbar.panel()
    assert toolbar.session()["Cookie"] == "sent, as the session is in it and has changed"
    assert "2" in toolbar.visit(lambda request: str(request.session["a"])).text


def test_a_session_in_a_transaction_stays_in_it():
    """With the panel on, too, an aborted transaction changes nothing in the session."""
    toolbar = Toolbar(
        "beakerish", **{"session.transactional": "true", "pyramid.includes": "pyramid_tm"}
    )
    toolbar.visit(lambda request: request.session.update(a=1))

    def doom(request):
        request.session["a"] = 2
        request.tm.doom()

    toolbar.visit(doom)
    assert toolbar.keys() == {"a": ""}
    assert "1" in toolbar.visit(lambda request: str(request.session["a"])).text


def test_an_application_without_regions_of_its_own_is_served():
    """Where this package was not included, there are no regions to watch."""
    from pyramid.config import Configurator

    from pyramid_beakerish import session_factory_from_settings

    config = Configurator(settings={"debugtoolbar.extra_panels": PANEL})
    config.include("pyramid_debugtoolbar")
    config.set_session_factory(session_factory_from_settings({"session.type": "memory"}))
    config.add_view(
        lambda request: Response(str(request.session.setdefault("a", request.path_qs))), name="page"
    )
    browser = TestApp(config.make_wsgi_app(), extra_environ={"REMOTE_ADDR": "127.0.0.1"})
    browser.set_cookie("pdtb_active", "beakerish")
    for query in ("?first", "?second"):
        assert browser.get("/page" + query).text.startswith("/page?first")


def test_the_timed_store_passes_everything_on():
    """A store that is timed answers as the one that it times."""
    settings, _ = session_settings(type="memory")
    store = TimedStore.from_settings(settings, lambda: 0.0)
    store.set("session:a", b"12345678x", None)
    value, token = store.load("session:a")
    assert store.load_many(["session:a", "user:b"]) == {"session:a": (value, token)}
    assert list(store.keys("session:")) == ["session:a"]
    assert store.swap("session:a", token, b"87654321y", None)
    assert not store.create("session:a", b"12345678z", None)
    assert store.delete("session:a")
    assert [command.kind for command in store.commands][1:3] == ["session", "session, user"]


def test_the_timed_store_notes_what_failed():
    """An error goes on to the caller, and its name is noted."""

    class Down(MemoryStore):
        def load(self, key):
            raise StoreUnavailable("down")

    store = TimedStore(Down(), [])
    with pytest.raises(StoreUnavailable):
        store.load("session:a")
    assert store.commands[0].failure == "StoreUnavailable"
