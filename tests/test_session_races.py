"""Threads and processes at once, in one session, through a real application."""

from __future__ import annotations

import os
import sys

import pytest

from pyramid_beakerish.sessions.manager import SessionManager
from pyramid_beakerish.settings import StoreSettings, session_settings
from pyramid_beakerish.stores import open_store
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing.site import Site
from pyramid_beakerish.testing.together import (
    Background,
    in_threads,
    start_child,
    succeeds_in_child,
    wait_for,
)
from tests.cache_help import Held

THREADS, WRITES = 8, 25
PROCESSES, WRITES_OF_EACH = 4, 25


@pytest.fixture(autouse=True)
def _impatient_threads():
    """Threads take turns as often as Python lets them."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture
def make_site_of(tmp_path, clock):
    """Give a function that makes an application with a store of that type."""

    def make(type_name):
        settings = StoreSettings(type=type_name, data_dir=str(tmp_path))
        return Site(open_store(settings, clock), clock)

    return make


@pytest.fixture(params=["memory", "file", "sqlite"])
def site(request, make_site_of):
    return make_site_of(request.param)


@pytest.fixture(params=["file", "sqlite"])
def make_shared_site(request, make_site_of):
    """Give a function that makes an application whose sessions other processes share."""
    return lambda: make_site_of(request.param)


def write(browser, number, times):
    """Set so many keys that nobody else sets, each in a request of its own."""
    for turn in range(times):
        browser.put(**{f"{number}-{turn}": [number, turn]})
        assert browser.response.status_code == 200


def count(browser, times):
    """Count up, each time in a request of its own."""
    for _ in range(times):
        browser.use(lambda session: session.modify("n", lambda n: n + 1, 0))
        assert browser.response.status_code == 200


def read(browser, times):
    """Read everything, each time in a request that extends the session."""
    for _ in range(times):
        browser.use(dict)
        assert browser.response.status_code == 200


def in_processes(number, work):
    """Call ``work(0)``, ``work(1)`` ... in child processes, at the same time."""
    children = [start_child(lambda one=one: work(one)) for one in range(number)]
    assert [wait_for(child) for child in children] == [0] * number


def test_threads_lose_no_write(site):
    """Of 200 writes of distinct keys by 8 threads all are kept."""
    visitor = site.stranger().put(n=0)
    in_threads(THREADS, lambda number: write(visitor.twin(), number, WRITES))
    assert len(visitor.contents()) == THREADS * WRITES + 1


def test_threads_count(site):
    """200 modifications by 8 threads count 200."""
    visitor = site.stranger().put(other=0)
    in_threads(THREADS, lambda _: count(visitor.twin(), WRITES))
    assert visitor.contents() == {"other": 0, "n": THREADS * WRITES}


def test_threads_flash(site):
    """Of 200 messages that 8 threads flash all are shown, each thread's in their order."""
    visitor = site.stranger().put(n=0)

    def flash(number):
        browser = visitor.twin()
        for turn in range(WRITES):
            browser.use(lambda session, turn=turn: session.flash([number, turn]))

    in_threads(THREADS, flash)
    messages = visitor.use(lambda session: session.pop_flash())
    assert sorted(messages) == [[n, t] for n in range(THREADS) for t in range(WRITES)]
    for number in range(THREADS):
        assert [t for n, t in messages if n == number] == list(range(WRITES))


def test_reads_undo_nothing(site, clock):
    """Threads that read, and extend the session each time, undo none of the writes."""
    visitor = site.stranger().put(n=0)

    def work(number):
        if number % 2:
            write(visitor.twin(), number, WRITES)
            return
        for _ in range(WRITES):
            clock.advance(61)
            read(visitor.twin(), 1)

    in_threads(THREADS, work)
    assert len(visitor.contents()) == THREADS // 2 * WRITES + 1


def test_logout_is_final(site, clock):
    """A session that one of many threads ends does not come back by what the others do."""
    for _ in range(10):
        visitor = site.stranger().put(n=0)
        cookies = visitor.cookies

        def work(number, visitor=visitor):
            browser = visitor.twin()
            if number == 0:
                browser.use(lambda session: session.invalidate())
            elif number % 2:
                browser.use(lambda session: session.modify("n", lambda n: n + 1, 0))
            else:
                clock.advance(61)
                browser.use(dict)

        in_threads(THREADS, work)
        assert site.stranger().keep(cookies).contents() == {}


def test_logins_at_once(site):
    """When several threads log in at once one session goes on, and not under the old id."""
    for _ in range(10):
        visitor = site.stranger().put(n=0)
        browsers = [visitor.twin() for _ in range(THREADS)]
        work = lambda number, browsers=browsers: browsers[number].put(**{"auth.userid": number})  # noqa: E731
        in_threads(THREADS, work)
        alive = [contents for browser in browsers if (contents := browser.contents()).get("n") == 0]
        assert len(alive) == 1
        assert visitor.contents() == {}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no child processes to fork")
class TestProcesses:
    def test_no_write_is_lost(self, make_shared_site):
        """Of 100 writes of distinct keys by 4 processes all are kept."""
        visitor = make_shared_site().stranger().put(n=0)

        def work(number):
            own = make_shared_site().stranger().keep(visitor.cookies)
            write(own, number, WRITES_OF_EACH)

        in_processes(PROCESSES, work)
        assert len(visitor.contents()) == PROCESSES * WRITES_OF_EACH + 1

    def test_count(self, make_shared_site):
        """Modifications by 4 processes, some of which share their parent's store, count all."""
        visitor = make_shared_site().stranger().put(other=0)

        def work(number):
            browser = visitor if number % 2 else make_shared_site().stranger().keep(visitor.cookies)
            count(browser, WRITES_OF_EACH)

        in_processes(PROCESSES, work)
        assert visitor.contents() == {"other": 0, "n": PROCESSES * WRITES_OF_EACH}

    def test_reads_undo_nothing(self, make_shared_site, clock):
        """Processes that read, and extend the session each time, undo none of the writes."""
        visitor = make_shared_site().stranger().put(n=0)
        clock.advance(3600)

        def work(number):
            if number % 2:
                write(visitor.twin(), number, WRITES_OF_EACH)
                return
            for _ in range(WRITES_OF_EACH):
                clock.advance(61)
                read(visitor.twin(), 1)

        in_processes(PROCESSES, work)
        assert len(visitor.contents()) == PROCESSES // 2 * WRITES_OF_EACH + 1

    def test_logout_is_final(self, make_shared_site):
        """A session that one of several processes ends stays ended."""
        site = make_shared_site()
        for _ in range(5):
            visitor = site.stranger().put(n=0)
            cookies = visitor.cookies

            def work(number, visitor=visitor):
                if number == 0:
                    visitor.use(lambda session: session.invalidate())
                else:
                    count(visitor.twin(), 5)

            in_processes(PROCESSES, work)
            assert site.stranger().keep(cookies).contents() == {}

    def test_fork_while_the_store_is_opened(self, monkeypatch, clock):
        """A child does not wait for a thread of its parent that was about to open the store."""
        opening = Held(MemoryStore(clock))
        monkeypatch.setattr("pyramid_beakerish.sessions.records.open_store", lambda *_: opening())
        manager = SessionManager(session_settings(type="memory")[0], clock)
        opener = Background(manager.open)
        assert opening.begun.wait(10)

        def ask():
            opening.go.set()
            manager.open()

        try:
            assert succeeds_in_child(ask)
        finally:
            opening.go.set()
        opener.result()
