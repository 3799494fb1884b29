"""The session that a view sees."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import LockTimeout, SessionStateError, StoreUnavailable
from ..settings import cookie_rules
from ..stores.lease import Lease
from .events import SessionChangesDropped, SessionRotated
from .flash import CSRF_KEY, FlashAndCSRF
from .ids import csrf_token, fingerprint, new_id, store_key
from .mapping import NO_KEYS, UNSET, EncodedMapping
from .record import NOTHING
from .records import NoRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..settings import SessionSettings
    from .manager import SessionManager
    from .record import Record

log = logging.getLogger(__name__)


class Session(FlashAndCSRF, EncodedMapping):
    """A visitor's data, loaded at first touch and stored when the request ends.

    Changed keys alone are stored, together with what other requests change at the same
    time. A mutable value that was read is compared when the session is stored, so that
    ``session["cart"].append(x)`` is kept without a word. Nothing is stored for a visitor
    until there is something to store.

    Example::

        session["user"] = "bob"
        session.modify("visits", lambda n: n + 1, 0)
    """

    _own: Mapping[str, Any] = NOTHING  # what is set otherwise than the settings do
    _ended: tuple[str, ...] = ()
    _born: float | None = None
    _forced = False

    def __init__(self, manager: SessionManager, header: str | None) -> None:
        EncodedMapping.__init__(self, manager.serializer, manager.rotate_on)
        self._manager = manager
        self._header = header
        self._record: Record | None = None  # the record that is stored
        self._token: Any = None  # to change it with, until something has been stored
        self._id: str | None = None
        self._stored_id: str | None = None  # of the record; another than ``_id`` when rotating
        self._key = ""  # where the record is stored
        self._parked: tuple[Any, ...] | None = None
        self._failure: Exception | None = None
        self._lease: Lease | None = None
        self._used = False
        self._touch_due = False  # whether a use must extend the idle time
        self._detached = False  # from the store: nothing of this request is stored any more
        self._send_cookie = False
        self._remove_cookie: Mapping[str, Any] | None = None  # with these attributes

    @property
    def _settings(self) -> SessionSettings:
        return self._manager.settings

    # What pyramid.interfaces.ISession asks for beside the mapping

    @property
    def created(self) -> int:
        """When the session began, in seconds since the epoch."""
        return int(self._moment("_creation_time"))

    @property
    def new(self) -> bool:
        """Whether nothing is stored of this session yet."""
        self._touch()
        return self._record is None

    def changed(self) -> None:
        """Say that a value was changed in place. Not needed: such changes are found."""
        self._touch()
        self._wrote()

    def invalidate(self) -> None:
        """End the session, at the store too, and go on with a new, empty one.

        It takes effect when the session is saved, so a request that fails ends nothing.
        """
        if not self._writable:
            self._prepare_to_write()
        own = NOTHING
        if self._record is not None:
            self._ended += (self._key,)
            own = self._record.own
        self._start_over()
        self._send_cookie = False
        self._remove_cookie = own if self._header else None
        self._wrote()

    # What Beaker's sessions have beside the mapping

    is_new = new
    delete = invalidate

    @property
    def id(self) -> str:
        """The id that the visitor's cookie carries; a new session draws it when asked."""
        self._touch()
        if self._id is None:
            self._id = new_id()
        return self._id

    @property
    def last_accessed(self) -> float | None:
        """When the session was last used, within the touch interval; ``None`` if it is new."""
        self._touch()
        return None if self._record is None else self._record.accessed

    @property
    def domain(self) -> str | None:
        """The Domain of this session's cookie. Setting it changes this session's cookie only.

        Raises `ValueError` for what is no host name.
        """
        domain: str | None = self._setting("domain", self._settings.cookie_domain)
        return domain

    @domain.setter
    def domain(self, value: str | None) -> None:
        self._set_own({"domain": None if value is None else cookie_rules.domain(value)})

    @property
    def path(self) -> str:
        """The Path of this session's cookie. Setting it changes this session's cookie only.

        Raises `ValueError` for what is no path.
        """
        path: str = self._setting("path", self._settings.cookie_path)
        return path

    @path.setter
    def path(self, value: str) -> None:
        self._set_own({"path": cookie_rules.path(value)})

    def _first_csrf_token(self) -> str:
        # Two requests that need the first one at the same time must draw the same.
        return self._constant_csrf_token or csrf_token(self.id)

    def has_key(self, key: str) -> bool:
        """Tell whether the session has the key."""
        return key in self

    def accessed(self) -> bool:
        """Tell whether this request has used the session."""
        return self._used

    def dirty(self) -> bool:
        """Tell whether this request has written to the session."""
        return self._dirty

    def save(self) -> None:
        """Have the session stored when the request ends, even if it is new and empty."""
        if not self._writable:
            self._prepare_to_write()
        self._forced = True
        self._wrote()

    def revert(self) -> None:
        """Drop what this request has changed in the data."""
        self._touch()
        self._forget_values()
        self._dirty = self._forced = False

    def get_by_id(self, session_id: str) -> Session | None:
        """Give the session that has the id, or ``None``; its own `persist` stores it."""
        if not (isinstance(session_id, str) and session_id.isascii()):
            return None
        other = type(self)(self._manager, self._manager.cookie.request_header(session_id))
        return None if other.new else other

    def regenerate_id(self) -> None:
        """Go on under a new id and CSRF token, from now on; the old id ends at save.

        Done by itself when the key named by ``session.rotate_on`` is set, which is what
        Pyramid's ``remember`` does at login
        (https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#renew-the-session-id-after-any-privilege-level-change).
        """
        self._refuse_if_late("its id cannot be changed")
        self._prepare_to_write()
        self._id = new_id()
        self._dirty = self._unusual = True
        if CSRF_KEY in self:
            self.new_csrf_token()

    def lock(self, wait: float = 10.0, seconds: float = 60.0) -> None:
        """Keep out everybody else who locks this session, until `unlock` or the request's end.

        Not needed to keep changes: see `modify`. What was stored meanwhile is read again,
        unless this request has changed something already.

        ``wait``: how long to wait for the lock, in seconds; then `LockTimeout` is raised.
        ``seconds``: after so long it ends by itself.
        """
        lease = Lease(self._manager.records.store, store_key(self.id), seconds)
        if not lease.acquire(wait):
            raise LockTimeout(f"Somebody else has locked the session for more than {wait:g} s.")
        self._lease = lease
        if self._record is not None and not self._dirty:
            self._forget_values()
            self._load()

    def unlock(self) -> None:
        """Let others lock the session."""
        if self._lease is not None:
            lease, self._lease = self._lease, None
            lease.release()

    # Our own

    def set_lifetime(
        self,
        *,
        timeout: float | timedelta | None = UNSET,
        lifetime: float | timedelta | None = UNSET,
        cookie_expires: bool | float | timedelta = UNSET,
    ) -> None:
        """Give this one session other limits than the settings', as for "remember me".

        ``timeout``: it ends when it was not used for so long, in seconds; ``None``: never.
        ``lifetime``: it ends so long after it began, in seconds; ``None``: never.
        ``cookie_expires``: how long the browser keeps the cookie after each use, in seconds;
        ``True``: until it is closed.

        Example::

            month = timedelta(days=30)
            session.set_lifetime(timeout=month, cookie_expires=month)
        """
        given = {"timeout": timeout, "lifetime": lifetime, "cookie_expires": cookie_expires}
        self._set_own({name: _seconds(name, v) for name, v in given.items() if v is not UNSET})

    def persist(self) -> None:
        """Store what has changed, now.

        Raises `SerializationError`, before anything is stored, for a value that would not come
        back as it is, and `StoreUnavailable`.
        """
        if not (self._dirty or self._suspects or self._touch_due) or self._detached:
            return None  # most requests only read
        record: Any = self._record
        changed, token = self._changed(), self._token
        try:
            if self._unusual or token is None:
                self._store(changed)
            elif changed:
                # What most requests do that write: set values, in a session that exists.
                values, self._token = {**record.values, **changed}, None
                if not self._manager.records.save(self._key, record, token, NOTHING, values):
                    return self._store(changed)  # somebody else has stored something meanwhile
                self._base, self._dirty = values, False
                if self._touch_due:
                    self._extended(record)
            elif self._touch_due:
                self._extend()
        except NoRecord:
            self._drop(changed)
        except StoreUnavailable as error:
            self._fail(error)

    # For those who bring a session into a request and take it out again

    def finish(self, environ: Mapping[str, Any]) -> str | None:
        """Give the Set-Cookie header that the response needs, if any.

        The response is on its way now: what is changed later is stored at once. The cookie is
        Secure, where that is left to us, if ``environ["wsgi.url_scheme"]`` is.
        """
        if self._lease is not None:
            self.unlock()
        self._writes_through = True
        self._writable = False
        if self._send_cookie or self._remove_cookie is not None:
            return self._cookie_header(environ.get("wsgi.url_scheme") == "https")
        return None

    def abandon(self, failure: Exception | None = None) -> None:
        """Store nothing of this request: it failed, or will be tried again.

        After a failure the session reads as empty, and a write raises the failure; else what
        is written from now on is dropped with the rest.
        """
        self.unlock()
        self._failure = failure
        if failure is not None:
            self._start_over()
        self._detached = True
        self._writable = self._send_cookie = False
        self._remove_cookie = None

    def park(self) -> None:
        """Forget that the session was used; the next use finds it loaded.

        Whoever only looks on, like the debug toolbar, does not count as the application.
        """
        if self._base is None or self._dirty or self._changed():
            return
        self._parked = self._base, self._values, self._suspects, self._touch_due
        self._base, self._values, self._suspects = None, {}, set()
        self._touch_due = self._writable = self._used = False

    def unpark(self) -> None:
        """Take note that nobody but an onlooker has used the session: that extends nothing."""
        if self._parked is not None:
            self._take_back()
            self._touch_due = False

    def _take_back(self) -> None:
        self._base, self._values, self._suspects, self._touch_due = self._parked or ()
        self._parked = None
        self._writable = self._failure is None and not self._writes_through

    def _cookie_header(self, https: bool) -> str | None:
        cookie = self._manager.cookie
        if not self._settings.use_cookies:
            return None
        if self._send_cookie:
            own = self._own if self._record is None else self._record.own
            return cookie.header(self.id, own, https=https)
        return cookie.removal_header(self._remove_cookie or NOTHING, https=https)

    # Loading

    def _touch(self) -> None:
        if self._base is None:
            self._load()

    def _load(self) -> None:
        self._used = True
        if self._parked is not None:
            return self._take_back()
        manager = self._manager
        trusted = manager.cookie.find(self._header) if self._header else None
        if trusted is None:
            return self._find_nothing()
        session_id, key, is_current = trusted
        try:
            record, self._token, due = manager.records.load(key)
        except NoRecord as answer:
            return self._load_another(session_id, answer)
        except StoreUnavailable as error:
            return self._fail(error)
        self._id = self._stored_id = session_id
        self._key, self._record, self._base = key, record, record.values
        self._writable = self._failure is None and not self._writes_through
        if due:
            self._touch_due = manager.settings.save_accessed_time
        if not is_current:
            self._send_cookie = True

    def _load_another(self, session_id: str, answer: NoRecord) -> None:
        """Look behind a cookie that opens nothing: one of another path or domain may be alive."""
        self._manager.refuse(answer.refusal, session_id)
        others = self._manager.cookie.without(str(self._header), session_id)
        if others is None:
            return self._begin()
        self._header = others
        return self._load()

    def _find_nothing(self) -> None:
        if self._header:
            self._manager.refuse(self._manager.cookie.refusal(self._header))
        self._begin()

    def _begin(self) -> None:
        self._id = self._stored_id = self._record = self._token = None
        self._base = NOTHING
        self._writable = self._failure is None and not self._writes_through

    def _start_over(self) -> None:
        self._forget_values()
        self._own = NOTHING
        self._forced = self._dirty = self._touch_due = False
        self._begin()

    def _missing(self, key: str) -> Any:
        if key in _MOMENTS:
            return self._moment(key)
        raise KeyError(key)

    def _moment(self, key: str) -> float:
        """Give what Beaker keeps among the data."""
        self._touch()
        if self._record is not None:
            return self._record.accessed if key == "_accessed_time" else self._record.created
        if self._born is None:
            self._born = self._manager.clock()
        return self._born

    # Writing

    def _prepare_to_write(self, key: str | None = None) -> None:
        self._touch()
        if self._failure is not None:
            raise self._failure
        if self._record is None and not self._detached:
            self._refuse_if_late("no session can be begun")
        if key == self._announced and key is not None:
            self.regenerate_id()

    def _refuse_if_late(self, what: str) -> None:
        if self._writes_through:
            raise SessionStateError(f"The response has been sent: {what} any more.")

    def _set_own(self, own: dict[str, Any]) -> None:
        self._refuse_if_late("its cookie cannot be changed")
        self._prepare_to_write()
        self._own = {**self._own, **own}
        self._dirty = self._unusual = True
        self._send_cookie = self._record is not None

    def _setting(self, name: str, default: Any) -> Any:
        self._touch()
        stored = NOTHING if self._record is None else self._record.own
        return self._own.get(name, stored.get(name, default))

    # Storing

    def _store(self, changed: dict[str, bytes]) -> None:
        """Store whatever has happened to the session."""
        record = self._record
        while self._ended:
            self._manager.records.end(self._ended[0])
            self._ended = self._ended[1:]
        if record is None:
            if changed or self._forced:
                self._create(changed)
        elif self._id is not self._stored_id:
            self._rotate(record, changed)
        elif changed or self._gone or self._own or self._forced:
            apply = partial(self._apply, changed)
            update = self._manager.records.update
            self._stored(update(self._key, record, self._token, self._own, apply), changed)
            self._extended(record)
        elif self._touch_due:
            self._extend()

    def _create(self, changed: dict[str, bytes]) -> None:
        self._key = store_key(self.id)
        self._stored(self._manager.records.create(self._key, self._own, changed), changed)
        self._send_cookie = True

    def _rotate(self, record: Record, changed: dict[str, bytes]) -> None:
        old_id, keys = str(self._stored_id), (self._key, store_key(self.id))
        apply = partial(self._apply, changed)
        rotated = self._manager.records.rotate(keys, record, self._token, self._own, apply)
        self._key = keys[1]
        self._stored(rotated, changed)
        self._send_cookie = True
        self._manager.notify(SessionRotated(old_id, self.id))

    def _extend(self) -> None:
        record: Any = self._record
        try:
            # Somebody else's change at the same time extends it as well, so once is enough.
            self._manager.records.save(self._key, record, self._token, NOTHING, record.values)
        except StoreUnavailable:
            log.warning("A session's idle time could not be extended.", exc_info=True)
        else:
            self._token = None
            self._extended(record)

    def _extended(self, record: Record) -> None:
        if self._touch_due and self._manager.cookie.slides(record.own):
            self._send_cookie = True
        self._touch_due = False

    def _stored(self, record: Record, changed: dict[str, bytes]) -> None:
        # What others have changed nobody here has read: it must not look like a change of ours.
        self._base = self._apply(changed, self._base or NOTHING)
        self._modifiers = self._own = NOTHING
        self._gone = NO_KEYS
        self._record, self._token, self._stored_id = record, None, self._id
        self._cleared = self._dirty = self._forced = self._unusual = False

    def _drop(self, changed: Mapping[str, bytes]) -> None:
        """Let go of the changes to a session that has ended elsewhere: it stays ended."""
        name = fingerprint(str(self._stored_id))
        log.warning("Changes of a session that has ended meanwhile were dropped (%s).", name)
        self._detached = True
        self._send_cookie = False
        self._manager.notify(SessionChangesDropped(name, (*changed, *sorted(self._gone))))

    def _fail(self, error: StoreUnavailable) -> None:
        if self._settings.on_store_error == "error":
            failure = self._manager.unavailable(error)
            self.abandon(failure)
            raise failure from error
        log.error("The session store is unavailable; going on without a session.", exc_info=True)
        if self._base is None:
            self._begin()
        self._detached = True
        self._send_cookie, self._remove_cookie = False, None


_MOMENTS = frozenset(("_accessed_time", "_creation_time"))


def _seconds(name: str, value: Any) -> Any:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if seconds is None or isinstance(seconds, bool):
        allowed = (name == "cookie_expires") == isinstance(seconds, bool)
    else:
        allowed = isinstance(seconds, (int, float)) and seconds > 0
    if not allowed:
        raise ValueError(f"{name} = {value!r} is not a positive number of seconds or a timedelta.")
    return seconds
