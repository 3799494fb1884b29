"""Each option of sessions is obeyed, through a real application."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path

import pytest
from pyramid.exceptions import ConfigurationExecutionError
from pyramid.httpexceptions import HTTPFound
from pyramid.response import Response

from pyramid_beakerish.errors import SerializationError, SessionStateError, StoreError
from pyramid_beakerish.settings.options import SESSION_OPTIONS
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing.site import SECRET, Site, WatchedStore

NAME = "beaker.session.id"
HOUR = 3600

#: Read by no store of this package, or tested beside Beaker, or beside pyramid_tm.
TESTED_ELSEWHERE = {"url", "format", "previous", "transactional", "after_transaction"}


@pytest.fixture
def store(clock):
    return WatchedStore(MemoryStore(clock))


@pytest.fixture
def site(store, clock):
    """Make an application with session options over one store in memory."""
    return lambda **options: Site(options.pop("type", store), clock, **options)


def header(browser):
    """Give the one Set-Cookie header of the last response."""
    (cookie,) = browser.set_cookies
    return cookie


def test_every_option_is_tested():
    """No option is without a test here that is named after it."""
    missing = {name for name in SESSION_OPTIONS if f"test_{name}" not in globals()}
    assert missing == TESTED_ELSEWHERE


def test_type(site, tmp_path):
    """Sessions are kept where the type says."""
    for options in ({"type": "memory"}, {"type": "file", "data_dir": str(tmp_path)}):
        assert site(**options).stranger().put(a=1).contents() == {"a": 1}
    assert any(path.is_file() for path in tmp_path.rglob("*"))


def test_data_dir(site, tmp_path):
    """Files are in a folder of this package's own under data_dir, which alone asks for files."""
    visitor = site(type=None, data_dir=str(tmp_path / "data")).stranger().put(a=1)
    again = site(type=None, data_dir=str(tmp_path / "data"))
    assert again.stranger().keep(visitor.cookies).contents() == {"a": 1}
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["beakerish"]


def test_create_table(site, tmp_path):
    """The table of a database is made at the start, unless somebody else is to make it."""
    database = {"type": "sql", "url": f"sqlite:///{tmp_path}/sessions.db"}
    with pytest.raises(StoreError, match="the table beakerish_entries does not exist"):
        site(**database, create_table="false").stranger().put(a=1)
    assert site(**database).stranger().put(a=1).contents() == {"a": 1}


def test_lock_dir(site, tmp_path):
    """Lock files are in lock_dir where it is given, and no sessions are."""
    data, locks = tmp_path / "data", tmp_path / "locks"
    site(type="file", data_dir=str(data), lock_dir=str(locks)).stranger().put(a=1)
    assert {path.suffix for path in locks.rglob("*") if path.is_file()} == {".lock"}
    assert ".lock" not in {path.suffix for path in data.rglob("*")}


def test_fsync(site, tmp_path, monkeypatch):
    """With fsync each write waits for the disk, and without it none does."""
    for wanted in ("true", "false"):
        synced = []
        monkeypatch.setattr("os.fsync", synced.append)
        application = site(type="file", data_dir=str(tmp_path / wanted), fsync=wanted)
        visitor = application.stranger().put(a=1)
        synced.clear()  # folders are made once, and wait for the disk anyway
        visitor.put(a=2)
        assert bool(synced) is (wanted == "true")


def test_max_entries(site):
    """More sessions than max_entries are not kept in memory."""
    application = site(type="memory", max_entries=2)
    visitors = [application.stranger().put(n=number) for number in range(5)]
    assert sum(bool(visitor.contents()) for visitor in visitors) == 2


def test_key(site):
    """The cookie has the name that is set, and is found by no other."""
    visitor = site(key="mine").stranger().put(a=1)
    assert list(visitor.cookies) == ["mine"]
    assert visitor.contents() == {"a": 1}
    assert site(key="yours").stranger().keep(visitor.cookies).contents() == {}


def test_secret(site):
    """Old secrets verify, and their cookies are signed anew at the next use, with the newest."""
    old, new = "o" * 32, "n" * 32
    visitor = site(secret=old).stranger().put(a=1)
    assert site(secret=new).stranger().keep(visitor.cookies).contents() == {}
    both = site(secret=f"{new}\n{old}").stranger().keep(visitor.cookies)
    assert both.use(dict) == {"a": 1}
    assert both.response.headers["Cache-Control"] == "private"
    assert site(secret=new).stranger().keep(both.cookies).contents() == {"a": 1}
    both.use(dict)
    assert both.set_cookies == []


