"""``session.previous``: what is read of it, what it is by default, what is refused."""

from __future__ import annotations

import sys

import pytest
from beaker.container import MemoryNamespaceManager

from pyramid_beakerish.errors import SettingsError
from pyramid_beakerish.settings import (
    beaker_options,
    missing_requirements,
    read_session_settings,
    read_settings,
    session_settings,
)

FILE = {"session.type": "file", "session.data_dir": "x"}
SECRET = "a secret of the tests, long enough not to be guessed"


def previous(**options):
    """Give the earlier configuration that the options describe, by themselves."""
    written = {f"session.previous.{name}": value for name, value in options.items()}
    return read_session_settings(written)[0].previous


def refusals(**options):
    """Give the mistakes in an earlier configuration."""
    with pytest.raises(SettingsError) as caught:
        read_settings({f"session.previous.{name}": value for name, value in options.items()})
    return list(caught.value.problems)


def test_by_default_it_is_beaker_with_the_same_settings():
    """Beaker's types that outlive a process may have stored sessions under these settings."""
    given = {"secret": SECRET, "key": "k", "timeout": "60", "data_serializer": "json"}
    settings, _ = session_settings(type="file", data_dir="x", table_name="t", **given)
    earlier = settings.previous
    assert earlier.format == "beaker"
    assert earlier.previous is None
    assert beaker_options(earlier) == {
        "type": "file",
        "data_dir": "x",
        "secret": SECRET,
        "key": "k",
        "timeout": 60,
        "data_serializer": "json",
        "table_name": "t",
    }


def test_what_beaker_had_not():
    """Beaker had no msgpack and no timeout of itself, and of options of ours it knew nothing."""
    options = {"data_serializer": "msgpack", "format": "beakerish", "rotate_on": "none"}
    settings, _ = session_settings(type="file", data_dir="x", **options)
    assert settings.previous.data_serializer == "pickle"
    assert settings.previous.timeout is None
    assert beaker_options(settings.previous) == {"type": "file", "data_dir": "x"}
    assert "format" not in settings.previous.given


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"type": "memory"},
        {"type": "sqlite", "data_dir": "x"},
        {"type": "file", "data_dir": "x", "previous": "none"},
        {"type": "file", "data_dir": "x", "previous": None},
        {"type": "file", "data_dir": "x", "session_class": "beaker.session:Session"},
        {"type": "memory", "format": "beaker"},
        {"type": "file", "data_dir": "x", "format": "beaker", "previous": "none"},
        {"type": "x", "namespace_class": MemoryNamespaceManager, "format": "beaker"},
        {
            "type": "file",
            "data_dir": "x",
            "format": "beaker",
            "session_class": "beaker.session:Session",
        },
        {"type": "signed_cookie"},
        {"type": "file", "format": "beakerish"},
        {"type": "file", "file_dir": "x"},
    ],
    ids=str,
)
def test_by_default_there_is_none(options):
    """Where nobody else can have stored sessions that are still there none are looked for."""
    assert session_settings(**options)[0].previous is None


def test_folders_by_beakers_names():
    """Where file_dir and lock_dir together stand in for data_dir, Beaker could do with them."""
    settings, _ = session_settings(type="file", file_dir="x", lock_dir="y")
    assert settings.previous.format == "beaker"


def test_on_the_way_back():
    """Where Beaker's format is asked for, ours may have stored sessions under these settings."""
    settings, _ = session_settings(type="file", data_dir="x", format="beaker", secret=SECRET)
    earlier = settings.previous
    assert (earlier.format, earlier.type, earlier.secret) == ("beakerish", "file", (SECRET,))
    assert earlier.data_serializer == "msgpack"


def test_on_the_way_back_from_cookies(monkeypatch):
    """So may cookies; encrypted ones if there is what encrypts them here."""
    way_back = {"type": "cookie", "validate_key": SECRET, "format": "beaker"}
    earlier = session_settings(**way_back)[0].previous
    assert (earlier.format, earlier.type) == ("beakerish", "cookie")
    encrypted = {**way_back, "encrypt_key": SECRET}
    assert session_settings(**encrypted)[0].previous is not None
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert session_settings(**encrypted)[0].previous is None
    assert session_settings(**way_back)[0].previous is not None


def test_in_its_own_words():
    """Nothing is taken over from the other settings, and defaults are those of its format."""
    earlier = read_session_settings(
        {**FILE, "session.secret": SECRET, "beaker.session.previous.type": "memory"}
    )[0].previous
    assert (earlier.type, earlier.secret, earlier.format) == ("memory", (), "beakerish")
    assert previous(format="beaker", type="file", data_dir="y").timeout is None
    assert previous(data_dir="y").type == "file"


def test_none_is_as_if_it_were_not_written():
    """Of earlier sessions, too, none is what an option without a default is by itself."""
    earlier = previous(type="memory", data_dir="none", timeout="none")
    assert (earlier.type, earlier.data_dir, earlier.timeout) == ("memory", None, None)
    assert dict(earlier.given) == {"type": "memory", "timeout": None}


def test_signed_cookie():
    """Pyramid's own sessions have options and defaults of their own."""
    earlier = previous(type="signed_cookie", secret="a\nb", key="sid", timeout="none")
    assert (earlier.format, earlier.secret) == ("pyramid", ("a", "b"))
    assert (earlier.given["key"], earlier.given["timeout"]) == ("sid", None)
    earlier = previous(type="signed_cookie", secret="a", salt="", hashalg="sha1")
    assert (earlier.given["salt"], earlier.given["hashalg"]) == ("", "sha1")


