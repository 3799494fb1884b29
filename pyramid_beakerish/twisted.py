"""Sessions for twisted.web, in any store, with the names that Twisted gives them.

Needs the extra ``pyramid_beakerish[twisted]``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.web.http import SERVICE_UNAVAILABLE
from twisted.web.server import Request, Site

from .endings import Endings
from .errors import SettingsError, StoreUnavailable
from .headers import add_vary, keep_to_visitor, site_data
from .once import Once
from .sessions.manager import SessionManager
from .sessions.session import Session
from .settings import session_settings
from .stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

log = Logger()

T = TypeVar("T")

#: Headers that Twisted sets, before the page or because the visitor asks for the end.
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
        raise TypeError("The request has no session: serve its resource by a SessionSite.")
    session = request.opened_session()
    return session if interface is None else session.component(interface)


class TwistedSession(Session):
    """A session of this package's, which can do what Twisted's can."""

    #: What is called when the session ends, not handed to the site yet.
    on_expire: tuple[Callable[[], object], ...] = ()
    #: What is called when the session is saved, as it has been ended.
    on_save: tuple[Callable[[], object], ...] = ()
    #: Makes the save that was handed to a thread, or waits for its end, as long as there is one.
    _await_save: Callable[[], object] = staticmethod(lambda: None)

    @property
    def uid(self) -> str:
        """The id of the session, 256 random bits. It is a secret: do not log it."""
        return self.id

    @property
    def lastModified(self) -> float:  # noqa: N802 - Twisted's name
        """When the session was last used, within the touch interval."""
        accessed = self.last_accessed
        return self._manager.clock() if accessed is None else accessed

    @property
    def sessionTimeout(self) -> float | None:  # noqa: N802 - Twisted's name
        """How long the session lives after its last use, in seconds; can be set for this one."""
        timeout: float | None = self._setting("timeout", self._settings.timeout)
        return timeout

    @sessionTimeout.setter
    def sessionTimeout(self, seconds: float | None) -> None:  # noqa: N802 - Twisted's name
        self.set_lifetime(timeout=seconds)

    def persist(self) -> None:
        """See `Session`."""
        self._await_save()
        super().persist()

    def touch(self) -> None:
        """Count this request as use. Not needed where the session is read."""
        self._touch()

    def invalidate(self) -> None:
        """End the session when the response is sent. The same object goes on as a new session."""
        super().invalidate()
        self.on_save += self.on_expire
        self.on_expire = ()

    expire = delete = invalidate

    def notifyOnExpire(self, callback: Callable[[], object]) -> None:  # noqa: N802 - Twisted's name
        """Have the callback called, once, when the session has ended, by hand or by itself.

        In this process, as long as it runs: a function cannot be stored.
        """
        self.on_expire += (callback,)

    def getComponent(self, interface: Any, default: Any = None) -> Any:  # noqa: N802
        """Give the component of an interface, or the default if it has no class."""
        component = self.__conform__(interface)
        return default if component is None else component

    def setComponent(self, interface: Any, component: Any) -> None:  # noqa: N802
        """See `set_component`."""
        self.set_component(interface, component)

    def unsetComponent(self, interface: Any) -> None:  # noqa: N802
        """See `unset_component`."""
        self.unset_component(interface)

    def _prepare_to_write(self, key: str | None = None) -> None:
        self._await_save()
        super()._prepare_to_write(key)

    def _begin_saving(self) -> Callable[[], object]:
        """Give what stores the changes, in a thread or before anybody writes to the session again.

        Two threads at work on one session would lose what the other one does.
        """
        earlier = self._await_save

        def save() -> None:
            earlier()
            self.persist()

        self._await_save = Once(save)
        self._writable = False  # whoever writes asks `_prepare_to_write`
        return self._await_save

    def _end_saving(self, result: T, save: Callable[[], object]) -> T:
        if self._await_save is save:
            del self._await_save
        return result


class SessionRequest(Request):  # type: ignore[misc]
    """Loads the session before the resource is rendered, and saves it before the first byte.

    Where the store may block, both are done in a thread, and what is written meanwhile waits.
    """

    _opened: TwistedSession
    #: The status and the headers at the first write.
    _begun: tuple[Any, Any, Any]
    _failure: Failure | None = None
    #: What gives data, and waits for the session to be saved.
    _producer: Any = None
    _gone = _saving = _apologised = False

    def process(self) -> None:
        """Find the session, then the resource."""
        self._waiting: list[Callable[[], object]] | None = []
        self.site = site = self.channel.site
        # As WSGI decodes it: under a name that is text Twisted gives UTF-8, or raises.
        header = b"; ".join(self.requestHeaders.getRawHeaders(b"cookie", [])).decode("latin-1")
        header = header if site.reads_cookies else ""
        self._opened = site.make_session(header)
        loading = site.run(self._load) if header else maybeDeferred(lambda: None)
        loading.addErrback(self._remember)
        loading.addCallback(lambda _: None if self._gone else Request.process(self))

    def opened_session(self) -> TwistedSession:
        """Give the session; raises what kept it from being loaded."""
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
        """Ask no more, also if the producer waits."""
        self._producer = None
        super().unregisterProducer()

    def _have_producer_wait(self) -> None:
        """Ask whoever gives data for no more before this is sent: it might be a large file."""
        producer = self.producer
        if self.streamingProducer:
            producer.pauseProducing()
        self.unregisterProducer()
        self._producer = producer

    def _ask_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            self.registerProducer(producer, self.streamingProducer)
            if self.streamingProducer:
                producer.resumeProducing()

    def _stop_producer(self) -> None:
        """Tell a producer that waits, and may have a file to close, that no more is wanted."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()

    def _send_headers(self, _: object) -> None:
        # As Twisted sends them at the first write: the length that it sets of what the resource
        # returns after that is not that of the whole.
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
        """Answer that the session cannot be had, in the place of whatever else was to be said."""
        self._apologised = True
        self._stop_producer()
        self._waiting = [self._send_apology]
        if not self._saving:
            self._send_what_waits(None)

    def _break_off(self) -> None:
        """Tell the browser that the page, which is on its way, is not whole."""
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
        """Let go of what the page has said, but for what Twisted says of every response."""
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


