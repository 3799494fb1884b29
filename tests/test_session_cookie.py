"""The session cookie: which one of a header is taken, and how it is sent."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from http.cookies import SimpleCookie

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_beakerish.sessions.cookie import FOREVER, SessionCookie
from pyramid_beakerish.sessions.events import Refusal
from pyramid_beakerish.sessions.ids import new_id
from pyramid_beakerish.settings import session_settings
from pyramid_beakerish.testing import FrozenClock

GOOD, EVIL = "g" * 43, "e" * 43
NOW = 1_700_000_000.0

#: What is read from these, "good" and "evil" standing for ids; None: nothing
FOUND = [
    ("sid=good", "good"),
    ("a=1; sid=good; b=2", "good"),
    ("a=1;sid=good;b=2", "good"),
    ("a=1;  \tsid=good ; b=2", "good"),
    ("a=1; b=2", None),
    ("", None),
    ("xsid=evil", None),
    ("xsid=evil; sid=good", "good"),
    ("x-sid=evil; sid=good", "good"),
    ("x sid=evil", None),
    ("sid=good; x sid=evil", "good"),
    ("x=sid=evil; sid=good", "good"),
    ("sid=good; x=sid=evil", "good"),
    ('p={"a":1,"sid":"x"}; sid=good', "good"),
    ('sid=good; p={"u":"sid=evil"}', "good"),
    ('p={"a": 1, "b": [2, 3]}; sid=good', "good"),
    ('sid="good"', "good"),
    ('x="a; sid=good; y=b"', "good"),
    ('$Version=1; x="; sid=good; y="', "good"),
    ('$Version="1"; sid="good"; $Path="/"', "good"),
    ("sid = good", None),
    ("sid =good", None),
    ("sid=; a=1", None),
    ("sid; a=1", None),
    ("sid; sid=good", "good"),
    ("sid=good; sid=evil", "good"),
    ("sid=; sid=good", "good"),
    ("sid=nonsense; sid=good", "good"),
    ("SID=evil; sid=good", "good"),
    ("a=1, sid=good", None),
    ("x=\xe9t\xe9; sid=good", "good"),
    ('x="\xe9"; sid=good', "good"),
    ("x=\xc3\xa9; sid=good", "good"),
    ("sid=go\xe9od", None),
    ("\xa0sid=evil", None),
    ("sid=good; \x85sid=evil", "good"),
    ("\xa0sid=evil; sid=good", "good"),
    ("\x0bsid=evil", None),
    ("sid=a=b:c", None),
    ("sid=good=", None),
    ("sid=good,", None),
    ("sid=go od", None),
    ("expires=Wed, 09 Jun 2021 10:18:14 GMT; sid=good", "good"),
    ("path=/; sid=good", "good"),
    ("a[b]=1; sid=good", "good"),
    ('a"b=1; sid=good', "good"),
    ("sid=good;", "good"),
    ("; sid=good", "good"),
]


def cookie_of(secrets="", **options):
    """Make the reader and writer of the cookie that these session options describe."""
    options = {"key": "sid", **options}
    if secrets:
        options["secret"] = secrets
    return SessionCookie(session_settings(**options)[0], lambda: NOW)


def sent(cookie, session_id=GOOD):
    """Give what a browser sends back of the cookie: name=value."""
    return cookie.header(session_id, {}, https=False).partition(";")[0]


def found_in(cookie, header):
    """Give the id that is found in a Cookie header, and whether its cookie is up to date."""
    trusted = cookie.find(header)
    return None if trusted is None else (trusted.session_id, trusted.is_current)


def attributes(header):
    """Give the attributes of a Set-Cookie header, in their order."""
    return header.split("; ")[1:]


@pytest.mark.parametrize("known", [(), (GOOD, EVIL)], ids=["new", "known"])
@pytest.mark.parametrize(("header", "found"), FOUND)
def test_find(header, found, known):
    """Another cookie's value is never taken for ours, be it one of ours that was seen before."""
    cookie = cookie_of()
    assert [found_in(cookie, f"sid={value}") for value in known] == [(v, True) for v in known]
    header = header.replace("good", GOOD).replace("evil", EVIL)
    expected = None if found is None else ({"good": GOOD, "evil": EVIL}[found], True)
    assert found_in(cookie, header) == expected