SIGNED = {"type": "signed_cookie", "secret": "a"}


@pytest.mark.parametrize(
    ("options", "key", "rest"),
    [
        ({"typ": "file"}, "typ", "= 'file' is no option. Did you mean session.previous.type?"),
        ({"previous.type": "file"}, "previous.type", "= 'file' is no option."),
        ({"previous": "none"}, "previous", "= 'none' is no option."),
        ({"timeout": "x"}, "timeout", "= 'x' is not a duration: use seconds, a number"),
        ({"type": "file"}, "type", "= file needs session.previous.data_dir."),
        ({"type": "signed_cookie"}, "type", "= signed_cookie needs session.previous.secret."),
        ({**SIGNED, "salt": 5}, "salt", "= 5 is not text: use text."),
        ({**SIGNED, "hashalg": "sha0"}, "hashalg", "= 'sha0' is no hash algorithm: use"),
        ({**SIGNED, "serializer": 5}, "serializer", "= 5 is not a serializer: use json, an"),
        ({**SIGNED, "saltt": "x"}, "saltt", "= 'x' is no option. Did you mean session.previous."),
        ({"type": "cookie", "format": "beaker"}, "type", "= cookie needs session.previous.valid"),
        (
            {"type": "file", "data_dir": "x", "format": "beaker", "encrypt_key": "x"},
            "encrypt_key",
            "needs session.previous.validate_key.",
        ),
    ],
)
def test_mistakes(options, key, rest):
    """A mistake in the earlier configuration is told by the key as it was written."""
    (told,) = refusals(**options)
    assert told.startswith(f"session.previous.{key} {rest}")


def test_either_or():
    """``none`` beside an earlier configuration is a mistake, as is another word."""
    with pytest.raises(SettingsError) as caught:
        read_settings({"session.previous": "none", "session.previous.type": "memory"})
    assert caught.value.problems == (
        "session.previous = 'none' cannot go with session.previous.type: leave one of them out.",
    )
    with pytest.raises(SettingsError) as caught:
        read_settings({"session.previous": "beaker"})
    assert caught.value.problems == ("session.previous = 'beaker' is not allowed: use none.",)


def test_what_only_beaker_can_read():
    """A type, or a class, that cannot be read here is a mistake; the types that can are named."""
    mongo, *_ = refusals(type="ext:mongodb", url="mongodb://x", format="beaker")
    assert mongo.startswith("session.previous.type = ext:mongodb cannot be read from Beaker: ")
    assert "memory, file, dbm, cookie" in mongo
    (own,) = refusals(type="file", data_dir="x", session_class="beaker.session:Session")
    assert own.endswith("can, without session_class or namespace_class.")


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        (SIGNED, {"key": "session"}),
        ({**SIGNED, "key": "sid", "cookie_path": "/a"}, {"key": "sid", "cookie_path": "/a"}),
        ({"type": "cookie", "secret": "a", "cookie_domain": "a.b"}, {"cookie_domain": "a.b"}),
        ({"type": "cookie", "format": "beaker", "validate_key": "a", "key": "x"}, {"key": "x"}),
    ],
)
@pytest.mark.parametrize("own", [{"type": "cookie"}, {"type": "file", "format": "beaker"}])
def test_from_one_cookie_to_another(options, needed, own):
    """Where no mark of a logout stays, what is in a cookie goes on only in that one's place."""
    own = {**own, "secret": SECRET, "data_dir": "x"}
    before = {f"previous.{key}": said for key, said in options.items()}
    with pytest.raises(SettingsError) as caught:
        session_settings(**own, **before)
    told = [problem.partition(", as in the earlier")[0] for problem in caught.value.problems]
    assert told == [f"{name} must be {value!r}" for name, value in needed.items()]
    session, _ = session_settings(**own, **before, **needed)
    assert session.previous.type == options["type"]


def test_sessions_in_beakers_cookie_take_over_none():
    """Where Beaker is to keep sessions in the cookie no others can be taken over."""
    with pytest.raises(SettingsError) as caught:
        read_settings(
            {
                "session.type": "cookie",
                "session.format": "beaker",
                "session.validate_key": SECRET,
                "session.previous.type": "memory",
            }
        )
    assert caught.value.problems == (
        "session.type = cookie: Beaker cannot take over other sessions into a cookie.",
    )


def test_the_client_library(monkeypatch):
    """Beaker's memcached is read with pymemcache, whatever Beaker used."""
    memcached = {"type": "ext:memcached", "url": "h", "lock_dir": "x", "format": "beaker"}
    monkeypatch.setitem(sys.modules, "memcache", None)
    assert missing_requirements(session_settings(**named(memcached))[0]) == []
    monkeypatch.setitem(sys.modules, "pymemcache", None)
    needed = "session.previous.type = ext:memcached needs pymemcache: install it."
    assert refusals(**memcached) == [needed]
    redis = {"type": "ext:redis", "url": "redis://h", "format": "beaker"}
    assert missing_requirements(session_settings(**named(redis))[0]) == []


def named(options):
    return {f"previous.{name}": value for name, value in options.items()}
