"""A real Pyramid application over a store that is watched, and its visitors."""

from __future__ import annotations

from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from math import inf
from typing import TYPE_CHECKING, Any

from pyramid.authentication import SessionAuthenticationHelper
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from ..errors import StoreUnavailable
from ..sessions.events import ALL_EVENTS
from ..stores.around import StoreAround
from ..stores.base import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..stores.base import Entry

    Work = Callable[[Any], Any]

WORK, RESULT = "pyramid_beakerish.testing.work", "pyramid_beakerish.testing.result"
SECRET = "only the tests sign with this one"  # noqa: S105 - it signs nothing else


class WatchedStore(StoreAround):
    """Passes every call on to a store, takes note of it, and fails when it is told to.

    ``calls`` are the names of the methods, in the order in which they were called.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._failing: set[tuple[str, bool]] = set()
        self._before: dict[tuple[str, str], Callable[[], object]] = {}
        self.calls: list[str] = []

    @contextmanager
    def failing(self, *methods: str, after: bool = False) -> Iterator[None]:
        """Have the methods raise `StoreUnavailable` instead of doing their work.

        With ``after`` they raise when they have done it, as if their answer was lost; then a method
        that finds nothing to do does not raise.
        """
        failures = {(method, after) for method in methods}
        self._failing |= failures
        try:
            yield
        finally:
            self._failing -= failures

    def before(self, method: str, prefix: str, work: Callable[[], object]) -> None:
        """Have the work done just before the method's next call for a key with the prefix."""
        self._before[method, prefix] = work

    def load_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        """See `Store`. Each key is noted as a load."""
        return Store.load_many(self, keys)

    def keys(self, prefix: str) -> Iterator[str] | None:
        """See `Store`. Nobody but the tests calls it, so it is not noted."""
        return self._store.keys(prefix)

    def _pass_on(self, method: str, *arguments: Any) -> Any:
        self._before.pop((method, arguments[0].partition(":")[0] + ":"), int)()
        self.calls.append(method)
        self._fail_if_told((method, False))
        result = super()._pass_on(method, *arguments)
        if result is not False:
            self._fail_if_told((method, True))
        return result

    def _fail_if_told(self, point: tuple[str, bool]) -> None:
        if point in self._failing:
            raise StoreUnavailable("the test has shut the store down")


class Browser:
    """A visitor's browser, which keeps cookies and forgets them when they have expired.

    ``cookies`` are the values that it sends now, by name; ``response`` is the last answer.
    """

    def __init__(self, app: Any, clock: Callable[[], float], scheme: str = "http") -> None:
        self._app = app
        self._clock = clock
        self._base = f"{scheme}://localhost"
        self._kept: dict[str, tuple[str, float]] = {}
        self.response = Response()

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that the browser has, values by names."""
        now = self._clock()
        return {name: value for name, (value, end) in self._kept.items() if end > now}

    @property
    def set_cookies(self) -> list[str]:
        """The cookies that the last response has set."""
        return list(self.response.headers.getall("Set-Cookie"))

    def keep(self, cookies: dict[str, str]) -> Browser:
        """Put cookies in, as a thief or a second window would have them; give the browser."""
        self._kept.update((name, (value, inf)) for name, value in cookies.items())
        return self

    def twin(self) -> Browser:
        """Give another browser, which has the same cookies to begin with."""
        return Browser(self._app, self._clock).keep(self.cookies)

    def visit(self, work: Work, path: str = "/", **headers: str) -> Any:
        """Send a request whose view calls ``work(request)``, and give what that has returned.

        If that is a response, it is the view's answer.
        """
        request = Request.blank(path, base_url=self._base, headers=headers)
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if cookies:
            request.headers["Cookie"] = cookies
        request.environ[WORK] = work
        self.response = request.get_response(self._app)
        self._keep_all(self.set_cookies)
        return request.environ.get(RESULT)

    def use(self, work: Work) -> Any:
        """Send a request whose view calls ``work(session)``, and give what that has returned."""
        return self.visit(lambda request: work(request.session))

    def put(self, /, **contents: Any) -> Browser:
        """Send a request that puts the contents into the session; give the browser."""
        self.use(lambda session: session.update(contents))
        return self

    def contents(self) -> dict[str, Any]:
        """Give what the visitor's next request finds in the session, and change nothing."""
        found: dict[str, Any] = self.twin().use(dict)
        return found

    def _keep_all(self, headers: list[str]) -> None:
        for header in headers:
            pair, *attributes = header.split("; ")
            name, _, value = pair.partition("=")
            self._kept[name] = value, self._end(dict(a.partition("=")[::2] for a in attributes))

    def _end(self, attributes: dict[str, str]) -> float:
        if "Max-Age" in attributes:
            return self._clock() + int(attributes["Max-Age"])
        if "Expires" in attributes:
            return parsedate_to_datetime(attributes["Expires"]).timestamp()
        return inf


class Site:
    """A Pyramid application whose views do what each visit asks for.

    ``options`` are session settings by their bare names; ``None`` leaves one out. ``events`` are
    those that this package has sent. A subclass may set ``includes`` of its own.
    """

    includes: tuple[Any, ...] = ()

    def __init__(self, store: Store, clock: Callable[[], float], **options: Any) -> None:
        self._clock = clock
        self.events: list[Any] = []
        own = {"type": store, "secret": SECRET, **options}
        settings = {f"session.{name}": value for name, value in own.items() if value is not None}
        self.config = Configurator(settings={"beakerish.clock": clock, **settings})
        for name in ("pyramid_beakerish", *self.includes):
            self.config.include(name)
        self.config.set_security_policy(_Policy())
        self.config.add_route("any", "/*path")
        self.config.add_view(_work, route_name="any")
        for event in ALL_EVENTS:
            self.config.add_subscriber(self.events.append, event)
        self.app = self.config.make_wsgi_app()

    def stranger(self, scheme: str = "http") -> Browser:
        """Give the browser of a visitor who was never here before."""
        return Browser(self.app, self._clock, scheme)


def _work(request: Any) -> Response:
    result = request.environ[RESULT] = request.environ[WORK](request)
    return result if isinstance(result, Response) else Response()


class _Policy:
    """Keeps who is logged in in the session, as Pyramid's documentation shows."""

    def __init__(self) -> None:
        self._helper = SessionAuthenticationHelper()

    def authenticated_userid(self, request: Any) -> Any:
        return self._helper.authenticated_userid(request)

    identity = authenticated_userid

    def permits(self, request: Any, context: Any, permission: str) -> bool:
        return self.authenticated_userid(request) is not None

    def remember(self, request: Any, userid: Any, **options: Any) -> Any:
        return self._helper.remember(request, userid, **options)

    def forget(self, request: Any, **options: Any) -> Any:
        return self._helper.forget(request, **options)
