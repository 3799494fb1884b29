"""Pyramid's configuration: from the ini file to sessions and regions."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from pyramid.interfaces import ISessionFactory
from pyramid.request import Request
from pyramid.tweens import EXCVIEW, INGRESS

from .cache.configured import configure as configure_regions
from .cache.configured import enter_beaker_regions
from .cache.regions import CacheRegions
from .factory import SessionFactory
from .pyramid_session import COMPONENTS
from .sessions.components import ComponentRegistry, everywhere
from .settings import (
    read_clock,
    read_region_settings,
    read_session_settings,
    read_settings,
    session_settings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping

    from .settings import SessionSettings
    from .signed_cookie import SignedCookieFactory

log = logging.getLogger("pyramid_beakerish")

#: The order of an action that comes after all that the application and other includes set.
LAST = 10

OTHER_FACTORY = (
    "The application has set a session factory of its own: it is kept, and the session. settings "
    "are not read here."
)

#: Where Pyramid's introspection finds the parsed settings.
CATEGORY = "pyramid_beakerish"


def includeme(config: Any) -> None:
    """Give the application the sessions and cache regions that its settings describe.

    Reads the ``session.`` and ``cache.`` settings after all of the application's own configuration
    statements, so that these may still change them. If the application sets a session factory of
    its own, it is left alone, and the ``session.`` settings are not checked. The regions are at
    ``request.cache_regions``, are used by ``cache_region``, and are entered in
    ``beaker.cache.cache_regions`` as well. Pyramid's introspection shows what was read, in the
    category ``pyramid_beakerish``.

    Raises `SettingsError`, inside Pyramid's ``ConfigurationExecutionError``, with every mistake
    that was found.
    """
    config.add_tween(
        "pyramid_beakerish.tween.session_tween_factory",
        over=("pyramid_tm.tm_tween_factory", EXCVIEW),
        under=("pyramid_debugtoolbar.toolbar_tween_factory", INGRESS),
    )
    config.add_directive("register_session_component", register_session_component)
    # Not config.add_request_method, for which Pyramid makes a class for each request (11 us).
    Request.cache_regions = property(_cache_regions)
    parsed = config.introspectable(CATEGORY, "settings", "sessions and cache regions", "settings")
    config.action(None, _configure, (config, parsed), introspectables=(parsed,), order=LAST)


def register_session_component(config: Any, factory: Any, *interfaces: Any) -> None:
    """Have a class make the session's component for an interface, or one for several interfaces.

    A directive of the configurator: ``ICounter(request.session)`` then gives the one object of
    the class that belongs to the session. ``factory`` and ``interfaces`` may be dotted names. Two
    classes for one interface are a configuration conflict.

    Example::

        config.register_session_component(Counter, ICounter)
    """
    factory, *keys = (config.maybe_dotted(each) for each in (factory, *interfaces))
    registry = config.registry
    if not hasattr(registry, COMPONENTS):
        setattr(registry, COMPONENTS, ComponentRegistry(everywhere))
    components = getattr(registry, COMPONENTS)
    for interface in keys[1:]:
        config.action(("session component", interface))
    config.action(("session component", *keys[:1]), components.register, (factory, *keys))


def session_factory_from_settings(
    settings: Mapping[str, Any],
) -> SessionFactory | SignedCookieFactory:
    """Make a session factory from the ``session.`` or ``beaker.session.`` keys of the settings.

    Unknown keys are logged; whether the type of session lacks an option is checked at first use.
    Raises `SettingsError` for a value that cannot be obeyed.

    Example::

        config.set_session_factory(session_factory_from_settings(settings))
    """
    session, messages = read_session_settings(settings)
    _log_all(messages)
    return _session_factory(session, read_clock(settings))


def BeakerSessionFactoryConfig(**options: Any) -> SessionFactory | SignedCookieFactory:  # noqa: N802 - pyramid_beaker's name
    """Make a session factory from options without a prefix.

    Example::

        factory = BeakerSessionFactoryConfig(type="memory", timeout=1800)
    """
    session, messages = session_settings(**options)
    _log_all(messages)
    return _session_factory(session)


def set_cache_regions_from_settings(settings: Mapping[str, Any]) -> None:
    """Make the cache regions of the ``cache.`` or ``beaker.cache.`` keys of the settings.

    From now on ``cache_region`` uses these regions. They are entered in
    ``beaker.cache.cache_regions`` as well. Unknown keys are logged. Raises `SettingsError` for a
    value that cannot be obeyed.

    Example::

        set_cache_regions_from_settings({"cache.regions": "short_term", "cache.expire": "60"})
    """
    regions, messages = read_region_settings(settings)
    _log_all(messages)
    _use(CacheRegions(regions, read_clock(settings)))


def _configure(config: Any, parsed: MutableMapping[str, Any]) -> None:
    registry = config.registry
    factory = registry.queryUtility(ISessionFactory)
    settings = read_settings(registry.settings, own_sessions=factory is not None)
    parsed.update(session=settings.session if factory is None else None, regions=settings.regions)
    _log_all(settings.messages)
    regions = CacheRegions(settings.regions, settings.clock)
    regions.open()
    registry.pyramid_beakerish_regions = regions
    _use(regions)
    if factory is None:
        factory = _session_factory(settings.session, settings.clock)
        factory.open()
        registry.registerUtility(factory, ISessionFactory)
    elif not isinstance(factory, SessionFactory):
        log.info(OTHER_FACTORY)
    if isinstance(factory, SessionFactory) and factory.transactional:
        from .request_transaction import prepare_transactions  # needs an extra

        prepare_transactions(registry)


def _session_factory(
    settings: SessionSettings, clock: Callable[[], float] = time.time
) -> SessionFactory | SignedCookieFactory:
    """Make the session factory that the settings ask for."""
    if settings.format == "pyramid":
        from .signed_cookie import SignedCookieFactory

        return SignedCookieFactory(settings)
    if settings.format == "beaker":
        from .beaker_factory import BeakerSessionFactory  # Beaker imports all client libraries

        return BeakerSessionFactory(settings, clock)
    return SessionFactory(settings, clock)


def _use(regions: CacheRegions) -> None:
    configure_regions(regions)
    enter_beaker_regions(regions)


def _cache_regions(request: Any) -> CacheRegions:
    regions: CacheRegions | None = getattr(request.registry, "pyramid_beakerish_regions", None)
    if regions is None:
        raise AttributeError("cache_regions: this application does not include pyramid_beakerish")
    return regions


def _log_all(messages: Iterable[str]) -> None:
    for message in messages:
        log.warning(message)
