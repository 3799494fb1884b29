"""``session.format = beaker`` after another configuration, whose sessions become Beaker's.

Beaker's stores cannot tell which request was first, so the order is one that loses nothing: the new
record is written, then the old one removed. The requests of one page meet in one record, as its
id is derived from the old one; of what they change at once the last save wins, as ever with Beaker.
If Beaker keeps its sessions in cookies, only those from cookies are taken over: nothing is removed.
"""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING, Any

from beaker.exceptions import BeakerException
from beaker.session import SignedCookie

from ..errors import CorruptData, SerializationError, StoreError, StoreUnavailable
from .beaker_repairs import refuse_unstorable
from .cookie import MOST_TRIED
from .events import Refusal
from .ids import Fingerprints
from .no_record import NoRecord
from .previous import open_earlier
from .previous.counted import AdoptionCount
from .previous.derived import DerivedIds
from .previous.envelope import beakers_own

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..settings import SessionSettings
    from .events import SessionAdopted
    from .previous.earlier import Earlier, EarlierSession

    _TakenOver = tuple[Any, SessionAdopted | None]

log = logging.getLogger(__name__)

#: The length of the ids that Beaker draws, in hexadecimal digits.
_ID_LENGTH = 32


class BeakerAdoption:
    """Finds sessions of an earlier configuration and has Beaker store them.

    ``clock`` gives seconds since the epoch; the caller of `find` has to call ``notify`` with the
    event; ``unavailable`` turns a store's error into the one that sessions raise.
    """

    def __init__(
        self,
        settings: SessionSettings,
        earlier: Earlier,
        clock: Callable[[], float],
        notify: Callable[[object], None],
        unavailable: Callable[[StoreUnavailable], StoreUnavailable],
    ) -> None:
        self.notify = notify
        self._unavailable = unavailable
        self._settings = settings
        self._earlier = earlier
        self._clock = clock
        self._ids = DerivedIds(settings.secret)
        self._count = AdoptionCount(Fingerprints(settings.secret))

    def open(self) -> None:
        """Open what the earlier configuration reads from."""
        self._earlier.open()

    def find(self, header: str, opened: Callable[[str], Any]) -> _TakenOver | None:
        """Give Beaker's session for an earlier one that the header names, if there is one.

        With it comes the event, if it was adopted just now. ``opened`` gives Beaker's session for
        a Cookie header. Raises `StoreUnavailable`.
        """
        for session in islice(self._earlier.find(header), MOST_TRIED):
            try:
                return self._taken_over(session, opened)
            except NoRecord:
                continue
            except StoreUnavailable as error:
                raise self._unavailable(error) from error
            except (CorruptData, SerializationError, StoreError) as error:
                log.warning("An earlier session is left as it is, and not adopted: %s", error)
        return None

    def _taken_over(self, session: EarlierSession, opened: Callable[[str], Any]) -> _TakenOver:
        if self._settings.type == "cookie":
            return self._taken_into_cookie(session, opened(""))
        cookie, stored = self._cookie(session.name), False
        taken = opened(cookie)
        if taken.is_new:
            try:
                stored = self._fill(session, taken)
            except Exception:  # each back end has its own, if another request was faster
                if opened(cookie).is_new:
                    raise
            taken = opened(cookie)  # as it is stored, perhaps by another request
        if taken.is_new:
            raise StoreError(_NOT_KEPT) if stored else NoRecord(Refusal.UNKNOWN)
        taken._update_cookie_out()
        return taken, self._forgotten(session) if stored else None

    def _taken_into_cookie(self, session: EarlierSession, taken: Any) -> _TakenOver:
        taken["_id"] = self._id(session.name)
        try:
            stored = self._fill(session, taken)
        except BeakerException as error:  # it is longer than browsers keep
            raise SerializationError(str(error)) from error
        if not stored:
            raise NoRecord(Refusal.UNKNOWN)
        taken.is_new = False
        return taken, self._forgotten(session)

    def _fill(self, session: EarlierSession, taken: Any) -> bool:
        """Store what there is of the session; tell whether there was anything."""
        try:
            contents = session.read()
        except NoRecord:
            return False  # there is none, or another request was faster
        settings = self._settings
        contents.idle_limit(self._clock(), (self._earlier.timeout, settings.timeout), None)
        taken.update(_without(beakers_own(settings.type), contents.values))
        taken["_creation_time"] = contents.created
        taken.update({f"_{name}": contents.own[name] for name in _OWN if name in contents.own})
        refuse_unstorable(taken.serializer, taken)
        taken.save()
        return True

    def _forgotten(self, session: EarlierSession) -> SessionAdopted | None:
        """Remove the earlier session, and give the event if no other request was faster."""
        return self._count.counted(session.name) if session.forget() else None

    def _cookie(self, name: str) -> str:
        value = self._id(name)
        if self._settings.secret:
            value = SignedCookie(self._settings.secret[0]).value_encode(value)[1]
        return f"{self._settings.key}={value}"

    def _id(self, name: str) -> str:
        return self._ids.derive(name).hex()[:_ID_LENGTH]


def open_adoption(
    settings: SessionSettings,
    clock: Callable[[], float],
    notify: Callable[[object], None] = lambda event: None,
    unavailable: Callable[[StoreUnavailable], StoreUnavailable] = lambda error: error,
) -> BeakerAdoption | None:
    """Give the object that takes over sessions of the earlier configuration, if there was one."""
    if settings.previous is None:
        return None
    return BeakerAdoption(settings, open_earlier(settings, clock), clock, notify, unavailable)


def _without(names: frozenset[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the values without those whose names mean something else to Beaker."""
    taken = sorted(names & values.keys())
    if taken:
        log.warning(
            "Keys of an earlier session were not taken over, as Beaker uses these names itself: %s",
            taken,
        )
    return {key: value for key, value in values.items() if key not in names}


_NOT_KEPT = "what Beaker has stored is not there: some servers drop what is too large for them"

#: What a session may set differently from the settings, and Beaker has a place for.
_OWN = ("domain", "path")
