"""Whatever comes in as a cookie: no error, nothing stored, nobody else's session."""

from __future__ import annotations

import random

import pytest
from pyramid.request import Request

from pyramid_beakerish.sessions.ids import new_id
from pyramid_beakerish.testing.site import SECRET, WORK
from tests.fuzz.cookies import NAME, PIECES, Door

HEADERS = 100_000
BOTH = pytest.mark.parametrize("secret", [SECRET, None], ids=["signed", "plain"])


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
    chance, target = random.Random(seed), Door(secret)
    for _ in range(HEADERS // 2):
        header = a_header(chance, target.valid)
        if target.opens(header):
            assert target.valid in header, f"seed {seed}: {header!r}"
    target.assert_unchanged()


@BOTH
def test_prefixes(secret):
    """No part of a cookie opens the session, nor does more than the whole."""
    target = Door(secret)
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
    target = Door(secret)
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
    target, chance = Door(secret), random.Random(0)
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
    target = Door(None)
    for _ in range(2000):
        assert not target.opens(f"{NAME}={new_id()}")
    target.assert_unchanged()
