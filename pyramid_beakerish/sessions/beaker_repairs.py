"""Beaker's own Session, with those faults repaired that can be repaired from outside."""

from __future__ import annotations

import logging
import re
from http.cookies import SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beaker.container import DBMNamespaceManager, OpenResourceNamespaceManager
from beaker.session import CookieSession, InvalidSignature, SessionObject, SignedCookie

from ..errors import CorruptData, SerializationError
from ..settings import beaker_options
from .beaker_safely import CheckedSession, safely
from .cookie import sent_values
from .ids import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..settings import SessionSettings
    from .beaker_adoption import BeakerAdoption

log = logging.getLogger(__name__)

#: The errors after which a new session is begun, by ``invalidate_corrupt``. If Beaker did it, it
#: would log the id.
SURVIVED: dict[bool | None, tuple[type[Exception], ...]] = {
    True: (Exception,),
    None: (CorruptData,),
    False: (),
}

#: What Python's cookie parser, which Beaker uses, reads as one value: no control characters.
_READABLE = re.compile(r"[!#-:<-\[\]-~]+").fullmatch
#: The same for an id with its signature: Beaker's have 72 characters, a file's name at most 255.
_READABLE_ID = re.compile(r"[!#-:<-\[\]-~]{1,200}").fullmatch


class RepairedSession(SessionObject):  # type: ignore[misc]
    """Beaker's session of one request, made at first touch; what needs no repair is passed on.

    Example::

        session = RepairedSession(settings, "beaker.session.id=...", https=True)
    """

    def __init__(
        self,
        settings: SessionSettings,
        header: str | None,
        previous: BeakerAdoption | None = None,
        *,
        https: bool,
    ) -> None:
        options = {**beaker_options(settings), "httponly": settings.httponly, **safely(settings)}
        invalidate = options.pop("invalidate_corrupt", None)
        if settings.secure == "auto":
            options["secure"] = https
        super().__init__({}, **options)
        # Not set as attributes, which Beaker hands on to the session.
        self.__dict__.update(_settings=settings, _header=header, _ended=[], _locks=[])
        self.__dict__.update(_survived=SURVIVED[invalidate], _previous=previous, _failed=False)

    def _session(self) -> Any:
        if self._sess is not None:
            return self._sess
        session, event = self._readable_session(), None
        try:
            if session.is_new and self._previous is not None and self._header:
                session, event = self._earlier_session() or (session, None)
        finally:
            _complete(self._sess)
        if event is not None:
            self._previous.notify(event)  # last, as a subscriber may use the session
        return session

    def _readable_session(self) -> Any:
        """Give the session that the cookie names, or a new one if that cannot be read."""
        self._environ["HTTP_COOKIE"] = self._own_cookie()
        try:
            return super()._session()
        except self._survived as error:
            log.warning("A session cannot be read, and a new one is begun: %s", _why(error))
            return self._opened("")

    def _earlier_session(self) -> Any:
        """Give Beaker's session for one of the earlier configuration, and the event, if any."""
        before = {name: self.__dict__[name] for name in ("_sess", "_headers")}
        found = None
        try:
            found = self._previous.find(self._header, self._opened)
        except Exception:
            self.__dict__["_failed"] = True
            raise
        finally:
            if found is None:
                self.__dict__.update(before)
        return found

    def _opened(self, header: str) -> Any:
        """Give Beaker's session for a Cookie header; it replaces the one that there was."""
        self._environ["HTTP_COOKIE"] = header
        self.__dict__["_sess"] = None
        return super()._session()

    @property
    def is_in_cookie(self) -> bool:
        """Whether the visitor's cookie holds the session itself, not only its id."""
        return isinstance(self._session(), CookieSession)

    @property
    def cookie_header(self) -> str | None:
        """The Set-Cookie header of the session; ``None`` if the visitor has its cookie already."""
        self._session()
        cookie: str | None = self._headers["cookie_out"] if self._settings.use_cookies else None
        return cookie and cookie.strip()

    @property
    def cookie_is_due(self) -> bool:
        """Whether Beaker wants to send the cookie."""
        return bool(self._headers.get("set_cookie")) and not self._failed

    def set_for_cookie(self, name: str, value: Any) -> None:
        """Set an attribute that is both the session's and its cookie's."""
        session = self._session()
        setattr(session, name, value)
        if not self.is_in_cookie:
            session._update_cookie_out()

    def get_by_id(self, session_id: str) -> Any:
        """Give Beaker's session that has the id, or ``None``."""
        if self.is_in_cookie:
            return None
        try:
            session = CheckedSession({}, id=session_id, **{**self._params, "use_cookies": False})
        except CorruptData:
            return None
        return None if session.is_new else session

    def invalidate(self) -> None:
        """End the session and go on with a new, empty one."""
        self._end_record()
        self._session().invalidate()

    def regenerate_id(self) -> None:
        """Go on under a new id."""
        self._end_record()
        session = self._session()
        if self.is_in_cookie:
            session["_id"] = new_id()
        else:
            session.regenerate_id()

    def persist(self) -> None:
        """Store the session; raises `SerializationError` before anything stored is changed."""
        if self._failed:
            return  # what the session holds is not known, and the old cookie must find it again
        refuse_unstorable(self._session().serializer, self._about_to_be_stored())
        super().persist()
        self.remove_ended()

    def remove_ended(self) -> None:
        """Remove the records of the ids that are no longer used."""
        if self._ended:
            self.release_locks()
        while self._ended:
            _remove_record(self._ended.pop())

    def lock(self) -> None:
        """Lock the session until `unlock` or the request's end; only others that lock it wait."""
        session = self._session()
        session.lock()
        # Not the session: it forgets what it has locked when its id changes.
        self._locks.append(session.namespace)

    def unlock(self) -> None:
        """Let others lock the session."""
        if self._locks:
            self._locks.pop().release_write_lock()

    def release_locks(self) -> None:
        """Undo every `lock` that is still in force."""
        while self._locks:
            self.unlock()

    def _own_cookie(self) -> str:
        """Give the one cookie of the request that Beaker should see.

        Python's parser gives up at the first cookie that it cannot read, so that any other
        application of the domain could hide this one's. Of several cookies Beaker takes the last;
        if that holds a whole session and is not signed, Beaker raises an error.
        """
        settings, params = self._settings, self._params
        if not self._header or not settings.use_cookies:
            return ""
        # A session class of the application's own may keep more than an id in the cookie.
        has_id = settings.type != "cookie" and "session_class" not in settings.given
        is_readable = _READABLE_ID if has_id else _READABLE
        values = [value for value in sent_values(self._header, settings.key) if is_readable(value)]
        secrets = [params[name] for name in ("secret", "validate_key") if params.get(name)]
        signed = [value for value in values if any(_is_signed(value, key) for key in secrets)]
        trusted = signed if settings.type == "cookie" else signed or values
        return "; ".join(f"{settings.key}={value}" for value in trusted[-1:])

    def _about_to_be_stored(self) -> Mapping[str, Any]:
        session = self._session()
        if self.dirty() or self._params.get("auto"):
            return dict(session)
        # Beaker stores again what it has loaded, with what was changed in place since.
        is_touched = session.save_atime and not session.is_new
        return session.accessed_dict if is_touched else {}

    def _end_record(self) -> None:
        namespace = getattr(self._session(), "namespace", None)
        if namespace is not None:
            self._ended.append(namespace)


