"""What values the options take, and the exact words for those that they do not take."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest

from pyramid_beakerish.errors import SettingsError
from pyramid_beakerish.settings import read_region_settings, read_session_settings, read_settings

DURATION = "use seconds, a number with s, m, h or d (30m), or none."
NO_TIMEOUT = "is not above zero: use none for sessions that never end by themselves."
EXPIRES = (
    "is not a cookie's end: use true (with the browser), false (never), seconds, "
    "or a number with s, m, h or d (30d)."
)
NEEDS_SECURE = "needs session.secure = true: browsers drop a cookie of that name otherwise."
SERIALIZER = "is not a serializer: use msgpack, json, pickle or an object with dumps and loads."
ENGINE = "= '***' is not a dictionary of engine options: use a dictionary with keys such as sa.url."


def session(**options):
    """Read session options that are given without their prefix."""
    return read_session_settings({f"session.{name}": value for name, value in options.items()})[0]


def problems(settings):
    """Give the mistakes that strict reading finds."""
    with pytest.raises(SettingsError) as caught:
        read_settings(settings)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("name", "value", "meaning"),
    [
        ("httponly", "true", True),
        ("httponly", "Yes", True),
        ("httponly", "on", True),
        ("httponly", "1", True),
        ("httponly", 1, True),
        ("httponly", " no ", False),
        ("httponly", "F", False),
        ("httponly", "0", False),
        ("httponly", False, False),
        ("httponly", None, True),
        ("secure", "AUTO", "auto"),
        ("secure", "true", True),
        ("secure", False, False),
        ("timeout", "1800", 1800),
        ("timeout", "30m", 1800),
        ("timeout", "8H", 8 * 3600),
        ("timeout", "14 d", 14 * 86400),
        ("timeout", "1.5s", 1.5),
        ("timeout", "none", None),
        ("timeout", None, None),
        ("timeout", 60, 60),
        ("timeout", 0.5, 0.5),
        ("timeout", timedelta(hours=1), 3600),
        ("lifetime", "30d", 30 * 86400),
        ("lifetime", "36500d", 36500 * 86400),
        ("max_entries", "1", 1),
        ("max_entries", "250", 250),
        ("max_entries", 250, 250),
        ("cookie_expires", "true", True),
        ("cookie_expires", "No", False),
        ("cookie_expires", False, False),
        ("cookie_expires", None, True),
        ("cookie_expires", "1", 1),
        ("cookie_expires", 300, 300),
        ("cookie_expires", "30d", 30 * 86400),
        ("cookie_expires", timedelta(days=1), 86400),
        (
            "cookie_expires",
            datetime(2040, 1, 1, tzinfo=timezone(timedelta(hours=1))),
            datetime(2039, 12, 31, 23, tzinfo=timezone.utc),
        ),
        ("samesite", "lax", "Lax"),
        ("samesite", "STRICT", "Strict"),
        ("samesite", "", None),
        ("samesite", None, None),
        ("secret", "new\n  old, with a comma\n\n", ("new", "old, with a comma")),
        ("secret", b"bytes \xc3\xa9", ("bytes é",)),
        ("secret", ["new", b"old"], ("new", "old")),
        ("pickle_classes", "a.B, c.D\ne.F", ("a.B", "c.D", "e.F")),
        ("pickle_classes", ["a.B"], ("a.B",)),
        ("data_dir", Path("some") / "folder", str(Path("some") / "folder")),
        ("cookie_domain", ".example.com", ".example.com"),
        ("cookie_domain", "my_app.example.com", "my_app.example.com"),
        ("cookie_domain", "_app.lan", "_app.lan"),
        ("cookie_path", "/a b", "/a b"),
        ("rotate_on", "None", None),
        ("rotate_on", None, None),
        ("rotate_on", " user ", "user"),
        ("constant_csrf_token", "FOO", "FOO"),
        ("constant_csrf_token", "false", False),
        ("constant_csrf_token", "No", False),
        ("constant_csrf_token", "off", False),
        ("constant_csrf_token", "0", False),
        ("constant_csrf_token", "none", False),
        ("constant_csrf_token", False, False),
        ("data_serializer", "JSON", "json"),
        ("on_store_error", "Anonymous", "anonymous"),
        ("url", None, None),
    ],
)
def test_value_is_understood(name, value, meaning):
    """A string and the Python object that it spells mean the same."""
    assert getattr(session(**{name: value}), name) == meaning


def test_a_moment_without_a_zone(monkeypatch):
    """A date that says no zone is in UTC, as in Beaker, wherever the server is."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        read = session(cookie_expires=datetime(2040, 1, 1))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert read.cookie_expires == datetime(2040, 1, 1, tzinfo=timezone.utc)


