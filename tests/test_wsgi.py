"""Sessions of WSGI applications without Pyramid: Beaker's middleware, wsgistate's wrappers."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import pytest
import transaction
from paste.deploy import loadapp
from transaction import TransactionManager
from webtest import TestApp

from pyramid_beakerish import (
    SerializationError,
    SessionStateError,
    SettingsError,
    StoreError,
    StoreUnavailable,
)
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import StoreSuite
from pyramid_beakerish.testing.site import WatchedStore
from pyramid_beakerish.wsgi import (
    SessionMiddleware,
    SessionTimeout,
    WSGISession,
    current_session,
    file_session_wrapper,
    session_wrapper,
)
from pyramid_beakerish.wsgi.lingering import LingeringStore
from tests.scenarios import FragileStore

ROOT = Path(__file__).parent.parent
KEY = "session.key"
SECRET = "a secret that is long enough to be one"


class Refused(Exception):
    """What an application raises here."""


class Application:
    """Does what each request asks for, with the environ; gives the result as text."""

    def __init__(self):
        self.work = None
        self.status = "200 OK"
        self.exc_info = None

    def __call__(self, environ, start_response):
        body = str(self.work(environ)).encode()
        headers = [("Content-Type", "text/plain")]
        start_response(self.status, headers, self.exc_info)
        return [body]


@pytest.fixture
def store(clock):
    return WatchedStore(MemoryStore(clock))


class Visitor:
    """A browser of an application in one of the wrappers."""

    def __init__(self, wrap, **options):
        self.application = Application()
        self.app = wrap(self.application, **options)
        self.browser = TestApp(self.app, lint=False)

    def visit(self, work, **options):
        """Have the application call ``work(environ)`` and give the response."""
        self.application.work = work
        return self.browser.get("/", **options)

    def use(self, work):
        """Have the application call ``work(session)`` and give its result as text."""
        key = self.app._environ_key
        return self.visit(lambda environ: work(environ[key])).text

    def contents(self):
        return self.use(dict)

    def keep(self, other):
        """Have the browser send the cookies of another."""
        for name, value in other.browser.cookies.items():
            self.browser.set_cookie(name, value)


@pytest.fixture
def visitor(store, clock):
    return Visitor(session_wrapper, type=store, clock=clock, session_key=KEY)


def fill(session):
    session["a"] = [1]


def test_the_documents_example_runs():
    """The example of cromlech.wsgistate's page gives what that page says."""
    page = ROOT / "docs" / "from_cromlech.rst"
    results = doctest.testfile(str(page), module_relative=False)
    assert results.attempted > 20
    assert results.failed == 0


def test_pyramid_is_not_needed():
    """The modules serve a request where Pyramid cannot be imported."""
    script = """
import sys
sys.modules["pyramid"] = None
from pyramid_beakerish.wsgi import session_wrapper
def application(environ, start_response):
    environ["session.key"]["a"] = 1
    start_response("200 OK", [])
    return []
seen = []
session_wrapper(application)({}, lambda status, headers, exc_info: seen.extend(headers))
assert any(name == "Set-Cookie" for name, value in seen), seen
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_the_transaction_package_is_not_needed():
    """Without the transaction package sessions are saved, and blocks too."""
    script = """
import sys
sys.modules["transaction"] = None
from pyramid_beakerish.wsgi import WSGISession, session_wrapper
def application(environ, start_response):
    with WSGISession(environ, "session.key") as session:
        session["a"] = 1
    start_response("200 OK", [])
    return []
seen = []
session_wrapper(application)({}, lambda status, headers, exc_info: seen.extend(headers))
assert any(name == "Set-Cookie" for name, value in seen), seen
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


# Beaker's middleware


def test_beakers_settings_and_environ_key(tmp_path):
    """Settings with either prefix and keyword arguments are Beaker's, the latter win."""
    settings = {"beaker.session.type": "file", "session.key": "mine", "here": "/", "cache.x": 1}
    visitor = Visitor(SessionMiddleware, settings=settings, data_dir=str(tmp_path), key="other")
    visitor.use(fill)
    assert list(visitor.browser.cookies) == ["other"]
    assert visitor.contents() == "{'a': [1]}"
    again = Visitor(SessionMiddleware, settings=settings, data_dir=str(tmp_path), key="other")
    again.keep(visitor)
    assert again.contents() == "{'a': [1]}"


