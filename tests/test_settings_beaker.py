"""What Beaker is handed, and pyramid_beaker 0.9 beside this package on the same settings."""

from __future__ import annotations

import inspect
from datetime import datetime, timedelta, timezone

import beaker.cache
import pyramid_beaker
import pytest
from beaker.container import MemoryNamespaceManager
from beaker.session import Session

from pyramid_beakerish.errors import SettingsError
from pyramid_beakerish.settings import (
    beaker_options,
    beaker_region_options,
    option_table,
    read_region_settings,
    read_session_settings,
    read_settings,
    session_settings,
)

MOMENT = datetime(2040, 1, 1, tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def _no_regions(monkeypatch):
    """Give each test an empty dictionary of Beaker's regions."""
    monkeypatch.setattr(beaker.cache, "cache_regions", {})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {}),
        ({"timeout": "30m", "key": "sid"}, {"timeout": 1800, "key": "sid"}),
        ({"timeout": 0.5}, {"timeout": 1}),
        ({"timeout": "none"}, {"timeout": None}),
        ({"cookie_expires": "300"}, {"cookie_expires": timedelta(seconds=300)}),
        ({"cookie_expires": "false"}, {"cookie_expires": False}),
        ({"cookie_expires": MOMENT}, {"cookie_expires": MOMENT}),
        ({"secret": "new\nold"}, {"secret": "new"}),
        ({"encrypt_key": "k", "validate_key": "v"}, {"encrypt_key": "k", "validate_key": "v"}),
        ({"secure": "auto", "httponly": "1"}, {"httponly": True}),
        ({"secure": "true", "samesite": "none"}, {"secure": True, "samesite": "None"}),
        ({"samesite": None}, {"samesite": None}),
        ({"data_dir": "/x", "type": "file"}, {"data_dir": "/x", "type": "file"}),
        ({"encrypt_nonce_bits": "48"}, {"encrypt_nonce_bits": 48}),
        ({"auto": "no", "invalidate_corrupt": "0"}, {"auto": False, "invalidate_corrupt": False}),
        (
            {"namespace_class": MemoryNamespaceManager, "colour": "red"},
            {"namespace_class": MemoryNamespaceManager, "colour": "red"},
        ),
        ({"webtest_varname": "x", "log_file": "x", "lifetime": "1d", "rotate_on": "x"}, {}),
        ({"cookie_on_exception": "no", "cache_control": "no-store"}, {}),
        (
            {"type": "ext:database", "url": "u", "sa_opts": {"sa.echo": True}, "sa.x": "1"},
            {
                "type": "ext:database",
                "url": "u",
                "sa_opts": {"sa.echo": True, "sa.x": "1", "sa.url": "u"},
            },
        ),
        ({"type": "dbm", "dbm_dir": "/x"}, {"type": "dbm", "dbm_dir": "/x"}),
    ],
)
def test_beaker_options(options, expected):
    """Beaker's Session is handed the options that were given, as it wants them."""
    session, _ = session_settings(format="beaker", **options)
    assert beaker_options(session) == expected


def test_beakers_session_takes_every_option():
    """Each option of Beaker's Session is an option here, and the other way round."""
    parameters = set(inspect.signature(Session).parameters) - {"request", "id", "namespace_args"}
    ours = {row.name for row in option_table() if row.scope == "session"}
    assert parameters <= ours


def test_beaker_region_options():
    """Beaker's dictionary of a region has the seven keys that pyramid_beaker writes."""
    regions, _ = read_region_settings({"cache.regions": "a", "cache.expire": 0.5})
    assert beaker_region_options(regions["a"]) == {
        "data_dir": None,
        "lock_dir": None,
        "expire": 1,
        "enabled": True,
        "key_length": 250,
        "type": "memory",
        "url": None,
    }


def test_backend_options_of_regions():
    """Options of a backend stand beside the seven keys, numbers as Beaker wants them."""
    regions, _ = read_region_settings(
        {
            "cache.regions": "a, b",
            "cache.a.type": "ext:redis",
            "cache.a.timeout": "1.5",
            "cache.a.expire": "none",
            "cache.b.type": "database",
            "cache.b.sa.echo": "true",
        }
    )
    assert beaker_region_options(regions["a"])["timeout"] == 2
    assert beaker_region_options(regions["a"])["expire"] is None
    assert beaker_region_options(regions["b"])["sa_opts"] == {"sa.echo": "true"}


