"""Whatever comes in as a cookie: no error, nothing stored, nobody else's session."""

from __future__ import annotations

import random

import pytest
from pyramid.request import Request
from pyramid.response import Response

from pyramid_beakerish.sessions.ids import new_id
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.site import SECRET, WORK, Site, WatchedStore

NAME = "beaker.session.id"
PIECES = (
    *(NAME, NAME + "=", "=", ";", "; ", " ", "\t", '"', ".", ",", "\\", "%", "$Version=1"),
    *("\0", "\r\n", "\x0b", "\x7f", "\x80", "\x85", "\xa0", "\xe9", "\xff", "{", "}", "[", "'"),
    *("x", "0" * 32, "A" * 43, "a" * 500, "__Host-", "expires=", "path=/", "-_"),
)
HEADERS = 100_000
BOTH = pytest.mark.parametrize("secret", [SECRET, None], ids=["signed", "plain"])


class Target:
    """An application with one visitor, whose session holds a secret."""

    def __init__(self, secret):
        clock = FrozenClock()
        self.store = WatchedStore(MemoryStore(clock))
        self.site = Site(self.store, clock, secret=secret)
        self.valid = self.site.stranger().put(whose="the visitor's").cookies[NAME]
        self.records = set(self.store.keys(""))
        self.store.calls.clear()

    def opens(self, header):
        """Send the header to a page that reads; tell whether it has opened the session."""
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/",
            "SCRIPT_NAME": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "wsgi.url_scheme": "http",
            "HTTP_COOKIE": header,
            WORK: read,
        }
        statuses = []
        self.site.app(environ, lambda status, headers, error=None: statuses.append(status))
        assert statuses == ["200 OK"], f"{statuses} for {header!r}"
        return environ.get("found") == {"whose": "the visitor's"}

    def assert_unchanged(self):
        """Assert that nothing was stored, and nothing lost."""
        assert set(self.store.calls) <= {"load"}
        assert set(self.store.keys("")) == self.records


def read(request):
    request.environ["found"] = dict(request.session)
    return RESPONSE


RESPONSE = Response()


def a_header(chance, valid):
    """Make up a Cookie header of pieces that mean something, of noise, and of damaged cookies."""
    pieces = chance.choices(PIECES, k=chance.randrange(1, 9))
    if chance.random() < 0.5:
        pieces.insert(0, f"{NAME}=")
    if chance.random() < 0.5:
        noise = "".join(map(chr, chance.choices(range(256), k=chance.randrange(1, 60))))
        pieces.insert(chance.randrange(len(pieces) + 1), noise)
    if chance.random() < 0.3:
        value = list(valid)
        value[chance.randrange(len(value))] = chr(chance.randrange(256))
        pieces.insert(chance.randrange(len(pieces) + 1), "".join(value))
    return "".join(pieces)


@BOTH
def test_random_headers(secret):
    """Of 100,000 random headers none is an error, is stored, or opens a session."""
    seed = random.randrange(2**32)
    chance, target = random.Random(seed), Target(secret)
    for _ in range(HEADERS // 2):
        header = a_header(chance, target.valid)
        if target.opens(header):
            assert target.valid in header, f"seed {seed}: {header!r}"
    target.assert_unchanged()


@BOTH
def test_prefixes(secret):
    """No part of a cookie opens the session, nor does more than the whole."""
    target = Target(secret)
    whole = target.valid
    for length in range(len(whole)):
        assert not target.opens(f"{NAME}={whole[:length]}")
        assert not target.opens(f"{NAME}={whole[length + 1 :]}")
    for more in (".", "0", "=", "x", "\0", "\xa0", "\xe9", " x"):
        assert not target.opens(f"{NAME}={whole}{more}")
        assert not target.opens(f"{NAME}={more}{whole}")
    assert target.opens(f"{NAME}={whole}")
    target.assert_unchanged()


@BOTH
def test_every_changed_byte(secret):
    """A cookie of which one byte is another, whichever, does not open the session."""
    target = Target(secret)
    whole = target.valid
    for at in range(len(whole)):
        for byte in map(chr, range(256)):
            changed = whole[:at] + byte + whole[at + 1 :]
            # Blanks and quotes around a value do not belong to it, a semicolon ends it.
            if changed.strip(' \t"').partition(";")[0] != whole:
                assert not target.opens(f"{NAME}={changed}"), f"byte {at} as {byte!r}"
    target.assert_unchanged()


@BOTH
def test_write_after_a_strange_cookie(secret):
    """Who sends a strange cookie and is given a session gets an id that is ours."""
    target, chance = Target(secret), random.Random(0)
    for _ in range(500):
        header = a_header(chance, target.valid)
        request = Request.blank("/", environ={"HTTP_COOKIE": header})
        request.environ[WORK] = lambda inner: inner.session.update(a=1)
        response = request.get_response(target.site.app)
        assert response.status_code == 200
        (cookie,) = response.headers.getall("Set-Cookie")
        assert cookie.partition("=")[2].partition(";")[0] not in header


def test_guessed_ids():
    """Without a secret a well-formed id that nobody has opens nothing."""
    target = Target(None)
    for _ in range(2000):
        assert not target.opens(f"{NAME}={new_id()}")
    target.assert_unchanged()
