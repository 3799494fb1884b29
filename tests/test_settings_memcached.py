"""Settings of the types memcached and ext:memcached."""

from __future__ import annotations

import sys

import pytest

from pyramid_beakerish.errors import SettingsError
from pyramid_beakerish.settings import (
    StoreSettings,
    beaker_options,
    read_settings,
)
from pyramid_beakerish.settings.addresses import read_addresses
from pyramid_beakerish.stores import open_store
from pyramid_beakerish.stores.memcached.store import MemcachedStore
from tests.rivals import SECRET, BeakersFormat, PyramidBeaker
from tests.servers import running
from tests.servers.memcached import MemcachedServer

each_name = pytest.mark.parametrize("name", ["memcached", "ext:memcached"])
MANNER = (
    "names no memcached servers: use host:port, [IPv6 address]:port or unix:/path, "
    "with ; between several."
)


def session_of(**options):
    """Read session options strictly; give the settings and the messages."""
    settings = {f"session.{name}": value for name, value in options.items()}
    read = read_settings({"session.secret": SECRET, **settings})
    return read.session, read.messages


@each_name
def test_both_names_have_our_store(name):
    """Sessions of both types are this package's own unless Beaker's are asked for."""
    session, messages = session_of(type=name, url="cache:11211")
    assert (session.format, messages) == ("beakerish", ())
    assert isinstance(open_store(session), MemcachedStore)
    assert session_of(type=name, url="cache:11211", format="beaker")[0].format == "beaker"


@each_name
def test_a_region_has_our_store(name):
    """Regions of both types are this package's own, and nothing has to be said."""
    settings = {"cache.regions": "a", "cache.type": name, "cache.url": "cache:11211"}
    read = read_settings({"session.secret": SECRET, **settings})
    assert read.messages == ()
    assert isinstance(open_store(read.regions["a"]), MemcachedStore)


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("a", [("a", 11211)]),
        ("a:1;b:65535", [("a", 1), ("b", 65535)]),
        (" a:1 ; b:2, c:3\n  d\ta:1", [("a", 1), ("b", 2), ("c", 3), ("d", 11211)]),
        ("[::1]:5;[fe80::1]", [("::1", 5), ("fe80::1", 11211)]),
        ("unix:/run/m.sock;/run/n.sock", ["/run/m.sock", "/run/n.sock"]),
        ("inet:a:1; inet6:[::1]:2", [("a", 1), ("::1", 2)]),
    ],
)
def test_urls(url, addresses):
    """Servers are named as for Beaker, or with commas, blanks or line ends between them."""
    assert read_addresses(url) == addresses


@pytest.mark.parametrize(
    "url",
    [" ; ", "memcached://a:1", "a:port", "a:0", "a:65536", "a:", "::1", "[::1", "a:1;b/c", 7],
)
def test_wrong_urls(url):
    """What names no server is a mistake at configuration, which tells the manner and no value."""
    with pytest.raises(SettingsError) as caught:
        read_settings({"session.type": "memcached", "session.url": url, "session.secret": SECRET})
    assert caught.value.problems == (f"session.url {MANNER}",)
    with pytest.raises(SettingsError) as caught:
        read_settings({"cache.regions": "a", "cache.a.type": "memcached", "cache.a.url": url})
    assert caught.value.problems == (f"cache.a.url {MANNER}",)
    with pytest.raises(SettingsError) as caught:
        open_store(StoreSettings(type="memcached", url=url))
    assert caught.value.problems == (f"url {MANNER}",)


@each_name
def test_what_is_missing(name, monkeypatch):
    """Without a url, or without the client library, the configuration fails, and tells how."""
    monkeypatch.setitem(sys.modules, "pymemcache", None)
    with pytest.raises(SettingsError) as caught:
        session_of(type=name)
    assert caught.value.problems == (
        f"session.type = {name} needs session.url.",
        f"session.type = {name} needs pyramid_beakerish[memcached]: install it.",
    )


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("lock_dir", "/l", "only session.type = dbm, file or sqlite reads it"),
        ("data_dir", "/d", "only session.type = dbm, file or sqlite reads it"),
        (
            "memcache_module",
            "memcache",
            "the store of this package speaks to memcached with pymemcache",
        ),
        ("protocol", "binary", "nothing reads it, not even Beaker"),
        ("username", "u", "only session.type = ext:rediscluster reads it"),
        ("password", "p", "only session.type = ext:rediscluster reads it"),
    ],
)
def test_options_without_effect(option, value, reason):
    """Beaker's options that our store has no use for are told, with the reason."""
    _, messages = session_of(type="memcached", url="a", **{option: value})
    assert messages == (f"session.{option} has no effect: {reason}.",)


def test_options_that_beaker_reads():
    """With Beaker's format they are handed to Beaker, and nothing is said."""
    session, messages = session_of(
        type="ext:memcached", url="a", format="beaker", lock_dir="/l", memcache_module="memcache"
    )
    assert messages == ()
    options = beaker_options(session)
    assert (options["lock_dir"], options["memcache_module"]) == ("/l", "memcache")


def test_beakers_format_beside_pyramid_beaker(tmp_path, monkeypatch):
    """Asked for, Beaker's manager keeps the sessions, and a server with pyramid_beaker goes on."""
    options = {
        "type": "ext:memcached",
        "url": running(MemcachedServer).url,
        "lock_dir": str(tmp_path),
    }
    here = BeakersFormat("memory", tmp_path, monkeypatch)
    here.set(**options)
    visitor = here.visitor(user="u")
    assert visitor.get("user") == "u"
    there = PyramidBeaker("memory", tmp_path, monkeypatch)
    there.set(**options)
    assert there.visitor(f"beaker.session.id={visitor.cookie}").get("user") == "u"
    here.visitor(user="v").do(lambda session: session.invalidate())
    assert visitor.get("user") == "u"  # Beaker's own way to remove a session empties the server
