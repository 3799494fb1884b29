"""``session.format = beaker``: Beaker's own Session, wrapped as a Pyramid session."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..errors import SessionStateError
from .beaker_repairs import RepairedSession
from .dict_methods import DictMethods
from .flash import CSRF_KEY, FlashAndCSRF
from .previous.envelope import beakers_own

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..settings import SessionSettings
    from .beaker_adoption import BeakerAdoption

#: The attributes of a session that are also its cookie's, besides the domain and the path.
OF_COOKIE = frozenset(("cookie_expires", "httponly", "samesite", "secure"))


class BeakerSession(FlashAndCSRF, DictMethods):
    """A session that Beaker loads, stores and signs; other applications with Beaker can read it.

    Beaker's records have no room for what protects our own: of two requests at once, the last one
    to save wins. What can be mended from outside is mended, here and in `RepairedSession`.
    Attributes that this class lacks are read from Beaker's session, and set there.

    Example::

        session = BeakerSession(settings, "beaker.session.id=...", https=True)
        session["user"] = "bob"
        session.cookie_expires = False  # the browser keeps the cookie
    """

    # Only Beaker knows what it has to save: it is always asked.
    _dirty = True
    _suspects = ()
    _touch_due = False
    _detached = False
    site_data = ()  # for our own format only

    def __init__(
        self,
        settings: SessionSettings,
        header: str | None,
        previous: BeakerAdoption | None = None,
        *,
        https: bool,
    ) -> None:
        self._settings = settings
        self._beaker = RepairedSession(settings, header, previous, https=https)
        self._beakers_own = beakers_own(settings.type)
        self._late = False
        self._sent: str | None = None  # the Set-Cookie header that was given

    def __getattr__(self, name: str) -> Any:
        return getattr(self._beaker, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_") or hasattr(type(self), name):
            super().__setattr__(name, value)
        elif name in OF_COOKIE:
            self._set_for_cookie(name, value)
        elif hasattr(self._beaker, name):
            setattr(self._beaker, name, value)
        else:
            raise AttributeError(f"Neither this session nor Beaker's has an attribute {name!r}.")

    def __getitem__(self, key: str) -> Any:
        return self._beaker[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._prepare_to_write(key)
        if key == self._settings.rotate_on:
            self.regenerate_id()
        self._beaker[key] = value
        self._written()

    def __delitem__(self, key: str) -> None:
        self._prepare_to_write(key)
        del self._beaker[key]
        self._written()

    def __iter__(self) -> Iterator[str]:
        return iter([key for key in self._beaker if key not in self._beakers_own])

    def __len__(self) -> int:
        return len(list(iter(self)))

    @property
    def created(self) -> int:
        """When the session began, in seconds since the epoch."""
        return int(self._beaker._session().get("_creation_time") or time.time())

    @property
    def new(self) -> bool:
        """Whether nothing is stored of this session yet."""
        is_new: bool = self._beaker.is_new
        return is_new

    @property
    def domain(self) -> str | None:
        """The Domain of this session's cookie. Setting it changes this session's cookie only."""
        domain: str | None = self._beaker.domain
        return domain

    @domain.setter
    def domain(self, value: str | None) -> None:
        self._set_for_cookie("domain", value)

    @property
    def path(self) -> str:
        """The Path of this session's cookie. Setting it changes this session's cookie only."""
        path: str = self._beaker.path
        return path

    @path.setter
    def path(self, value: str) -> None:
        self._set_for_cookie("path", value)

    def changed(self) -> None:
        """Have the session stored when the request ends, even if it is new and empty."""
        self._prepare_to_write()
        self._written()

    save = changed

    def invalidate(self) -> None:
        """End the session and go on with a new, empty one.

        It takes effect when the session is saved, so a request that fails ends nothing.
        """
        self._prepare_to_write()
        self._beaker.invalidate()
        if not self._late:
            self._written()
        elif not self._detached:
            self._beaker.remove_ended()  # the browser would not learn of the new one

    delete = invalidate

    def regenerate_id(self) -> None:
        """Go on under a new id and CSRF token; the old record goes when the session is stored."""
        self._refuse_if_late("its id cannot be changed")
        self._beaker.regenerate_id()
        if CSRF_KEY in self:
            self.new_csrf_token()
        self._written()

    @property
    def _used(self) -> bool:
        used: bool = self._beaker.accessed()
        return used

    def persist(self) -> None:
        """Store what has changed, now.

        Raises `SerializationError`, before anything is stored, for a value that Beaker's
        serialiser does not accept.
        """
        if not self._detached and self._beaker.accessed():
            self._beaker.persist()

    def abandon(self, failure: Exception | None = None) -> None:
        """Store nothing of this request."""
        self._beaker.release_locks()
        self._detached = True

    def park(self) -> None:
        """Do nothing: Beaker's session cannot tell who has looked at it."""

    def unpark(self, only_shown: bool) -> None:
        """See `park`."""

    def finish(self, environ: Mapping[str, Any]) -> str | None:
        """Give the Set-Cookie header that Beaker wants to send, if any."""
        self._beaker.release_locks()
        self._late = True
        if not self._detached and self._beaker.cookie_is_due:
            self._sent = self._beaker.cookie_header
        return self._sent

    def _set_for_cookie(self, name: str, value: Any) -> None:
        self._refuse_if_late("its cookie cannot be changed")
        self._beaker.set_for_cookie(name, value)
        self._written()

    def _prepare_to_write(self, key: str | None = None) -> None:
        """Raise if nothing may be written now, or not under the key."""
        if key in self._beakers_own:
            raise ValueError(f"Beaker keeps its own data in session[{key!r}]: use another key.")
        # A cookie would have to be sent: for a session that is in it, or for a new id.
        if self._late and (self._beaker.is_in_cookie or self._beaker.cookie_header != self._sent):
            self._refuse_if_late("it cannot be stored, as its cookie would be needed")

    def _refuse_if_late(self, what: str) -> None:
        if self._late and not self._detached:
            raise SessionStateError(f"The response has been sent: {what} any more.")

    def _written(self) -> None:
        self._beaker._session()  # Beaker stores only a session that was looked at
        self._beaker.save()
        if self._late:
            self.persist()