class SessionSite(Site):  # type: ignore[misc]
    """A site whose requests have sessions: see `get_session`.

    ``options`` are session settings without a prefix, such as ``type``, ``data_dir``, ``secret``
    and ``timeout``, here 900 seconds by default, as in Twisted. ``reactor`` may be a
    ``twisted.internet.task.Clock``, by which sessions then live. Raises `SettingsError`.

    Example::

        from twisted.web.resource import Resource

        site = SessionSite(Resource(), type="memory", timeout=1800)
    """

    def __init__(
        self,
        resource: Any,
        *,
        reactor: Any = None,
        session_class: type[TwistedSession] = TwistedSession,
        **options: Any,
    ) -> None:
        clock = time.time if reactor is None else reactor.seconds
        if reactor is None:
            # The import installs one: the application may choose another before.
            from twisted.internet import reactor as main_reactor

            reactor = main_reactor
        super().__init__(resource, requestFactory=SessionRequest, reactor=reactor)
        settings, messages = session_settings(**{"timeout": 900, **options})
        if not settings.in_own_store or settings.transactional:
            raise SettingsError(
                ["Twisted serves sessions in stores of this package only, without transactions."]
            )
        for message in messages:
            log.warn("{message}", message=message)
        self.reads_cookies = settings.use_cookies
        self._session_class = session_class
        self._manager = SessionManager(settings, clock)
        self._manager.open()
        self._blocks = not isinstance(self._manager.records.store, MemoryStore)
        self._endings = Endings(self._manager, reactor, self.run)

    def make_session(self, header: str | None) -> TwistedSession:
        """Give the session of a visitor who sends the Cookie header."""
        return self._session_class(self._manager, header)

    def run(self, function: Callable[[], T]) -> Deferred[T]:
        """Call a function that uses the store: in a thread if that may block."""
        return deferToThread(function) if self._blocks else maybeDeferred(function)

    def find_session(self, uid: str) -> Deferred[TwistedSession]:
        """Give the session that has the id; fails with `KeyError` if there is none."""

        def find() -> TwistedSession:
            session = self.make_session(None).get_by_id(uid)
            if not isinstance(session, TwistedSession):
                raise KeyError("no session has this id")  # the id is a secret
            return session

        return self.run(find)

    def save(self, session: TwistedSession) -> Deferred[None]:
        """Store what has changed in a session. That of a request is saved with the response."""
        ended, before = tuple(key for _, key, *_ in session._ended), session._key
        if not (session._dirty or session._suspects or session._touch_due):
            saving: Deferred[None] = maybeDeferred(lambda: None)
        else:
            begun = session._begin_saving()
            saving = self.run(begun).addBoth(session._end_saving, begun)
        return saving.addCallback(lambda _: self._endings.follow(session, ended, before))

    def stopFactory(self) -> None:  # noqa: N802 - Twisted's name
        """Forget whom to call when sessions end."""
        self._endings.forget()
        super().stopFactory()
