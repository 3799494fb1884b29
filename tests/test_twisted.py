"""Sessions under twisted.web: the names that Twisted has, in stores that outlive the process."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.client import parse_headers
from io import BytesIO

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock, Cooperator
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from twisted.web.test.requesthelper import DummyRequest
from zope.interface import Attribute, Interface, implementer

from pyramid_beakerish import SettingsError
from pyramid_beakerish.errors import SerializationError, StoreUnavailable
from pyramid_beakerish.sessions import components
from pyramid_beakerish.sessions.components import ComponentRegistry
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.twisted import SessionSite, TwistedSession, get_session
from pyramid_beakerish.twisted.request import APOLOGY
from tests.garbage import collect
from tests.test_docs import ROOT, blocks

COOKIE = "beaker.session.id"


class ICounter(Interface):
    value = Attribute("An int value which counts up once per page view.")


@implementer(ICounter)
class Counter:
    def __init__(self, session):
        self.value = 0


class CounterResource(Resource):
    """The resource of Twisted's page."""

    isLeaf = True

    def render_GET(self, request):
        session = get_session(request)
        counter = ICounter(session)
        counter.value += 1
        return b"Visit #%d for you!" % (counter.value,)


class Work(Resource):
    """Does what each request asks for, with the session and the request."""

    isLeaf = True

    def __init__(self):
        super().__init__()
        self.work = None

    def render_GET(self, request):
        result = self.work(request)
        return result if result is NOT_DONE_YET else str(result).encode()


class FailingStore(MemoryStore):
    """Fails where it is told to."""

    failing = ()
    meanwhile = staticmethod(lambda: None)

    def _check(self, method):
        self.meanwhile()
        if method in self.failing:
            raise StoreUnavailable("the test has shut the store down")

    def load(self, key):
        self._check("load")
        return super().load(key)

    def create(self, key, value, ttl):
        self._check("create")
        return super().create(key, value, ttl)


class StrictClock(Clock):
    """Refuses what should have happened before, as reactors do."""

    def callLater(self, when, *call, **options):
        assert when >= 0
        return super().callLater(when, *call, **options)


class Response:
    """What the server sent."""

    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        status, _, fields = head.partition(b"\r\n")
        self.status = int(status.split()[1])
        self.headers = parse_headers(BytesIO(fields + b"\r\n\r\n"))


class Browser:
    """Speaks HTTP with a site, and keeps its cookies."""

    def __init__(self, site):
        self.site = site
        self.cookies = {}

    def open(self, method=b"GET", version="1.0", fields=""):
        """Send a request and give its transport. A cookie may be anything that latin-1 has."""
        transport = StringTransport()
        self.protocol = self.site.buildProtocol(None)
        self.protocol.makeConnection(transport)
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        header = f"Cookie: {cookie}\r\n" if cookie else ""
        text = f"{method.decode()} / HTTP/{version}\r\n{header}{fields}\r\n"
        self.protocol.dataReceived(text.encode("latin-1"))
        return transport

    def read(self, transport):
        """Give the response that a transport has got."""
        response = Response(transport.value())
        for header in response.headers.get_all("Set-Cookie", []):
            name, _, value = header.partition(";")[0].partition("=")
            self.cookies[name] = value
        return response

    def get(self):
        return self.read(self.open())

    def use(self, work):
        """Have the resource call ``work(session)``; give the text of the response."""
        self.site.resource.work = lambda request: str(work(get_session(request)))
        response = self.get()
        assert response.status == 200, response.body
        return response.body.decode()


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """Registrations that end with the test."""
    registry = ComponentRegistry()
    registry.register(Counter, ICounter)
    monkeypatch.setattr(components, "everywhere", registry)


@pytest.fixture
def logged():
    """What Twisted logs meanwhile."""
    events = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


@pytest.fixture
def clock():
    """Time that passes when told, and has passed for a while."""
    clock = StrictClock()
    clock.advance(1_000_000)
    return clock


@pytest.fixture
def store(clock):
    return FailingStore(clock.seconds)


@pytest.fixture
def site(store, clock):
    # What may block is tested in a process of its own: examples/twisted_counter.
    site = SessionSite(Work(), type=store, reactor=clock, timeout=100, touch_interval=10)
    yield site
    site.stopFactory()


@pytest.fixture
def browser(site):
    return Browser(site)


@pytest.fixture
def elsewhere(browser, store, clock):
    """The same visitor, served by another process."""
    other = Browser(SessionSite(Work(), type=store, reactor=clock, timeout=100, touch_interval=10))
    other.cookies = browser.cookies
    return other


def test_the_counter_of_the_page(store, clock):
    """Twisted's resource counts the visits of each browser, and goes on after a restart."""
    browser = Browser(SessionSite(CounterResource(), type=store, reactor=clock))
    texts = [browser.get().body for _ in range(2)]
    browser.site = SessionSite(CounterResource(), type=store, reactor=clock)
    assert [*texts, browser.get().body] == [b"Visit #%d for you!" % n for n in (1, 2, 3)]
    assert Browser(browser.site).get().body == b"Visit #1 for you!"


