"""When a session ends, and its cookie with it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from ..sessions.events import Refusal, SessionRefused
from .session_base import COOKIE, SessionSuiteBase, error_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .site import Browser, Site

TIMEOUT, INTERVAL = 600, 60
HOUR = 3600


class TimesSuite(SessionSuiteBase):
    """A session lives as long as was promised, according to the times in its record."""

    def impatient(self, **options: Any) -> Site:
        """Make an application whose sessions end after ten minutes without use."""
        return self.make_site(**{"timeout": TIMEOUT, "touch_interval": INTERVAL, **options})

    def is_alive(self, visitor: Browser) -> bool:
        """Tell whether the visitor's session is alive, without counting as use."""
        with self.store.failing("swap"):
            return bool(visitor.twin().use(len))

    def outlives(self, visitor: Browser, seconds: float) -> bool:
        """Let the seconds pass, and tell whether the session is still alive."""
        self.clock.advance(seconds)
        return self.is_alive(visitor)

    def test_idle_timeout(self) -> None:
        """A session ends between timeout and timeout + touch_interval after its last use."""
        visitor = self.impatient().stranger().put(a=1)
        assert self.outlives(visitor, TIMEOUT)
        assert self.outlives(visitor, INTERVAL - 0.5)
        assert not self.outlives(visitor, 0.5)

    def test_expired_cookie_is_told(self) -> None:
        """An ended session's cookie leads to an empty one, and an event says why."""
        site = self.impatient()
        visitor = site.stranger().put(a=1)
        self.clock.advance(TIMEOUT + INTERVAL)
        assert visitor.use(dict) == {}
        (event,) = (e for e in site.events if isinstance(e, SessionRefused))
        assert event.reason in (Refusal.IDLE, Refusal.UNKNOWN)  # the store may have dropped it

    def test_expired_session_stays_ended(self) -> None:
        """A longer timeout does not revive what has ended, nor does a write."""
        visitor = self.impatient().stranger().put(a=1)
        self.clock.advance(TIMEOUT + INTERVAL)
        longer = self.make_site().stranger().keep(visitor.cookies)
        assert longer.contents() == {}
        before = visitor.cookies
        assert visitor.put(b=2).contents() == {"b": 2}
        assert visitor.cookies != before

    def test_stricter_limits_hold_for_old_sessions(self) -> None:
        """A shorter timeout ends the sessions that were begun under a longer one."""
        visitor = self.make_site().stranger().put(a=1)
        self.clock.advance(TIMEOUT + INTERVAL)
        assert self.impatient().stranger().keep(visitor.cookies).contents() == {}

    def test_reading_extends(self) -> None:
        """Reading keeps a session alive, by one swap per touch interval at most."""
        visitor = self.impatient().stranger().put(a=1)
        for _ in range(50):
            self.store.calls.clear()
            self.clock.advance(INTERVAL - 1)
            visitor.use(dict)
            self.clock.advance(1)
            visitor.use(dict)
            visitor.use(dict)
            assert self.store.calls.count("swap") == 1
        assert self.outlives(visitor, TIMEOUT)
        assert not self.outlives(visitor, INTERVAL)

    def test_reads_within_the_interval(self) -> None:
        """A read shortly after the last one is not recorded, and the promise holds all the same."""
        visitor = self.impatient().stranger().put(a=1)
        self.clock.advance(INTERVAL - 1)
        self.store.calls.clear()
        visitor.use(dict)
        assert self.store.calls == ["load"]
        assert self.outlives(visitor, TIMEOUT)
        assert not self.outlives(visitor, 1)

    def test_writing_extends(self) -> None:
        """Each write keeps a session for its full timeout again."""
        visitor = self.impatient().stranger().put(a=1)
        for number in range(20):
            self.clock.advance(TIMEOUT - 1)
            visitor.put(a=number)
        assert self.outlives(visitor, TIMEOUT)
        assert not self.outlives(visitor, INTERVAL)

    def test_untouched_session_is_not_extended(self) -> None:
        """A request that leaves the session alone does not count as use."""
        visitor = self.impatient().stranger().put(a=1)
        for _ in range(11):
            self.clock.advance(INTERVAL)
            visitor.visit(lambda request: None)
        assert not self.is_alive(visitor)

    def test_save_accessed_time_false(self) -> None:
        """With save_accessed_time = false the timeout counts from the last change."""
        visitor = self.impatient(save_accessed_time="false").stranger().put(a=1)
        self.store.calls.clear()
        for _ in range(10):
            self.clock.advance(INTERVAL)
            assert visitor.use(dict) == {"a": 1}
        assert "swap" not in self.store.calls
        visitor.put(a=2)
        assert self.outlives(visitor, TIMEOUT)
        assert not self.outlives(visitor, INTERVAL)

    def test_failed_extension(self) -> None:
        """If the use of a session cannot be recorded, that is logged and the page is served."""
        visitor = self.impatient().stranger().put(a=1)
        self.clock.advance(INTERVAL)
        with self.store.failing("swap"), self.logged() as records:
            assert visitor.use(dict) == {"a": 1}
        assert visitor.response.status_code == 200
        assert "could not be extended" in records[0].getMessage()

    def test_timeout_none(self) -> None:
        """Without a timeout a session does not end by itself."""
        visitor = self.make_site(timeout="none").stranger().put(a=1)
        assert self.outlives(visitor, 100 * 365 * 24 * HOUR)

    def test_lifetime(self) -> None:
        """A session ends when its lifetime is over, however much it is used."""
        visitor = self.impatient(lifetime=2 * HOUR).stranger().put(a=1)
        for number in range(2 * 60 - 1):
            self.clock.advance(60)
            visitor.put(a=number) if number % 2 else visitor.use(dict)
        assert self.outlives(visitor, 59.5)
        assert not self.outlives(visitor, 0.5)

    def test_lifetime_survives_a_new_id(self) -> None:
        """A new id is no new session: the lifetime counts from the first one."""
        visitor = self.make_site(lifetime=HOUR).stranger().put(a=1)
        created = visitor.use(lambda session: session.created)
        self.clock.advance(HOUR / 2)
        visitor.use(lambda session: session.regenerate_id())
        assert visitor.use(lambda session: session.created) == created
        assert not self.outlives(visitor, HOUR / 2)

    def test_lifetime_that_ends_during_a_request(self) -> None:
        """Writing to a session in its last moment is no error."""
        visitor = self.make_site(lifetime=HOUR).stranger().put(a=1)

        def work(session: Any) -> None:
            dict(session)
            self.clock.advance(HOUR)
            session["b"] = 1

        visitor.use(work)
        assert visitor.response.status_code == 200
        assert not self.is_alive(visitor)

    def test_own_timeout(self) -> None:
        """One session may have a longer timeout than the others, or none."""
        for timeout in (30 * HOUR, timedelta(hours=30)):
            visitor = self._limited({"timeout": timeout})
            assert self.outlives(visitor, 30 * HOUR)
            assert not self.outlives(visitor, INTERVAL)
        visitor = self._limited({"timeout": None})
        assert self.outlives(visitor, 1000 * HOUR)

    def test_own_short_timeout(self) -> None:
        """One session may have a shorter timeout, and outlives it by at most a tenth."""
        visitor = self._limited({"timeout": 100})
        assert self.outlives(visitor, 100)
        assert not self.outlives(visitor, 10)

    def test_own_lifetime(self) -> None:
        """One session may have a lifetime of its own, or none where the others have one."""
        visitor = self.make_site().stranger().put(a=1)
        visitor.use(lambda session: session.set_lifetime(lifetime=HOUR))
        assert not self.outlives(visitor, HOUR)
        visitor = self.make_site(lifetime=HOUR).stranger().put(a=1)
        visitor.use(lambda session: session.set_lifetime(lifetime=None))
        assert self.outlives(visitor, 2 * HOUR)

    def test_own_limits_of_a_new_session(self) -> None:
        """Limits that are set before anything is stored hold from the start, whatever the id."""
        visitor = self.impatient().stranger()
        visitor.use(lambda session: (session.set_lifetime(timeout=HOUR), session.update(a=1)))
        visitor.use(lambda session: session.regenerate_id())
        assert self.outlives(visitor, HOUR)
        assert not self.outlives(visitor, INTERVAL)

    def test_remember_me(self) -> None:
        """A remembered session has a cookie that lasts, and that visits extend."""
        visitor = self.impatient().stranger().put(a=1)
        month = timedelta(days=30)
        visitor.use(lambda s: s.set_lifetime(timeout=month, cookie_expires=month))
        assert f"; Max-Age={30 * 24 * HOUR}; " in visitor.set_cookies[0]
        for _ in range(4):
            self.clock.advance(29 * 24 * HOUR)
            assert visitor.use(dict) == {"a": 1}
        self.clock.advance(30 * 24 * HOUR)
        assert visitor.cookies == {}

    def test_nonsense_limits(self) -> None:
        """Limits that make no sense are refused with errors that name them."""
        nonsense: tuple[dict[str, Any], ...] = (
            {"timeout": 0},
            {"timeout": -5},
            {"timeout": True},
            {"timeout": "1h"},
            {"lifetime": timedelta(0)},
            {"cookie_expires": None},
            {"cookie_expires": 0},
        )
        for limits in nonsense:
            error = error_of(ValueError, partial(self._limited, limits))
            assert next(iter(limits)) in str(error)

    def _limited(self, limits: dict[str, Any]) -> Browser:
        visitor = self.impatient().stranger().put(a=1)
        visitor.use(lambda session: session.set_lifetime(**limits))
        return visitor

    def _stay(self, work: Callable[[Any], Any]) -> int:
        site = self.impatient(cookie_expires=1800)
        visitor = site.stranger().put(n=0)
        sent = 0
        for _ in range(HOUR // 10):
            self.clock.advance(10)
            assert COOKIE in visitor.cookies
            visitor.use(work)
            sent += len(visitor.set_cookies)
        return sent

    def test_cookie_of_a_reader(self) -> None:
        """A visitor who reads every 10 seconds for an hour keeps a cookie of half an hour."""
        assert self._stay(dict) == HOUR // INTERVAL

    def test_cookie_of_a_writer(self) -> None:
        """A visitor who writes every 10 seconds keeps the cookie, but is not sent it each time."""
        assert self._stay(lambda session: session.modify("n", lambda n: n + 1)) == HOUR // INTERVAL
        assert self._stay(lambda session: session.update(n=session["n"] + 1)) == HOUR // INTERVAL

    def test_cookie_of_a_minute(self) -> None:
        """A cookie that lasts no longer than the touch interval is extended by visits, too."""
        for expires in ({"cookie_expires": INTERVAL}, {}):
            visitor = self.impatient(**expires).stranger().put(a=1)
            visitor.use(lambda session: session.set_lifetime(cookie_expires=INTERVAL))
            for _ in range(6):
                self.clock.advance(INTERVAL / 3)
                assert visitor.use(dict) == {"a": 1}
            self.clock.advance(INTERVAL)
            assert visitor.cookies == {}

    def test_cookie_of_a_browser_session(self) -> None:
        """A cookie without an end of its own is sent once."""
        visitor = self.impatient().stranger().put(a=1)
        for _ in range(5):
            self.clock.advance(INTERVAL)
            visitor.use(dict)
            assert visitor.set_cookies == []

    def test_moments(self) -> None:
        """A session tells when it began, and within the touch interval when it was last used."""
        born = self.clock()
        stranger = self.impatient().stranger()
        assert stranger.use(lambda s: (s.created, s.last_accessed)) == (int(born), None)
        visitor = self.impatient().stranger().put(a=1)
        self.clock.advance(100)
        assert visitor.use(lambda s: (s.created, s.last_accessed)) == (int(born), born)
        assert visitor.use(lambda s: (s.created, s.last_accessed)) == (int(born), born + 100)

    def test_clock_that_goes_back(self) -> None:
        """A clock that is set back ends no session, keeps none for longer and costs one touch."""
        writer, reader = (self.impatient().stranger().put(a=1) for _ in range(2))
        self.clock.advance(-HOUR)
        assert writer.put(b=2).contents() == {"a": 1, "b": 2}
        assert reader.use(dict) == {"a": 1}
        self.store.calls.clear()
        assert reader.use(dict) == {"a": 1}
        assert self.store.calls == ["load"]
        self.clock.advance(TIMEOUT + INTERVAL)
        assert writer.contents() == reader.contents() == {}
