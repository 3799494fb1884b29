"""Pyramid's own signed cookies, from the ini file: its options are coerced, checked and obeyed."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace

import pytest
from pyramid.config import Configurator
from pyramid.interfaces import ISessionFactory
from pyramid.response import Response
from pyramid.session import JSONSerializer, SignedCookieSessionFactory
from webtest import TestApp

from pyramid_beakerish import BeakerSessionFactoryConfig, SettingsError
from pyramid_beakerish.settings import read_settings
from pyramid_beakerish.settings.pyramid_only import SIGNED_COOKIE_OPTIONS
from pyramid_beakerish.signed_cookie import SignedCookieFactory, pyramid_options

SECRET = "a secret that is long enough to be one"
SETTINGS = {"session.type": "signed_cookie", "session.secret": SECRET}


class Reversed(JSONSerializer):
    """A serializer of the application's own."""

    def dumps(self, appstruct):
        return super().dumps(appstruct)[::-1]

    def loads(self, bstruct):
        return super().loads(bstruct[::-1])


REVERSED = Reversed()


def make_app(session_factory=None, **options):
    config = Configurator(
        settings={**SETTINGS, **{f"session.{name}": value for name, value in options.items()}},
        session_factory=session_factory,
    )
    config.include("pyramid_beakerish")

    def count(request):
        request.session["count"] = request.session.get("count", 0) + 1
        if "fail" in request.params:
            raise LookupError
        return Response(str(request.session["count"]))

    config.add_view(count)
    config.add_view(lambda request: Response(str(dict(request.session))), name="look")
    config.add_exception_view(lambda error, request: Response("sorry"), context=LookupError)
    return config.make_wsgi_app()


def problems(**options):
    with pytest.raises(SettingsError) as caught:
        read_settings({**SETTINGS, **{f"session.{n}": value for n, value in options.items()}})
    return "\n".join(caught.value.problems)


def options_of(**options):
    given = {f"session.{name}": value for name, value in options.items()}
    return pyramid_options(read_settings({**SETTINGS, **given}).session)


def test_the_ini_file_is_enough():
    """Sessions are Pyramid's own, and in the cookie that its factory would have sent."""
    browser = TestApp(make_app())
    assert [browser.get("/").text for _ in range(2)] == ["1", "2"]
    assert list(browser.cookies) == ["session"]
    theirs = TestApp(make_app(SignedCookieSessionFactory(SECRET)))
    theirs.set_cookie("session", browser.cookies["session"])
    assert theirs.get("/").text == "3"
    browser.set_cookie("session", theirs.cookies["session"])
    assert browser.get("/").text == "4"


def test_a_forged_cookie_opens_nothing():
    """A cookie that another secret has signed is not read."""
    browser = TestApp(make_app(SignedCookieSessionFactory("other")))
    browser.get("/")
    ours = TestApp(make_app())
    ours.set_cookie("session", browser.cookies["session"])
    assert ours.get("/").text == "1"


def test_the_cookie_is_as_safe_as_elsewhere():
    """It is out of reach of scripts and other sites, and of http if it was set over https."""
    app = TestApp(make_app())
    header = app.get("/").headers["Set-Cookie"]
    assert "HttpOnly; SameSite=Lax" in header
    assert "secure" not in header.lower()
    https = app.get("/", extra_environ={"wsgi.url_scheme": "https"}).headers["Set-Cookie"]
    assert "; secure" in https.lower()
    always = TestApp(make_app(secure="true")).get("/").headers["Set-Cookie"]
    assert "; secure" in always.lower()


def test_every_option_is_handed_on():
    """Strings of an ini file become what Pyramid takes, under Pyramid's names."""
    given = options_of(
        hashalg="SHA256",
        salt="mine",
        timeout="30m",
        reissue_time="0",
        set_on_exception="false",
        serializer="tests.test_signed_cookie:Reversed",
        key="sid",
        cookie_path="/app",
        cookie_domain="example.org",
        cookie_expires="2h",
        samesite="Strict",
        httponly="false",
    )
    assert isinstance(given.pop("serializer"), Reversed)
    assert given == {
        "secret": SECRET,
        "hashalg": "sha256",
        "salt": "mine",
        "timeout": 1800,
        "reissue_time": 0,
        "set_on_exception": False,
        "cookie_name": "sid",
        "path": "/app",
        "domain": "example.org",
        "max_age": 7200,
        "samesite": "Strict",
        "httponly": False,
    }
    SignedCookieSessionFactory(**given)


def test_every_option_is_in_the_table():
    """Each option of Pyramid's factory is one here."""
    assert set(SIGNED_COOKIE_OPTIONS) == {
        "hashalg",
        "salt",
        "reissue_time",
        "set_on_exception",
        "serializer",
    }


