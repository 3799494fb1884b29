"""The session that a view sees."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from ..errors import LockTimeout, StoreUnavailable
from ..serializers import MsgpackSerializer
from ..settings import cookie_rules
from ..settings.convert import LONGEST, RefusedError
from ..stores.lease import Lease
from .components import WithComponents
from .cookie import sent_values
from .flash import CSRF_KEY, FlashAndCSRF
from .ids import csrf_token, store_key
from .mapping import UNSET
from .no_record import Moved, NoRecord
from .record import NOTHING
from .stored import StoredMapping
from .users import UserSessions, user_key


class Session(WithComponents, FlashAndCSRF, StoredMapping):
    """A visitor's data, loaded at first touch and stored when the request ends.

    Only changed keys are stored, merged with what other requests change at the same time.
    A mutable value that was read is compared when the session is stored, so that
    ``session["cart"].append(x)`` is kept with no further call. Nothing is stored for a
    visitor until there is something to store.

    Example::

        session["user"] = "bob"
        session.modify("visits", lambda n: n + 1, 0)
    """

    _born: float | None = None

    # What pyramid.interfaces.ISession asks for besides the mapping

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
        """End the session, in the store too, and go on with a new, empty one.

        It takes effect when the session is saved, so a request that fails ends nothing.
        """
        if not self._writable:
            self._prepare_to_write()
        if self._unavailable is not None:
            raise self._manager.unavailable(self._unavailable)
        if self._record is not None:
            self._ended += ((str(self._stored_id), self._key, self._record, self._token),)
        if self._remove_cookie is None and sent_values(self._header or "", self._settings.key):
            self._remove_cookie = self._own_of_record()
        self._start_over()
        self._cookie = None
        self._wrote()

    # What Beaker's sessions have besides the mapping

    is_new = new
    delete = invalidate

    @property
    def last_accessed(self) -> float | None:
        """When the session was last used, to within the touch interval; ``None`` if it is new."""
        self._touch()
        return None if self._record is None else self._record.accessed

    @property
    def domain(self) -> str | None:
        """The Domain of this session's cookie. Setting it changes this session's cookie only.

        Raises `ValueError` for what is not a host name, or not allowed with the cookie's name.
        """
        domain: str | None = self._setting("domain", self._settings.cookie_domain)
        return domain

    @domain.setter
    def domain(self, value: str | None) -> None:
        self._set_scope("domain", None if value is None else _read("domain", value))

    @property
    def path(self) -> str:
        """The Path of this session's cookie. Setting it changes this session's cookie only.

        Raises `ValueError` for what is not a path, or not allowed with the cookie's name.
        """
        path: str = self._setting("path", self._settings.cookie_path)
        return path

    @path.setter
    def path(self, value: str) -> None:
        self._set_scope("path", _read("path", value))

    def _set_scope(self, name: str, value: str | None) -> None:
        options = {**vars(self._settings), f"cookie_{name}": value}
        rule = next((rule for _, rule in cookie_rules.broken_rules(options)), None)
        if rule is not None:
            told = rule.format(secure="secure", cookie_path="path", cookie_domain="domain")
            raise ValueError(f"the cookie's name, {self._settings.key}, {told}")
        self._set_own({name: value})

    def get_csrf_token(self) -> str:
        """Give the session's token; one is drawn if there is none.

        If the store has failed, there is no session, but the page that says so may have forms:
        they get a token that is not kept.
        """
        return self._new_csrf_token() if self._failure is not None else super().get_csrf_token()

    def _first_csrf_token(self) -> str:
        # Two requests that need the first token at the same time must get the same one.
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
        self._forced = False
        moved = self._record is not None and self._id is not self._stored_id
        self._dirty = self._unusual = bool(self._ended or self._own or moved)

    def get_by_id(self, session_id: str) -> Session | None:
        """Give the session that has the id, or ``None``.

        Call its `persist` to store it, and its `unlock` after a `lock`: no request does that.
        """
        if not (isinstance(session_id, str) and session_id.isascii()):
            return None
        try:
            self._manager.records.load(store_key(session_id))
        except NoRecord:
            return None
        except Moved:
            pass  # the session that is made below finds where it went
        except StoreUnavailable as error:
            raise self._manager.unavailable(error) from error
        other = type(self)(self._manager, self._manager.cookie.request_header(session_id))
        return None if other.new else other

    def regenerate_id(self) -> None:
        """Change to a new id and CSRF token now; the old id ends when the session is saved.

        Happens by itself when the key named by ``session.rotate_on`` is set, as Pyramid's
        ``remember`` does at login
        (https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#renew-the-session-id-after-any-privilege-level-change).
        """
        self._refuse_if_late("its id cannot be changed")
        self._prepare_to_write()
        self._id = self._manager.new_id()
        self._dirty = self._unusual = True
        if CSRF_KEY in self:
            self.new_csrf_token()

    def lock(self, wait: float = 10.0, seconds: float = 60.0) -> None:
        """Lock the session until `unlock` or the request's end; only others that lock it wait.

        Not needed to keep changes: see `modify`. The session is then read again, unless this
        request has already changed something. One that has ended meanwhile is empty, and
        nothing is stored in it.

        ``wait``: seconds to wait for the lock, after which `LockTimeout` is raised.
        ``seconds``: the lock ends by itself after this time.
        """
        if self._lease is not None:
            return
        lease = Lease(self._manager.records.store, store_key(self.id), seconds)
        try:
            if not lease.acquire(wait):
                raise LockTimeout(f"Somebody else has locked the session for more than {wait:g} s.")
        except StoreUnavailable as error:
            self._fail(error)
            return
        self._lease = lease
        if self._record is not None and not self._dirty and not self._changed():
            self._see_meanwhile()

    def _see_meanwhile(self) -> None:
        """Load the session again; one that has ended is empty, and keeps its id."""
        before = self._id, self._stored_id, self._key, self._record
        self._load_again()
        self._touch()
        if self._record is None and not self._detached:
            # The request that ended or moved it has told the browser: no new one begins here.
            self._id, self._stored_id, self._key, self._record = before

    # Our own

    def set_lifetime(
        self,
        *,
        timeout: float | timedelta | None = UNSET,
        lifetime: float | timedelta | None = UNSET,
        cookie_expires: bool | float | timedelta = UNSET,
    ) -> None:
        """Set the limits of this session alone, as for "remember me".

        ``timeout``: seconds without use after which it ends; ``None``: never.
        ``lifetime``: seconds after its beginning at which it ends; ``None``: never.
        ``cookie_expires``: seconds for which the browser keeps the cookie after each use;
        ``True``: until the browser is closed.

        Example::

            month = timedelta(days=30)
            session.set_lifetime(timeout=month, cookie_expires=month)
        """
        given = {"timeout": timeout, "lifetime": lifetime, "cookie_expires": cookie_expires}
        self._set_own({name: _seconds(name, v) for name, v in given.items() if v is not UNSET})

    def bind_user(self, userid: str | int, **about: str | float | bool | None) -> None:
        """Note whose session this is, so that it can be listed and ended from elsewhere.

        ``userid``: the user's id in the application; the store holds only a hash of it.
        ``about``: what the list should show, such as a device or a place.

        A session that was not the user's before gets a new id, as at any login, unless
        ``session.rotate_on`` is ``none``. If the user then has more sessions than the settings
        allow, the least recently used ones end.
        Raises `TypeError` for a value other than text, a number or ``None``, and `ValueError` for
        text that is not valid Unicode, or an integer of more than 64 bits.

        Example::

            session.bind_user("bob", device=request.user_agent, place="Rome")
        """
        for name, value in about.items():
            if type(value) not in (str, int, float, bool, type(None)):
                raise TypeError(f"{name} is a {type(value).__name__}: use text, a number or None.")
            if not MsgpackSerializer.natives[type(value)](value):
                raise ValueError(f"{name} cannot be stored: it is not valid Unicode, or too large.")
        user = user_key(userid)
        handle = self.handle if self._setting("user", None) == user else None
        if handle is None and self._settings.rotate_on is not None:
            self.regenerate_id()
        self._forced = True  # even if it holds nothing else
        # Hexadecimal: the command would take a handle that begins with a hyphen for an option.
        self._set_own({"user": user, "handle": handle or secrets.token_hex(6), "about": about})

    @property
    def handle(self) -> str | None:
        """The name of this session in its user's list; ``None`` if it is bound to no user."""
        handle: str | None = self._setting("handle", None)
        return handle

    def sessions_of(self, userid: str | int | None = None) -> UserSessions:
        """Give the sessions of a user, by default of this session's user, to show or end them.

        Raises `LookupError` without a userid if this session is bound to no user.
        """
        user = self._setting("user", None) if userid is None else user_key(userid)
        if user is None:
            raise LookupError("this session was bound to no user: call bind_user at login")
        try:
            return UserSessions(self._manager.records.users, user, self)
        except StoreUnavailable as error:
            raise self._manager.unavailable(error) from error

    def _missing(self, key: str) -> Any:
        if key in _MOMENTS:
            return self._moment(key)
        raise KeyError(key)

    def _moment(self, key: str) -> float:
        """Give the time of creation or of the last use, which Beaker keeps among the data."""
        self._touch()
        if self._record is not None:
            return self._record.accessed if key == "_accessed_time" else self._record.created
        if self._born is None:
            self._born = self._manager.clock()
        return self._born

    def _prepare_to_write(self, key: str | None = None) -> None:
        super()._prepare_to_write(key)
        if key == self._announced and key is not None:
            self.regenerate_id()

    def _set_own(self, own: dict[str, Any]) -> None:
        self._refuse_if_late("its cookie cannot be changed")
        self._prepare_to_write()
        self._own = {**self._own, **own}
        self._dirty = self._unusual = True

    def _setting(self, name: str, default: Any) -> Any:
        self._touch()
        stored = NOTHING if self._record is None else self._record.own
        return self._own.get(name, stored.get(name, default))


SHORTEST = 1  # second

_MOMENTS = frozenset(("_accessed_time", "_creation_time"))


def _seconds(name: str, value: Any) -> Any:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if seconds is None or isinstance(seconds, bool):
        allowed = (name == "cookie_expires") == isinstance(seconds, bool)
    else:
        allowed = isinstance(seconds, (int, float)) and SHORTEST <= seconds <= LONGEST
    if not allowed:
        raise ValueError(
            f"{name} = {value!r} must be a number of seconds or a timedelta, of at least 1 s."
        )
    return seconds


def _read(name: str, value: Any) -> str:
    """Give the cookie's domain or path as it is stored; a refusal names which of them."""
    try:
        read: str = getattr(cookie_rules, name)(value)
    except RefusedError as refusal:
        raise ValueError(f"session.{name} {refusal}") from None
    return read