def test_the_example_of_the_docs(monkeypatch):
    """What docs/from_twisted.rst has somebody copy stands alone, and counts visits of the root."""
    monkeypatch.setattr(components, "everywhere", components.register_component.__self__)
    page = ROOT / "docs" / "from_twisted.rst"
    copied = {"__name__": "copied"}
    exec(compile(blocks(page, "python")[-1], page.name, "exec"), copied)
    browser = Browser(copied["site"])
    assert [browser.get().body for _ in range(2)] == [b"Visit #1 for you!", b"Visit #2 for you!"]


def test_one_session_for_each_request_and_browser(browser, site):
    """Within a request the session is one object; who does not ask, or only reads, makes none."""

    def work(request):
        assert get_session(request) is get_session(request)
        get_session(request)["a"] = 1
        assert get_session(request, ICounter) is ICounter(get_session(request))

    site.resource.work = lambda request: "nothing"
    response = browser.get()
    assert (response.headers["Set-Cookie"], response.headers["Vary"]) == (None, None)
    assert browser.use(lambda session: (dict(session), session.new)) == "({}, True)"
    assert browser.cookies == {}
    site.resource.work = work
    browser.get()
    assert list(browser.cookies) == [COOKIE]
    site.resource.work = lambda request: "nothing"
    assert browser.get().headers["Vary"] is None
    assert browser.use(lambda session: session["a"]) == "1"


def test_headers(site):
    """The cookie is out of reach of scripts and other sites, and the response is private."""
    browser = Browser(site)
    browser.site.resource.work = lambda request: get_session(request).update(a=1)
    response = browser.get()
    assert "HttpOnly; SameSite=Lax" in response.headers["Set-Cookie"]
    assert response.headers["Vary"] == "Cookie"
    assert response.headers["Cache-Control"] == "private"
    browser.site.resource.work = lambda request: dict(get_session(request))
    response = browser.get()
    assert (response.headers["Set-Cookie"], response.headers["Vary"]) == (None, "Cookie")


def test_headers_of_the_page(site):
    """What the page says of itself stays, but for what would have others see the session."""

    def work(request):
        request.setHeader(b"Vary", b"Accept")
        request.setHeader(b"Cache-Control", b"public, max-age=60")
        get_session(request)["a"] = 1

    site.resource.work = work
    response = Browser(site).get()
    assert response.headers.get_all("Vary") == ["Accept, Cookie"]
    assert response.headers.get_all("Cache-Control") == ["max-age=60, private"]


@pytest.mark.parametrize("https", [False, True])
def test_a_secure_cookie(site, https):
    """A cookie that was set over https, be it to a proxy, is sent back over https alone."""

    def work(request):
        request.setHost(b"example.com", 443, ssl=https)
        get_session(request)["a"] = 1

    site.resource.work = work
    assert ("Secure" in Browser(site).get().headers["Set-Cookie"]) is https


def test_uid(browser):
    """The id has 256 random bits, is kept, and changes when it is asked to."""
    first = browser.use(lambda session: session.save() or session.uid)
    assert len(first) == 43
    assert browser.use(lambda session: session.uid) == first
    second = browser.use(lambda session: session.regenerate_id() or session.uid)
    assert first != second == browser.use(lambda session: session.uid)


def test_a_login(browser):
    """Who logs in gets a new id, as under Pyramid."""
    before = browser.use(lambda session: session.update(a=1) or session.uid)
    browser.use(lambda session: session.update({"auth.userid": "bob"}))
    assert browser.use(lambda session: session.uid) != before
    assert browser.use(lambda session: session["a"]) == "1"


def test_cookies_in_several_headers(browser, site):
    """The session is found by the cookie in any of them."""
    browser.use(lambda session: session.update(a=1))
    ((name, value),) = browser.cookies.items()
    site.resource.work = lambda request: dict(get_session(request))
    browser.cookies = {name: f"{value}\r\nCookie: b=2"}
    assert browser.get().body == b"{'a': 1}"


def test_an_unknown_id_gives_a_new_session(browser):
    """An id that the server did not give is not taken on."""
    browser.cookies[COOKIE] = "x" * 43
    assert browser.use(lambda session: session.save() or session.new) == "True"
    assert browser.cookies[COOKIE] != "x" * 43


def test_a_cookie_of_another_application_that_is_no_utf8(browser):
    """Whatever bytes another application's cookie has, the visitor is served, with the session."""
    browser.cookies["name"] = "M\xfcller"
    browser.use(lambda session: session.update(a=1))
    assert browser.use(dict) == "{'a': 1}"


def test_timeout_by_the_injected_clock(browser, clock):
    """The session ends when it was not used for the timeout; to ask for it keeps it alive."""
    browser.use(lambda session: session.update(a=1))
    for work in (lambda session: None, TwistedSession.touch, dict):
        clock.advance(99)
        browser.use(work)
    clock.advance(99)
    assert browser.use(dict) == "{'a': 1}"
    clock.advance(111)
    assert browser.use(dict) == "{}"


