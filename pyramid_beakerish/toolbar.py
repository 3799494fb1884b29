"""A panel for pyramid_debugtoolbar: what a request did with its session and with cache regions.

    debugtoolbar.extra_panels = pyramid_beakerish.toolbar.SessionPanel

It is off until it is switched on, in the toolbar's settings or with
``debugtoolbar.active_panels = beakerish``. Nothing is collected while it is off, and looking at
what it shows touches no session and no store.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyramid.interfaces import ISessionFactory
from pyramid_debugtoolbar.panels import DebugPanel

from .cache.watched import CacheCall, WatchedRegions, watched_calls
from .factory import SessionFactory
from .sessions.watched import SessionWatch, Watching, watched_class, watched_manager
from .settings.reference import spelt
from .visit import SESSIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    Handler = Callable[[Any], Any]


#: A path, not an asset: an asset is found by the package's loader, which pytest replaces.
TEMPLATE = str(Path(__file__).parent / "templates" / "toolbar.dbtmako")


class SessionPanel(DebugPanel):  # type: ignore[misc]
    """Shows the session of a request, the commands to its store, and the cache calls."""

    name = "beakerish"
    title = "Session and caches"
    nav_title = "beakerish"
    template = TEMPLATE
    user_activate = True
    has_content = True

    def __init__(self, request: Any) -> None:
        self._request = request
        self.watch = SessionWatch()
        self.calls: list[CacheCall] = []
        self._plain = type(request).session
        # Set right away, as another panel may be the first to ask for the session.
        request.set_property(self._make_session, name="session", reify=True)

    def wrap_handler(self, handler: Handler) -> Handler:
        """Watch what the application does, if the panel is on."""
        if not self.is_active:
            return handler
        self._leave_out_onlookers(self._request)
        self._watch_regions(self._request)

        def watching(request: Any) -> Any:
            self.watch.looking = True
            try:
                with watched_calls(self.calls):
                    return handler(request)
            finally:
                self.watch.looking = False

        return watching

    def render_vars(self, request: Any) -> dict[str, Any]:
        """Give what the template shows; nothing is loaded for it."""
        session = self._session()
        return {
            "is_active": self.is_active,
            "session": None if session is None else _described(session),
            "keys": [] if session is None else _keys(session),
            "watch": self.watch,
            "calls": self.calls,
        }

    def _make_session(self, request: Any) -> Any:
        """Make the request's session, a watched one if the panel is on."""
        factory = request.registry.queryUtility(ISessionFactory)
        if not self.is_active or type(factory) is not SessionFactory:
            return self._plain.__get__(request)
        manager = watched_manager(factory._manager, self.watch)
        header = request.environ.get("HTTP_COOKIE") if factory._reads_cookies else None
        session: Any = watched_class(factory.session_class)(manager, header)
        session.watch = self.watch
        session._join(request)
        return session

    def _leave_out_onlookers(self, request: Any) -> None:
        """Ignore what another panel reads whenever the application asks for the session."""
        shown = type(request).session

        def session(request: Any) -> Any:
            looking, self.watch.looking = self.watch.looking, False
            try:
                return shown.__get__(request)
            finally:
                self.watch.looking = looking

        request.set_property(session, name="session", reify=True)

    def _watch_regions(self, request: Any) -> None:
        regions = getattr(request, "cache_regions", None)
        if regions is not None:
            request.set_property(
                lambda request: WatchedRegions(regions), name="cache_regions", reify=True
            )

    def _session(self) -> Watching | None:
        sessions = self._request.__dict__.get(SESSIONS, ())
        return next((one for one in sessions if isinstance(one, Watching)), None)


def _described(session: Watching) -> list[tuple[str, str]]:
    """Give what the panel shows of the session itself."""
    settings, record = session._settings, session.stored_record
    own = {} if record is None else record.own
    rows = [("Name in the log", session.stored_fingerprint or "none: it has no id")]
    if record is not None:
        moments = {"Begun": record.created, "Last used": record.accessed, "Ends": record.expires}
        rows.extend((name, _moment(moment)) for name, moment in moments.items())
        age = timedelta(seconds=int(session._manager.clock() - record.created))
        rows.append(("Age", str(age)))
    for name in ("timeout", "lifetime"):
        rows.append((name.capitalize(), spelt(own.get(name, getattr(settings, name)))))
    rows.append(("Size", f"{sum(session.stored_sizes.values())} bytes"))
    reason = session.cookie_reason
    rows.append(("Cookie", f"sent, as {reason}" if reason else "not sent"))
    return rows


def _keys(session: Watching) -> list[tuple[str, str, str]]:
    """Give each key that is stored or was used, with its size and what was done with it."""
    watch, sizes = session.watch, session.stored_sizes
    done = {"read": watch.read, "changed": watch.changed, "removed": watch.removed}
    rows = []
    for key in dict.fromkeys([*sizes, *watch.read, *watch.removed]):
        what = ", ".join(word for word, those in done.items() if key in those)
        rows.append((key, str(sizes.get(key, "")), what))
    return rows


def _moment(moment: float | None) -> str:
    if moment is None:
        return "never"
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
