"""What is different for an application that comes from pyramid_beaker, in one place.

The documentation shows all of it; ``beakerish check --from pyramid_beaker`` shows what concerns
one application.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .options import SESSION_OPTIONS
from .reference import default_shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .options import SessionSettings


class ChangedDefault(NamedTuple):
    """A session option whose default is not that of pyramid_beaker.

    ``there`` is pyramid_beaker's, as an ini file spells it; ``as_beaker`` tells whether
    ``session.format = beaker`` keeps it.
    """

    name: str
    there: str
    why: str
    as_beaker: bool

    @property
    def here(self) -> str:
        """The default of this package."""
        return default_shown(SESSION_OPTIONS[self.name])


CHANGED_DEFAULTS = (
    ChangedDefault(
        "timeout",
        "none",
        "A session that never ends fills the store, and a stolen cookie works for ever.",
        as_beaker=True,
    ),
    ChangedDefault(
        "secure",
        "false",
        "A cookie that was set over https is not sent in clear text.",
        as_beaker=False,
    ),
    ChangedDefault(
        "httponly",
        "false",
        "No script needs the cookie, and an injected one would steal it.",
        as_beaker=False,
    ),
    ChangedDefault(
        "data_serializer",
        "pickle",
        "Loading a pickle runs whatever is written in it.",
        as_beaker=True,
    ),
)

#: What an application may notice whatever its settings say; the docs tell more of each.
IN_CODE = (
    (
        "stored sessions",
        "Those that Beaker wrote are taken over, once each (session.previous).",
    ),
    ("session.delete()", "Is the same as invalidate(): the record goes, not only what is in it."),
    ("session.keys()", "Has only the application's keys, not _creation_time and the like."),
    ("session.lock()", "Excludes all who call it, and raises LockTimeout after ten seconds."),
    ("session.last_accessed", "Is exact within session.touch_interval."),
    ("failed requests", "An exception without an exception view saves nothing."),
    ("cache_region", "Beaker's still works; this package's has other keys, and refuses async def."),
)


def differing_defaults(session: SessionSettings) -> Iterator[ChangedDefault]:
    """Give the changed defaults that these settings rely on.

    Example::

        session, _ = session_settings(secure=True, httponly=True, timeout="1h")
        assert [d.name for d in differing_defaults(session)] == ["data_serializer"]
    """
    for changed in CHANGED_DEFAULTS:
        kept = session.format == "beaker" and changed.as_beaker
        if changed.name not in session.given and not kept:
            yield changed