def test_no_secret(site):
    """Without a secret the cookie is the id alone."""
    visitor = site(secret=None).stranger().put(a=1)
    assert re.fullmatch(r"[\w-]{43}", visitor.cookies[NAME])
    assert site(secret=SECRET).stranger().keep(visitor.cookies).contents() == {}


def test_timeout(site, clock):
    """A session that is not used ends after the timeout, and one without a timeout does not."""
    for timeout, alive in (("600", False), ("10m", False), ("2h", True), ("none", True)):
        visitor = site(timeout=timeout).stranger().put(a=1)
        clock.advance(HOUR)
        assert bool(visitor.contents()) is alive


def test_lifetime(site, clock):
    """A session ends with its lifetime, though it is used all the time."""
    visitor = site(lifetime="1h").stranger().put(n=0)
    for number in range(59):
        clock.advance(60)
        visitor.put(n=number)
    assert visitor.contents() == {"n": 58}
    clock.advance(60)
    assert visitor.contents() == {}


def test_touch_interval(site, store, clock):
    """A read is recorded once per touch_interval, which is a minute at most by itself."""
    for options, interval in (({"touch_interval": 300}, 300), ({}, 60), ({"timeout": 100}, 10)):
        visitor = site(**options).stranger().put(a=1)
        for seconds, swaps in ((interval - 1, 0), (1, 1), (interval - 1, 0)):
            store.calls.clear()
            clock.advance(seconds)
            visitor.use(dict)
            assert store.calls.count("swap") == swaps


def test_save_accessed_time(site, store, clock):
    """Reading is use of a session, unless that is switched off."""
    for wanted, alive in (("true", True), ("false", False)):
        visitor = site(timeout=100, save_accessed_time=wanted).stranger().put(a=1)
        for _ in range(5):
            clock.advance(50)
            visitor.use(dict)
        assert bool(visitor.contents()) is alive


def test_cookie_domain(site):
    """The cookie has the Domain that is set, also when it is removed."""
    visitor = site(cookie_domain="example.com").stranger().put(a=1)
    assert "; Domain=example.com;" in header(visitor)
    visitor.use(lambda session: session.invalidate())
    assert "; Domain=example.com;" in header(visitor)


def test_cookie_path(site):
    """The cookie has the Path that is set, also when it is removed."""
    visitor = site(cookie_path="/app").stranger().put(a=1)
    assert "; Path=/app;" in header(visitor)
    visitor.use(lambda session: session.invalidate())
    assert "; Path=/app;" in header(visitor)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("true", ""),
        ("1800", "; Max-Age=1800; Expires=Tue, 14 Nov 2023 22:43:20 GMT"),
        ("30m", "; Max-Age=1800; Expires=Tue, 14 Nov 2023 22:43:20 GMT"),
        ("false", "; Max-Age=34560000; Expires=Wed, 18 Dec 2024 22:13:20 GMT"),
        (datetime(2030, 1, 1, tzinfo=timezone.utc), "; Expires=Tue, 01 Jan 2030 00:00:00 GMT"),
    ],
)
def test_cookie_expires(site, value, expected):
    """The browser forgets the cookie when it is told to."""
    cookie = header(site(cookie_expires=value).stranger().put(a=1))
    assert cookie.partition("; SameSite=Lax")[2] == expected


def test_secure(site):
    """The cookie is Secure over https, always, or never."""
    for wanted, http, https in (
        ("auto", False, True),
        ("true", True, True),
        ("false", False, False),
    ):
        application = site(secure=wanted)
        for scheme, secure in (("http", http), ("https", https)):
            cookie = header(application.stranger(scheme).put(a=1))
            assert ("; Secure" in cookie) is secure


def test_httponly(site):
    """JavaScript sees the cookie only if that is allowed."""
    for wanted in ("true", "false"):
        cookie = header(site(httponly=wanted).stranger().put(a=1))
        assert ("; HttpOnly" in cookie) is (wanted == "true")


@pytest.mark.parametrize(
    ("value", "expected"), [("lax", "Lax"), ("Strict", "Strict"), ("None", "None")]
)
def test_samesite(site, value, expected):
    """The cookie says whether requests from other sites carry it."""
    cookie = header(site(samesite=value, secure="true").stranger().put(a=1))
    assert cookie.endswith(f"; SameSite={expected}")


