"""A real pyramid_beaker application, in a process of its own or in the tests', and what it stores.

As a program it answers one request for each line of JSON that it reads.
"""

from __future__ import annotations

import datetime
import decimal
import json
import subprocess
import sys
import time
import uuid
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import beaker.session
import sqlalchemy
from beaker.ext.sqla import SqlaNamespaceManager, make_cache_table
from markupsafe import Markup
from pyramid.config import Configurator
from pyramid.response import Response
from translationstring import TranslationString
from webtest import TestApp

from tests.servers.process import dies_with_us

KEY = "beaker.session.id"
ROOT = Path(__file__).parent.parent

PLAIN = {"user": "u\u00e9", "n": 3, "none": None, "cart": [{"id": 7, "sizes": [1.5, True]}]}
RICH = {
    **PLAIN,
    "bytes": b"\x00\xff",
    "tuple": (1, ("a",)),
    "set": {1},
    "when": datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.timezone.utc),
    "day": datetime.date(2024, 5, 6),
    "price": decimal.Decimal("9.90"),
    "uuid": uuid.UUID(int=5),
    "html": Markup("<b>"),
    "text": TranslationString("msg", domain="d", default="D"),
    "many": [str(number) for number in range(300)],
}


class Basket:
    """A class of the application's own."""

    def __init__(self, lines):
        self.lines = lines


def fill(session):
    """Put into the session what its serializer takes, a message and a token."""
    rich = session._options.get("data_serializer", "pickle") == "pickle"
    # In the order in which they are written; cookies are short.
    contents = RICH if rich and session._options.get("type") != "cookie" else PLAIN
    for key, value in contents.items():
        session[key] = value
    session.flash("hello")
    session["_csrft_"] = "0" * 40


def see(session):
    """Give all that the application sees."""
    own = ("_accessed_time", "_creation_time", "_domain", "_path", "_id")
    return {key: session[key] for key in session if key not in own}


def basket(session):
    """Put an object of one's own into the session."""
    session["basket"] = Basket(["x"])


def ordered(session):
    """Put a dictionary of another type into the session."""
    session["ordered"] = OrderedDict(a=1)


def somewhere_else(session):
    """Set what belongs to this one session's cookie."""
    session["user"] = "bob"
    session.path = "/shop"
    session.domain = "example.com"


WORKS = {work.__name__: work for work in (fill, see, basket, ordered, somewhere_else)}
WORKS["leave"] = lambda session: session.delete()
WORKS["nothing"] = lambda session: None


def serve(settings, work, cookie=None, now=None, sqla=None):
    """Give what the work gives in one request, and the session's cookie as a Cookie header."""
    beaker.session.time = SimpleNamespace(time=lambda: now or time.time(), strftime=time.strftime)
    if sqla:
        settings = {**settings, **bound_table(sqla)}
    results = []

    def view(request):
        results.append(WORKS[work](request.session))
        return Response("done")

    config = Configurator(settings=settings)
    config.include("pyramid_beaker")
    config.add_view(view)
    app = TestApp(config.make_wsgi_app())
    response = app.get("/", headers={"Cookie": cookie} if cookie else {})
    sent = response.headers.get("Set-Cookie")  # not from the jar, which may not be its place
    return {"seen": repr(results[0]), "cookie": sent.partition(";")[0] if sent else cookie}


def bound_table(url):
    """Give the options of ext:sqla: a table in a database of the application's."""
    engine = sqlalchemy.create_engine(url)
    SqlaNamespaceManager._init_dependencies()
    table = make_cache_table(sqlalchemy.MetaData(), "of_the_application")
    table.create(engine, checkfirst=True)
    return {"session.bind": engine, "session.table": table}


class Peer:
    """The application in a process of its own, with `serve`'s arguments and answer."""

    def __init__(self):
        command = dies_with_us([sys.executable, "-W", "ignore", "-m", __name__])
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=ROOT, text=True)

    def serve(self, settings, work, cookie=None, now=None, sqla=None):
        """Have it serve one request."""
        call = {"settings": settings, "work": work, "cookie": cookie, "now": now, "sqla": sqla}
        self._process.stdin.write(json.dumps(call) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "pyramid_beaker's process has died"
        answered = json.loads(answer)
        assert "failure" not in answered, answered["failure"]
        return answered

    def stop(self):
        """End it."""
        self._process.kill()
        self._process.wait(10)
        self._process.stdin.close()
        self._process.stdout.close()


def main():
    """Answer each line."""
    for line in sys.stdin:
        try:
            answer = serve(**json.loads(line))
        except Exception as error:
            answer = {"failure": repr(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    sys.modules["tests.beaker_peer"] = sys.modules["__main__"]
    Basket.__module__ = "tests.beaker_peer"
    main()
