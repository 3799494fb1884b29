"""Sessions of an earlier configuration: adopted once, by whatever is left of it."""

from __future__ import annotations

import contextlib
import logging
import pickle
import threading
import time
from types import SimpleNamespace

import beaker.session
import pytest
from pyramid.config import Configurator
from pyramid.interfaces import ISessionFactory
from pyramid.response import Response
from pyramid.session import JSONSerializer, SignedCookieSessionFactory
from webtest import TestApp

from pyramid_beakerish import StoreError, StoreUnavailable
from pyramid_beakerish.sessions.previous.raw_local import FileRaw
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.together import in_threads
from tests import beaker_peer
from tests.beaker_peer import KEY, PLAIN, fill, see
from tests.beaker_records import SECRET, Place, Way
from tests.file_help import files
from tests.previous_help import Here, here
from tests.rivals import Visitor
from tests.scenarios import FragileStore

DAY = 86400.0


@pytest.fixture(autouse=True)
def own_time(monkeypatch):
    """Give Beaker its clock back after each test."""
    monkeypatch.setattr(beaker.session, "time", beaker.session.time)


@pytest.fixture
def place(tmp_path):
    """Beaker's files."""
    return Place(Way("file"), tmp_path / "beaker")


@pytest.fixture
def old(place):
    """Give the cookie of a visitor whose session Beaker has stored."""
    return beaker_peer.serve(place.settings, "fill")["cookie"]


@pytest.fixture
def clock():
    """The clock of this package."""
    return FrozenClock(now=time.time())


@pytest.fixture
def new(place, clock):
    """The application on this package, after Beaker."""
    return here({**place.previous(), "beakerish.clock": clock})


def user(session):
    """Give who is logged in."""
    return session.get("user")


def login(session):
    """Do what Pyramid's remember() does."""
    session["auth.userid"] = "bob"


def end(session):
    """Log out."""
    session.invalidate()


@contextlib.contextmanager
def overtaken(monkeypatch, application, cookie):
    """Have a request read Beaker's record before the block, and go on after it."""
    read, has_read, go_on = FileRaw.read, threading.Event(), threading.Event()

    def slowly(raw, session_id):
        text = read(raw, session_id)
        if threading.current_thread() is thread:
            has_read.set()
            go_on.wait(10)
        return text

    seen = []
    thread = threading.Thread(target=lambda: seen.append(application.do(see, cookie)), daemon=True)
    monkeypatch.setattr(FileRaw, "read", slowly)
    thread.start()
    try:
        assert has_read.wait(10)
        yield seen
    finally:
        go_on.set()
        thread.join(10)


# Once


def test_ten_requests_at_once_end_in_one_session(old, place, tmp_path):
    """A page that loads ten things at once with the old cookie ends up with one session."""
    folder = {"session.type": "file", "session.data_dir": str(tmp_path / "ours")}
    application = here({**folder, **place.previous()})
    met = in_threads(10, lambda _: (application.moved(old), application.do(user, old)))
    assert {name for _, name in met} == {PLAIN["user"]}
    ((cookie, _),) = set(met)
    assert len(application.adopted) == 1
    application.do(end, cookie)
    assert application.do(see, old) == application.do(see, cookie) == {}


def test_what_was_ended_is_not_said_to_be_idle(new, old):
    """After a logout both cookies are refused as what they are: of a session that was ended."""
    cookie = new.moved(old)
    new.do(end, cookie)
    assert new.do(see, old) == new.do(see, cookie) == {}
    assert new.refused == ["unknown or ended"] * 2


def test_a_slow_request_revives_nothing(new, old, monkeypatch):
    """Who has read the old record before it was adopted and ended finds it ended."""
    with overtaken(monkeypatch, new, old) as seen:
        cookie = new.moved(old)
        new.do(end, cookie)
    assert seen == [{}]
    assert new.do(see, old) == new.do(see, cookie) == {}


def test_a_slow_request_meets_the_others(new, old, monkeypatch):
    """Who has read the old record before it was adopted goes on with what it has become."""
    with overtaken(monkeypatch, new, old) as seen:
        new.do(lambda session: session.update(n=5), old)
    assert seen[0]["n"] == 5
    assert len(new.adopted) == 1


