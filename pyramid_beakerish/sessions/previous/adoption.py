"""Taking over a session of an earlier configuration, once.

The new id is derived from the old one, so that all requests of a page meet in one record.
That record is created first, and its key stays taken for as long as the old cookie could open
anything, even if the session has ended or moved to another id (`RecordStore.end`): a request
that was slow, or was killed half-way, revives nothing. Removing the old record is only tidying.
"""

from __future__ import annotations

import logging
from base64 import urlsafe_b64encode
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import CorruptData, SerializationError, StoreError, StoreUnavailable
from ..cookie import MOST_TRIED
from ..events import Refusal
from ..ids import successor_id
from ..no_record import Ended, Moved, NoRecord
from ..record import ADOPTED, Record
from ..records import NEW
from .counted import AdoptionCount
from .derived import DerivedIds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..events import SessionAdopted
    from ..manager import SessionManager
    from .earlier import Contents, Earlier, EarlierSession

log = logging.getLogger(__name__)

#: Seconds by which the clocks of two servers may differ.
_SLACK = 120.0


class Adopted(NamedTuple):
    """A session that goes on here, as it was loaded; with an ``event`` if it was adopted just now.

    If it is to be in a cookie, not in a store, call ``forget`` once the visitor is given it: that
    removes the earlier one, and tells whether it was still there.
    """

    session_id: str
    key: str
    record: Record
    token: Any
    event: SessionAdopted | None = None
    forget: Callable[[], bool] | None = None

    def __repr__(self) -> str:
        return "<Adopted>"  # a traceback with locals must not show an id


class Adoption:
    """Finds sessions of an earlier configuration and gives them a record here.

    The new ids are hashes under a key made from ``secrets``.
    """

    def __init__(self, manager: SessionManager, earlier: Earlier, secrets: Sequence[str]) -> None:
        self._manager = manager
        self._earlier = earlier
        self._ids = DerivedIds(secrets)
        self._count = AdoptionCount(manager.fingerprint)

    def open(self) -> None:
        """Open what the earlier configuration reads from."""
        self._earlier.open()

    def find(self, header: str) -> Adopted | None:
        """Give the session that a Cookie header names there; it is taken over if it was not yet.

        Raises `NoRecord` if there was a trusted cookie that opens nothing, and
        `StoreUnavailable`.
        """
        answer = None
        for session in islice(self._earlier.find(header), MOST_TRIED):
            try:
                return self._meet(session)
            except NoRecord as refused:
                answer = NoRecord(refused.refusal, session.name)
            except StoreUnavailable:
                raise
            except (CorruptData, SerializationError, StoreError) as error:
                log.warning("An earlier session is left as it is, and not adopted: %s", error)
                answer = NoRecord(Refusal.CORRUPT)
        if answer is not None:
            raise answer
        return None

    def _meet(self, session: EarlierSession) -> Adopted:
        """Give the record that was made from the session before, or make it now."""
        session_id = urlsafe_b64encode(self._ids.derive(session.name)).rstrip(b"=").decode()
        try:
            return self._loaded(session_id)
        except NoRecord as answer:
            if isinstance(answer, Ended) or answer.refusal is not Refusal.UNKNOWN:
                raise  # it is over: only its key is still taken
        return self._adopt(session, session_id)

    def _loaded(self, session_id: str) -> Adopted:
        """Give the record, wherever the session has moved to."""
        records = self._manager.records
        key = records.key_of(session_id)
        try:
            record, token, _ = records.load(key)
        except Moved as moved:
            return self._loaded(successor_id(session_id, moved.seed))
        return Adopted(session_id, key, record, token)

    def _adopt(self, session: EarlierSession, session_id: str) -> Adopted:
        records = self._manager.records
        key = records.key_of(session_id)
        try:
            contents = session.read()
        except NoRecord:  # perhaps another request has just taken it over
            return self._loaded(session_id)
        record, own = self._begun(contents)
        values = {name: self._encoded(name, value) for name, value in contents.values.items()}
        if not records.save(key, record, NEW, own, values):  # another request was faster
            return self._loaded(session_id)
        self._manager.check_size(key, record)
        if not self._manager.settings.in_own_store:
            event, forget = self._count.counted(session.name), partial(self._forget, session)
            return Adopted(session_id, key, record, None, event, forget)
        if not self._forget(session):
            # It was ended there after it was read: what was read must not outlive it.
            records.end(key, record, None)
            raise NoRecord(Refusal.UNKNOWN)
        event = self._count.counted(session.name)
        return Adopted(session_id, key, record, None, event)

    def _begun(self, contents: Contents) -> tuple[Record, Mapping[str, Any]]:
        """Begin a record, and give what it should set differently from the settings.

        Raises `NoRecord` if the session is over by the limits of either configuration.
        """
        settings, now = self._manager.settings, self._manager.clock()
        timeouts = self._earlier.timeout, settings.timeout
        idle = contents.idle_limit(now, timeouts, settings.lifetime)
        own = {**contents.own, ADOPTED: now + idle + _SLACK}
        return Record(contents.created, now, None, {}, {}), own

    def _encoded(self, name: str, value: object) -> bytes:
        try:
            return self._manager.serializer.dumps(value)
        except SerializationError as error:
            raise SerializationError(f"session[{name!a}]: {error}") from None

    def _forget(self, session: EarlierSession) -> bool:
        try:
            return session.forget()
        except StoreError:
            log.warning("An adopted session could not be removed where it came from.")
            return True