def test_serializer_object():
    """An object with dumps and loads is a serializer as it is."""
    import json

    assert session(data_serializer=json).data_serializer is json


def test_same_site_none_with_secure():
    """SameSite=None goes with secure = true."""
    read = session(samesite="none", secure="true")
    assert (read.samesite, read.secure) == ("None", True)


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("__Host-sid", {}),
        ("__secure-sid", {"cookie_path": "/app", "cookie_domain": "example.com"}),
    ],
)
def test_cookie_name_with_prefix(key, place):
    """A cookie name with a prefix is allowed where its promise is kept."""
    assert session(key=key, secure="true", **place).key == key


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("secure", "maybe", "= 'maybe' is not a boolean: use true, false or auto."),
        ("httponly", "", "= '' is not a boolean: use true or false."),
        ("use_cookies", 2, "= 2 is not a boolean: use true or false."),
        ("cookie_on_exception", "maybe", "= 'maybe' is not a boolean: use true or false."),
        ("httponly", [True], "= <list> is not a boolean: use true or false."),
        ("timeout", "soon", f"= 'soon' is not a duration: {DURATION}"),
        ("timeout", "300 sec", f"= '300 sec' is not a duration: {DURATION}"),
        ("timeout", True, f"= True is not a duration: {DURATION}"),
        ("timeout", float("nan"), f"= nan is not a duration: {DURATION}"),
        ("timeout", 10**400, f"= <int> is not a duration: {DURATION}"),
        ("timeout", -(10**400), f"= <int> is not a duration: {DURATION}"),
        ("timeout", [60], f"= <list> is not a duration: {DURATION}"),
        ("timeout", "0", f"= '0' {NO_TIMEOUT}"),
        ("timeout", -1, f"= -1 {NO_TIMEOUT}"),
        ("timeout", timedelta(0), f"= 0:00:00 {NO_TIMEOUT}"),
        ("lifetime", "0", "= '0' is not above zero: use none for no limit."),
        ("lifetime", "40000d", "= '40000d' is longer than 100 years: use none for no limit."),
        (
            "touch_interval",
            "none",
            "= 'none' is not a duration: use seconds, or a number with s, m, h or d (30m).",
        ),
        (
            "touch_interval",
            "0",
            "= '0' is not above zero: leave it out for a tenth of the timeout, at most 60 s.",
        ),
        *(
            (
                "max_entries",
                value,
                f"= {value!r} is not a whole number above zero: use a number such as 250.",
            )
            for value in ("0", "1_000", "\N{ARABIC-INDIC DIGIT THREE}", True, 2.5)
        ),
        ("cookie_expires", "someday", f"= 'someday' {EXPIRES}"),
        (
            "cookie_expires",
            "0",
            "= '0' is not above zero: use true for a cookie that ends with the browser.",
        ),
        (
            "cookie_expires",
            0,
            "= 0 is not above zero: use true for a cookie that ends with the browser.",
        ),
        (
            "cookie_expires",
            datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
            f"= 9999-12-31 23:59:59.999999-01:00 {EXPIRES}",
        ),
        ("samesite", "banana", "= 'banana' is not allowed: use Lax, Strict or None."),
        (
            "samesite",
            "Lax; Domain=evil",
            "= 'Lax; Domain=evil' is not allowed: use Lax, Strict or None.",
        ),
        (
            "samesite",
            "none",
            (
                "= 'none' needs session.secure = true: "
                "browsers drop such a cookie otherwise (auto is not enough)."
            ),
        ),
        (
            "key",
            "bad key;",
            "= 'bad key;' is not a cookie's name: use letters, digits and !#$%&'*+-.^_`|~ only.",
        ),
        ("key", "Path", "= 'Path' is the name of a cookie's attribute: use another name."),
        ("key", "__Secure-sid", f"= '__Secure-sid' {NEEDS_SECURE}"),
        (
            "cookie_path",
            "a",
            "= 'a' is not a cookie's path: use a path that begins with / and holds no ;.",
        ),
        (
            "cookie_path",
            "/;x",
            "= '/;x' is not a cookie's path: use a path that begins with / and holds no ;.",
        ),
        (
            "cookie_domain",
            "example.com; Secure",
            "= 'example.com; Secure' is not a host name: use a host name such as example.com.",
        ),
        ("secret", b"\xff\xfe", "= '***' is not text: use text in UTF-8, one secret a line."),
        ("secret", 7, "= '***' is not text: use text in UTF-8, one secret a line."),
        ("secret", " \n", "= '***' is empty: give a value, or leave the line out."),
        ("url", "", "= '***' is empty: give a value, or leave the line out."),
        ("type", '"file"', """= '"file"' is in quotes, which would be part of it: omit them."""),
        ("data_dir", '"/d"', """= '"/d"' is in quotes, which would be part of it: omit them."""),
        ("url", '"h"', "= '***' is in quotes, which would be part of it: omit them."),
        ("data_dir", b"x", "= <bytes> is not text: use text."),
        ("data_dir", 7, "= 7 is not text: use text."),
        ("data_dir", "a\0b", r"= 'a\x00b' is not text: use text."),
        (
            "pickle_classes",
            7,
            "= 7 is not a list: use names separated by commas or line ends.",
        ),
        (
            "pickle_classes",
            [7],
            "= <list> is not a list: use names separated by commas or line ends.",
        ),
        ("data_serializer", "yaml", f"= 'yaml' {SERIALIZER}"),
        ("data_serializer", object(), f"= <object> {SERIALIZER}"),
        ("data_serializer", SimpleNamespace(dumps=str), f"= <SimpleNamespace> {SERIALIZER}"),
        ("data_serializer", SimpleNamespace(loads=str), f"= <SimpleNamespace> {SERIALIZER}"),
        (
            "rotate_on",
            "yes",
            "= 'yes' is not the name of a key: use a name such as auth.userid, or none.",
        ),
        (
            "rotate_on",
            "Off",
            "= 'Off' is not the name of a key: use a name such as auth.userid, or none.",
        ),
        (
            "rotate_on",
            True,
            "= True is not the name of a key: use a name such as auth.userid, or none.",
        ),
        (
            "constant_csrf_token",
            "on",
            "= '***' is not a token: use text, or false for a separate one in each session.",
        ),
        (
            "constant_csrf_token",
            True,
            "= '***' is not a token: use text, or false for a separate one in each session.",
        ),
        ("cache_control", "public", "= 'public' is not allowed: use private or no-store."),
        ("id", "fixed", "would give all visitors one and the same session: leave it out."),
        (
            "encrypt_nonce_bits",
            "49",
            "= '49' is not a multiple of 8: use 128, or 48 as Beaker before 1.8.",
        ),
        (
            "crypto_type",
            "rot13",
            "= 'rot13' is not a crypto module: use default, cryptography or pycryptodome.",
        ),
        (
            "session_class",
            "collections:OrderedDict",
            (
                "= 'collections:OrderedDict' is not a subclass of beaker.session.Session: "
                "use such a class or package.module:name."
            ),
        ),
        (
            "namespace_class",
            "no_such_package.module:Name",
            (
                "= 'no_such_package.module:Name' cannot be imported: "
                "No module named 'no_such_package'."
            ),
        ),
        (
            "namespace_class",
            "math:pi",
            "= 'math:pi' is not callable: use a callable or package.module:name.",
        ),
        ("sa_opts", "pool_size=5", ENGINE),
        ("sa_opts", {"pool_size": 5}, ENGINE),
        ("sa_opts", {5: "sa.pool_size"}, ENGINE),
    ],
)
def test_wrong_value(name, value, sentence):
    """A value that an option cannot take is told with its key, what is allowed and a remedy."""
    assert problems({f"session.{name}": value}) == [f"session.{name} {sentence}"]