def test_use_cookies(site, store):
    """Without cookies none is sent, none is removed, and none that comes in is read."""
    visitor = site().stranger().put(a=1)
    bare = site(use_cookies="false").stranger().keep(visitor.cookies)
    assert bare.contents() == {}
    bare.put(b=1)
    assert bare.set_cookies == []
    bare.use(lambda session: session.invalidate())
    assert bare.set_cookies == []
    assert visitor.contents() == {"a": 1}


@pytest.mark.parametrize("name", ["msgpack", "json", "pickle"])
def test_data_serializer(site, store, name):
    """Values are stored in the form that is set, and come back as they were."""
    value = {"a": [1, (2.5, None)], "b": {"x"}}
    visitor = site(data_serializer=name).stranger().put(value=value)
    assert visitor.contents() == {"value": value}
    (key,) = store.keys("session:")
    is_json = b'{"a":[1,{"$tuple":[2.5,null]}],"b":{"$set":["x"]}}' in store.load(key)[0]
    assert is_json is (name == "json")


def test_pickle_classes(site):
    """Pickle takes the classes that are listed, and no others."""
    allowed = site(data_serializer="pickle", pickle_classes="fractions:Fraction")
    assert allowed.stranger().put(a=Fraction(1, 3)).contents() == {"a": Fraction(1, 3)}
    with pytest.raises(SerializationError, match=r"fractions\.Fraction"):
        site(data_serializer="pickle").stranger().put(a=Fraction(1, 3))


def test_rotate_on(site):
    """Only the key that is named moves the session to a new id."""
    for wanted, rotating in ((None, "auth.userid"), ("user", "user"), ("none", None)):
        application = site(rotate_on=wanted)
        for key in ("auth.userid", "user"):
            visitor = application.stranger().put(a=1)
            before = visitor.cookies
            visitor.put(**{key: "alice"})
            assert (visitor.cookies != before) is (key == rotating)


def test_on_store_error(site, store):
    """A store that is down fails the request, or costs it its session."""
    for wanted, status in (("error", 503), ("anonymous", 200)):
        visitor = site(on_store_error=wanted).stranger().put(a=1)
        for method in ("load", "swap"):
            with store.failing(method):
                visitor.put(a=2)
            assert visitor.response.status_code == status
            assert visitor.set_cookies == []
        with store.failing("create"):
            stranger = site(on_store_error=wanted).stranger().put(a=1)
        assert (stranger.response.status_code, stranger.set_cookies) == (status, [])


def test_cache_control(site):
    """A response that sends the cookie is private, or stored nowhere."""
    for wanted in ("private", "no-store"):
        application = site(cache_control=wanted)
        assert application.stranger().put(a=1).response.headers["Cache-Control"] == wanted

        def public(request):
            request.session["a"] = 1
            return Response(cache_control="public, max-age=60")

        stranger = application.stranger()
        stranger.visit(public)
        words = {"private": "max-age=60, private", "no-store": "no-store"}
        assert stranger.response.headers["Cache-Control"] == words[wanted]


def test_cookie_on_exception(site):
    """A request that ends in an exception view is saved, or dropped but for redirects."""

    def fail(request):
        request.session["a"] = 1
        raise request.environ["error"]

    for wanted, error, saved in (
        ("true", HTTPFound("/"), True),
        ("true", LookupError(), True),
        ("false", HTTPFound("/"), True),
        ("false", LookupError(), False),
    ):
        application = site(cookie_on_exception=wanted)
        application.config.add_exception_view(lambda error, request: Response("sorry"))
        application.config.commit()
        stranger = application.stranger()
        stranger.visit(lambda request, error=error: fail(_with(request, error)))
        assert bool(stranger.set_cookies) is saved
        assert stranger.contents() == ({"a": 1} if saved else {})


def _with(request, error):
    request.environ["error"] = error
    return request


def test_renew_id_every(site, clock):
    """An id that was used for so long is renewed at the next request, by itself never."""
    for wanted, renewed in (("15m", True), ("none", False), (None, False)):
        visitor = site(renew_id_every=wanted).stranger().put(a=1)
        before = visitor.cookies
        clock.advance(900)
        visitor.use(dict)
        assert (visitor.cookies != before) is renewed


