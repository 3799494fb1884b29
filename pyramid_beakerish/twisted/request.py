"""A request that loads its session, and saves it before the first byte of the response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import maybeDeferred
from twisted.logger import Logger
from twisted.web.http import SERVICE_UNAVAILABLE
from twisted.web.server import Request

from ..errors import StoreUnavailable
from ..headers import add_vary, keep_to_visitor, site_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

    from .session import TwistedSession

log = Logger()

#: Headers that Twisted sets itself, before the page or as the visitor asks to close.
OF_EVERY_RESPONSE = (b"Server", b"Date", b"Connection")
APOLOGY = b"The session store is unavailable. Try again later."


def get_session(request: Any, interface: Any = None) -> Any:
    """Give the session of a request that a `SessionSite` serves, or its component of an interface.

    Raises `StoreUnavailable`, for which the site answers 503, if the session cannot be loaded.

    Example::

        from twisted.web.resource import Resource

        class CounterResource(Resource):
            def render_GET(self, request):
                session = get_session(request)
                counter = ICounter(session)
                counter.value += 1
                return b"Visit #%d for you!" % (counter.value,)
    """
    if not isinstance(request, SessionRequest):
        raise TypeError("The request has no session: serve its resource with a SessionSite.")
    session = request.opened_session()
    return session if interface is None else session.component(interface)


class SessionRequest(Request):  # type: ignore[misc]
    """Loads the session before the resource is rendered, and saves it before the first byte.

    Where the store may block, both are done in a thread, and what is written meanwhile waits.
    """

    _opened: TwistedSession
    #: The status and the headers at the first write.
    _begun: tuple[Any, Any, Any]
    _failure: Failure | None = None
    #: A producer of data that waits until the session is saved.
    _producer: Any = None
    _gone = _saving = _apologised = False

    def process(self) -> None:
        """Find the session, then the resource."""
        self._waiting: list[Callable[[], object]] | None = []
        self.site = site = self.channel.site
        # Decoded as in WSGI: for a name of type str, Twisted would decode UTF-8, or raise.
        header = b"; ".join(self.requestHeaders.getRawHeaders(b"cookie", [])).decode("latin-1")
        header = header if site.reads_cookies else ""
        self._opened = site.make_session(header)
        loading = site.run(self._load) if header else maybeDeferred(lambda: None)
        loading.addErrback(self._remember)
        loading.addCallback(lambda _: None if self._gone else Request.process(self))

    def opened_session(self) -> TwistedSession:
        """Give the session; raises the error that kept it from being loaded."""
        if self._failure is not None:
            self._failure.raiseException()
        self._opened.touch()
        return self._opened

    def connectionLost(self, reason: Any) -> None:  # noqa: N802 - Twisted's name
        """Take note that nobody waits for the response any more."""
        self._gone = True
        self._stop_producer()
        super().connectionLost(reason)

    def write(self, data: bytes) -> None:
        """Send data, once the session is saved."""
        self._when_saved(lambda: Request.write(self, data))
        if self._waiting is not None and self.producer:
            self._have_producer_wait()

    def finish(self) -> None:
        """End the response, once the session is saved."""
        self._when_saved(lambda: Request.finish(self))

    def processingFailed(self, reason: Failure) -> Any:  # noqa: N802 - Twisted's name
        """Answer for a resource that failed, and save nothing of what it did."""
        self._opened.abandon()
        if reason.check(StoreUnavailable):
            log.failure("The session store is unavailable.", reason)
            if self._waiting is None:
                self._break_off()
            else:
                self._apologise()
            return reason
        return super().processingFailed(reason)

    def _load(self) -> None:
        self._opened.touch()
        self._opened.park()  # it counts as used when the resource asks for it

    def _remember(self, failure: Failure) -> None:
        self._failure = failure

    def _when_saved(self, call: Callable[[], object]) -> None:
        if self._apologised:
            return
        if self._waiting is None:
            call()
            return
        self._waiting.append(call)
        if not self._saving:
            self._saving = True
            self._begun = self.code, self.code_message, self.responseHeaders.copy()
            self._opened._writes_through = True  # the next change is stored at once
            saving = self.site.save(self._opened)
            saving.addCallbacks(self._send_headers, self._fail_to_save)
            saving.addBoth(self._send_what_waits)

    def unregisterProducer(self) -> None:  # noqa: N802 - Twisted's name
        """Ask for no more, even if the producer is one that waits."""
        self._producer = None
        super().unregisterProducer()

    def _have_producer_wait(self) -> None:
        """Pause the producer until this data is sent: the rest might be a large file."""
        producer = self.producer
        if self.streamingProducer:
            producer.pauseProducing()
        self.unregisterProducer()
        self._producer = producer

    def _ask_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None and not self.finished:
            self.registerProducer(producer, self.streamingProducer)
            if self.streamingProducer:
                producer.resumeProducing()

    def _stop_producer(self) -> None:
        """Tell a producer that waits that no more is wanted: it may have a file to close."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()

    def _send_headers(self, _: object) -> None:
        # As they were at the first write, when Twisted would have sent them. The length that it has
        # set since then is only that of what the resource returned after writing.
        self.code, self.code_message, self.responseHeaders = self._begun
        session = self._opened
        scheme = "https" if self.isSecure() else "http"
        cookie = session.finish({"wsgi.url_scheme": scheme})
        names = ("Vary", "Cache-Control")
        sent = {name: self.responseHeaders.getRawHeaders(name, []) for name in names}
        headers = [(name, value) for name in names for value in sent[name]]
        if cookie is not None:
            self.cookies.append(cookie.encode())
            keep_to_visitor(headers, session._settings.cache_control)
            if session.site_data:
                self.setHeader(*site_data(session.site_data))
        elif session.accessed():
            add_vary(headers, "Cookie")
        for name in {name for name, _ in headers}:
            values = [value for header, value in headers if header == name]
            self.responseHeaders.setRawHeaders(name, values)

    def _fail_to_save(self, failure: Failure) -> None:
        log.failure("A session could not be saved.", failure)
        self._opened.abandon()
        self._apologise()

    def _apologise(self) -> None:
        """Answer that the session store is unavailable, instead of whatever was to be said."""
        self._apologised = True
        self._stop_producer()
        self._waiting = [self._send_apology]
        if not self._saving:
            self._send_what_waits(None)

    def _break_off(self) -> None:
        """Close the connection: it tells the browser that the page, partly sent, is incomplete."""
        self._apologised = True
        if not self.finished:
            self.loseConnection()

    def _send_apology(self) -> None:
        self._forget_headers()
        self.setResponseCode(SERVICE_UNAVAILABLE)
        self.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        self.setHeader(b"Content-Length", b"%d" % len(APOLOGY))
        Request.write(self, APOLOGY)
        Request.finish(self)

    def _forget_headers(self) -> None:
        """Drop the page's headers and cookies, but not what Twisted sets for every response."""
        self.cookies.clear()
        for name, _ in list(self.responseHeaders.getAllRawHeaders()):
            if name not in OF_EVERY_RESPONSE:
                self.responseHeaders.removeHeader(name)

    def _send_what_waits(self, _: object) -> None:
        waiting, self._waiting = self._waiting or (), None
        if not self._gone:
            for call in waiting:
                call()
            self._ask_producer()