@pytest.mark.parametrize(
    ("options", "name", "expected"),
    [
        ({"timeout": "none"}, "timeout", None),
        ({"timeout": 0.5}, "timeout", 1),
        ({"reissue_time": "none"}, "reissue_time", None),
        ({"reissue_time": None}, "reissue_time", None),
        ({"reissue_time": "1m"}, "reissue_time", 60),
        ({"cookie_expires": "true"}, "max_age", None),
        ({"cookie_expires": "false"}, "max_age", 400 * 24 * 3600),
        ({"cookie_on_exception": "false"}, "set_on_exception", False),
        ({"samesite": ""}, "samesite", None),
        ({"serializer": Reversed}, "serializer", Reversed),
        ({"serializer": REVERSED}, "serializer", REVERSED),
        ({"secret": f"{SECRET}\nanother secret"}, "secret", SECRET),
    ],
)
def test_values(options, name, expected):
    """Words and numbers mean here what they mean elsewhere."""
    value = options_of(**options)[name]
    assert (type(value) if isinstance(expected, type) else value) == expected


def test_what_is_not_given_is_pyramids():
    """Pyramid's defaults hold for what is left out, but for the cookie's safety."""
    assert set(options_of()) == {"secret", "httponly", "samesite", "max_age", "set_on_exception"}
    assert options_of(serializer="JSON") == options_of()


def test_exceptions():
    """``set_on_exception = false`` sends no cookie with what an exception view answers."""
    for wanted, count in (("true", "2"), ("false", "1")):
        browser = TestApp(make_app(set_on_exception=wanted))
        browser.get("/?fail=1")
        assert browser.get("/").text == count


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hashalg": "sha"}, "session.hashalg = 'sha' is no hash algorithm: use sha512"),
        ({"hashalg": "shake_128"}, "is no hash algorithm"),
        ({"reissue_time": "-1"}, "is not above zero: use 0 for always or none for never."),
        ({"reissue_time": "soon"}, "is not a duration: use seconds from 0"),
        ({"serializer": "no.such:thing"}, "cannot be imported"),
        ({"serializer": "json:JSONDecoder"}, "is not a serializer"),
        ({"serializer": SimpleNamespace(dumps=bytes)}, "is not a serializer"),
        ({"serializer": SimpleNamespace(loads=bytes)}, "is not a serializer"),
        ({"serializer": "pickle"}, "runs what is in a cookie: use it only under previous., for"),
        ({"set_on_exception": "maybe"}, "is not a boolean"),
        ({"cookie_expires": datetime(2030, 1, 1)}, "is a date: signed cookies need a number"),
        ({"format": "beaker"}, "cannot go with signed cookies, which Pyramid keeps"),
        ({"secret": None}, "session.type = signed_cookie needs session.secret."),
        ({"samesite": "None"}, "session.samesite"),
        ({"hashalgo": "md5"}, "Did you mean session.hashalg?"),
    ],
)
def test_mistakes(options, sentence):
    """What cannot be obeyed is told at start, by the key as it was written."""
    assert sentence in problems(**options)


def test_messages():
    """Options that Pyramid does not have, and a second secret, are told in the log."""
    settings = {
        **SETTINGS,
        "session.lifetime": "1d",
        "session.constant_csrf_token": "x",
        "session.require_secret": "true",
        "session.secret": f"{SECRET}\n{SECRET} too",
    }
    assert read_settings(settings).messages == (
        "session.lifetime has no effect: Pyramid keeps the sessions and has no such option.",
        (
            "session.constant_csrf_token has no effect: "
            "Pyramid keeps the sessions and has no such option."
        ),
        "session.secret has several lines, and Pyramid uses only the first.",
    )
    others = {"session.type": "memory", "session.secret": SECRET, "session.salt": "x"}
    (message,) = read_settings(others).messages
    assert message == ("session.salt has no effect: only session.type = signed_cookie reads it.")


def test_a_region_is_no_cookie():
    """Nothing can be cached in a visitor's cookie."""
    settings = {"cache.regions": "a", "cache.type": "signed_cookie"}
    with pytest.raises(SettingsError, match="is no type"):
        read_settings(settings)


def test_the_factory_by_hand():
    """The factory can be made without an include; it shows no secret, and needs one."""
    factory = BeakerSessionFactoryConfig(type="signed_cookie", secret=SECRET)
    assert isinstance(factory, SignedCookieFactory)
    assert ISessionFactory.providedBy(factory)
    assert SECRET not in repr(factory)
    assert TestApp(make_app(factory)).get("/").text == "1"
    with pytest.raises(SettingsError, match="needs secret"):
        BeakerSessionFactoryConfig(type="signed_cookie")
