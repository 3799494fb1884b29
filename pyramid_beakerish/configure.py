"""Pyramid's configuration: from the ini file to sessions and regions."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pyramid.interfaces import ISessionFactory
from pyramid.tweens import EXCVIEW, INGRESS

from .cache import CacheRegions, enter_beaker_regions, use_regions
from .factory import session_factory
from .settings import read_region_settings, read_session_settings, read_settings, session_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .settings import Settings

log = logging.getLogger("pyramid_beakerish")

#: After everything that an application or another include sets by itself.
LAST = 10


def includeme(config: Any) -> None:
    """Give the application the sessions and cache regions that its settings describe.

    Reads the ``session.`` and ``cache.`` settings after all of the application's own configuration
    statements, so that these may still change them. A session factory that the application sets
    itself is left alone. The regions are ``request.cache_regions``, and those that ``cache_region``
    uses; they are entered in ``beaker.cache.cache_regions`` as well.

    Raises `SettingsError`, inside Pyramid's ``ConfigurationExecutionError``, with every mistake
    that was found.
    """
    config.add_tween(
        "pyramid_beakerish.tween.session_tween_factory",
        over=("pyramid_tm.tm_tween_factory", EXCVIEW),
        under=("pyramid_debugtoolbar.toolbar_tween_factory", INGRESS),
    )
    config.add_request_method(_cache_regions, "cache_regions", reify=True)
    introspectable = config.introspectable("pyramid_beakerish", "settings", "settings", "settings")
    config.action(
        None, _configure, (config.registry, introspectable), order=LAST, introspectables=(introspectable,)
    )


def session_factory_from_settings(settings: Mapping[str, Any]) -> Any:
    """Make a session factory from the ``session.`` or ``beaker.session.`` keys of the settings.

    Unknown keys are logged; what the type of session needs is asked for at first use. Raises
    `SettingsError` for a value that cannot be obeyed.

    Example::

        config.set_session_factory(session_factory_from_settings(settings))
    """
    return session_factory(*_said(read_session_settings(settings)))


def BeakerSessionFactoryConfig(**options: Any) -> Any:  # noqa: N802 - pyramid_beaker's name
    """Make a session factory from options without a prefix.

    Example::

        factory = BeakerSessionFactoryConfig(type="memory", timeout=1800)
    """
    return session_factory(*_said(session_settings(**options)))


def set_cache_regions_from_settings(settings: Mapping[str, Any]) -> None:
    """Make the cache regions of the ``cache.`` or ``beaker.cache.`` keys of the settings.

    They are those that ``cache_region`` uses from now on, and are entered in
    ``beaker.cache.cache_regions``. Raises `SettingsError` for a value that cannot be obeyed.
    """
    (regions,) = _said(read_region_settings(settings))
    use_regions(CacheRegions(regions))
    enter_beaker_regions(regions)
