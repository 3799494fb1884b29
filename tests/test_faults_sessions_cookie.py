"""Faults of Beaker's sessions, rows 27, 43 to 46 and 48: the cookie, headers and files."""

from __future__ import annotations

import os
import stat

import pytest
from pyramid.httpexceptions import HTTPFound
from pyramid.response import Response

from tests.rivals import set_cookie


def test_row_27_the_cookie_lives_as_long_as_the_session_is_used(site):
    """The browser's copy of the cookie is extended while the visitor is active."""
    site.set(cookie_expires="3600", timeout="3600")
    visitor = site.visitor(user="u")
    headers = []
    for _ in range(5):
        site.clock.advance(600)
        headers.append(visitor.request(lambda request: request.session.get("user")).headers)
    with site.beaker_fails():
        assert ["Set-Cookie" in each for each in headers] == [True] * 5


def test_row_43_a_redirect_that_is_raised_is_saved(site):
    """With ``cookie_on_exception = false`` a login that ends in ``raise HTTPFound`` counts."""
    site.set(cookie_on_exception="false")
    new, existing = site.visitor(), site.visitor(old=1)

    def log_in(request):
        request.session["user"] = "u"
        raise HTTPFound("/")

    for visitor in (new, existing):
        visitor.request(log_in)
        with site.beaker_fails():
            assert visitor.get("user") == "u"


@pytest.mark.parametrize("store", ["memory", "file", "cookie"])
def test_row_44_a_page_with_the_cookie_is_kept_out_of_shared_caches(site):
    """A response that sets the cookie is private and varies by the cookie."""

    def public(request):
        request.session["user"] = "u"
        return Response(headerlist=[("Cache-Control", "max-age=3600, public")])

    response = site.visitor().request(public)
    assert "Set-Cookie" in response.headers
    with site.beaker_fails():
        assert "public" not in response.headers["Cache-Control"]
        assert "private" in response.headers["Cache-Control"]
    with site.beaker_fails(KeyError):
        assert response.headers["Vary"] == "Cookie"


def test_row_45_a_write_in_the_app_iter_is_not_lost(site):
    """What is written while the body is sent is stored, too."""
    visitor = site.visitor(user="old")

    def stream(request):
        session = request.session
        session.get("user")

        def body():
            session["user"] = "new"
            yield b"done"

        return Response(app_iter=body())

    visitor.request(stream)
    with site.beaker_fails():
        assert visitor.get("user") == "new"


@pytest.mark.parametrize("store", ["memory", "file", "cookie"])
@pytest.mark.parametrize("https", [False, True], ids=["http", "https"])
def test_row_46_the_cookie_is_guarded_by_default(site, https):
    """The cookie is hidden from scripts, and one that was set over https stays there."""
    response = site.visitor().request(lambda request: request.session.update({"a": 1}), https=https)
    attributes = set_cookie(response)[1]
    assert attributes["samesite"].lower() == "lax"
    with site.beaker_fails():
        assert "httponly" in attributes
    if https:
        with site.beaker_fails():
            assert "secure" in attributes
    else:
        assert "secure" not in attributes


@pytest.mark.parametrize("store", ["file"])
def test_row_46_files_are_for_the_server_alone(site):
    """No other user of the machine can read sessions, or list them."""
    site.folder.parent.chmod(0o755)
    old = os.umask(0o022)
    try:
        site.visitor(user="u")
    finally:
        os.umask(old)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in site.folder.rglob("*")}
    with site.beaker_fails():
        assert [mode for mode in modes if mode & 0o077] == []


@pytest.mark.parametrize("store", ["file"])
def test_row_48_lock_files_do_not_grow_in_number(site):
    """However many sessions there are, there are a few lock files."""
    for number in range(100):
        site.visitor(number=number)
    with site.beaker_fails():
        assert len(site.files()) - len(site.records()) < 50