@pytest.mark.parametrize("kind", ["ext:database", "sql"])
def test_beakers_decorators_on_a_database(kind, tmp_path):
    """What Beaker's decorator keeps in a database is forgotten by its region_invalidate."""
    settings = {"type": kind, "url": f"sqlite:///{tmp_path}/a.db", "sa.echo": "false"}
    regions = strict_regions(regions="a", lock_dir=str(tmp_path), **settings)
    beaker.cache.cache_regions["a"] = beaker_region_options(regions["a"])
    calls = []

    @beaker.cache.cache_region("a", str(tmp_path))
    def report(name):
        calls.append(name)
        return len(calls)

    assert [report("x"), report("x")] == [1, 1]
    beaker.cache.region_invalidate(report, None, str(tmp_path), "x")
    assert report("x") == 2


def old_session(**options):
    """Give the options that pyramid_beaker's factory ends up with."""
    settings = {f"session.{name}": value for name, value in options.items()}
    return pyramid_beaker.session_factory_from_settings(settings)._options


def new_session(**options):
    """Give the settings that this package ends up with."""
    return read_session_settings({f"session.{name}": value for name, value in options.items()})[0]


def old_regions(**settings):
    """Give the regions that pyramid_beaker ends up with; double underscores stand for dots."""
    pyramid_beaker.set_cache_regions_from_settings(_cache(settings))
    return beaker.cache.cache_regions


def new_regions(**settings):
    """Give the regions that this package ends up with."""
    return read_region_settings(_cache(settings))[0]


def strict_regions(**settings):
    """Give the regions of strict reading."""
    return read_settings(_cache(settings)).regions


def _cache(settings):
    return {f"cache.{name.replace('__', '.')}": value for name, value in settings.items()}


def strict_session(**options):
    """Give the settings of strict reading."""
    settings = {f"session.{name}": value for name, value in options.items()}
    return read_settings(settings).session


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        pytest.param(
            lambda: bool(old_session(invalidate_corrupt="false")["invalidate_corrupt"]),
            lambda: not new_session(invalidate_corrupt="false").given["invalidate_corrupt"],
            id="21 invalidate_corrupt = false is true",
        ),
        pytest.param(
            lambda: (
                old_regions(regions="page_cache", page_cache__expire="10")["page_cache"]["expire"]
                == 60
            ),
            lambda: (
                new_regions(regions="page_cache", page_cache__expire="10")["page_cache"].expire
                == 10
            ),
            id="50 a region whose name ends in cache loses its options",
        ),
        pytest.param(
            lambda: old_regions(regions="a, a.b", a__b__expire="10")["a.b"]["expire"] == 60,
            lambda: new_regions(regions="a, a.b", a__b__expire="10")["a.b"].expire == 10,
            id="51 options of region a.b land in a",
        ),
        pytest.param(
            lambda: old_regions(regions="a")["a"]["type"] == "None",
            lambda: new_regions(regions="a")["a"].type == "memory",
            id="52 regions without a type",
        ),
        pytest.param(
            lambda: old_session(cookie_expires="1")["cookie_expires"] is True,
            lambda: new_session(cookie_expires="1").cookie_expires == 1,
            id="55 one second is the browser's session",
        ),
        pytest.param(
            lambda: not old_session(cookie_expires=None)["cookie_expires"],
            lambda: new_session(cookie_expires=None).cookie_expires is True,
            id="55 None is never",
        ),
        pytest.param(
            lambda: old_session(use_cookies="false")["use_cookies"] == "false",
            lambda: new_session(use_cookies="false").use_cookies is False,
            id="59 use_cookies = false is a text, hence true",
        ),
        pytest.param(
            lambda: old_session(secret=b"bytes")["secret"] == "b'bytes'",
            lambda: new_session(secret=b"bytes").secret == ("bytes",),
            id="59 bytes become the text of their repr",
        ),
        pytest.param(
            lambda: (
                pyramid_beaker.BeakerSessionFactoryConfig(timeout="60")._options["timeout"] == "60"
            ),
            lambda: session_settings(timeout="60")[0].timeout == 60,
            id="60 options given directly are not converted",
        ),
        pytest.param(
            lambda: pyramid_beaker.BeakerSessionFactoryConfig(secure="false")._options["secure"],
            lambda: session_settings(secure="false")[0].secure is False,
            id="60 secure = false, given directly, is true",
        ),
    ],
)
def test_value_that_pyramid_beaker_misread(wrong, right):
    """Where pyramid_beaker reads another value than was written, this package reads that one."""
    assert wrong()
    assert right()


