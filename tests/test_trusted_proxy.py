"""Whether the cookie is Secure behind a proxy that speaks https to the browsers."""

from __future__ import annotations

import time

import pytest
from pyramid.request import Request
from waitress.proxy_headers import proxy_headers_middleware

from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing.site import WORK, Site

PROXY, STRANGER = "127.0.0.1", "192.0.2.7"


def header_for(app, client):
    """Give the Set-Cookie header for a client that says that its request came by https."""
    request = Request.blank("/", headers={"X-Forwarded-Proto": "https"})
    request.environ["REMOTE_ADDR"] = client
    request.environ[WORK] = lambda inner: inner.session.update(a=1)
    return request.get_response(app).headers["Set-Cookie"]


@pytest.fixture
def app():
    return Site(MemoryStore(time.time), time.time).app


def test_https_that_a_trusted_proxy_tells_of(app):
    """With ``secure = auto`` the cookie is Secure where the server believes the proxy."""
    behind = proxy_headers_middleware(
        app,
        trusted_proxy=PROXY,
        trusted_proxy_headers={"x-forwarded-proto"},
        clear_untrusted=True,
    )
    assert "; Secure" in header_for(behind, PROXY)
    assert "; Secure" not in header_for(behind, STRANGER)


def test_a_header_that_nobody_vouches_for(app):
    """Without a server that believes it, what a header says about https changes nothing."""
    assert "; Secure" not in header_for(app, PROXY)