def test_a_request_that_comes_just_too_late(new, old, monkeypatch):
    """Who finds nothing any more, as another request has just taken it over, goes on with that."""
    read = FileRaw.read

    def after_another(raw, session_id):
        monkeypatch.setattr(FileRaw, "read", read)
        new.do(user, old)
        return read(raw, session_id)

    monkeypatch.setattr(FileRaw, "read", after_another)
    assert new.do(user, old) == PLAIN["user"]
    assert len(new.adopted) == 1


def test_what_was_ended_there_meanwhile_is_ended(new, old, place, monkeypatch):
    """A session that another server has ended since it was read is not taken over."""
    with overtaken(monkeypatch, new, old) as seen:
        place._file(place.id(old)).unlink()
    assert seen == [{}]
    assert new.do(see, old) == {}
    assert new.adopted == []
    assert "unknown or ended" in new.refused


@pytest.mark.parametrize("leave", [end, login, lambda session: session.regenerate_id()])
def test_a_killed_request_revives_nothing(new, old, leave, monkeypatch, caplog):
    """Where the old record could not be removed its cookie still opens nothing after logout."""

    def fails(raw, session_id):
        raise StoreUnavailable

    monkeypatch.setattr(FileRaw, "remove", fails)
    cookie = new.moved(old)
    assert "could not be removed where it came from" in caplog.text
    new.do(leave, cookie)
    assert new.do(see, cookie) == new.do(see, old) == {}
    assert new.refused[-1] == "unknown or ended"


def test_a_short_life_here_revives_nothing(new, old, clock, monkeypatch):
    """A session that was given a short life is not adopted again from what it was made of."""
    monkeypatch.setattr(FileRaw, "remove", lambda raw, session_id: True)
    new.do(lambda session: session.set_lifetime(timeout=60), old)
    clock.advance(100)
    assert new.do(see, old) == {}
    clock.advance(12 * DAY)
    assert new.do(see, old) == {}
    clock.advance(3 * DAY)  # so long unused it would have ended as well
    assert new.do(see, old) == {}


@pytest.mark.parametrize("serializer", ["msgpack", "json", "pickle"])
def test_a_session_that_never_ends(place, clock, serializer, monkeypatch):
    """With ``timeout = none`` the old cookie stays shut for ever."""
    old = beaker_peer.serve(place.settings, "fill")["cookie"]
    options = {"timeout": "none", "data_serializer": serializer}
    new = here({**place.previous(), "beakerish.clock": clock}, **options)
    assert new.do(user, old) == PLAIN["user"]
    monkeypatch.setattr(FileRaw, "remove", lambda raw, session_id: True)
    new.do(end, new.moved(old))
    clock.advance(1000 * DAY)
    assert new.do(see, old) == {}


def test_an_adopted_session_rotates_at_login(new, old, place):
    """After a login the session has an id that is not derived from the old one."""
    before = new.moved(old)
    visitor = Visitor(new, before)
    visitor.do(login)
    after = f"{KEY}={visitor.cookie}"
    assert new.do(user, after) == PLAIN["user"]
    assert new.do(see, before) == new.do(see, old) == {}


@pytest.mark.parametrize("secrets", [("", ""), (SECRET, "another " + SECRET)])
def test_the_new_id(old, place, secrets):
    """The new id is derived by the secret, the oldest one; without one by anybody."""
    plain = [
        here(place.previous(), **({"secret": secret} if secret else {})).begin(fill)
        for secret in secrets
    ]
    assert plain[0] != plain[1]
    derived = []
    for secret in secrets:
        again = beaker_peer.serve(place.settings, "fill", old)["cookie"]
        application = here({**place.previous(), "session.secret": secret or SECRET})
        derived.append(application.do(lambda session: session.id, again))
    assert (derived[0] == derived[1]) == (secrets[0] == secrets[1])


# Limits


