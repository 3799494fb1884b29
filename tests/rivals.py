"""One application on either package: what is to hold here, and fails on pyramid_beaker.

A test takes the fixture ``site`` (in conftest.py), so that it is run with each package and each
kind of store. What pyramid_beaker does not hold stands in ``with site.beaker_fails():``; all
the rest of a test holds for both.
"""

from __future__ import annotations

import collections
import contextlib
import os
import pickle
import threading
import time
from functools import cached_property
from types import SimpleNamespace

import beaker.cache
import beaker.session
import pytest
import sqlalchemy
from beaker.container import AbstractDictionaryNSManager, MemoryNamespaceManager
from beaker.ext.sqla import SqlaNamespaceManager, make_cache_table
from beaker.util import SyncDict
from pyramid.config import Configurator
from pyramid.response import Response
from webtest import TestApp

from pyramid_beakerish.errors import StoreUnavailable
from pyramid_beakerish.sessions.ids import new_id
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.together import Background
from tests.file_help import entries, files
from tests.scenarios import FragileStore

KEY = "beaker.session.id"
WORK = "tests.work"
SECRET = "a secret of the tests, long enough not to be guessed"

SHELVES = collections.defaultdict(dict)


class Site:
    """The application with one of the packages; it does in a request what the test hands it."""

    package = ""

    def __init__(self, store, folder, monkeypatch):
        self.store = store
        self.folder = folder
        self.monkeypatch = monkeypatch
        # Not in the past: WebTest forgets a cookie that has expired by the real clock.
        self.clock = FrozenClock(now=float(int(time.time())))
        self.settings = {"session.secret": SECRET, **self.store_settings()}

    def set(self, **options):
        """Set options of sessions, before the application is used."""
        self.settings |= {f"session.{name}": value for name, value in options.items()}

    @cached_property
    def app(self):
        """The finished application."""
        config = Configurator(settings=self.settings)
        config.include(self.package)
        config.add_view(_work)
        config.add_exception_view(_no_answer, context=ZeroDivisionError)
        return config.make_wsgi_app()

    def start(self, **options):
        """Make the application, anew over what is stored if there was one, with other options."""
        self.set(**options)
        self.__dict__.pop("app", None)
        return self.app

    def visitor(self, cookies=None, **contents):
        """Give the browser of somebody whose session holds the contents.

        ``cookies``: a Cookie header that it sends instead of what it is given.
        """
        visitor = Visitor(self, cookies)
        if contents:
            visitor.do(lambda session: session.update(contents))
        return visitor

    def files(self):
        """Tell what every file in the data folder is: another one when it is written anew."""
        stats = {path: path.stat() for path in files(self.folder)}
        return {str(path): (s.st_ino, s.st_mtime_ns, s.st_size) for path, s in stats.items()}


class Beakerish(Site):
    """With this package."""

    package = "pyramid_beakerish"

    def store_settings(self):
        """Give the settings of the store; in memory one that counts, and fails when told."""
        self.memory = FragileStore(self.clock, [])
        of_store = {
            "memory": {"session.type": self.memory},
            "file": {"session.type": "file", "session.data_dir": str(self.folder)},
            "cookie": {"session.type": "cookie", "session.validate_key": SECRET},
        }[self.store]
        return {"beakerish.clock": self.clock, **of_store}

    def set_ours(self, **options):
        """Set options that pyramid_beaker does not have."""
        self.set(**options)

    @contextlib.contextmanager
    def beaker_fails(self, *errors):
        """Expect no failure of this package."""
        yield

    def made_up_id(self):
        """Give an id of the right form that the server has never given."""
        return new_id()

    def records(self):
        """Give all that is stored, by name."""
        if self.store == "memory":
            return {key: self.memory.load(key)[0] for key in self.memory.keys("")}
        return {str(path): path.read_bytes() for path in entries(self.folder)}

    def damage(self, change):
        """Change the bytes of every record, as a fault of the disk would."""
        for name, data in self.records().items():
            if self.store == "memory":
                self.memory.set(name, change(data), None)
            else:
                _overwrite(name, change(data))

    def flush(self):
        """Lose every record."""
        for name in self.records():
            self.memory.delete(name) if self.store == "memory" else os.remove(name)

    def lose_an_answer(self):
        """Have the store fail once, when it is asked for a record next."""

        def fail_once():
            self.memory.mend()
            return StoreUnavailable("one answer was lost")

        self.memory.fail("load", error=fail_once)