def test_a_page_without_the_session_does_not_keep_it_alive(browser, site, clock):
    """Only a request that asks for the session counts as use."""
    browser.use(lambda session: session.update(a=1))
    site.resource.work = lambda request: "nothing"
    clock.advance(99)
    browser.get()
    clock.advance(99)
    assert browser.use(dict) == "{}"


def test_session_timeout_and_last_modified(browser, clock):
    """One session can have another timeout; when it was last used can be asked."""
    assert browser.use(lambda session: (session.lastModified, session.sessionTimeout)) == str(
        (clock.seconds(), 100.0)
    )

    def shorten(session):
        session["a"] = 1
        session.sessionTimeout = 20

    browser.use(shorten)
    clock.advance(5)  # less than the touch interval
    assert browser.use(lambda session: (session.lastModified, session.sessionTimeout)) == str(
        (clock.seconds() - 5, 20)
    )
    clock.advance(30)
    assert browser.use(dict) == "{}"


def test_expire(browser, store):
    """After expire the same request has a new session, and a second expire harms nothing."""

    def work(session):
        before = session.uid
        session.expire()
        session.expire()
        assert session.uid != before
        session.touch()
        return dict(session)

    browser.use(lambda session: session.update(a=1))
    assert browser.use(work) == "{}"
    assert list(store.keys("")) == []


def test_notified_of_an_expire_by_hand(browser, logged):
    """Every function is called once, after the removal; one that fails stops no other."""
    calls = []

    def wait(session):
        session["a"] = 1
        session.notifyOnExpire(lambda: calls.append("first") or 1 / 0)
        session.notifyOnExpire(lambda: calls.append("second"))

    browser.use(wait)
    browser.use(lambda session: session.expire() or calls.append("expired"))
    browser.use(lambda session: session.expire())
    assert calls == ["expired", "first", "second"]
    assert any("waited for the end" in event["log_format"] for event in logged)


def test_notified_in_the_request_that_ends_the_session(browser):
    """Who has just asked is called, too, and what follows belongs to the new session."""
    calls = []

    def work(session):
        session["a"] = 1
        session.notifyOnExpire(lambda: calls.append("old"))
        session.expire()
        session["b"] = 1
        session.notifyOnExpire(lambda: calls.append("new"))

    browser.use(work)
    assert calls == ["old"]
    browser.use(lambda session: session.delete())
    assert calls == ["old", "new"]


def test_notified_of_an_expire_by_itself(browser, elsewhere, clock, store):
    """The function is called when nobody comes, not before, and the record is gone."""
    calls = []

    def wait(session):
        session["a"] = 1
        session.notifyOnExpire(lambda: calls.append(list(store.keys(""))))

    browser.use(wait)
    for visitor in (browser, elsewhere):
        clock.advance(60)
        visitor.use(dict)
    clock.advance(60)
    assert calls == []
    clock.advance(60)
    assert calls == [[]]
    clock.advance(1000)
    assert calls == [[]]


def test_notified_after_a_rotation(browser, clock):
    """A session that goes on under another id is the same for those who wait for its end."""
    calls = []

    def wait(session):
        session["a"] = 1
        session.notifyOnExpire(lambda: calls.append(1))

    browser.use(wait)
    browser.use(lambda session: session.regenerate_id())
    clock.advance(100)
    assert calls == []
    browser.use(lambda session: session.expire())
    assert calls == [1]


def test_the_store_fails_while_somebody_waits(browser, clock, store, logged):
    """A look that fails is repeated later."""
    calls = []
    browser.use(lambda session: session.update(a=1))
    browser.use(lambda session: session.notifyOnExpire(lambda: calls.append(1)))
    store.failing = ("load",)
    clock.advance(120)
    assert calls == []
    assert any("not known" in event["log_format"] for event in logged)
    store.failing = ()
    clock.advance(60)
    assert calls == [1]


def test_a_session_that_never_ends_by_itself(store, clock):
    """Those who wait for it are called when it is ended by hand."""
    calls = []
    site = SessionSite(Work(), type=store, reactor=clock, timeout=None)
    browser = Browser(site)
    browser.use(lambda session: session.update(a=1))
    browser.use(lambda session: session.notifyOnExpire(lambda: calls.append(1)))
    assert clock.getDelayedCalls() == []
    browser.use(lambda session: session.expire())
    assert calls == [1]


def test_a_session_that_turns_endless_while_somebody_waits(browser, elsewhere, clock):
    """Where the timer finds a session without an end, it is not set again."""
    calls = []

    def wait(session):
        session["a"] = 1
        session.notifyOnExpire(lambda: calls.append(1))

    def keep(session):
        session.sessionTimeout = None

    browser.use(wait)
    elsewhere.use(keep)
    clock.advance(120)
    assert (calls, clock.getDelayedCalls()) == ([], [])


@pytest.mark.parametrize("timeout", [None, 500])
def test_a_session_that_ends_sooner_than_it_was_to(browser, clock, timeout):
    """Who waits is called when its time is over, although a later end, or none, was set before."""
    calls = []

    def wait(session):
        session.sessionTimeout = timeout
        session.notifyOnExpire(lambda: calls.append(1))

    browser.use(lambda session: session.update(a=1))
    browser.use(wait)
    browser.use(lambda session: setattr(session, "sessionTimeout", 20))
    clock.advance(19)
    assert calls == []
    clock.advance(10)
    assert (calls, clock.getDelayedCalls()) == ([1], [])