@pytest.mark.parametrize(
    ("options", "there", "days", "found"),
    [
        ({}, {}, 13.9, True),
        ({}, {}, 14.1, False),
        ({"timeout": "none"}, {}, 999, True),
        ({"timeout": "none"}, {"timeout": "3600"}, 0.1, False),
        ({"timeout": "3600"}, {}, 0.1, False),
        ({"timeout": "none", "lifetime": "2d"}, {}, 2.1, False),
        ({"timeout": "none", "lifetime": "2d"}, {}, 1.9, True),
    ],
)
def test_limits(old, place, clock, options, there, days, found):
    """A session that is over, by the limits there or by those here, is not adopted."""
    earlier = {f"session.previous.{name}": value for name, value in there.items()}
    new = here({**place.previous(), **earlier, "beakerish.clock": clock}, **options)
    clock.advance(days * DAY)
    assert (new.do(user, old) is not None) == found
    assert new.refused == ([] if found else ["not used for too long"])


def test_who_keeps_the_old_cookie_is_not_logged_out(new, old, clock):
    """Whoever goes on sending the old cookie uses the session by that, too."""
    for _ in range(5):
        assert new.do(user, old) == PLAIN["user"]
        new.do(lambda session: session.update(n=session["n"] + 1), old)
        clock.advance(10 * DAY)
    assert new.do(lambda session: session["n"], old) == PLAIN["n"] + 5
    for _ in range(3):
        assert new.do(user, old) == PLAIN["user"]
        clock.advance(10 * DAY)


def test_the_age_of_a_session_stays(new, old, clock):
    """An adopted session is as old as it was, and was used just now."""
    clock.advance(100)
    created, accessed = new.do(lambda session: (session.created, session.last_accessed), old)
    assert created <= time.time() < accessed == clock.now  # Beaker has begun it by the real clock


def test_what_is_the_cookies_own_stays(place, new):
    """The path and the domain that one session has set are kept."""
    there = beaker_peer.serve(place.settings, "somewhere_else")["cookie"]
    assert new.do(lambda session: (session.path, session.domain), there) == ("/shop", "example.com")


def test_what_delete_leaves_is_no_session(place, new, old):
    """What pyramid_beaker leaves behind of a session that was deleted opens nothing."""
    beaker_peer.serve(place.settings, "leave", old)
    assert place.record(old)
    assert new.do(lambda session: session.new, old) is True
    assert new.refused == ["unknown or ended"]


# Cookies


def test_several_cookies(new, old, place):
    """Of several cookies the one that opens a session is taken, wherever it stands."""
    signed = beaker_peer.serve(place.settings, "nothing")["cookie"]
    forged = f"{KEY}={'0' * 40}{'1' * 32}"
    for header in (f"{old}; {KEY}=junk", f"{forged}; {old}", f"x=y; {signed}; {old}"):
        assert new.do(user, header) == PLAIN["user"]
    dead = new.begin(fill)
    new.do(end, dead)
    assert new.do(user, f"{dead}; {old}") == PLAIN["user"]


def test_ids_that_beaker_never_gave(place, tmp_path):
    """An id that is none of Beaker's is not looked for, nor anything that was not signed."""
    unsigned = Place(Way("file", signed=False), tmp_path)
    for value in ("../../etc/passwd", "x" * 32, "", "a" * 31, "\u00e9" * 32):
        application = here(unsigned.previous())
        assert application.do(lambda session: session.new, f"{KEY}={value}") is True
        assert application.refused in (["malformed"], ["bad signature"])
    assert files(tmp_path) == []
    assert here(place.previous()).do(lambda session: session.new, f"{KEY}={'a' * 32}") is True


def test_no_repr_shows_an_id(new, old):
    """What is adopted does not show its id in a traceback."""
    manager = new.registry.queryUtility(ISessionFactory)._manager
    assert repr(manager.adopt(old)) == "<Adopted>"


def test_no_log_shows_an_id(new, old, place, caplog):
    """The line of the log and the event name the session by its fingerprint."""
    caplog.set_level(logging.DEBUG)
    new.do(user, old)
    (event,) = new.adopted
    assert f"An earlier session was adopted: {event.fingerprint}, number 1." in caplog.text
    assert place.id(old) not in caplog.text
    assert place.id(old) not in repr(event)