def test_another_environ_key_and_get_session(store):
    """The key can be chosen; ``beaker.get_session`` gives a session of nobody's."""
    visitor = Visitor(SessionMiddleware, type=store, environ_key="here")

    def work(environ):
        environ["here"]["a"] = 1
        return dict(environ["beaker.get_session"]())

    assert visitor.visit(work).text == "{}"
    assert visitor.contents() == "{'a': 1}"


@pytest.mark.parametrize("prefix", ["session.", "beaker.session.", ""])
def test_webtest_varname(store, prefix, caplog):
    """A test finds the session in its response, under the name that was set."""
    options = {f"{prefix}webtest_varname": "sess"}
    visitor = Visitor(SessionMiddleware, type=store, secret=SECRET, **options)
    response = visitor.visit(lambda environ: environ["beaker.session"].update(a=1))
    assert dict(response.sess) == {"a": 1}
    assert "webtest_varname" not in caplog.text
    served = visitor.app({}, lambda status, headers, exc_info: None)  # where no test is
    assert list(served) == [b"None"]


def test_messages_and_mistakes(store, caplog):
    """An unknown option is a line in the log; what cannot be obeyed is an error at once."""
    SessionMiddleware(Application(), {"session.type": store, "session.colour": "red"})
    assert "session.colour" in caplog.text
    with pytest.raises(SettingsError, match=r"needs session\.data_dir"):
        SessionMiddleware(Application(), {"session.type": "file"})
    with pytest.raises(SettingsError, match=r"needs session\.data_dir"):
        SessionMiddleware(Application(), type="file", format="beaker", previous="none")
    with pytest.raises(SettingsError, match="give WSGISession the transaction"):
        SessionMiddleware(Application(), {"session.type": store}, transactional=True)
    with pytest.raises(SettingsError, match="signed_cookie is served under Pyramid only"):
        SessionMiddleware(Application(), type="signed_cookie", secret=SECRET)


def test_a_store_that_cannot_be_had_is_told_at_once():
    """The middleware opens the store when it is made, and not at the first request."""

    class Misplaced(MemoryStore):
        def prepare(self):
            raise SettingsError(["There is no such place."])

    with pytest.raises(SettingsError, match="no such place"):
        SessionMiddleware(Application(), type=Misplaced())


