"""The stage of the scenarios a1 to x5: real applications over a store that can fail.

A scenario's code is the beginning of its tests' names. The letters: a store failure,
b transaction order, c late changes, d retry, e subrequests, f toolbar, g streaming,
h late access, i doubles, x other tweens.
"""

from __future__ import annotations

import itertools
from functools import cached_property

from pyramid.config import Configurator
from pyramid.response import Response
from webtest import TestApp

from pyramid_beakerish.errors import StoreUnavailable
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock

OURS = "pyramid_beakerish.tween.session_tween_factory"
WRITES = ("create", "swap", "set", "delete")


class FragileStore(MemoryStore):
    """Keeps entries in memory, tells what it was asked, and fails where it is told to."""

    def __init__(self, clock, journal):
        super().__init__(clock)
        self.journal = journal
        self.failures = {}

    def fail(self, *methods, error=lambda: StoreUnavailable("down")):
        """Have the methods raise from now on what ``error`` makes."""
        self.failures = dict.fromkeys(methods, error)

    def mend(self):
        """Have all methods work again."""
        self.failures = {}

    def _asked(self, method):
        self.journal.append(method)
        if method in self.failures:
            raise self.failures[method]()

    def load(self, key):
        self._asked("load")
        return super().load(key)

    def create(self, key, value, ttl):
        self._asked("create")
        return super().create(key, value, ttl)

    def swap(self, key, token, value, ttl):
        self._asked("swap")
        return super().swap(key, token, value, ttl)

    def set(self, key, value, ttl):
        self._asked("set")
        super().set(key, value, ttl)

    def delete(self, key, token=None):
        self._asked("delete")
        return super().delete(key, token)


class Site:
    """A Pyramid application with this package and others included, and its visitors.

    ``journal`` is what happened since it was last cleared, in order: the calls to the
    store, and what the parts of the application write into it.
    """

    def __init__(self, *includes, settings=(), **options):
        self.clock = FrozenClock()
        self.journal = []
        self.store = FragileStore(self.clock, self.journal)
        own = {
            "session.type": self.store,
            "beakerish.clock": self.clock,
            "tm.manager_hook": "pyramid_tm.explicit_manager",
        }
        self.config = Configurator(settings={**own, **dict(settings)}, **options)
        for name in ("pyramid_beakerish", *includes):
            self.config.include(name)
        self.config.add_view(_put, name="put", renderer="string")
        self.config.add_view(_look, name="look", renderer="json")

    def page(self, name, **options):
        """Decorate the view of a page; what it returns is shown as text unless it is a response."""

        def add(view):
            self.config.add_view(view, name=name, **{"renderer": "string", **options})
            return view

        return add

    def error_page(self, context, **options):
        """Decorate the exception view of an error; it is called with the error and the request."""

        def add(view):
            self.config.add_exception_view(view, context=context, renderer="string", **options)
            return view

        return add

    def outer_tween(self, tween):
        """Put a tween above all others, called for ``/page`` with what it wraps and the request."""

        def on_page(handler, request):
            return tween(handler, request) if request.path == "/page" else handler(request)

        self.config.registry.outer_tween = on_page
        self.config.add_tween("tests.scenarios.outer_tween_factory", over=OURS)

    @cached_property
    def app(self):
        """The finished application."""
        return self.config.make_wsgi_app()

    def stranger(self):
        """Give the browser of somebody who was never here before."""
        return TestApp(self.app, extra_environ={"REMOTE_ADDR": "127.0.0.1"})

    def visitor(self, **contents):
        """Give the browser of somebody whose session holds the contents, and clear the journal."""
        browser = self.stranger()
        browser.get("/put", contents or {"old": "1"})
        self.journal.clear()
        return browser

    def contents(self, browser):
        """Give what is stored in the session of a browser, as a request after this one finds it."""
        failures, self.store.failures = self.store.failures, {}
        seen = browser.get("/look").json
        self.store.failures = failures
        return seen

    def writes(self):
        """Give the journal's calls that change the store."""
        return [call for call in self.journal if call in WRITES]

    def records(self):
        """Count the sessions that are stored."""
        return len(list(self.store.keys("")))


def set_cookies(response):
    """Give the names of the cookies that a response sets."""
    return [value.partition("=")[0] for value in response.headers.getall("Set-Cookie")]


def fail_with(error, times=None):
    """Give a function that raises an error of the class, at each call or only at so many."""
    left = itertools.count() if times is None else iter(range(times))

    def fail():
        if next(left, None) is not None:
            raise error

    return fail


class DataManager:
    """Takes part in a transaction and writes into a journal how it ended."""

    transaction_manager = None

    def __init__(self, journal, vote=lambda: None):
        self._journal = journal
        self._vote = vote

    def sortKey(self):
        return "scenario"

    def tpc_begin(self, transaction):
        """Nothing to prepare."""

    def commit(self, transaction):
        """Nothing is written before the vote."""

    def tpc_vote(self, transaction):
        self._vote()

    def tpc_finish(self, transaction):
        self._journal.append("commit")

    def tpc_abort(self, transaction):
        self._journal.append("abort")

    abort = tpc_abort


def outer_tween_factory(handler, registry):
    """Make the tween that the scenario has chosen."""
    return lambda request: registry.outer_tween(handler, request)


def _put(request):
    request.session.update(request.params)
    return "stored"


def _look(request):
    return dict(request.session)


def failed(error, request):
    """Answer for a store failure, as an application's own exception view may do."""
    return Response("our own page", status=503)