# By default


def test_replacing_the_package_logs_nobody_out(old, place):
    """With the same settings, and nothing else, sessions of pyramid_beaker go on."""
    new = Here(place.settings)
    assert new.do(user, old) == PLAIN["user"]
    assert len(new.adopted) == 1


def test_previous_none(old, place):
    """With ``session.previous = none`` nothing is looked for."""
    new = Here({**place.settings, "session.previous": "none"})
    assert new.do(user, old) is None
    assert new.adopted == []


# The configurations of this package


@pytest.mark.parametrize(
    "changed",
    [
        {"secret": "x" * 40},
        {"key": "other"},
        {"data_serializer": "json"},
        {"data_serializer": "pickle"},
        {"data_dir": "elsewhere"},
        {"encrypt_key": "e" * 40},
        {"type": "memory"},
    ],
    ids=str,
)
def test_another_configuration_of_this_package(tmp_path, changed):
    """A site changes its store, its secret, its cookie, its serializer under live users."""
    settings = {"type": "file", "data_dir": str(tmp_path / "a"), "secret": SECRET}
    written = {f"session.{name}": value for name, value in settings.items()}
    before = Here({**written, "session.previous": "none"})
    cookie = before.begin(fill)
    values = before.do(see, cookie)
    if "data_dir" in changed:
        changed = {"data_dir": str(tmp_path / "b")}
    earlier = {f"session.previous.{name}": value for name, value in settings.items()}
    now = {**settings, **changed}
    after = Here({**earlier, **{f"session.{name}": value for name, value in now.items()}})
    key = changed.get("key", KEY)
    same_place = not {"secret", "key"} & changed.keys() and "a" in now["data_dir"][-1:]
    assert after.do(see, cookie) == values
    moved = cookie
    if after.adopted:
        moved = after.moved(cookie, key)
        assert before.do(see, cookie) == {}
    assert after.do(see, moved) == values
    assert bool(after.adopted) or same_place
    after.do(end, moved)
    assert after.do(see, cookie) == after.do(see, moved) == {}


SEALED = [{"secret": SECRET}, {"validate_key": SECRET}, {"encrypt_key": "e" * 40}]


@pytest.mark.parametrize("keys", SEALED, ids=str)
def test_sessions_in_cookies_of_this_package(keys, clock):
    """A site that kept its sessions in cookies gives them a store, under live users."""
    earlier = {"type": "cookie", "timeout": "1h", **keys}
    before = {f"session.{name}": value for name, value in earlier.items()}
    cookie = Here({**before, "session.previous": "none", "beakerish.clock": clock}).begin(fill)
    previous = {f"session.previous.{name}": value for name, value in earlier.items()}
    after = here({**previous, "beakerish.clock": clock})
    assert after.do(see, f"{KEY}=junk") == {}
    assert after.do(user, cookie) == PLAIN["user"]
    moved = after.moved(cookie)
    assert [event.count for event in after.adopted] == [1]
    after.do(end, moved)
    assert after.do(see, cookie) == after.do(see, moved) == {}


def test_a_session_in_a_cookie_ends(clock):
    """One that was in a cookie of this package, unused for its timeout, is over."""
    sealed = {"type": "cookie", "timeout": "1h", "secret": SECRET}
    before = {f"session.{name}": value for name, value in sealed.items()}
    cookie = Here({**before, "beakerish.clock": clock}).begin(fill)
    previous = {f"session.previous.{name}": value for name, value in sealed.items()}
    clock.advance(3700)
    after = here({**previous, "beakerish.clock": clock})
    assert after.do(see, cookie) == {}
    assert after.adopted == []


# Pyramid's own sessions


def signed_cookie(serializer=None, **options):
    """Give the cookie of a visitor of Pyramid's own sessions."""
    factory = SignedCookieSessionFactory("seekrit", serializer=serializer, **options)
    config = Configurator(session_factory=factory)

    def view(request):
        request.session["user"] = "bob"
        request.session.flash("hello")
        return Response("done")

    config.add_view(view)
    app = TestApp(config.make_wsgi_app())
    app.get("/")
    name = options.get("cookie_name", "session")
    return f"{name}={app.cookies[name]}"


