"""A mapping that is stored in a record: what happens to a session when it is saved."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import SessionStateError, StoreError, StoreUnavailable
from .events import (
    EndReason,
    SessionChangesDropped,
    SessionCreated,
    SessionEnded,
    SessionMerged,
    SessionRotated,
)
from .found import FoundMapping
from .ids import successor_id
from .mapping import NO_KEYS
from .no_record import Moved, NoRecord
from .record import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..stores.lease import Lease
    from .record import Record

log = logging.getLogger(__name__)


class StoredMapping(FoundMapping):
    """Stores what has changed when asked to, and gives the cookie that the browser then needs."""

    def persist(self) -> None:
        """Store what has changed, now.

        Raises `StoreUnavailable`, and `SerializationError`, before anything is stored, for a
        value that would not be read back as it is.
        """
        if not (self._dirty or self._suspects or self._touch_due) or self._detached:
            return None  # most requests only read
        changed, token = self._changed(), self._token
        try:
            if self._unusual or token is None or not changed:
                return self._store(changed)
            # The usual write: some values are set in a session that exists.
            record: Any = self._record
            values = record.values | changed
            stored = self._manager.records.put(self._key, record, token, values)
            self._token = None
            if not stored:
                return self._store(changed)  # somebody else has stored something meanwhile
            self._base, self._dirty = values, False
            if self._touch_due:
                self._slide()
        except NoRecord:
            self._drop(changed)
        except StoreUnavailable as error:
            self._fail(error)
        except Exception:  # a value was refused: the next save stores what this one could not
            self._suspects = {**dict.fromkeys(changed), **self._suspects}
            raise
        return None

    # For the code that brings a session into a request and out again

    def finish(self, environ: Mapping[str, Any]) -> str | None:
        """Give the Set-Cookie header that the response needs, if any.

        The response is on its way now: what is changed later is stored at once. With
        ``secure = auto`` the cookie is Secure if ``environ["wsgi.url_scheme"]`` is https.
        """
        if self._lease is not None:
            self.unlock()
        self._writes_through = True
        self._writable = False
        if self._cookie is not None or self._remove_cookie is not None:
            return self._cookie_header(environ.get("wsgi.url_scheme") == "https")
        return None

    @property
    def site_data(self) -> tuple[str, ...]:
        """What else the browser should forget, if the session of its cookie was ended."""
        if self._remove_cookie is None:
            return ()
        asked = self._settings.clear_site_data
        # If a new session has begun, as for a message after logout, its cookie must stay.
        return asked if self._cookie is None else tuple(one for one in asked if one != "cookies")

    def abandon(self, failure: Exception | None = None) -> None:
        """Store nothing of this request: it failed, or will be tried again.

        With a ``failure`` the session reads as empty, and a write raises that; without one,
        later writes are dropped, too. What `persist` has stored before stays, and so does its
        cookie.
        """
        self.unlock()
        self._pass_over()
        self._failure = failure
        if failure is not None:
            self._start_over()
        self._detached = True
        self._writable = False
        if self._ended:
            self._remove_cookie = None

    def unlock(self) -> None:
        """Let others lock the session."""
        if self._lease is not None:
            lease, self._lease = self._lease, None
            release(lease)

    def _cookie_header(self, https: bool) -> str | None:
        cookie = self._manager.cookie
        if not self._settings.use_cookies:
            return None
        if self._cookie is not None:
            session_id, own = self._cookie
            return cookie.header(session_id, own, https=https)
        return cookie.removal_header(self._remove_cookie or NOTHING, https=https)

    # Writing

    def _prepare_to_write(self, key: str | None = None) -> None:
        self._touch()
        if self._failure is not None:
            raise self._failure
        if self._record is None and not self._detached:
            self._refuse_if_late("no session can be begun")

    def _refuse_if_late(self, what: str) -> None:
        if self._writes_through:
            raise SessionStateError(f"The response has been sent: {what} any more.")

    # Storing

    def _store(self, changed: dict[str, bytes]) -> None:
        """Store what has happened to the session, wherever it has moved to."""
        if self._ended:
            self._end()
        try:
            self._store_here(changed)
        except Moved as moved:
            self._follow(moved)
            self._store(changed)

    def _store_here(self, changed: dict[str, bytes]) -> None:
        record = self._record
        if record is None:
            if changed or self._forced:
                self._create(changed)
        elif self._id is not self._stored_id:
            self._rotate(record, changed)
        elif self._renewing:
            self._renew(record, changed)
        elif changed or self._gone or self._cleared or self._own or self._forced:
            self._update(record, changed)
        elif self._touch_due:
            self._use(record)

    def _follow(self, moved: Moved) -> None:
        """Go on under the id that another request has drawn, and send it to the browser again."""
        is_changing = self._id is not self._stored_id
        self._stored_id = successor_id(str(self._stored_id), moved.seed)
        # Not ``moved.key``: a damaged record could lead round in circles.
        self._key, self._token = self._manager.records.key_of(self._stored_id), None
        self._renewing = False
        self._cookie = self._stored_id, self._own_of_record()
        if not is_changing:
            self._id = self._stored_id

    def _end(self) -> None:
        while self._ended:
            ended_id, *place = self._ended[0]
            self._manager.records.end(*place)
            self._ended = self._ended[1:]
            self._manager.tell(SessionEnded, ended_id, EndReason.LOGOUT)

    def _create(self, changed: dict[str, bytes]) -> None:
        manager, session_id = self._manager, self.id
        records = manager.records
        self._key = records.key_of(session_id)
        record = records.create(self._key, self._own, changed)
        self._stored(record, changed)
        self._cookie = session_id, record.own
        manager.tell(SessionCreated, session_id)

    def _update(self, record: Record, changed: dict[str, bytes]) -> None:
        own, apply = self._own, partial(self._apply, changed)
        update = self._manager.records.update
        self._stored(update(self._key, record, self._token, own, apply), changed)
        if own or self._cookie is not None:
            self._cookie = self.id, self._own_of_record()
        self._slide()

    def _rotate(self, record: Record, changed: dict[str, bytes]) -> None:
        records, old_id = self._manager.records, str(self._stored_id)
        keys = self._key, records.key_of(self.id)
        apply = partial(self._apply, changed)
        rotated = records.rotate(keys, record, self._token, self._own, apply)
        self._key = keys[1]
        self._stored(rotated, changed)
        self._cookie, self._touch_due = (self.id, rotated.own), False
        self._manager.notify(SessionRotated(old_id, self.id))

    def _renew(self, record: Record, changed: dict[str, bytes]) -> None:
        self._renewing, old_id, token = False, str(self._stored_id), self._token
        self._token, apply = None, partial(self._apply, changed)
        renewed = token and self._manager.records.renew(old_id, record, token, self._own, apply)
        if not renewed:
            self._pass_over()  # the request that was faster has extended it, or ended it
            return self._store(changed)
        self._id, self._key, record = renewed
        self._stored(record, changed)
        self._cookie, self._touch_due = (self.id, record.own), False
        self._manager.notify(SessionRotated(old_id, self.id))
        return None

    def _use(self, record: Record) -> None:
        """Extend the idle time; send no cookie for a session that is no longer there."""
        try:
            if not (self._extend(record) or self._cookie is None or self._is_there()):
                self._pass_over()
        except StoreUnavailable:
            log.warning("A session's idle time could not be extended.", exc_info=True)
            self._pass_over()
        self._touch_due = False

    def _extend(self, record: Record) -> bool:
        token, self._token = self._token, None
        if token is None or not self._settings.save_accessed_time:
            return False
        extended = self._manager.records.put(self._key, record, token, record.values)
        if extended:
            self._slide()
        return extended

    def _is_there(self) -> bool:
        # If not, the request that moved or ended it has told the browser.
        try:
            self._manager.records.load(self._key)
        except (NoRecord, Moved):
            return False
        return True

    def _slide(self) -> None:
        """Send the cookie again if the browser would otherwise drop it before the session ends."""
        own = self._own_of_record()
        if self._touch_due and self._cookie is None and self._manager.cookie.slides(own):
            self._cookie = self.id, own
        self._touch_due = False

    def _own_of_record(self) -> Mapping[str, Any]:
        return NOTHING if self._record is None else self._record.own

    def _stored(self, record: Record, changed: dict[str, bytes]) -> None:
        # Not ``record.values``: a value that was read here before others changed it would look
        # like a change of ours.
        base: Any = self._base
        self._base = self._apply(changed, base)
        self._modifiers = self._own = NOTHING
        self._gone = NO_KEYS
        self._record, self._token, self._stored_id = record, None, self._id
        self._cleared = self._dirty = self._forced = self._unusual = self._renewing = False

    def _drop(self, changed: Mapping[str, bytes]) -> None:
        """Drop the changes to a session that was ended elsewhere: it stays ended."""
        self._detached = True
        self._cookie = None
        keys = (*changed, *sorted(self._gone))
        self._manager.tell(SessionChangesDropped, str(self._stored_id), keys)

    def _merge(
        self, changed: Mapping[str, bytes], theirs: Mapping[str, bytes], into: dict[str, bytes]
    ) -> None:
        if theirs != self._base:
            self._manager.tell(SessionMerged, str(self._stored_id))
        super()._merge(changed, theirs, into)

    def _fail(self, error: StoreUnavailable) -> None:
        # A logout must not fail unnoticed: the visitor would still be logged in.
        if self._settings.on_store_error == "error" or self._ended:
            failure = self._manager.unavailable(error)
            self.abandon(failure)
            raise failure from error
        log.error("The session store is unavailable; going on without a session.", exc_info=True)
        if self._base is None:
            self._begin()
        self._pass_over()
        self._detached = True
        self._unavailable = error


def release(lease: Lease) -> None:
    """Release a session's lock; a store that fails is only logged, as the rest was done already."""
    try:
        lease.release()
    except StoreError:
        log.warning("A session's lock could not be released; it ends by itself.")