def test_a_session_that_is_over_when_it_is_saved(browser, clock, store):
    """Where storing takes longer than the session lives, who waits is called at once."""
    calls = []

    def wait(session):
        session["a"] = 1
        session.notifyOnExpire(lambda: calls.append(1))

    def take_long():
        store.meanwhile = lambda: None
        clock.advance(200)

    store.meanwhile = take_long
    browser.use(wait)
    clock.advance(0)
    assert calls == [1]


def test_nobody_is_notified_of_what_was_not_stored(browser, clock):
    """A session that was never stored has no end."""
    browser.use(lambda session: session.notifyOnExpire(lambda: 1 / 0))
    assert clock.getDelayedCalls() == []


def test_the_end_of_the_site(browser, site, clock):
    """A site that stops calls nobody, and leaves no timer behind."""

    def wait(session):
        session["a"] = 1
        session.notifyOnExpire(lambda: 1 / 0)

    browser.use(wait)
    assert clock.getDelayedCalls()
    site.stopFactory()
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("failing", [(), ("load",)])
def test_the_site_stops_while_a_session_is_looked_at(
    browser, elsewhere, site, clock, store, failing, logged
):
    """Whatever the look brings, nobody is called, no timer is set again, and nothing else fails."""

    def wait(session):
        session["a"] = 1
        session.notifyOnExpire(lambda: 1 / 0)

    browser.use(wait)
    elsewhere.use(lambda session: setattr(session, "sessionTimeout", 500))
    store.meanwhile, store.failing = site.stopFactory, failing
    clock.advance(120)
    assert clock.getDelayedCalls() == []
    told = len([event for event in logged if "log_failure" in event])
    logged.clear()
    collect()  # Twisted logs a failure that nobody has taken care of when it is forgotten
    assert (told, logged) == (len(failing), [])


def test_find_and_end_a_session_by_its_id(browser, site, store, clock):
    """A session is found by its id, changed and ended, told once; there is a `KeyError` else."""
    calls = []

    def wait(session):
        session["a"] = 1
        session.notifyOnExpire(lambda: calls.append(1))
        return session.uid

    uid = browser.use(wait)
    found, failed = [], []
    site.find_session(uid).addCallback(found.append)
    assert isinstance(found[0], TwistedSession)
    assert dict(found[0]) == {"a": 1}
    found[0].notifyOnExpire(lambda: calls.append(2))
    site.save(found[0])
    found[0].expire()
    site.save(found[0])
    assert (calls, list(store.keys("")), clock.getDelayedCalls()) == ([1, 2], [], [])
    site.find_session(uid).addErrback(failed.append)
    assert failed[0].check(KeyError)
    assert uid not in str(failed[0].value)


def test_components_by_twisteds_names(browser):
    """Components are got, put and removed by Twisted's names; an absent one is the default."""

    class IAbsent(Interface):
        pass

    def work(session):
        mine = Counter(session)
        session.setComponent(ICounter, mine)
        assert session.getComponent(ICounter) is mine
        session.unsetComponent(ICounter)
        assert ICounter(session) is not mine
        assert session.getComponent(IAbsent, 5) == 5
        with pytest.raises(TypeError, match="Could not adapt"):
            IAbsent(session)

    browser.use(work)


def test_a_site_with_a_session_class_of_its_own(clock, store):
    """A site's sessions may be of a class of the application's, with a timeout of its own."""

    class Short(TwistedSession):
        def greet(self):
            return "hello"

    site = SessionSite(Work(), type=store, reactor=clock, session_class=Short, timeout=60)
    browser = Browser(site)
    assert browser.use(lambda session: (session.greet(), session.sessionTimeout)) == str(
        ("hello", 60.0)
    )
    assert SessionSite(Work(), type=store)._manager.settings.timeout == 900


def test_namespaces(browser):
    """The session itself is the dictionary that Twisted has in ``sessionNamespaces``."""
    browser.use(lambda session: session.update(x=1))
    assert browser.use(lambda session: session["x"]) == "1"


# Requests


def test_a_request_of_another_site():
    """Where no `SessionSite` serves, that is what the error says."""
    with pytest.raises(TypeError, match="serve its resource with a SessionSite"):
        get_session(DummyRequest([b""]))
    assert not issubclass(Site, SessionSite)


def test_a_streamed_response(browser, site):
    """What is changed before the first byte is saved; the rest follows as it comes."""

    def work(request):
        get_session(request)["a"] = 1
        request.write(b"one ")
        request.write(b"two ")
        requests.append(request)
        return NOT_DONE_YET

    requests = []
    site.resource.work = work
    transport = browser.open()
    requests[0].write(b"three")
    requests[0].finish()
    assert browser.read(transport).body == b"one two three"
    assert browser.use(dict) == "{'a': 1}"


