"""Cookie headers, and an application that must not be moved by them."""

from __future__ import annotations

from pyramid.response import Response

from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.site import SECRET, WORK, Site, WatchedStore

from .bytes import damaged, latin

NAME = "beaker.session.id"
PIECES = (
    *(NAME, NAME + "=", "=", ";", "; ", " ", "\t", '"', ".", ",", "\\", "%", "$Version=1"),
    *("\0", "\r\n", "\x0b", "\x7f", "\x80", "\x85", "\xa0", "\xe9", "\xff", "{", "}", "[", "'"),
    *("x", "0" * 32, "A" * 43, "a" * 500, "__Host-", "expires=", "path=/", "-_"),
)


class Door:
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
        return self.ask(header, read)[0] == {"whose": "the visitor's"}

    def ask(self, header, work):
        """Send the header to a page that does the work; give what was found, and Set-Cookie."""
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/",
            "SCRIPT_NAME": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "wsgi.url_scheme": "http",
            "HTTP_COOKIE": header,
            WORK: work,
        }
        answers = []
        self.site.app(
            environ, lambda status, headers, error=None: answers.append((status, headers))
        )
        ((status, headers),) = answers
        assert status == "200 OK", f"{status} for {header!r}"
        return environ.get("found"), dict(headers).get("Set-Cookie")

    def assert_unchanged(self):
        """Assert that nothing was stored, and nothing lost."""
        assert set(self.store.calls) <= {"load"}
        assert set(self.store.keys("")) == self.records


def read(request):
    request.environ["found"] = dict(request.session)
    return Response()


def write(request):
    request.session["a"] = 1
    return Response()


def headers(valid):
    """Give Cookie headers of pieces that mean something, of noise, and of damaged cookies."""
    whole = f"{NAME}={valid}".encode()
    pieces = [piece.encode("latin-1") for piece in PIECES]
    return damaged([whole, b"a=b; " + whole + b'; x="y"'], [*pieces, whole]).map(latin)


def values(valid):
    """Give headers with one cookie of our name, of a value that is nearly right."""
    return damaged([valid.encode()]).map(lambda value: f"{NAME}={latin(value)}")


def reading(secret, cases):
    """Give cases for a page that reads, and the check of them."""
    door = Door(secret)

    def check(header):
        if door.opens(header):
            assert door.valid in header
        door.assert_unchanged()
        door.store.calls.clear()

    return cases(door.valid), check


def writing(secret):
    """Give cases for a page that writes, and the check: one session, whose id nobody has sent."""
    door = Door(secret)

    def check(header):
        given = door.ask(header, write)[1]
        made = set(door.store.keys("")) - door.records
        assert len(made) <= 1
        if made:
            assert given.partition("=")[2].partition(";")[0] not in header
        for key in made:
            door.store.delete(key)
        door.store.calls.clear()

    return headers(door.valid), check


READS = {
    f"{what}, {name}": (secret, cases)
    for what, cases in (("Cookie header", headers), ("signed id", values))
    for name, secret in (("signed", SECRET), ("plain", None))
}
WRITES = {"Cookie header of a writer": SECRET, "Cookie header of a writer, plain": None}
