"""A Pyramid application with sessions of some kind, and what its visitors ask of it."""

from __future__ import annotations

import time
from copy import copy
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any

from pyramid.config import Configurator
from pyramid.response import Response
from webob import Request

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "not a secret, but as long as one has to be"
TIMEOUT = 1200
#: Requests whose time is taken, after some that fill the processor's caches with this site's code:
#: few, so that whatever interrupts them spoils a round and not all of them.
REQUESTS, WARM_UP = 100, 40


def untouched(request):
    return ""


def read(request):
    return request.session.get("counter")


def write(request):
    request.session["counter"] = request.session.get("counter", 0) + 1


def fill(request):
    """Have as many more keys in the session as the environment says."""
    for number in range(request.environ["benchmark.keys"]):
        request.session[f"key {number}"] = f"some text of a usual length {number}"
    write(request)


#: A new visitor is one without a cookie, for whom something is stored.
KINDS = {"untouched": untouched, "read": read, "write": write, "new": write}


class Site:
    """An application, called as a server would, and a visitor who has a session there.

    ``set_up`` is called with the configurator. ``view`` answers each request, with the text of
    what it gives; without one it is the kind of the request that says what is done.
    """

    def __init__(
        self,
        set_up: Callable[[Any], object] = lambda config: None,
        settings: dict[str, Any] | None = None,
        view: Callable[[Any], object] | None = None,
    ) -> None:
        config = Configurator(settings=settings)
        set_up(config)
        config.add_route("page", "/")
        config.add_view(answer(view or _work), route_name="page")
        self.app = config.make_wsgi_app()
        self.cookie: str | None = None

    def request(self, work: Callable[[Any], object], **environ: Any) -> str:
        """Make one request, whose view calls the function; keep the cookie, give the body."""
        sent: list[tuple[str, str]] = []
        environ = {**self._environ(work), **environ}
        body = self.app(environ, lambda status, headers, error=None: sent.extend(headers))
        for name, value in sent:
            if name == "Set-Cookie":
                self.cookie = value.split(";")[0].strip()
        return b"".join(body).decode()

    def begin(self, keys: int = 0) -> Site:
        """Begin a new session that holds some keys, and see that it is kept."""
        self.cookie = None
        self.request(fill, **{"benchmark.keys": keys})
        self.request(write)
        if self.request(read) != "2":
            raise RuntimeError("this site keeps no sessions")
        return self

    def arrive(self, visitors: int) -> None:
        """Have so many new visitors begin a session of one number."""
        environ = {**Request.blank("/").environ, "benchmark.work": write}
        for _ in range(visitors):
            self.app(environ.copy(), _start_response)

    def timer(self, kind: str) -> Callable[[], float]:
        """Give what measures the microseconds that a request of this kind takes."""
        return partial(self._time, kind)

    def threads_timer(self, kind: str, threads: int) -> Callable[[], float]:
        """Give what measures the same of requests from several threads at once, all together.

        Each thread has a visitor of its own, where there are sessions.
        """
        visitors = [copy(self).begin() if self.cookie else self for _ in range(threads)]
        return partial(_together, [visitor.timer(kind) for visitor in visitors])

    def _time(self, kind: str) -> float:
        app, environ = self.app, self._environ(KINDS[kind])
        if kind == "new":
            environ.pop("HTTP_COOKIE", None)
        for _ in range(WARM_UP):
            app(environ.copy(), _start_response)
        began = time.perf_counter()
        for _ in range(REQUESTS):
            app(environ.copy(), _start_response)
        return (time.perf_counter() - began) / REQUESTS * 1e6

    def _environ(self, work: Callable[[Any], object]) -> dict[str, Any]:
        environ = {**Request.blank("/").environ, "benchmark.work": work}
        return {**environ, "HTTP_COOKIE": self.cookie} if self.cookie else environ


def _together(timers: list[Callable[[], float]]) -> float:
    began = time.perf_counter()
    working = [Thread(target=timer, daemon=True) for timer in timers]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join(60)
    return (time.perf_counter() - began) / (REQUESTS + WARM_UP) / len(timers) * 1e6


def answer(page: Callable[[Any], object]) -> Callable[[Any], Response]:
    """Give the view that answers with the text of what the page gives."""
    return lambda request: Response(str(page(request)))


def _work(request: Any) -> object:
    return request.environ["benchmark.work"](request)


def settings_of(**options: Any) -> dict[str, Any]:
    """Give the settings of sessions, of ours and of Beaker's, with these options."""
    settings = {"session.secret": SECRET, "session.timeout": str(TIMEOUT)}
    return settings | {f"session.{name}": value for name, value in options.items()}


def _start_response(status: str, headers: list[tuple[str, str]], error: object = None) -> None:
    """Take no note of what a server would send."""