LATE = {
    "set": (lambda session: session.update(b=2), {"a": [1], "b": 2}),
    "remove": (lambda session: session.pop("a"), {}),
    "change inside": (lambda session: session["a"].append(2) or session.changed(), {"a": [1, 2]}),
}


def open_and_keep_the_save(browser, until=lambda: None):
    """Send a request; give its transport, the save that is for a thread, and the Deferred of it."""
    handed = []
    browser.site.run = lambda save: handed.append((save, Deferred())) or handed[0][1]
    transport = browser.open()
    until()
    del browser.site.run
    ((save, saving),) = handed
    return transport, save, saving


@pytest.mark.parametrize("at_work", [False, True], ids=["queued", "at work"])
@pytest.mark.parametrize(("late", "left"), LATE.values(), ids=LATE)
def test_a_change_while_a_thread_saves(browser, site, store, late, left, at_work):
    """What is changed after the first byte is stored, even if the first save is not over yet."""
    requests, entered = [], threading.Event()

    def work(request):
        get_session(request)["a"] = [1]
        request.write(b"one ")
        request.write(b"two")
        requests.append(request)
        return NOT_DONE_YET

    def in_the_store():
        store.meanwhile = lambda: None
        entered.set()
        threading.Event().wait(0.05)  # so long the change must wait

    site.resource.work = work
    transport, save, saving = open_and_keep_the_save(browser)
    thread = threading.Thread(target=save)
    if at_work:
        store.meanwhile = in_the_store
        thread.start()
        assert entered.wait(10)
    late(get_session(requests[0]))
    if not at_work:
        thread.start()
    thread.join(10)
    saving.callback(None)
    requests[0].finish()
    assert browser.read(transport).body == b"one two"
    assert browser.use(dict) == str(left)


def fail(request):
    raise LookupError


END = {
    "returns nothing": (lambda request: b"", b"one "),
    "returns the rest": (lambda request: b"two", b"one two"),
    "says more in headers": (
        lambda request: request.setResponseCode(404) or request.setHeader(b"x-late", b"1") or b"",
        b"one ",
    ),
    "fails": (fail, b"one <html>"),
}


@pytest.mark.parametrize("waits", [False, True], ids=["saved", "saving"])
@pytest.mark.parametrize(("end", "body"), END.values(), ids=END)
def test_the_first_byte_ends_the_headers(browser, site, logged, waits, end, body):
    """What the resource does after its first ``write`` changes no header, as in Twisted itself."""

    class Rendered(Work):
        def render_GET(self, request):
            get_session(request)["a"] = 1
            request.write(b"one ")
            return end(request)

    site.displayTracebacks = False
    site.resource = Rendered()
    if waits:
        transport, save, saving = open_and_keep_the_save(browser)
        save()
        saving.callback(None)
    else:
        transport = browser.open()
    response = browser.read(transport)
    assert response.status == 200
    assert response.body.startswith(body)
    assert {"Content-Length", "X-Late"}.isdisjoint(response.headers)


class Pieces:
    """Gives pieces, each when it is asked, as Twisted's files do."""

    def __init__(self, request, left):
        self.request = request
        self.left = left
        self.stopped = 0

    def stopProducing(self):
        self.stopped += 1

    def resumeProducing(self):
        self.left -= 1
        self.request.write(b"piece ")
        if not self.left:
            self.request.unregisterProducer()
            self.request.finish()


@pytest.fixture
def keep_a_producer_waiting(browser, site, clock, monkeypatch):
    """Opens a page that is sent by pieces; gives what sends them, the transport, and the save."""
    cooperator = Cooperator(scheduler=lambda work: clock.callLater(0, work))
    monkeypatch.setattr("twisted.internet._producer_helpers.cooperate", cooperator.cooperate)
    made = []

    def work(request):
        get_session(request)["a"] = 1
        request.registerProducer(made[0](request), False)
        return NOT_DONE_YET

    def keep(pieces):
        made[:] = [lambda request: made.append(Pieces(request, pieces)) or made[1]]
        site.resource.work = work
        kept = open_and_keep_the_save(browser, until=lambda: clock.pump([0] * 5))
        return made[1], *kept

    return keep


@pytest.mark.parametrize("pieces", [1, 100])
def test_a_producer_waits_for_the_save(browser, clock, logged, keep_a_producer_waiting, pieces):
    """A file is not read into memory meanwhile: what is sent by pieces is asked for no more."""
    producer, transport, save, saving = keep_a_producer_waiting(pieces)
    assert producer.left == pieces - 1
    save()
    saving.callback(None)
    clock.pump([0] * 200)  # one piece each, if the machine is slow
    assert browser.read(transport).body == b"piece " * pieces
    assert browser.use(dict) == "{'a': 1}"
    assert producer.stopped == 0
    assert not any(event.get("log_failure") for event in logged)