class PyramidBeaker(Site):
    """With pyramid_beaker 0.9."""

    package = "pyramid_beaker"

    def __init__(self, store, folder, monkeypatch):
        super().__init__(store, folder, monkeypatch)
        monkeypatch.setattr(beaker.cache, "cache_regions", {})
        monkeypatch.setattr(beaker.cache, "cache_managers", {})
        monkeypatch.setattr(MemoryNamespaceManager, "namespaces", SyncDict())
        watch = SimpleNamespace(time=self.clock, strftime=time.strftime)
        monkeypatch.setattr(beaker.session, "time", watch)

    def store_settings(self):
        """Give the settings of the store."""
        folder = {"session.data_dir": str(self.folder)}
        if self.store == "ext:database":
            folder["session.url"] = f"sqlite:///{self.folder}/sessions.db"
        of_store = {
            "cookie": {"session.validate_key": SECRET},
            "ext:sqla": database(self.folder) if self.store == "ext:sqla" else {},
            "memory": {},
            "own": {"session.namespace_class": Shelf, "session.shelf": str(self.folder)},
        }
        named = {} if self.store == "own" else {"session.type": self.store}
        return {**named, **of_store.get(self.store, folder)}

    def set_ours(self, **options):
        """Leave out options that pyramid_beaker does not have."""

    def beaker_fails(self, *errors):
        """Expect the failure: a wrong answer, unless it is said otherwise."""
        return pytest.raises(errors or AssertionError)

    def made_up_id(self):
        """Give an id of the right form that the server has never given."""
        return beaker.session._session_id()

    def records(self):
        """Give all that is stored, by name."""
        if self.store == "memory":
            spaces = MemoryNamespaceManager.namespaces.dict
            return {name: space.get("session") for name, space in spaces.items()}
        paths = [path for path in files(self.folder) if path.suffix == ".cache"]
        return {str(path): path.read_bytes() for path in paths}

    def damage(self, change):
        """Change the bytes of every record, as a fault of the disk would."""
        for name, data in self.records().items():
            if self.store == "memory":
                MemoryNamespaceManager.namespaces.dict[name]["session"] = change(data)
            else:
                _overwrite(name, change(data))

    def flush(self):
        """Lose every record."""
        spaces = MemoryNamespaceManager.namespaces.dict
        for name in self.records():
            spaces[name].clear() if self.store == "memory" else os.remove(name)

    def lose_an_answer(self):
        """Have the store fail once, when it is asked for a record next."""
        acquire = MemoryNamespaceManager.acquire_read_lock

        def fail_once(namespace):
            self.monkeypatch.setattr(MemoryNamespaceManager, "acquire_read_lock", acquire)
            raise OSError("one answer was lost")

        self.monkeypatch.setattr(MemoryNamespaceManager, "acquire_read_lock", fail_once)


class Shelf(AbstractDictionaryNSManager):
    """Somebody else's backend, with an option of its own."""

    def __init__(self, namespace, shelf=None, **options):
        super().__init__(namespace)
        self.dictionary = SHELVES[shelf, namespace]


def database(folder):
    """Give the settings of sessions in a table of the application's own database."""
    folder.mkdir()
    engine = sqlalchemy.create_engine(f"sqlite:///{folder}/application.db")
    SqlaNamespaceManager._init_dependencies()
    table = make_cache_table(sqlalchemy.MetaData())
    table.create(engine)
    return {"session.bind": engine, "session.table": table, "session.lock_dir": str(folder)}


class BeakersFormat(PyramidBeaker):
    """With this package, where Beaker keeps the sessions; the clock is Beaker's, and set anew."""

    package = "pyramid_beakerish"

    def store_settings(self):
        """Give the settings of the store."""
        return {**super().store_settings(), "session.format": "beaker"}

    set_ours = Site.set
    beaker_fails = Beakerish.beaker_fails


class Visitor:
    """A browser, which keeps its cookies."""

    def __init__(self, site, cookies=None):
        self.site = site
        self.cookies = cookies
        self._app = TestApp(lambda environ, start: site.app(environ, start))

    def request(self, work, *, https=False, status=None):
        """Have a view call the function with the request, and give the response."""
        environ = {WORK: work, "wsgi.url_scheme": "https" if https else "http"}
        if self.cookies is not None:
            environ["HTTP_COOKIE"] = self.cookies
        return self._app.get("/", extra_environ=environ, status=status)

    def do(self, work):
        """Have a view call the function with the session, and give what it gives."""
        results = []
        self.request(lambda request: results.append(work(request.session)))
        return results[0]

    def get(self, key):
        """Give what the session holds under the key."""
        return self.do(lambda session: session.get(key))

    def set(self, **contents):
        """Put the contents into the session, key by key."""
        self.do(lambda session: [session.__setitem__(*item) for item in contents.items()])

    @property
    def cookie(self):
        """The value of the session's cookie."""
        return self._app.cookies[KEY]

    def thief(self):
        """Give the browser of somebody who has copied this one's cookie, and keeps it."""
        return Visitor(self.site, f"{KEY}={self.cookie}")

    @contextlib.contextmanager
    def held(self, work):
        """Have a request call the function with the session, and finish after the block."""
        called, finish = threading.Event(), threading.Event()

        def work_and_wait(request):
            try:
                work(request.session)
            finally:
                called.set()
            finish.wait(10)

        thread = Background(lambda: self.thief().request(work_and_wait))
        try:
            assert called.wait(10)
            yield
        finally:
            finish.set()
            thread.ends()


def set_cookie(response):
    """Give the one Set-Cookie header of a response: the value, and the attributes by name."""
    (header,) = response.headers.getall("Set-Cookie")
    value, *attributes = header.split(";")
    pairs = (attribute.strip().partition("=") for attribute in attributes)
    return value.partition("=")[2], {name.lower(): text for name, _, text in pairs}


class Boobytrap:
    """An object whose pickle calls a function when it is loaded."""

    sprung = False

    def __reduce__(self):
        return spring, ()


def spring():
    """Take note that a pickle was loaded."""
    Boobytrap.sprung = True


def planted(data):
    """Give what an intruder would write into a store, whatever was there."""
    return pickle.dumps(Boobytrap())


def _work(request):
    answer = request.environ[WORK](request)
    return answer if isinstance(answer, Response) else Response("done")


def _no_answer(error, request):
    return Response("no answer", status=500)


def _overwrite(path, data):
    with open(path, "wb") as file:
        file.write(data)