def after_signed_cookies(**options):
    """Give the application after Pyramid's own sessions."""
    given = {"type": "signed_cookie", "secret": "seekrit", **options}
    return here({f"session.previous.{name}": value for name, value in given.items()})


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ({}, {}),
        ({"cookie_name": "sid"}, {"key": "sid"}),
        ({"salt": "s.", "hashalg": "sha256"}, {"salt": "s.", "hashalg": "sha256"}),
        ({"serializer": pickle}, {"serializer": "pickle"}),
        ({"serializer": JSONSerializer()}, {"serializer": JSONSerializer()}),
        ({}, {"secret": "newer\nseekrit"}),
    ],
)
def test_pyramids_own_sessions(there, here):
    """Sessions of SignedCookieSessionFactory are adopted, and after logout stay away."""
    cookie = signed_cookie(**there)
    application = after_signed_cookies(**here)
    assert application.do(see, cookie) == {"user": "bob", "_f_": ["hello"]}
    assert application.do(lambda session: session.peek_flash(), cookie) == ["hello"]
    application.do(end, application.moved(cookie))
    assert application.do(see, cookie) == {}


def test_pyramids_own_sessions_end(monkeypatch):
    """One that was not used for its timeout is over."""
    cookie = signed_cookie()
    clock = FrozenClock(now=time.time() + 1300)
    given = {"type": "signed_cookie", "secret": "seekrit"}
    previous = {f"session.previous.{name}": value for name, value in given.items()}
    new = here({**previous, "beakerish.clock": clock})
    assert new.do(see, cookie) == {}
    assert new.refused == ["not used for too long"]


class Says:
    """A serializer that says one thing."""

    def __init__(self, loaded):
        self.loaded = loaded

    dumps = repr

    def loads(self, data):
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded


@pytest.mark.parametrize(
    "loaded",
    [ValueError("x"), 5, [1, 2], [1, 2, 3], [1, 2, {5: 6}], ["x", 2, {}], [1, float("nan"), {}]],
    ids=repr,
)
def test_signed_cookies_of_another_shape(loaded):
    """What is signed and no session is a new session, with a line in the log."""
    cookie = signed_cookie()
    new = after_signed_cookies(serializer=Says(loaded))
    assert new.do(see, cookie) == {}
    assert new.refused == ["corrupt record"]


def test_a_cookie_that_is_not_signed():
    """A cookie with another signature is not looked at."""
    new = after_signed_cookies(secret="another")
    assert new.do(see, signed_cookie()) == {}
    assert new.refused == []


# Values


def test_classes_of_ones_own(place, caplog):
    """An object of a class that is not listed is no reason to drop the session: it waits."""
    there = beaker_peer.serve(place.settings, "basket")["cookie"]
    assert here(place.previous()).do(see, there) == {}
    line = "tests.beaker_peer:Basket"
    assert f"add the line {line} to pickle_classes" in caplog.text
    still_msgpack = here(place.previous(), pickle_classes=line)
    assert still_msgpack.do(see, there) == {}
    assert f"session['basket']: {line.replace(':', '.')} would not come back" in caplog.text
    new = here(place.previous(), pickle_classes=line, data_serializer="pickle")
    assert new.do(lambda session: session["basket"].lines, there) == ["x"]


def test_other_dictionaries(place, new):
    """An OrderedDict becomes a dict, which keeps its order as well."""
    there = beaker_peer.serve(place.settings, "ordered")["cookie"]
    ordered = new.do(lambda session: session["ordered"], there)
    assert (type(ordered), ordered) == (dict, {"a": 1})


def test_an_adopted_session_is_written_to_at_once(new, old):
    """What the first request changes is stored as well."""
    visitor = Visitor(new, old)
    visitor.do(lambda session: session["cart"].append("x"))
    assert new.do(lambda session: session["cart"][-1], new.moved(old)) == "x"


# Failures