@pytest.mark.parametrize("saved", [True, False], ids=["the visitor leaves", "the save fails"])
def test_a_producer_that_has_waited_in_vain(browser, clock, keep_a_producer_waiting, saved):
    """It is told that no more is wanted, so that it can close its file."""
    producer, transport, _, saving = keep_a_producer_waiting(100)
    if saved:
        browser.protocol.connectionLost(Failure(ConnectionError()))
        saving.callback(None)
    else:
        saving.errback(Failure(StoreUnavailable("down")))
    clock.pump([0] * 200)  # one piece each, if the machine is slow
    assert (producer.left, producer.stopped) == (99, 1)
    assert b"piece" not in transport.value()


class Stream(Pieces):
    """Gives one piece after the other until it is told to pause."""

    def pauseProducing(self):
        self.paused = True

    def resumeProducing(self):
        self.paused = False
        while self.left and not self.paused:
            self.left -= 1
            self.request.write(b"%d " % self.left)
        if not self.paused:
            self.request.unregisterProducer()
            self.request.finish()


class Silent(Pieces):
    """Gives nothing."""

    def pauseProducing(self):
        """Nothing comes anyway."""

    def resumeProducing(self):
        """Give nothing."""


@pytest.fixture
def streams(site):
    """The streams that have begun to answer requests."""
    begun = []

    def work(request):
        get_session(request)["a"] = 1
        begun.append(Stream(request, 5))
        request.registerProducer(begun[-1], True)
        begun[-1].resumeProducing()
        return NOT_DONE_YET

    site.resource.work = work
    return begun


STREAMED = b"4 3 2 1 0 "


def test_a_producer_that_pushes_is_paused_for_the_save(browser, streams):
    """What comes by itself pauses meanwhile, and goes on after what it has given before."""
    transport, save, saving = open_and_keep_the_save(browser)
    assert (streams[0].left, streams[0].paused) == (4, True)
    save()
    saving.callback(None)
    assert browser.read(transport).body == STREAMED
    assert browser.use(dict) == "{'a': 1}"


def test_a_producer_that_pushes_is_not_paused_in_vain(browser, streams):
    """Where the session is saved at once, the producer is told nothing."""
    assert browser.get().body == STREAMED
    assert streams[0].paused is False


@pytest.mark.parametrize("streaming", [False, True], ids=["pulled", "pushes"])
def test_a_page_that_ends_before_its_producer(browser, site, logged, streaming):
    """A producer that waits is asked for no more once the page has ended without it."""

    def work(request):
        get_session(request)["a"] = 1
        request.registerProducer(Silent(request, 1), streaming)
        request.write(b"all")
        request.finish()
        return NOT_DONE_YET

    site.resource.work = work
    transport, save, saving = open_and_keep_the_save(browser)
    save()
    saving.callback(None)
    assert browser.read(transport).body == b"all"
    del saving
    collect()  # Twisted logs a failure that nobody has taken care of when it is forgotten
    assert logged == []


def test_a_producer_that_pushes_is_stopped_with_the_apology(browser, streams):
    """Where the save fails, it is told that no more is wanted."""
    transport, _, saving = open_and_keep_the_save(browser)
    saving.errback(Failure(StoreUnavailable("down")))
    assert browser.read(transport).status == 503
    assert (streams[0].left, streams[0].stopped) == (4, 1)


def test_a_second_save_waits_for_the_first(site, store):
    """A session that an application saves itself is whole when its response is: both have saved."""
    handed, order = [], []
    site.run = lambda save: handed.append((save, Deferred())) or handed[-1][1]
    session = site.make_session(None)
    session["a"] = 1
    saved, entered = [], threading.Event()

    def in_the_store():
        store.meanwhile = lambda: order.append("the second meanwhile")
        entered.set()
        threading.Event().wait(0.05)  # so long the second must wait
        order.append("the first is over")
        store.meanwhile = lambda: None

    store.meanwhile = in_the_store
    site.save(session).addBoth(saved.append)
    thread = threading.Thread(target=handed[0][0])
    thread.start()
    assert entered.wait(10)
    site.save(session).addBoth(saved.append)
    (_, first_saved), (second, second_saved) = handed
    second()
    assert order == ["the first is over"]
    thread.join(10)
    first_saved.callback(None)
    second_saved.callback(None)
    assert saved == [None, None]
    assert session.finish({}) is not None
    session["a"] = 2
    assert session["a"] == 2


def test_what_cannot_be_stored_while_a_thread_is_to_save(browser, site, logged):
    """Who writes next is told, and so is the visitor, even if the resource ignores it."""

    def work(request):
        session = get_session(request)
        session["a"] = object()
        request.write(b"promised")
        with pytest.raises(SerializationError):
            session["b"] = 2
        return NOT_DONE_YET

    site.resource.work = work
    transport, save, saving = open_and_keep_the_save(browser)
    maybeDeferred(save).chainDeferred(saving)
    assert browser.read(transport).status == 503
    assert b"promised" not in transport.value()


def test_a_resource_that_fails(browser, site, logged):
    """What a resource has changed before it fails is not saved; the answer is Twisted's."""

    def work(request):
        get_session(request)["a"] = 1
        raise LookupError

    site.resource.work = work
    response = browser.get()
    assert response.status == 500
    assert browser.cookies == {}
    assert any(event.get("log_failure") for event in logged)