@pytest.mark.parametrize(
    ("old", "new", "settings"),
    [
        pytest.param(old_regions, strict_regions, {"regions": "r", "rr__expire": "5"}, id="53 rr"),
        pytest.param(old_regions, strict_regions, {"regions": "r", "r__expires": "5"}, id="53 r"),
        pytest.param(old_regions, strict_regions, {"regions": "r x"}, id="53 names"),
        pytest.param(old_session, strict_session, {"timeot": "30"}, id="53 timeot"),
        pytest.param(old_session, strict_session, {"htponly": "true"}, id="53 htponly"),
        pytest.param(old_session, strict_session, {"secrets": "x"}, id="53 secrets"),
        pytest.param(old_session, strict_session, {"type": "foo"}, id="54 type"),
        pytest.param(old_session, strict_session, {"type": "ext:redis"}, id="54 url"),
        pytest.param(old_session, strict_session, {"type": "file"}, id="54 data_dir"),
        pytest.param(old_session, strict_session, {"type": "cookie"}, id="54 validate_key"),
        pytest.param(old_session, strict_session, {"data_serializer": "x"}, id="54 serializer"),
        pytest.param(old_session, strict_session, {"crypto_type": "x"}, id="54 crypto"),
        pytest.param(old_session, strict_session, {"encrypt_nonce_bits": "7"}, id="54 nonce"),
        pytest.param(
            old_session,
            strict_session,
            {"type": "dbm", "data_dir": "x", "encrypt_key": "x", "format": "beaker"},
            id="54 encrypt_key",
        ),
        pytest.param(
            old_regions, strict_regions, {"regions": "a", "type": "ext:redis"}, id="54 cache url"
        ),
        pytest.param(old_session, new_session, {"cookie_expires": "0"}, id="55 text zero"),
        pytest.param(old_session, new_session, {"cookie_expires": 0}, id="55 zero"),
        pytest.param(old_session, new_session, {"timeout": "0"}, id="56 zero"),
        pytest.param(old_session, new_session, {"timeout": -1}, id="56 negative"),
        pytest.param(old_session, new_session, {"samesite": "none"}, id="57 without secure"),
        pytest.param(old_session, new_session, {"samesite": "banana"}, id="57 banana"),
        pytest.param(old_session, new_session, {"samesite": "Lax; Domain=x"}, id="57 injection"),
        pytest.param(old_session, new_session, {"key": "bad key;"}, id="58 no token"),
        pytest.param(old_session, new_session, {"key": "path"}, id="58 attribute"),
        pytest.param(old_session, new_session, {"cookie_on_exception": "maybe"}, id="59 maybe"),
        pytest.param(old_session, new_session, {"id": "fixed"}, id="59 id"),
        pytest.param(old_regions, new_regions, {"regions": "a", "expire": "0"}, id="61 zero"),
    ],
)
def test_mistake_that_pyramid_beaker_accepted(old, new, settings):
    """What pyramid_beaker took in silence, and failed with later, is an error here at once."""
    old(**settings)
    with pytest.raises(SettingsError):
        new(**settings)


@pytest.mark.parametrize("value", [60, None, True])
def test_cache_values_that_are_no_text(value):
    """Row 49: pyramid_beaker fails on Python objects under cache.; here they are values."""
    settings = {"regions": "a", "key_length" if value == 60 else "url": value}
    with pytest.raises(AttributeError, match="strip"):
        old_regions(**settings)
    assert new_regions(**settings)


def test_one_option_under_two_prefixes():
    """Row 62: of two spellings pyramid_beaker took the later one; here that is an error."""
    settings = {"cache.regions": "a", "cache.expire": "1", "beaker.cache.expire": "2"}
    pyramid_beaker.set_cache_regions_from_settings(settings)
    assert beaker.cache.cache_regions["a"]["expire"] == 2
    with pytest.raises(SettingsError, match=r"^cache.expire = '1' and beaker.cache.expire = '2'"):
        read_region_settings(settings)


def test_messages_name_the_key():
    """Row 56: Beaker's messages name neither key nor value."""
    with pytest.raises(Exception, match=r"^Session timeout must be an integer\.$"):
        old_session(timeout="soon")
    with pytest.raises(SettingsError, match=r"^session\.timeout = 'soon' is not a duration: "):
        new_session(timeout="soon")