def test_long_value_is_shortened():
    """A message shows the beginning of a long value only."""
    (problem,) = problems({"session.secure": "x" * 100})
    assert f"'{'x' * 57}...'" in problem


def test_host_prefix_rules():
    """A cookie named __Host- needs https, the path / and no domain."""
    assert problems(
        {
            "beaker.session.key": "__Host-sid",
            "session.cookie_path": "/app",
            "session.cookie_domain": "example.com",
        }
    ) == [
        f"beaker.session.key = '__Host-sid' {NEEDS_SECURE}",
        (
            "beaker.session.key = '__Host-sid' needs session.cookie_path = /: "
            "browsers drop a cookie of that name otherwise."
        ),
        (
            "beaker.session.key = '__Host-sid' allows no session.cookie_domain: "
            "browsers drop a cookie of that name otherwise."
        ),
    ]


def test_long_host_name():
    """A host name has at most 253 characters."""
    longest = ".".join(["a" * 63] * 3 + ["b" * 61])
    assert session(cookie_domain=longest).cookie_domain == longest
    (problem,) = problems({"session.cookie_domain": f"{longest}b"})
    assert problem.endswith("is not a host name: use a host name such as example.com.")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("0", "is not above zero: use enabled = false to cache nothing, or none for no end."),
        ("often", f"is not a duration: {DURATION}"),
    ],
)
def test_wrong_expire(value, sentence):
    """A region's time is a duration above zero, or none."""
    settings = {"cache.regions": "a", "beaker.cache.a.expire": value}
    assert problems(settings) == [f"beaker.cache.a.expire = '{value}' {sentence}"]