def test_rotation_grace(site, clock):
    """The old id of a renewed session leads to it for so long, and no longer."""
    for wanted, alive in (("10s", False), (None, True), ("none", False)):
        visitor = site(renew_id_every="15m", rotation_grace=wanted).stranger().put(a=1)
        old = visitor.twin()
        clock.advance(900)
        visitor.use(dict)
        clock.advance(15)
        assert (old.contents() == {"a": 1}) is alive


def test_max_sessions_per_user(site):
    """Beyond so many sessions of one user the least recently used one ends."""
    for wanted, alive in (("2", 2), ("none", 3), (None, 3)):
        application = site(max_sessions_per_user=wanted)
        browsers = [application.stranger() for _ in range(3)]
        for browser in browsers:
            browser.use(lambda session, name=wanted: session.bind_user(f"bob{name}"))
        assert sum(not browser.use(lambda session: session.new) for browser in browsers) == alive


def test_id_generator(site):
    """Ids come from the application's own generator, if they look like ids."""
    numbers = iter(range(10))
    application = site(id_generator=lambda: f"shard-7-{next(numbers):0>32}")
    stranger = application.stranger().put(a=1)
    assert stranger.cookies[NAME].startswith("shard-7-0000")
    stranger.use(lambda session: session.regenerate_id())
    assert stranger.contents() == {"a": 1}
    for nonsense in ("short", "x" * 200, "a b" * 20, 5):
        with pytest.raises(
            SessionStateError, match=r"session\.id_generator gave what is not an id"
        ):
            site(id_generator=lambda given=nonsense: given).stranger().put(a=1)


def test_require_secret(site):
    """Where a secret is required, none, or a short one, is an error at start; else a warning."""
    site(require_secret="true", secret="x" * 32)
    for secret, problem in ((None, "session.secret is missing"), ("short", "shorter than 32")):
        site(secret=secret)
        with pytest.raises(ConfigurationExecutionError, match=problem):
            site(require_secret="true", secret=secret)


def test_partitioned(site):
    """The cookie is partitioned if it is asked for, which takes a secure one."""
    asked = site(partitioned="true", secure="true", samesite="None").stranger("https").put(a=1)
    assert header(asked).endswith("; Secure; HttpOnly; SameSite=None; Partitioned")
    assert "Partitioned" not in header(site().stranger().put(a=1))
    asked.use(lambda session: session.invalidate())
    assert "; Partitioned" in header(asked)
    with pytest.raises(ConfigurationExecutionError, match=r"needs session\.secure = true"):
        site(partitioned="true")


def test_clear_site_data(site):
    """At logout the browser is asked to forget more than the cookie, if that is wanted."""
    application = site(clear_site_data="cache, storage")
    visitor = application.stranger().put(a=1)
    assert "Clear-Site-Data" not in visitor.response.headers
    visitor.use(lambda session: session.invalidate())
    assert visitor.response.headers["Clear-Site-Data"] == '"cache", "storage"'
    application = site(clear_site_data="cookies, cache")
    visitor = application.stranger().put(a=1)
    visitor.use(lambda session: (session.invalidate(), session.flash("See you soon.")))
    assert visitor.response.headers["Clear-Site-Data"] == '"cache"'
    plain = site().stranger().put(a=1)
    plain.use(lambda session: session.invalidate())
    assert "Clear-Site-Data" not in plain.response.headers
    with pytest.raises(ConfigurationExecutionError, match="use cache, cookies, storage"):
        site(clear_site_data="everything")


def test_constant_csrf_token(site):
    """All sessions have the token that is set, for tests only; by itself each has its own."""
    fixed, free = site(constant_csrf_token="fixed"), site()
    tokens = [fixed.stranger().use(lambda session: session.get_csrf_token()) for _ in range(2)]
    assert tokens == ["fixed", "fixed"]
    assert fixed.stranger().use(lambda session: session.new_csrf_token()) == "fixed"
    tokens = [free.stranger().use(lambda session: session.new_csrf_token()) for _ in range(2)]
    assert len(set(tokens)) == 2


def test_files_are_the_owners(site, tmp_path):
    """Nobody else on the machine can read the files of sessions."""
    site(type="file", data_dir=str(tmp_path)).stranger().put(a=1)
    for path in (tmp_path / "beakerish").rglob("*"):
        assert Path(path).stat().st_mode & 0o077 == 0, path