@pytest.mark.parametrize("format_name", ["beaker", "beakerish"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_secure_cookies(format_name, scheme):
    """A cookie that was set over https is sent back over https alone."""
    options = {"format": format_name, "data_serializer": "json"}
    visitor = Visitor(SessionMiddleware, type="cookie", validate_key=SECRET, **options)
    environ = {"wsgi.url_scheme": scheme}
    response = visitor.visit(lambda environ: fill(environ["beaker.session"]), extra_environ=environ)
    assert ("secure" in response.headers["Set-Cookie"].lower()) == (scheme == "https")


def test_the_clock(clock):
    """Sessions live by the clock that is given."""
    visitor = Visitor(SessionMiddleware, type="memory", timeout=100, clock=clock)
    visitor.use(fill)
    clock.advance(200)
    assert visitor.contents() == "{}"


@pytest.mark.parametrize("format_name", ["beaker", "beakerish"])
def test_sessions_in_cookies(format_name):
    """Sessions in cookies, Beaker's or ours, are served too, but not block by block."""
    visitor = Visitor(
        SessionMiddleware,
        type="cookie",
        validate_key=SECRET,
        data_serializer="json",
        format=format_name,
    )
    visitor.use(fill)
    assert visitor.contents() == "{'a': [1]}"
    with pytest.raises(SessionStateError, match="block by block"):
        visitor.visit(lambda environ: WSGISession(environ, "beaker.session"))


def test_sessions_of_the_other_format_go_on(tmp_path):
    """What Beaker has stored goes on in our format, and on the way back in Beaker's."""
    options = {"type": "file", "data_dir": str(tmp_path), "secret": SECRET}
    before, ours, back = (
        Visitor(SessionMiddleware, format=format_name, **options)
        for format_name in ("beaker", "beakerish", "beaker")
    )
    before.use(fill)
    for earlier, later in ((before, ours), (ours, back)):
        later.keep(earlier)
        assert later.contents() == "{'a': [1]}"
        assert later.browser.cookies != earlier.browser.cookies
        assert later.contents() == "{'a': [1]}"
    alone = Visitor(SessionMiddleware, format="beaker", previous="none", **options)
    alone.keep(ours)
    assert alone.contents() == "{}"


def test_an_earlier_store_that_cannot_be_had(tmp_path):
    """On the way back to Beaker's format, too, it is an error at start."""

    class Misplaced(MemoryStore):
        def prepare(self):
            raise SettingsError(["There is no such place."])

    options = {"type": "file", "data_dir": str(tmp_path), "previous.type": Misplaced()}
    with pytest.raises(SettingsError, match="no such place"):
        SessionMiddleware(Application(), format="beaker", **options)


def test_an_unused_session_in_a_cookie_is_left_alone(clock):
    """A response without the session neither varies nor extends it."""
    visitor = Visitor(SessionMiddleware, type="cookie", secret=SECRET, timeout=100, clock=clock)
    visitor.use(fill)
    clock.advance(60)
    untouched = visitor.visit(lambda environ: 1)
    assert not {"Vary", "Set-Cookie"} & {*untouched.headers}


def test_headers(store):
    """A response that was made with the session varies; one with its cookie is private."""
    visitor = Visitor(SessionMiddleware, type=store)
    untouched = visitor.visit(lambda environ: 1)
    assert "Vary" not in untouched.headers
    written = visitor.visit(lambda environ: fill(environ["beaker.session"]))
    assert (written.headers["Vary"], written.headers["Cache-Control"]) == ("Cookie", "private")
    assert "HttpOnly; SameSite=Lax" in written.headers["Set-Cookie"]
    read = visitor.visit(lambda environ: dict(environ["beaker.session"]))
    assert read.headers["Vary"] == "Cookie"
    assert "Set-Cookie" not in read.headers


def test_clear_site_data(store):
    """At logout the browser is asked to forget more than the cookie, if that is wanted."""
    visitor = Visitor(SessionMiddleware, type=store, clear_site_data="cache, storage")
    key = visitor.app._environ_key
    assert "Clear-Site-Data" not in visitor.visit(lambda environ: fill(environ[key])).headers
    ended = visitor.visit(lambda environ: environ[key].invalidate())
    assert ended.headers["Clear-Site-Data"] == '"cache", "storage"'


def test_a_list_of_headers_that_the_application_keeps(store):
    """What it says is sent, and nobody's cookie goes into what is handed to everybody."""
    shared = [("Content-Type", "text/plain")]

    def application(environ, start_response):
        if environ["PATH_INFO"] == "/fill":
            fill(environ["beaker.session"])
        start_response("200 OK", shared)
        return [b""]

    app = SessionMiddleware(application, type=store)
    filled = TestApp(app, lint=False).get("/fill").headers
    assert ("Set-Cookie" in filled, filled["Content-Type"]) == (True, "text/plain")
    assert "Set-Cookie" not in TestApp(app, lint=False).get("/").headers


def test_a_file_that_the_server_sends_itself(store):
    """An answer reaches the server as it is, which so knows a file that it has wrapped."""
    parts = [b"part"]

    def application(environ, start_response):
        start_response("200 OK", [])
        return parts

    app = SessionMiddleware(application, type=store)
    assert app({}, lambda status, headers, exc_info: None) is parts


def test_a_cookie_is_not_read_where_there_are_none(store):
    """With ``use_cookies = false`` none is read and none is sent."""
    other = Visitor(SessionMiddleware, type=store)
    other.use(fill)
    visitor = Visitor(SessionMiddleware, type=store, use_cookies=False)
    visitor.keep(other)
    assert visitor.contents() == "{}"
    filled = visitor.visit(lambda environ: fill(environ["beaker.session"]))
    assert "Set-Cookie" not in filled.headers


def test_an_application_that_raises_saves_nothing(store):
    """What an application has changed before it raises is not saved."""
    visitor = Visitor(SessionMiddleware, type=store)
    visitor.use(fill)

    def work(session):
        session["a"].append(2)
        raise Refused

    with pytest.raises(Refused):
        visitor.use(work)
    assert visitor.contents() == "{'a': [1]}"


def late_middleware(application, **options):
    """Wrap an application that begins when the server asks for its answer, as a generator does."""

    def generator(environ, start_response):
        yield b""
        yield from application(environ, start_response)

    return SessionMiddleware(generator, **options)


@pytest.mark.parametrize("wrap", [SessionMiddleware, late_middleware])
def test_an_application_that_raises_lets_go_of_the_lock(store, wrap):
    """Whoever locks the session next need not wait until the lock ends by itself."""
    visitor = Visitor(wrap, type=store)
    visitor.use(fill)

    def work(session):
        session.lock()
        raise Refused

    with pytest.raises(Refused):
        visitor.use(work)
    visitor.use(lambda session: session.lock(wait=0))


def test_a_server_that_gives_up_before_the_answer(store):
    """Nor need one wait for the lock of an application whose visitor has left meanwhile."""
    visitor = Visitor(SessionMiddleware, type=store)
    visitor.use(fill)
    environ = {"HTTP_COOKIE": f"beaker.session.id={visitor.browser.cookies['beaker.session.id']}"}
    ended = []

    def slow(environ, start_response):
        try:
            environ["beaker.session"].lock()
            yield b""
        finally:
            ended.append(True)

    parts = SessionMiddleware(slow, type=store)(environ, None)
    assert (next(iter(parts)), ended) == (b"", [])
    parts.close()
    visitor.use(lambda session: session.lock(wait=0))
    assert ended == [True]


def test_an_answer_that_comes_late(store):
    """What is made while it is sent needs no ``close``, and its session goes on after the end."""
    sessions = []

    def answer(environ, start_response):
        sessions.append(environ["beaker.session"])
        sessions[0]["a"] = 1
        start_response("200 OK", [])
        return b"late"

    app = SessionMiddleware(lambda environ, start: map(answer, [environ], [start]), type=store)
    assert TestApp(app, lint=False).get("/").body == b"late"
    sessions[0]["b"] = 2
    assert dict(sessions[0].get_by_id(sessions[0].id)) == {"a": 1, "b": 2}


@pytest.mark.parametrize("saved", [True, False])
def test_an_error_response(store, saved):
    """A response that is started for an error is saved, unless ``cookie_on_exception`` says no."""
    visitor = Visitor(SessionMiddleware, type=store, cookie_on_exception=saved)
    visitor.application.exc_info = (Refused, Refused(), None)
    visitor.browser = TestApp(_swallowing(visitor.app), lint=False)
    visitor.use(fill)
    visitor.application.exc_info = None
    assert visitor.contents() == ("{'a': [1]}" if saved else "{}")
    visitor.use(fill)
    assert visitor.contents() == "{'a': [1]}"


def _swallowing(app):
    """Do with ``exc_info`` what a server does before the headers are sent: nothing."""

    def application(environ, start_response):
        return app(environ, lambda status, headers, exc_info: start_response(status, headers))

    return application


def test_a_store_that_is_down(store):
    """The failure reaches whoever is above, and no response has been started."""
    visitor = Visitor(SessionMiddleware, type=store)
    with store.failing("create"), pytest.raises(StoreUnavailable):
        visitor.use(fill)


# cromlech.wsgistate's wrappers


def test_without_options(clock):
    """As in cromlech's package sessions end after five minutes, and have one name for all."""
    visitor = Visitor(session_wrapper, clock=clock)

    def work(environ):
        with WSGISession(environ) as session:
            fill(session)
        return environ["session.key"] is session

    assert visitor.visit(work).text == "True"
    clock.advance(299.5)
    assert visitor.contents() == "{'a': [1]}"
    clock.advance(330.5)  # and a tenth: so late may a use be noted
    assert visitor.contents() == "{}"


def test_files_outlive_the_process(tmp_path):
    """Sessions in files are found by the next process that has the same path."""
    path = tmp_path / "sessions"
    first = Visitor(file_session_wrapper, path=str(path), session_key="mine", key="sid")
    first.use(fill)
    assert path.is_dir()
    assert (first.app._environ_key, list(first.browser.cookies)) == ("mine", ["sid"])
    second = Visitor(file_session_wrapper, path=str(path), key="sid")
    second.keep(first)
    assert second.contents() == "{'a': [1]}"


def test_an_expired_session_is_told(visitor, clock):
    """The application finds the data of the expired session until it has begun a new one."""
    visitor.use(fill)
    clock.advance(400)
    told = []

    def work(environ):
        told.append(environ.get("session.timeout"))
        return dict(environ[KEY]), environ[KEY].new

    for _ in range(2):
        assert visitor.visit(work).text == "({}, True)"
        timeout = told.pop()
        assert isinstance(timeout, SessionTimeout)
        assert timeout.args == ("Timeout",)
        assert timeout.default == {"a": [1]}
    visitor.use(lambda session: session.update(b=1))
    visitor.visit(work)
    assert told[-1] is None


def test_what_tells_of_an_expired_session_varies(visitor, clock):
    """Caches do not give one visitor what another's expired session held."""
    visitor.use(fill)
    clock.advance(400)
    response = visitor.visit(lambda environ: environ["session.timeout"].default)
    assert (response.text, response.headers["Vary"]) == ("{'a': [1]}", "Cookie")


def test_only_the_applications_use_counts(visitor, clock, store):
    """A request that does not look at its session neither varies nor keeps it alive."""
    visitor.use(fill)
    clock.advance(200)
    assert "Vary" not in visitor.visit(lambda environ: 1).headers
    assert "swap" not in store.calls
    clock.advance(200)
    assert visitor.contents() == "{}"


def test_nothing_is_told_after_twice_the_timeout(visitor, clock, store):
    """What has expired is kept for as long again; after that it is gone."""
    visitor.use(fill)
    clock.advance(700)
    assert visitor.visit(lambda environ: environ.get("session.timeout")).text == "None"
    assert list(store.keys("")) == []


def test_a_session_without_an_end_and_beakers_are_told_nothing(store):
    """Sessions that never end, in cookies, or of Beaker's are served all the same."""
    cookie = {"type": "cookie", "validate_key": SECRET}
    for options in ({"type": store, "timeout": None}, cookie, {**cookie, "format": "beaker"}):
        visitor = Visitor(session_wrapper, **options, data_serializer="json")
        visitor.use(fill)
        assert visitor.contents() == "{'a': [1]}"


class TestLingeringStore(StoreSuite):
    """It is a store like any other, but for expiry, which comes as much later again."""

    slack = StoreSuite.ttl
    shared_by_processes = False

    def make_store(self, clock, folder):
        return LingeringStore(MemoryStore(clock))


INI = """
[app:main]
use = call:tests.test_wsgi:paste_app
filter-with = sessions

[filter:sessions]
use = egg:pyramid_beakerish#{name}
{options}
"""


def paste_app(global_conf):
    """Make the application that the ini files wrap."""
    return Application()


@pytest.mark.parametrize(
    ("name", "options", "key", "kind"),
    [
        ("session", "session_key = mine\ntimeout = 60", "mine", "memory"),
        ("file_session", "path = %(here)s/data\ntimeout = 60", "session.key", "file"),
        ("beaker_session", "timeout = 60\nenviron_key = mine", "mine", "memory"),
        (
            "beaker_session",
            "session.type = file\nsession.data_dir = %(here)s\nsession.timeout = 60",
            "beaker.session",
            "file",
        ),
    ],
)
def test_paste_filters(tmp_path, name, options, key, kind):
    """An ini file wraps an application in a filter of this package, with its options."""
    path = tmp_path / "app.ini"
    path.write_text(INI.format(name=name, options=options))
    app = loadapp(f"config:{path}")
    assert (app._environ_key, app._settings.type, app._settings.timeout) == (key, kind, 60)


def test_a_paste_filter_app(tmp_path):
    """So does a ``[filter-app:...]``."""
    text = "[filter-app:main]\nuse = egg:pyramid_beakerish#beaker_session\nnext = a\n"
    text += "session.type = memory\n[app:a]\nuse = call:tests.test_wsgi:paste_app\n"
    path = tmp_path / "app.ini"
    path.write_text(text)
    assert isinstance(loadapp(f"config:{path}"), SessionMiddleware)


# Blocks


def test_a_block_is_saved_at_its_end(visitor, store):
    """What a block has changed is stored when it ends, before the response."""

    def work(environ):
        with WSGISession(environ, KEY) as session:
            session["a"] = 1
            assert "create" not in store.calls
        assert "create" in store.calls

    visitor.visit(work)
    assert visitor.contents() == "{'a': 1}"


def test_a_block_that_raises_is_not_saved(visitor):
    """An exception undoes the block, nested values too, even if the application goes on."""

    def work(environ):
        environ[KEY]["before"] = 1
        try:
            with WSGISession(environ, KEY) as session:
                session["a"].append(2)
                del session["before"]
                raise Refused
        except Refused:
            pass
        return dict(environ[KEY])

    visitor.use(fill)
    assert visitor.visit(work).text == "{'a': [1], 'before': 1}"
    assert visitor.contents() == "{'a': [1], 'before': 1}"


@pytest.mark.parametrize(("value", "error"), [(object(), SerializationError), (1, StoreError)])
def test_a_block_that_cannot_be_saved(clock, value, error):
    """A block whose values are refused is undone, and the application can answer for that."""
    store = FragileStore(clock, [])
    visitor = Visitor(session_wrapper, type=store, clock=clock, session_key=KEY)

    def work(environ):
        environ[KEY]["before"] = 1
        store.fail("swap", error=lambda: StoreError("object too large"))
        try:
            with WSGISession(environ, KEY) as session:
                session["a"].append(2)
                session["b"] = value
                session.set_lifetime(timeout=5)
        except error:
            store.mend()
            return dict(environ[KEY])

    visitor.use(fill)
    assert visitor.visit(work).text == "{'a': [1], 'before': 1}"
    clock.advance(10)
    assert visitor.contents() == "{'a': [1], 'before': 1}"


def test_a_block_that_is_the_first_to_load_the_session(store):
    """What it has loaded, and found out about the cookie, outlives its exception."""
    visitor = Visitor(SessionMiddleware, type=store)
    visitor.use(fill)
    store.calls.clear()

    def work(environ):
        try:
            with WSGISession(environ, "beaker.session") as session:
                session["a"].append(2)
                raise Refused
        except Refused:
            return session["a"]

    assert visitor.visit(work).text == "[1]"
    assert store.calls == ["load"]


@pytest.mark.parametrize("commit", [True, False])
def test_a_block_that_raises_in_a_transaction(visitor, commit):
    """The block is undone, whether the transaction around it is committed or not."""

    def work(environ):
        with transaction.manager as tm:
            try:
                with WSGISession(environ, KEY, tm) as session:
                    session["a"] = 1
                    raise Refused
            except Refused:
                pass
            if not commit:
                tm.doom()
                tm.abort()

    visitor.visit(work)
    assert visitor.contents() == "{}"


def test_the_current_session(visitor):
    """Inside a block the session can be asked for, also one inside the other; not outside."""

    def work(environ):
        assert current_session() is None
        with WSGISession(environ, KEY) as session:
            with WSGISession(environ, KEY):
                pass
            assert current_session() is session
        assert current_session() is None

    visitor.visit(work)


@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize("end", ["commit", "abort"])
def test_after_the_end_of_the_transaction(visitor, explicit, end):
    """After the end reading goes on and writing is refused, whatever the manager."""

    def work(environ):
        manager = TransactionManager(explicit=explicit)
        tm = manager.begin()
        with WSGISession(environ, KEY, tm) as session:
            session["new"] = 1
            getattr(manager, end)()
            for write in (session.clear, lambda: session.pop("a"), lambda: session.update(b=1)):
                with pytest.raises(SessionStateError, match="disallows writing"):
                    write()
        return dict(session)

    visitor.use(fill)
    expected = "{'a': [1], 'new': 1}" if end == "commit" else "{'a': [1]}"
    assert visitor.visit(work).text == expected
    assert visitor.contents() == expected


def test_a_list_that_was_read_before_the_block(visitor):
    """What the application has read before takes part in the transaction of the block."""

    def work(environ):
        assert environ[KEY]["a"] == [1]
        with transaction.manager as tm, WSGISession(environ, KEY, tm) as session:
            session["a"].append("bad")
            tm.doom()
            tm.abort()

    visitor.use(fill)
    visitor.visit(work)
    assert visitor.contents() == "{'a': [1]}"


def test_attempts(visitor):
    """A conflict is retried by the transaction's own loop: each attempt reads what is stored."""
    rival = Visitor(lambda application: visitor.app)
    counts = []

    def work(environ):
        for attempt in transaction.manager.attempts(3):
            with attempt as tm, WSGISession(environ, KEY, tm) as session:
                counts.append(session["count"])
                session["count"] += 1
                if len(counts) == 1:
                    rival.keep(visitor)
                    visitor.application.work = lambda environ: environ[KEY].update(count=10)
                    rival.browser.get("/")

    visitor.use(lambda session: session.update(count=1))
    visitor.visit(work)
    assert counts == [1, 10]
    assert visitor.contents() == "{'count': 11}"


def test_the_next_block_without_a_transaction(visitor):
    """A block that is given no transaction is saved by itself, whatever was before."""

    def work(environ):
        with transaction.manager as tm, WSGISession(environ, KEY, tm) as session:
            session["a"] = 1
        with WSGISession(environ, KEY) as session:
            session["b"] = 2

    visitor.visit(work)
    assert visitor.contents() == "{'a': 1, 'b': 2}"


def test_a_store_that_dies_during_the_commit(visitor, store):
    """The others commit; the response, which would promise something, is not sent."""

    def work(environ):
        with transaction.manager as tm, WSGISession(environ, KEY, tm) as session:
            session["a"] = 1

    with store.failing("create"), pytest.raises(StoreUnavailable):
        visitor.visit(work)