def test_the_head_of_a_page(browser, site):
    """A HEAD request saves as well, and has no body."""
    site.resource.work = lambda request: get_session(request).update(a=1)
    response = browser.read(browser.open(b"HEAD"))
    assert (response.status, response.body) == (200, b"")
    assert browser.use(dict) == "{'a': 1}"


@pytest.mark.parametrize("method", ["load", "create"])
def test_a_store_that_is_down(browser, site, store, method, logged):
    """Who needs the session gets a 503 and no word of what the page said; others are served."""
    if method == "load":
        browser.use(lambda session: session.update(a=1))
    store.failing = (method,)
    site.resource.work = lambda request: get_session(request).update(a=2) or "promised"
    response = browser.get()
    assert response.status == 503
    assert b"promised" not in response.body
    assert response.headers["Content-Length"] == str(len(response.body))
    site.resource.work = lambda request: "nothing"
    assert browser.get().body == b"nothing"
    assert any(event.get("log_failure") for event in logged)


def test_clear_site_data(store, clock):
    """At logout the browser is asked to forget more than the cookie, if that is wanted."""
    site = SessionSite(Work(), type=store, reactor=clock, clear_site_data="cache, storage")
    browser = Browser(site)
    site.resource.work = lambda request: get_session(request).update(a=1)
    assert "Clear-Site-Data" not in browser.get().headers
    site.resource.work = lambda request: get_session(request).invalidate()
    assert browser.get().headers["Clear-Site-Data"] == '"cache", "storage"'
    site.stopFactory()


def test_a_cookie_is_not_read_where_there_are_none(browser, store, clock):
    """With ``use_cookies = false`` none is read and none is sent."""
    browser.use(lambda session: session.update(a=1))
    assert browser.use(dict) == "{'a': 1}"
    browser.site = SessionSite(Work(), type=store, reactor=clock, use_cookies=False)
    assert browser.use(dict) == "{}"
    browser.site.stopFactory()


def test_the_apology_for_a_store_has_no_header_of_the_page(browser, site, store):
    """No cache keeps it for as long as it may keep the page, and no cookie tells of a login."""

    def work(request):
        request.setHeader(b"Cache-Control", b"public, max-age=3600")
        request.setHeader(b"Content-Encoding", b"gzip")
        request.addCookie(b"user", b"bob")
        get_session(request)["a"] = 2

    store.failing = ("create",)
    site.resource.work = work
    response = browser.get()
    assert response.status == 503
    assert {*response.headers} == {"Server", "Date", "Content-Type", "Content-Length"}
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    transport = browser.open(b"HEAD")
    head = browser.read(transport)
    assert (head.status, head.body, transport.disconnecting) == (503, b"", True)


def begin_page(requests):
    """Give the work that begins a page, and leaves the rest to the test."""

    def work(request):
        get_session(request)["a"] = 1
        request.write(b"one ")
        requests.append(request)
        return NOT_DONE_YET

    return work


def test_a_page_that_goes_on_after_the_apology(browser, site, store):
    """What a resource says after its session could not be saved is heard by nobody."""
    requests = []
    store.failing = ("create",)
    site.resource.work = begin_page(requests)
    transport = browser.open()
    requests[0].write(b"two")
    requests[0].finish()
    assert browser.read(transport).body == APOLOGY


def test_a_page_and_its_save_that_both_fail(browser, site, logged):
    """The visitor is told once that the store is down."""
    requests = []
    site.resource.work = begin_page(requests)
    transport, _, saving = open_and_keep_the_save(browser)
    requests[0].processingFailed(Failure(StoreUnavailable("down")))
    saving.errback(Failure(StoreUnavailable("down")))
    assert browser.read(transport).body == APOLOGY
    collect()  # Twisted logs a failure that nobody has taken care of when it is forgotten
    failures = [event["log_failure"] for event in logged if "log_failure" in event]
    assert all(failure.check(StoreUnavailable) for failure in failures)


def test_a_lock_of_a_session_that_cannot_be_saved(browser, site):
    """Whoever locks the session next need not wait until the lock ends by itself."""
    browser.use(lambda session: session.update(a=1))

    def work(request):
        session = get_session(request)
        session.lock()
        session["b"] = object()

    site.resource.work = work
    assert browser.get().status == 503
    browser.use(lambda session: session.lock(wait=0))


def test_the_apology_for_a_store_tells_that_it_is_the_last_answer(browser, site, store):
    """It has the Connection: close with which Twisted answers a visitor who asks for that."""
    store.failing = ("create",)
    site.resource.work = lambda request: get_session(request).update(a=2)
    transport = browser.open(version="1.1", fields="Connection: close\r\n")
    response = browser.read(transport)
    assert (response.status, response.headers["Connection"]) == (503, "close")
    assert transport.disconnecting


@pytest.mark.parametrize("ended", [False, True])
def test_a_store_that_fails_after_the_response_has_begun(browser, site, logged, ended):
    """A page that cannot be finished is broken off, as it is too late for a 503."""
    requests = []
    site.resource.work = begin_page(requests)
    transport = browser.open(version="1.1")
    if ended:
        requests[0].finish()
    requests[0].processingFailed(Failure(StoreUnavailable("down")))
    requests[0].write(b"two ")
    assert transport.disconnecting is not ended
    assert (b"one " in transport.value(), b"two " in transport.value()) == (True, False)
    assert any(event.get("log_failure") for event in logged)