def test_several_mistakes_are_told_together():
    """All mistakes of sessions, cache and package come in one error, in that order."""
    assert problems(
        {
            "cache.regions": "a",
            "cache.a.key_length": "many",
            "session.httponly": "perhaps",
            "beakerish.clok": "x",
        }
    ) == [
        "beakerish.clok = 'x' is no option. Did you mean beakerish.clock?",
        "session.httponly = 'perhaps' is not a boolean: use true or false.",
        "cache.a.key_length = 'many' is not a whole number above zero: use a number such as 250.",
    ]


def test_one_option_with_two_values():
    """An option that is spelt with both prefixes and two values is a mistake."""
    settings = {"session.timeout": "30m", "beaker.session.timeout": "60m"}
    assert problems(settings) == [
        "session.timeout = '30m' and beaker.session.timeout = '60m' are one option: keep one line."
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("secret", "encrypt_key", "validate_key", "constant_csrf_token", "password"),
        *("url", "urls", "sa_opts", "sa.password", "redis.password", "previous.secret"),
    ],
)
def test_secrets_are_not_shown(name):
    """No message holds what an option holds that is a secret, or may have one in it."""
    settings = {f"session.{name}": "hush", f"beaker.session.{name}": "hush, too"}
    assert (
        f"session.{name} = '***' and beaker.session.{name} = '***' are one option: keep one line."
    ) in problems(settings)
    assert "hush" not in str(problems(settings))


def test_one_option_with_one_value_twice():
    """An option that is spelt twice with the same value is no mistake."""
    settings = {"cache.regions": "a", "beaker.cache.regions": "a"}
    assert list(read_region_settings(settings)[0]) == ["a"]


def test_keys_that_are_no_text_are_not_ours():
    """A key that is not a string is somebody else's."""
    assert read_settings({1: 2, None: 3, b"session.key": "x"}).session.key == "beaker.session.id"


def test_clock():
    """The clock is a callable or its dotted name; without one it is the system's."""
    assert read_settings({}).clock is time.time
    assert read_settings({"beakerish.clock": "time:monotonic"}).clock is time.monotonic
    assert read_settings({"beakerish.clock": "time.monotonic"}).clock is time.monotonic
    tick = [5.0].pop
    assert read_settings({"beakerish.clock": tick}).clock is tick


@pytest.mark.parametrize(
    ("value", "rest"),
    [
        ("time:no_such_name", "cannot be imported: module 'time' has no attribute 'no_such_name'."),
        ("math:pi", "is not callable: use a callable or package.module:name."),
    ],
)
def test_wrong_clock(value, rest):
    """A clock that cannot be called is told."""
    assert problems({"beakerish.clock": value}) == [f"beakerish.clock = '{value}' {rest}"]
