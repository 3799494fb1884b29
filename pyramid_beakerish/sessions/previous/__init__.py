"""Sessions that an earlier configuration has stored: found there, and taken over once."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...errors import SettingsError
from ...serializers.foreign_pickles import ForeignPickles
from ...settings.pyramid_only import SIGNED_COOKIE
from .adoption import Adopted as Adopted
from .adoption import Adoption as Adoption
from .beaker import BeakerCookies, BeakerSessions
from .own import OwnCookies, OwnSessions
from .raw import NoRaw
from .signed_cookie import SignedCookies

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...settings import SessionSettings
    from ..manager import SessionManager
    from .earlier import Earlier
    from .raw import RawStore

log = logging.getLogger(__name__)

#: Where each of Beaker's types keeps its records; imported when first used, as stores are.
RAW_STORES = {
    "memory": "raw_local:MemoryRaw",
    "file": "raw_local:FileRaw",
    "dbm": "raw_local:DbmRaw",
    "ext:redis": "raw_redis:RedisRaw",
    "ext:memcached": "raw_memcached:MemcachedRaw",
    "memcached": "raw_memcached:MemcachedRaw",
    "ext:database": "raw_sql:SqlRaw",
    "database": "raw_sql:SqlRaw",
    "ext:sqla": "raw_sql:SqlRaw",
    "sqla": "raw_sql:SqlRaw",
}


def open_previous(manager: SessionManager) -> Adoption:
    """Give the object that takes over sessions of the earlier configuration, which must exist."""
    settings = manager.settings
    previous: Any = settings.previous
    secrets = _keys_of_cookies(previous) or settings.secret or previous.secret
    return Adoption(manager, open_earlier(settings, manager.clock), secrets)


def _keys_of_cookies(previous: SessionSettings) -> Sequence[str]:
    """Give secrets of the earlier configuration, if its cookies hold the sessions themselves.

    A browser keeps its cookie, which must lead to the same id if ``session.secret`` is replaced.
    """
    given = previous.given
    if previous.type not in ("cookie", SIGNED_COOKIE):
        return ()
    keys: Sequence[str] = (
        given.get("validate_key") or previous.secret or given.get("encrypt_key", ())
    )
    return keys


def open_earlier(settings: SessionSettings, clock: Callable[[], float]) -> Earlier:
    """Give the object that finds sessions of the earlier configuration, which must exist.

    The ``pickle_classes`` of both configurations are admitted.
    """
    previous: Any = settings.previous
    classes = [*settings.pickle_classes, *previous.pickle_classes]
    pickles = ForeignPickles(classes, flat=True)
    if previous.format == "pyramid":
        return SignedCookies(previous, pickles)
    if previous.format == "beakerish":
        return (OwnCookies if previous.type == "cookie" else OwnSessions)(previous, clock)
    if previous.type == "cookie":
        return BeakerCookies(previous, pickles, clock)
    return BeakerSessions(previous, lambda: _raw_store(previous, pickles), pickles, clock)


def _raw_store(previous: SessionSettings, pickles: ForeignPickles) -> RawStore:
    module, _, name = RAW_STORES[str(previous.type)].partition(":")
    try:
        store: RawStore = getattr(import_module(f".{module}", __name__), name)(previous, pickles)
    except Exception as error:  # a library that is missing, or a URL that it does not accept
        why = f"session.previous cannot be opened ({type(error).__name__})"
        if previous.is_earlier:
            raise SettingsError([f"{why}: the url or a library is at fault."]) from error
        # The settings do not say that there are earlier sessions.
        log.warning(
            "%s: earlier sessions are not looked for. If there are none, set "
            "session.previous = none.",
            why,
        )
        return NoRaw()
    return store
