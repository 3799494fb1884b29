"""What including the package does to an application, and what it leaves alone."""

from __future__ import annotations

import logging

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationExecutionError
from pyramid.interfaces import ISessionFactory
from pyramid.request import Request
from pyramid.testing import DummyRequest, DummySession

import pyramid_beakerish
from pyramid_beakerish import (
    BeakerSessionFactoryConfig,
    SettingsError,
    StoreUnavailable,
    cache_region,
    session_factory_from_settings,
    set_cache_regions_from_settings,
)
from pyramid_beakerish.factory import SessionFactory
from pyramid_beakerish.stores import OWN_STORES
from pyramid_beakerish.stores.memory import MemoryStore

SECRET = "not a secret, but as long as one has to be"
SETTINGS = {
    "session.secret": SECRET,
    "cache.regions": "short_term",
    "cache.short_term.expire": "60",
}


def configured(settings=SETTINGS, **options):
    config = Configurator(settings=settings, **options)
    config.include("pyramid_beakerish")
    return config


def factory_of(config):
    return config.registry.queryUtility(ISessionFactory)


def test_a_later_include_may_change_the_settings():
    """Settings are read after all configuration statements of the application."""
    config = configured()
    config.add_settings({"session.key": "later"})
    config.commit()
    assert factory_of(config)._options["key"] == "later"


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_applications_own_session_factory_wins(when):
    """A factory that the application sets is left alone, whenever it does so."""
    config = Configurator(settings=SETTINGS)
    for step in (when, "include"):
        if step == "include":
            config.include("pyramid_beakerish")
        if step == "before":
            config.set_session_factory(DummySession)
    if when == "after":
        config.set_session_factory(DummySession)
    config.commit()
    assert factory_of(config) is DummySession


def test_an_argument_of_the_configurator_wins():
    """So is one that is given to the Configurator."""
    config = configured(session_factory=DummySession)
    config.commit()
    assert factory_of(config) is DummySession


def test_settings_of_sessions_that_are_not_ours(own_caches, caplog):
    """What is written about sessions is not judged where another factory makes them, and is told.

    Whoever comes from another package may have left its factory in the code by mistake.
    """
    settings = {"cache.regions": "a", "session.type": "ext:redis", "session.timeot": "soon"}
    config = Configurator(settings=settings, session_factory=DummySession)
    config.include("pyramid_beakerish")
    with caplog.at_level(logging.INFO):
        config.commit()
    (told,) = caplog.records
    assert told.levelname == "INFO"
    assert told.getMessage().startswith("The application has set a session factory of its own")
    found = config.introspector.get("pyramid_beakerish", "settings")
    assert (found["session"], list(found["regions"])) == (None, ["a"])


def test_a_factory_of_ours_that_the_application_has_made(own_caches, caplog):
    """Nothing is said where the application has made its factory by this package."""
    ours = session_factory_from_settings({"session.type": "memory", "session.secret": "x" * 32})
    config = configured(session_factory=ours)
    with caplog.at_level(logging.INFO):
        config.commit()
    assert (factory_of(config), caplog.records) == (ours, [])


def test_pyramid_includes_is_enough():
    """The line ``pyramid.includes`` of an ini file does everything."""
    config = Configurator(settings={**SETTINGS, "pyramid.includes": "pyramid_beakerish"})
    config.commit()
    assert isinstance(factory_of(config), SessionFactory)


def test_including_twice_is_including_once():
    """A second include changes nothing."""
    config = configured()
    config.include("pyramid_beakerish")
    config.make_wsgi_app()
    assert isinstance(factory_of(config), SessionFactory)


def test_an_autocommitting_configurator_is_configured_at_once():
    """With autocommit the settings are read when the package is included."""
    assert isinstance(factory_of(configured(autocommit=True)), SessionFactory)


def test_the_parsed_settings_can_be_looked_up_without_secrets():
    """Introspection gives the parsed settings, and no repr of them shows a secret."""
    config = configured()
    config.commit()
    found = config.introspector.get("pyramid_beakerish", "settings")
    assert found["session"].secret == (SECRET,)
    assert found["regions"]["short_term"].expire == 60
    assert SECRET not in repr(dict(found))


@pytest.mark.parametrize("autocommit", [True, False])
def test_mistakes_are_told_at_configuration(autocommit):
    """All mistakes of sessions and cache together reach who configures the application."""
    config = Configurator(
        settings={"session.timeot": "30m", "cache.expire": "0"}, autocommit=autocommit
    )

    def include():
        config.include("pyramid_beakerish")
        config.commit()

    with pytest.raises(SettingsError if autocommit else ConfigurationExecutionError) as caught:
        include()
    message = str(caught.value)
    assert "session.timeot" in message
    assert "Did you mean session.timeout?" in message
    assert "cache.expire = '0'" in message


def test_each_application_has_regions_of_its_own(caplog):
    """``request.cache_regions`` is per application; decorated functions follow the last one."""
    apps = [configured({**SETTINGS, "cache.short_term.expire": text}) for text in ("5", "7")]
    with caplog.at_level(logging.WARNING):
        for config in apps:
            config.commit()
    requests = [Request.blank("/") for _ in apps]
    for request, config in zip(requests, apps, strict=True):
        request.registry = config.registry
    expiries = [request.cache_regions["short_term"].settings.expire for request in requests]
    assert expiries == [5, 7]
    assert "configured again" in caplog.text


