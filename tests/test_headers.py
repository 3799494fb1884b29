"""Vary and Cache-Control, whatever the application has said already."""

from __future__ import annotations

import pytest

from pyramid_beakerish.headers import add_vary, keep_private, keep_to_visitor


def lines(headers, name):
    """Give the lines of a header, in their order."""
    return [value for header, value in headers if header.lower() == name.lower()]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], ["Cookie"]),
        (["Accept-Encoding"], ["Accept-Encoding, Cookie"]),
        (["*"], ["*"]),
        (["Cookie"], ["Cookie"]),
        (["accept, cookie"], ["accept, cookie"]),
        (["accept,COOKIE , x"], ["accept,COOKIE , x"]),
        (["Accept", "Accept-Encoding"], ["Accept", "Accept-Encoding, Cookie"]),
        (["Accept", "*"], ["Accept", "*"]),
        (["Cookie", "Accept"], ["Cookie", "Accept"]),
        (["X-Cookie-Mode"], ["X-Cookie-Mode, Cookie"]),
        ([""], ["Cookie"]),
        ([" "], ["Cookie"]),
    ],
)
@pytest.mark.parametrize("spelling", ["Vary", "vary", "VARY"])
def test_vary(before, after, spelling):
    """The name is added to the last line, once, and to none where everything varies."""
    headers = [("Content-Type", "text/html"), *((spelling, value) for value in before), ("X", "y")]
    add_vary(headers, "Cookie")
    assert lines(headers, "Vary") == after
    assert lines(headers, "X") == ["y"]
    add_vary(headers, "Cookie")
    assert lines(headers, "Vary") == after


@pytest.mark.parametrize(
    ("before", "private", "no_store"),
    [
        ([], ["private"], ["no-store"]),
        ([""], ["private"], ["no-store"]),
        (["public"], ["private"], ["no-store"]),
        (["public, max-age=3600"], ["max-age=3600, private"], ["no-store"]),
        (["public", "max-age=3600"], ["max-age=3600, private"], ["no-store"]),
        (["s-maxage=60, max-age=5"], ["max-age=5, private"], ["no-store"]),
        (["Public, S-MaxAge=60"], ["private"], ["no-store"]),
        (["private"], ["private"], ["no-store"]),
        (["private, max-age=5"], ["private, max-age=5"], ["no-store"]),
        (["no-cache"], ["no-cache, private"], ["no-store"]),
        (["no-store"], ["no-store"], ["no-store"]),
        (["No-Store, max-age=0"], ["No-Store, max-age=0"], ["No-Store, max-age=0"]),
    ],
)
def test_cache_control(before, private, no_store):
    """A stricter word of the application's stays, one that shares the response goes."""
    for directive, after in (("private", private), ("no-store", no_store)):
        headers = [("X", "y"), *(("cache-control", value) for value in before)]
        keep_private(headers, directive)
        assert lines(headers, "Cache-Control") == after
        assert lines(headers, "X") == ["y"]


@pytest.mark.parametrize("before", [[], [("vary", "Accept")], [("Cache-control", "max-age=5")]])
def test_for_the_visitor(before):
    """Both are told, whatever the application has said of either."""
    headers = [("X", "y"), *before]
    keep_to_visitor(headers, "private")
    assert "Cookie" in lines(headers, "Vary")[0]
    assert "private" in lines(headers, "Cache-Control")[0]
    assert len(lines(headers, "Vary") + lines(headers, "Cache-Control")) == 2


def test_private_and_public():
    """An application that says both private and public is taken at its stricter word."""
    headers = [("Cache-Control", "public, private, max-age=60")]
    keep_private(headers, "private")
    assert "public" not in lines(headers, "Cache-Control")[0]


def test_private_with_fields():
    """To keep one header field private does not keep the response out of shared caches."""
    headers = [("Cache-Control", 'private="Set-Cookie", max-age=60')]
    keep_private(headers, "private")
    words = [word.strip() for word in lines(headers, "Cache-Control")[0].split(",")]
    assert "private" in words
