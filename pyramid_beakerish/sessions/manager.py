"""What all sessions of one configuration share."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from ..errors import SessionStateError
from ..serializers import serializer_for
from ..stores.system.forks import renew_after_fork
from .cookie import SessionCookie
from .events import Refusal, SessionRefused
from .ids import Fingerprints, has_form_of_id, new_id
from .records import RecordStore, open_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import StoreUnavailable
    from ..settings import SessionSettings
    from .previous import Adopted, Adoption
    from .record import Record

log = logging.getLogger(__name__)


class _Opened:
    """Opens the records of a manager when first asked for them; they then take its place."""

    # Not cached_property: until Python 3.11 its lock may be held for ever in a forked child, and
    # from 3.12 on two threads may compute it at once.

    def __get__(self, manager: SessionManager, kind: type[SessionManager]) -> RecordStore:
        with manager._opening:
            made: RecordStore = manager.__dict__.get("records") or manager._open_records()
            manager.__dict__["records"] = made
        return made


class SessionManager:
    """The store, the cookie and the rules of all sessions of one configuration.

    ``notify`` is called with each event; ``unavailable`` turns a store's error into the one
    that sessions raise. The store is opened at first use, or by `open`.

    Example::

        settings, _ = session_settings(type="memory")
        manager = SessionManager(settings)
        session = Session(manager, "beaker.session.id=...")
    """

    make_cookie: Callable[..., SessionCookie] = SessionCookie

    #: The records of this configuration; raises `SettingsError` if its store cannot be opened.
    records = _Opened()

    def __init__(
        self,
        settings: SessionSettings,
        clock: Callable[[], float] = time.time,
        notify: Callable[[object], None] = lambda event: None,
        unavailable: Callable[[StoreUnavailable], StoreUnavailable] = lambda error: error,
    ) -> None:
        self.forked()
        renew_after_fork(self)
        self.settings = settings
        self.clock = clock
        self.notify = notify
        self.unavailable = unavailable
        self.rotate_on = settings.rotate_on
        self.renew_id_every = settings.renew_id_every
        self.fingerprint = Fingerprints(settings.secret)
        self.cookie = self.make_cookie(settings, clock)
        self.serializer = serializer_for(settings.data_serializer, settings.pickle_classes)
        self.previous = self._open_previous()

    def forked(self) -> None:
        """Replace, in a child process, the lock, which a thread of the parent may have held."""
        self._opening = threading.Lock()

    def _open_previous(self) -> Adoption | None:
        if self.settings.previous is None:
            return None
        from .previous import open_previous  # here, as it imports a dozen modules, and pickle

        return open_previous(self)

    def _open_records(self) -> RecordStore:
        return open_records(self.settings, self.serializer, self.clock, self.notify)

    def open(self) -> None:
        """Open the store now, so that a mistake shows at configuration."""
        self.records  # noqa: B018 - made when it is first asked for
        if self.previous is not None:
            self.previous.open()

    def adopt(self, header: str | None) -> Adopted | None:
        """Give the session that the header names in the earlier configuration, if there is one.

        Raises `NoRecord` if a cookie of that configuration opens nothing.
        """
        if self.previous is None or not header:
            return None
        return self.previous.find(header)

    def check_size(self, key: Any, record: Record) -> None:
        """Accept what the store has accepted; see `ClientSideManager`."""

    def new_id(self) -> str:
        """Draw the id of a session.

        Raises `SessionStateError` if the application's own generator gives something else.
        """
        generator = self.settings.id_generator
        if generator is None:
            return new_id()
        drawn = generator()
        if not (isinstance(drawn, str) and has_form_of_id(drawn)):
            raise SessionStateError(
                "session.id_generator gave what is not an id, which has 22 to 128 characters of "
                "A-Z, a-z, 0-9, _ and -."
            )
        return drawn

    def tell(self, event: Any, session_id: str, *more: Any) -> None:
        """Log and send an event of this type about a session, named by its fingerprint."""
        made = event(self.fingerprint(session_id), *more)
        if log.isEnabledFor(event.level):
            log.log(event.level, event.says.format(made))
        self.notify(made)

    def refuse(self, reason: Refusal | None, session_id: str | None = None) -> None:
        """Tell why a cookie leads to no session; do nothing for ``None``: there was no cookie."""
        if reason is None:
            return
        name = None if session_id is None else self.fingerprint(session_id)
        level = logging.WARNING if reason is Refusal.CORRUPT else logging.INFO
        log.log(level, "A session cookie was refused: %s (%s).", reason.value, name or "no id")
        self.notify(SessionRefused(reason, name))