def _complete(session: Any) -> None:
    """Set what Beaker leaves out if it does not need it at first, but misses later."""
    state = vars(session)
    state.setdefault("cookie", SimpleCookie())
    state.setdefault("accessed_dict", session.copy())
    state.setdefault("last_accessed", state["accessed_dict"].get("_accessed_time"))


def _why(error: Exception) -> str:
    # The message of another library may hold the id.
    return str(error) if isinstance(error, CorruptData) else type(error).__qualname__


def _is_signed(value: str, secret: str) -> bool:
    return SignedCookie(secret).value_decode(value)[0] is not InvalidSignature


def refuse_unstorable(serializer: Any, data: Mapping[str, Any]) -> None:
    """Raise `SerializationError` for a value that Beaker could not store.

    Beaker serialises in the middle of writing: a failure would leave nothing of a file.
    """
    try:
        serializer.dumps(dict(data))
    except Exception as error:
        raise SerializationError(
            f"{_culprit(serializer, data)} cannot be stored: {error}"
        ) from error


def _culprit(serializer: Any, data: Mapping[str, Any]) -> str:
    for key, value in data.items():
        try:
            serializer.dumps({key: value})
        except Exception:
            return f"session[{key!a}]"
    return "The session"


def _remove_record(namespace: Any) -> None:
    """Remove what Beaker leaves behind when a session ends."""
    if isinstance(namespace, OpenResourceNamespaceManager):
        namespace.remove()
        if isinstance(namespace, DBMNamespaceManager):
            Path(namespace.file + ".bak").unlink(missing_ok=True)  # dbm.dumb's
        return
    # Not remove(): with memcached it would empty the server.
    namespace.acquire_write_lock()
    try:
        if "session" in namespace:
            del namespace["session"]
    finally:
        namespace.release_write_lock()