@pytest.mark.parametrize(("header", "found"), FOUND)
def test_find_signed(header, found):
    """With a secret the first cookie that verifies is taken, and none that is only well-formed."""
    cookie = cookie_of("a secret of the tests")
    value = sent(cookie).partition("=")[2]
    header = header.replace("good", value).replace("evil", EVIL)
    assert found_in(cookie, header) == (None if found is None else (GOOD, True))


@pytest.mark.parametrize("piece", ["xsid=", "sid=;", " sid=", ";\tsid=x;"])
def test_a_header_full_of_the_name(piece):
    """To look through a header takes time in proportion to its length, whatever is in it."""
    header = piece * (2_000_000 // len(piece))
    start = time.process_time()
    assert found_in(cookie_of(), header) is None
    assert time.process_time() - start < 2  # the square took a minute


def test_first_that_verifies():
    """A cookie that somebody has planted in front does not hide the one that verifies."""
    cookie = cookie_of("a secret of the tests")
    for planted in (EVIL, f"{EVIL}.{'0' * 32}", f"{GOOD}.\xe9"):
        assert found_in(cookie, f"sid={planted}; {sent(cookie)}") == (GOOD, True)


OTHERS = st.text(st.characters(codec="latin-1", exclude_characters=";"), max_size=20)


@given(before=st.lists(OTHERS), after=st.lists(OTHERS), gap=st.sampled_from(["; ", ";", " ;\t"]))
def test_any_neighbours(before, after, gap):
    """Whatever stands before and after it, our cookie is found."""
    for cookie in (cookie_of(), cookie_of("a secret of the tests")):
        header = gap.join([*before, sent(cookie), *after])
        assert found_in(cookie, header) is not None


@given(header=st.text(st.characters(codec="latin-1"), max_size=60))
def test_refusal(header):
    """There is a reason for a refusal if, and only if, a cookie of the name was sent."""
    cookie = cookie_of()
    has_ours = any(part.strip(" \t").startswith("sid=") for part in header.split(";"))
    if found_in(cookie, header) is None:
        assert (cookie.refusal(header) is not None) is has_ours


def test_reasons():
    """A forged signature is told from a value of another form."""
    signed, plain = cookie_of("a secret of the tests"), cookie_of()
    assert signed.refusal(f"sid={GOOD}") is Refusal.BAD_SIGNATURE
    assert signed.refusal(f"sid={GOOD}.{'0' * 32}") is Refusal.BAD_SIGNATURE
    assert signed.refusal("sid=x") is plain.refusal("sid=x") is Refusal.MALFORMED
    assert plain.refusal(f"sid={GOOD}x") is Refusal.MALFORMED
    assert signed.refusal("other=1") is None


def test_secrets():
    """The newest secret signs, the older ones verify, and their cookies are to be sent anew."""
    old, both, new = (
        cookie_of("old secret"),
        cookie_of("new secret\nold secret"),
        cookie_of("new secret"),
    )
    assert found_in(both, sent(old)) == (GOOD, False)
    assert found_in(both, sent(new)) == (GOOD, True)
    assert sent(both) == sent(new)
    assert found_in(new, sent(old)) is None
    assert found_in(cookie_of(), sent(old)) is None
    assert found_in(old, sent(cookie_of())) is None


def test_signature_belongs_to_the_name():
    """A cookie of one application is none of another's, though they share secret and store."""
    forum, shop = cookie_of("a secret of both"), cookie_of("a secret of both", key="shop")
    value = sent(forum).partition("=")[2]
    assert found_in(forum, f"sid={value}") == (GOOD, True)
    assert shop.find(f"shop={value}") is None


def test_signature_belongs_to_the_id():
    """A signature is of no use for another id."""
    cookie = cookie_of("a secret of the tests")
    signature = sent(cookie).partition(".")[2]
    assert found_in(cookie, f"sid={EVIL}.{signature}") is None
    assert found_in(cookie, f"sid={GOOD}.{signature}") == (GOOD, True)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["Path=/", "HttpOnly", "SameSite=Lax"]),
        ({"httponly": "false"}, ["Path=/", "SameSite=Lax"]),
        ({"samesite": "Strict"}, ["Path=/", "HttpOnly", "SameSite=Strict"]),
        ({"samesite": "none", "secure": "true"}, ["Path=/", "Secure", "HttpOnly"]),
        ({"secure": "true"}, ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"]),
        (
            {"cookie_domain": "example.com", "cookie_path": "/app"},
            ["Path=/app", "Domain=example.com", "HttpOnly", "SameSite=Lax"],
        ),
    ],
)
def test_attributes(options, expected):
    """The attributes are those of the settings, and the removal has the same."""
    cookie = cookie_of(**options)
    header = cookie.header(GOOD, {}, https=False)
    found = attributes(header)
    if options.get("samesite") == "none":
        found = [one for one in found if not one.startswith("SameSite")]
    assert found == expected
    removal = attributes(cookie.removal_header({}, https=False))
    assert removal[: len(attributes(header))] == attributes(header)
    assert removal[-2:] == ["Max-Age=0", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"]


def test_secure_auto():
    """The cookie is Secure where the request is https, and otherwise where that is set."""
    for setting, http, https in (("auto", 0, 1), ("true", 1, 1), ("false", 0, 0)):
        cookie = cookie_of(secure=setting)
        found = ["; Secure" in cookie.header(GOOD, {}, https=scheme) for scheme in (False, True)]
        assert found == [http, https]


@pytest.mark.parametrize(
    ("expires", "seconds", "slides"),
    [
        (True, None, False),
        ("true", None, False),
        (False, FOREVER, True),
        ("1800", 1800, True),
        (timedelta(hours=1), 3600, True),
        (0.5, 1, True),
        (datetime(2030, 1, 1, tzinfo=timezone.utc), None, False),
        (datetime(2030, 1, 1, 9, tzinfo=timezone(timedelta(hours=9))), None, False),
        (datetime(2030, 1, 1), None, False),
    ],
)
def test_expiry(expires, seconds, slides):
    """The browser is told when to forget the cookie, in the words of old and new browsers."""
    cookie = cookie_of(cookie_expires=expires)
    morsel = SimpleCookie(cookie.header(GOOD, {}, https=False))["sid"]
    assert morsel["max-age"] == ("" if seconds is None else str(seconds))
    assert cookie.slides({}) is slides
    if isinstance(expires, datetime):
        assert morsel["expires"] == "Tue, 01 Jan 2030 00:00:00 GMT"
    else:
        assert bool(morsel["expires"]) is (seconds is not None)


def test_the_moment_of_expiry_moves_on():
    """Browsers that know no Max-Age keep the cookie as long after each answer as the others."""
    clock = FrozenClock(NOW)
    cookie = SessionCookie(session_settings(key="sid", cookie_expires=60)[0], clock)
    for moment in ("22:14:20", "22:14:50"):
        header = cookie.header(GOOD, {}, https=False)
        assert header.endswith(f"; Max-Age=60; Expires=Tue, 14 Nov 2023 {moment} GMT")
        clock.advance(30)


def test_own_settings():
    """What one session has set for itself goes before the settings."""
    cookie = cookie_of(cookie_domain="example.com", cookie_expires=True)
    own = {"domain": None, "path": "/mine", "cookie_expires": 60}
    header = cookie.header(GOOD, own, https=False)
    assert attributes(header)[:3] == ["Path=/mine", "HttpOnly", "SameSite=Lax"]
    assert "; Max-Age=60; Expires=Tue, 14 Nov 2023 22:14:20 GMT" in header
    assert cookie.slides(own)
    assert "; Path=/mine;" in cookie.removal_header(own, https=False)


def test_round_trip():
    """Every id that is drawn comes back, signed or not."""
    for cookie in (cookie_of(), cookie_of("a secret of the tests")):
        for _ in range(200):
            session_id = new_id()
            assert found_in(cookie, sent(cookie, session_id)) == (session_id, True)


def test_more_than_are_remembered(monkeypatch):
    """However many cookies were seen, each leads to its own id, and a bounded number is kept."""
    monkeypatch.setattr("pyramid_beakerish.sessions.cookie.MOST_REMEMBERED", 10)
    cookie = cookie_of("a secret of the tests")
    drawn = [new_id() for _ in range(35)]
    for session_id in (*drawn, *drawn):
        assert found_in(cookie, sent(cookie, session_id)) == (session_id, True)
        assert len(cookie._verified) <= 10
