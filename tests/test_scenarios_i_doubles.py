"""Scenarios i: requests that are doubles."""

from __future__ import annotations

import pytest
from pyramid import testing
from pyramid.response import Response

from pyramid_beakerish import session_factory_from_settings
from pyramid_beakerish.errors import StoreUnavailable
from tests.scenarios import FragileStore


@pytest.fixture
def store():
    return FragileStore(lambda: 1_700_000_000.0, [])


class SlottedDouble:
    """The least that a session needs of a request."""

    __slots__ = ("callbacks", "environ")

    def __init__(self, cookie=None):
        self.callbacks = []
        self.environ = {} if cookie is None else {"HTTP_COOKIE": cookie}

    def add_response_callback(self, callback):
        self.callbacks.append(callback)


class DoubleWithDict(SlottedDouble):
    """The same with a ``__dict__``."""


def test_i1_pyramids_own_double(store):
    """A `pyramid.testing.DummyRequest` with a session saves it when its callbacks are run."""
    factory = session_factory_from_settings({"session.type": store})
    request, response = testing.DummyRequest(), Response()
    factory(request)["new"] = "2"
    request._process_response_callbacks(response)
    (cookie,) = response.headers.getall("Set-Cookie")
    assert response.headers["Vary"] == "Cookie"
    name, _, value = cookie.partition(";")[0].partition("=")
    assert dict(factory(testing.DummyRequest(cookies={name: value}))) == {"new": "2"}


def check_double(store, kind):
    """Check that the first callback of a double saves the session and adds one header."""
    factory = session_factory_from_settings({"session.type": store})
    request, response = kind(), Response()
    before = len(response.headerlist)
    factory(request)["new"] = "2"
    request.callbacks[0](request, response)
    assert len(response.headerlist) == before + 1
    cookie = response.headers["Set-Cookie"].partition(";")[0]
    assert dict(factory(kind(cookie))) == {"new": "2"}


def test_i2_a_minimal_double(store):
    """A double that has callbacks and an environ, and no ``__dict__``, has its session saved."""
    check_double(store, SlottedDouble)


def test_i3_a_minimal_double_with_a_dict(store):
    """A double that has callbacks and an environ has its session saved by the first callback."""
    check_double(store, DoubleWithDict)


@pytest.mark.parametrize("kind", [testing.DummyRequest, DoubleWithDict])
def test_i_a_failure_propagates_from_the_callback(store, kind):
    """Where no tween has run, a failure to save comes out of the response callback."""
    request = kind()
    factory = session_factory_from_settings({"session.type": store})
    factory(request)["new"] = "2"
    store.fail("create")
    callbacks = request.response_callbacks if kind is testing.DummyRequest else request.callbacks
    with pytest.raises(StoreUnavailable):
        callbacks[0](request, Response())