def test_an_application_without_regions(own_caches, caplog):
    """One that has no regions leaves those of another in the same process to its functions."""

    @cache_region("short_term")
    def one():
        return 1

    configured().commit()
    configured({"session.secret": SECRET}).commit()
    assert one() == 1
    assert not caplog.records


def test_stores_of_regions_are_opened(caplog):
    """The configuration opens them; one that is unavailable keeps no site from starting."""

    class Unprepared(MemoryStore):
        down = False
        prepared = 0

        def prepare(self):
            if self.down:
                raise StoreUnavailable("switched off")
            self.prepared += 1

    store = Unprepared()
    configured({**SETTINGS, "cache.type": store}).commit()
    assert store.prepared == 1
    store.down = True
    config = configured({**SETTINGS, "cache.type": store})
    config.commit()
    assert "the store of cache region 'short_term' failed" in caplog.text
    store.down = False
    region = config.registry.pyramid_beakerish_regions["short_term"]
    assert [region.get_or_create("key", lambda n=n: n) for n in (1, 2)] == [1, 1]


def test_a_store_that_cannot_be_made_is_told_at_configuration(monkeypatch):
    """A region whose store needs a library that is not there is a mistake at once."""
    monkeypatch.setitem(OWN_STORES, "odd", "no_such_library:Store")
    with pytest.raises(ConfigurationExecutionError, match=r"short_term\.type = odd needs a module"):
        configured({**SETTINGS, "cache.type": "odd"}).commit()


def test_regions_can_be_switched_off_at_run_time():
    """``request.cache_regions.enabled`` is a switch for all regions of the application."""
    config = configured({**SETTINGS, "cache.regions": "short_term, long_term"})
    config.commit()
    request = Request.blank("/")
    request.registry = config.registry
    request.cache_regions.enabled = False
    assert [region.enabled for region in request.cache_regions.values()] == [False, False]
    region = request.cache_regions["long_term"]
    assert [region.get_or_create("key", lambda n=n: n) for n in (1, 2)] == [1, 2]


def test_an_application_without_the_package_has_no_regions():
    """There ``request.cache_regions`` is an attribute error, as ever."""
    configured().commit()
    request = Request.blank("/")
    request.registry = Configurator().registry
    assert not hasattr(request, "cache_regions")


def test_without_the_include_the_clock_is_the_settings(clock, own_caches):
    """The parts that are made one by one obey ``beakerish.clock``, as all do together."""
    settings = {**SETTINGS, "beakerish.clock": clock, "session.type": "memory"}
    session = session_factory_from_settings(settings)(DummyRequest())
    session["key"] = 1
    assert session["_creation_time"] == clock()
    set_cache_regions_from_settings(settings)
    calls = []
    load = cache_region("short_term")(lambda: calls.append(1))
    for seconds in (0, 59, 1):
        clock.advance(seconds)
        load()
    assert len(calls) == 2


@pytest.mark.parametrize(
    "read",
    [session_factory_from_settings, set_cache_regions_from_settings],
    ids=lambda f: f.__name__,
)
def test_without_the_include_the_packages_options_are_read(read, caplog, own_caches):
    """A wrong value is an error there too, and an unknown option a line in the log."""
    with pytest.raises(
        SettingsError, match=r"^beakerish\.unknown_settings = 'shout' is not allowed"
    ):
        read({**SETTINGS, "beakerish.unknown_settings": "shout"})
    read({**SETTINGS, "beakerish.clok": "time:time"})
    assert caplog.messages == [
        "beakerish.clok = 'time:time' is no option. Did you mean beakerish.clock?"
    ]


def test_without_the_include_messages_of_options_are_logged(caplog):
    """Options without a prefix, too, are told where they are none."""
    BeakerSessionFactoryConfig(secret=SECRET, colour="red")
    assert caplog.messages == ["colour = 'red' is no option."]


def test_with_the_include_messages_are_logged(caplog, own_caches):
    """What an administrator may not expect is a line in the log at the start."""
    configured({**SETTINGS, "session.auto": "true"}).commit()
    (message,) = caplog.messages
    assert message.startswith("session.auto has no effect")


def test_with_the_include_the_clock_is_the_settings(clock, own_caches):
    """Sessions and regions live by ``beakerish.clock``."""
    config = configured({**SETTINGS, "beakerish.clock": clock, "session.type": "memory"})
    config.commit()
    session = factory_of(config)(DummyRequest())
    session["key"] = 1
    assert session["_creation_time"] == clock()
    region = config.registry.pyramid_beakerish_regions["short_term"]
    assert region.get_or_create("key", lambda: 1) == 1
    clock.advance(60)
    assert region.get_or_create("key", lambda: 2) == 2


def test_the_store_of_sessions_is_opened():
    """A store that cannot be had is told at configuration, and not at the first request."""

    class Misplaced(MemoryStore):
        def prepare(self):
            raise SettingsError(["There is no such place."])

    with pytest.raises(ConfigurationExecutionError, match="no such place"):
        configured({**SETTINGS, "session.type": Misplaced()}).commit()


def test_public_names():
    """The names of pyramid_beaker are importable from the package."""
    for name in (
        "includeme",
        "session_factory_from_settings",
        "BeakerSessionFactoryConfig",
        "set_cache_regions_from_settings",
        "cache_region",
        "region_invalidate",
    ):
        assert callable(getattr(pyramid_beakerish, name))