@pytest.mark.parametrize("anonymous", [False, True])
def test_the_earlier_store_is_down(old, place, anonymous, monkeypatch):
    """What cannot be asked for is an error, or no session, as the settings say; never a new one."""

    def fails(raw, session_id):
        raise StoreUnavailable("down")

    options = {"on_store_error": "anonymous"} if anonymous else {}
    new = here(place.previous(), **options)
    monkeypatch.setattr(FileRaw, "read", fails)
    visitor = Visitor(new, old)
    if anonymous:
        assert visitor.do(user) is None
    else:
        visitor.request(lambda request: user(request.session), status=503)
    monkeypatch.undo()
    assert new.do(user, old) == PLAIN["user"]


def test_nothing_is_looked_for_without_need(new, old, monkeypatch):
    """A session that is found here, and a visitor without a cookie, ask nobody else."""
    cookie = new.moved(old)

    def never(raw, session_id):
        raise AssertionError

    monkeypatch.setattr(FileRaw, "read", never)
    assert new.do(user, cookie) == PLAIN["user"]
    assert new.do(user) is None


# What does not fit


def test_what_is_too_large_for_the_cookie(caplog):
    """An earlier session that does not fit is left as it is: a new one, no error on each page."""
    settings = {"session.type": "cookie", "session.validate_key": SECRET}
    settings["session.data_serializer"] = "json"
    compressed = Here({**settings, "session.format": "beaker"})
    cookie = compressed.begin(lambda session: session.update(a=["the same"] * 600, b=1))
    new = Here(settings)
    assert new.do(see, cookie) == {}
    assert "An earlier session is left as it is" in caplog.text
    assert "the largest keys are 'a', 'b'" in caplog.text
    assert (new.adopted, new.refused) == ([], ["corrupt record"])
    assert compressed.do(see, cookie)["b"] == 1


def test_what_is_too_large_for_the_store(old, place, clock, caplog):
    """The same goes for a store that refuses it, and the earlier session is there as before."""
    store = FragileStore(clock, [])
    new = here(place.previous(), type=store)
    store.fail("create", error=lambda: StoreError("object too large"))
    assert new.do(see, old) == {}
    assert "not adopted: object too large" in caplog.text
    store.mend()
    assert new.do(user, old) == PLAIN["user"]


def test_logout_of_a_session_that_was_in_the_same_cookie():
    """After a logout the visitor's own browser has nothing left that would log him in."""
    config = Configurator()
    config.set_session_factory(SignedCookieSessionFactory("o" * 40))
    config.add_view(lambda request: Response(str(request.session.update(user="bob"))))
    site = SimpleNamespace(app=config.make_wsgi_app())
    visitor = Visitor(site)
    visitor.request(None)
    settings = {"session.type": "cookie", "session.key": "session", "session.secret": SECRET}
    earlier = {"session.previous.type": "signed_cookie", "session.previous.secret": "o" * 40}
    site.app = Here({**settings, **earlier}).app
    assert visitor.do(user) == "bob"
    visitor.do(end)
    assert visitor.do(user) is None


FROM_COOKIES = {
    "Beaker": {"type": "cookie", "format": "beaker", "validate_key": "v" * 40},
    "ours": {"type": "cookie", "secret": "o" * 40},
    "encrypted": {"type": "cookie", "encrypt_key": "e" * 40},
}


@pytest.mark.parametrize("earlier", FROM_COOKIES.values(), ids=FROM_COOKIES)
def test_a_new_secret_after_a_logout(tmp_path, earlier):
    """What was in a cookie and has ended stays ended when ``session.secret`` is replaced."""
    place = {"session.type": "file", "session.data_dir": str(tmp_path)}
    previous = {f"session.previous.{name}": said for name, said in earlier.items()}
    cookie = Here({f"session.{name}": said for name, said in earlier.items()}).begin(fill)

    def with_secret(*secrets):
        return Here({**place, **previous, "session.secret": "\n".join(secrets)})

    moved = with_secret(SECRET).moved(cookie)
    assert with_secret("new" + SECRET).do(user, cookie) == PLAIN["user"]
    with_secret(SECRET).do(end, moved)
    for secrets in ([SECRET], ["new" + SECRET, SECRET], ["new" + SECRET]):
        assert with_secret(*secrets).do(see, cookie) == {}
