"""``session.format = beaker``: Beaker's own Session, in the shell of a Pyramid session."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from beaker.session import SessionObject

from ..settings import beaker_options
from .dict_methods import DictMethods
from .flash import CSRF_KEY, FlashAndCSRF
from .ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..settings import SessionSettings

#: What Beaker keeps among the application's data.
BEAKERS_OWN = frozenset(("_accessed_time", "_creation_time", "_domain", "_path", "_id"))


class BeakerSession(FlashAndCSRF, DictMethods):
    """A session that Beaker loads, stores and signs, readable by any other user of Beaker.

    Beaker's records have no room for what protects our own: of two requests at once the last one
    to save wins. What can be mended from outside is mended: an ended session's record is removed,
    so is the one of an id that was changed, and Beaker's own keys do not show.
    """

    # What Beaker has to save only Beaker knows: it is always asked.
    _dirty = True
    _suspects = ()
    _touch_due = False
    _detached = False

    def __init__(self, settings: SessionSettings, header: str | None, *, https: bool) -> None:
        options = beaker_options(settings)
        if settings.secure == "auto":
            options["secure"] = https
        self._settings = settings
        self._beaker = SessionObject({"HTTP_COOKIE": header}, **options)
        self._ended: list[Any] = []
        self._late = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._beaker, name)

    def __getitem__(self, key: str) -> Any:
        return self._beaker[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if key == self._settings.rotate_on:
            self.regenerate_id()
        self._beaker[key] = value
        self._written()

    def __delitem__(self, key: str) -> None:
        del self._beaker[key]
        self._written()

    def __iter__(self) -> Iterator[str]:
        return iter([key for key in self._beaker if key not in BEAKERS_OWN])

    def __len__(self) -> int:
        return len(list(iter(self)))

    @property
    def created(self) -> int:
        """When the session began, in seconds since the epoch."""
        return int(self._beaker._session().get("_creation_time") or time.time())

    @property
    def new(self) -> bool:
        """Whether nothing is stored of this session yet."""
        is_new: bool = self._beaker._session().is_new
        return is_new

    @property
    def domain(self) -> str | None:
        """The Domain of this session's cookie."""
        domain: str | None = self._beaker.domain
        return domain

    @domain.setter
    def domain(self, value: str | None) -> None:
        self._beaker.domain = value
        self._written()

    @property
    def path(self) -> str:
        """The Path of this session's cookie."""
        path: str = self._beaker.path
        return path

    @path.setter
    def path(self, value: str) -> None:
        self._beaker.path = value
        self._written()

    def changed(self) -> None:
        """Have the session stored when the request ends."""
        self._written()

    save = changed

    def invalidate(self) -> None:
        """End the session and go on with a new, empty one."""
        self._end_record()
        self._beaker._session().invalidate()
        self._written()

    delete = invalidate

    def regenerate_id(self) -> None:
        """Go on under a new id; the old one's record goes when the session is stored."""
        self._end_record()
        session = self._beaker._session()
        if self._is_in_cookie:
            session["_id"] = new_id()
        else:
            session.regenerate_id()
        if CSRF_KEY in self:
            self.new_csrf_token()
        self._written()

    @property
    def _used(self) -> bool:
        used: bool = self._beaker.accessed()
        return used

    def persist(self) -> None:
        """Store what has changed, now."""
        if self._detached or not self._beaker.accessed():
            return
        self._beaker.persist()
        while self._ended:
            _remove_record(self._ended.pop())

    def abandon(self, failure: Exception | None = None) -> None:
        """Store nothing of this request."""
        self._detached = True

    def park(self) -> None:
        """Beaker's session cannot tell who has looked at it."""

    def unpark(self) -> None:
        """See `park`."""

    def finish(self, environ: Mapping[str, Any]) -> str | None:
        """Give the Set-Cookie header that Beaker wants to send, if any."""
        self._late = True
        headers = self._beaker.__dict__["_headers"]
        if self._detached or not headers.get("set_cookie"):
            return None
        cookie: str | None = headers["cookie_out"]
        return cookie and cookie.strip()

    @property
    def _is_in_cookie(self) -> bool:
        return self._settings.type == "cookie"

    def _written(self) -> None:
        self._beaker.save()
        if self._late:
            self.persist()

    def _end_record(self) -> None:
        namespace = getattr(self._beaker._session(), "namespace", None)
        if namespace is not None:
            self._ended.append(namespace)


def _remove_record(namespace: Any) -> None:
    """Remove what Beaker leaves behind when a session ends."""
    namespace.acquire_write_lock()
    try:
        if "session" in namespace:
            del namespace["session"]
    finally:
        namespace.release_write_lock()
