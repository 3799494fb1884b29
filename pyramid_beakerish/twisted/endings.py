"""Calls functions of this process when sessions are ended, or expire, in Twisted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from ..sessions.no_record import NoRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.defer import Deferred

    from ..sessions.manager import SessionManager
    from .session import TwistedSession

log = Logger()

#: The end of a session that has ended already.
ENDED = float("-inf")
#: Seconds until a store that failed is asked again.
PATIENCE = 60.0


@dataclass
class Ending:
    """The functions that wait for the end of one session, and the timer of the next look at it."""

    callbacks: tuple[Callable[[], object], ...] = ()
    timer: Any = None


class Endings:
    """Watches the sessions whose end somebody waits for, by their keys in the store."""

    def __init__(
        self,
        manager: SessionManager,
        reactor: Any,
        run: Callable[[Callable[[], float | None]], Deferred[float | None]],
    ) -> None:
        self._manager = manager
        self._reactor = reactor
        self._run = run
        self._awaited: dict[str, Ending] = {}

    def follow(self, session: TwistedSession, ended: tuple[str, ...], before: str) -> None:
        """Take note of what became of a session that was saved.

        ``ended`` are the keys of the records that the save has ended; ``before`` is the session's
        key before the save.
        """
        for key in ended:
            self._end(key)
        callbacks, session.on_save = session.on_save, ()
        _call(callbacks)
        if session._record is not None:
            self._wait_for(session, before, session._record.expires)

    def forget(self) -> None:
        """Stop waiting, and call no function any more."""
        while self._awaited:
            _disarm(self._awaited.popitem()[1])

    def _wait_for(self, session: TwistedSession, before: str, expires: float | None) -> None:
        """Have all functions that wait for the session called at its end as it is now."""
        moved = self._awaited.pop(before, Ending())
        _disarm(moved)
        ending = self._awaited.pop(session._key, Ending())
        ending.callbacks += moved.callbacks + session.on_expire
        session.on_expire = ()
        if ending.callbacks:
            self._awaited[session._key] = ending
            self._arm(session._key, ending, self._left(expires))

    def _left(self, expires: float | None) -> float | None:
        return None if expires is None else max(expires - self._manager.clock(), 0)

    def _arm(self, key: str, ending: Ending, seconds: float | None) -> None:
        _disarm(ending)
        if seconds is not None:
            ending.timer = self._reactor.callLater(seconds, self._look, key)

    def _look(self, key: str) -> None:
        """Look whether the session has ended; another process may have used it meanwhile."""
        looking = self._run(lambda: self._expiry(key))
        looking.addCallback(lambda expires: self._go_on(key, expires))
        looking.addErrback(lambda failure: self._look_later(key, failure))

    def _look_later(self, key: str, failure: Any) -> None:
        log.failure("It is not known whether a session has ended.", failure)
        if key in self._awaited:
            self._arm(key, self._awaited[key], PATIENCE)

    def _expiry(self, key: str) -> float | None:
        """Give when the session ends, ``None`` for never, `ENDED` if it has."""
        try:
            _, record, _ = self._manager.records.find(key)
        except NoRecord:
            return ENDED
        return record.expires

    def _go_on(self, key: str, expires: float | None) -> None:
        if expires == ENDED:
            self._end(key)
        elif key in self._awaited:
            self._arm(key, self._awaited[key], self._left(expires))

    def _end(self, key: str) -> None:
        ending = self._awaited.pop(key, Ending())
        _disarm(ending)
        _call(ending.callbacks)


def _call(callbacks: tuple[Callable[[], object], ...]) -> None:
    for callback in callbacks:
        try:
            callback()
        except Exception:
            log.failure("A function that waited for the end of a session failed.")


def _disarm(ending: Ending) -> None:
    if ending.timer is not None and ending.timer.active():
        ending.timer.cancel()