def test_a_visitor_who_leaves(browser, site):
    """A connection that is lost before the response is told to who waits, and harms nobody."""
    requests, told = [], []

    def work(request):
        get_session(request)["a"] = 1
        request.notifyFinish().addErrback(told.append)
        requests.append(request)
        return NOT_DONE_YET

    site.resource.work = work
    browser.open()
    browser.protocol.connectionLost(Failure(ConnectionError()))
    assert told[0].check(ConnectionError)
    requests[0].write(b"late")
    assert browser.use(dict) == "{}"


def test_a_visitor_who_leaves_while_the_session_is_saved(browser, site, logged):
    """The page is not sent to who is gone, and nothing fails."""
    site.resource.work = lambda request: get_session(request).update(a=1) or "late"
    _, save, saving = open_and_keep_the_save(browser)
    browser.protocol.connectionLost(Failure(ConnectionError()))
    save()
    saving.callback(None)
    collect()  # Twisted logs a failure that nobody has taken care of when it is forgotten
    assert not any(event.get("log_failure") for event in logged)


def test_a_visitor_who_leaves_while_the_session_is_loaded(browser, site, logged):
    """Nothing is made for who is gone, and nothing fails."""
    browser.use(lambda session: session.update(a=1))
    asked, loading = [], [Deferred()]
    site.resource.work, site.run = asked.append, lambda load: loading[0]
    browser.open()
    browser.protocol.connectionLost(Failure(ConnectionError()))
    loading.pop().callback(None)
    assert asked == []
    collect()  # Twisted logs a failure that nobody has taken care of when it is forgotten
    assert not any(event.get("log_failure") for event in logged)


def test_a_store_that_is_back_when_the_session_is_asked_for(browser, site, store, logged):
    """What kept the session from being loaded is told: the reactor does not wait for the store."""
    browser.use(lambda session: session.update(a=1))
    store.failing = ("load",)

    def work(request):
        store.failing = ()
        return get_session(request)["a"]

    site.resource.work = work
    assert browser.get().status == 503


def test_a_producer_that_waits_by_itself(browser, site):
    """What pushes data, and can pause, goes on to do so while the session is saved."""
    streaming = []

    def work(request):
        get_session(request)["a"] = 1
        request.registerProducer(Pieces(request, 1), True)
        request.write(b"one")
        streaming.append(request.streamingProducer)
        request.unregisterProducer()
        request.finish()
        return NOT_DONE_YET

    site.resource.work = work
    assert browser.get().body == b"one"
    assert streaming == [True]


def test_settings(store, logged):
    """Mistakes are errors, messages are logged, and Beaker's own sessions are refused."""
    SessionSite(Work(), type=store, colour="red")
    assert any("colour" in event.get("message", "") for event in logged)
    with pytest.raises(SettingsError, match="needs data_dir"):
        SessionSite(Work(), type="file")
    refused = (
        {"type": "cookie", "validate_key": "x" * 32},
        {"transactional": True},
        {"type": "file", "data_dir": "x", "format": "beaker"},
    )
    for options in refused:
        with pytest.raises(SettingsError, match="Twisted serves"):
            SessionSite(Work(), **options)


def test_a_store_that_cannot_be_had_is_told_at_once():
    """The site opens the store when it is made, and not at the first request."""

    class Misplaced(MemoryStore):
        def prepare(self):
            raise SettingsError(["There is no such place."])

    with pytest.raises(SettingsError, match="no such place"):
        SessionSite(Work(), type=Misplaced())


def test_who_has_no_session_waits_for_no_thread(browser, site):
    """Without a cookie there is nothing to load, and without a change nothing to save."""
    site.run = lambda function: pytest.fail("a thread was asked for")
    assert browser.use(dict) == "{}"


def test_the_application_chooses_its_reactor():
    """To import the module installs no reactor."""
    script = "import sys, pyramid_beakerish.twisted; assert 'twisted.internet.reactor' not in "
    subprocess.run([sys.executable, "-c", script + "sys.modules"], check=True, timeout=60)


def test_what_blocks_runs_in_a_thread(tmp_path, store):
    """A store in memory is used at once; one that may block is used in a thread of the reactor."""
    found = []
    SessionSite(Work(), type=store).run(threading.get_ident).addCallback(found.append)
    assert found == [threading.get_ident()]
    script = """
import sys, threading
from twisted.internet import reactor
from twisted.web.resource import Resource
from pyramid_beakerish.twisted import SessionSite
site = SessionSite(Resource(), type="file", data_dir=sys.argv[1], secret="x" * 32)
found = []
looking = site.run(threading.get_ident).addCallback(found.append)
looking.addBoth(lambda _: reactor.stop())
reactor.run()
assert found[0] != threading.get_ident(), found
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    subprocess.run(command, check=True, timeout=60)
