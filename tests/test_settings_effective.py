"""What holds for an application, option by option."""

from __future__ import annotations

from pyramid_beakerish.settings import effective_options
from pyramid_beakerish.settings.effective import UNKNOWN_HELP

FILE = {"session.type": "file", "session.data_dir": "/x", "session.previous": "none"}


def rows(settings):
    """Give the options by their keys; none is there twice."""
    found = effective_options(settings)
    assert len({row.key for row in found}) == len(found)
    return {row.key: row for row in found}


def values(settings, *keys):
    found = rows(settings)
    return [(found[key].value, found[key].written, found[key].default) for key in keys]


def test_the_package_itself():
    """Its own options are among them, as they are written or by default."""
    keys = ("beakerish.unknown_settings", "beakerish.clock")
    written = {"beakerish.unknown_settings": "warn"}
    assert values(written, *keys) == [("warn", True, "error"), ("time:time", False, "time.time")]


def test_what_acts():
    """What has no effect is there only if it is written; of open names there are those written."""
    found = rows({**FILE, "session.auto": "true", "session.sa.echo": "1", "session.colour": "red"})
    assert {"session.fsync", "session.lifetime"} <= found.keys()
    written = {f"session.{name}" for name in ("auto", "sa.echo", "colour")}
    assert written <= found.keys()
    assert found["session.colour"].help == UNKNOWN_HELP
    assert (found["session.auto"].value, found["session.auto"].default) == ("true", "false")
    absent = ("rotation_grace", "max_entries", "invalidate_corrupt", "session_class", "sa.*")
    assert found.keys().isdisjoint(f"session.{name}" for name in absent)


def test_regions():
    """What is written for all regions is there once; what holds for one alone, for that one."""
    cache = {
        "cache.regions": "a, b",
        "cache.expire": "5",
        "cache.colour": "x",
        "cache.b.stale": "9",
    }
    own = {"type": "file", "data_dir": "/y", "digest_filenames": "no"}
    found = rows({**FILE, **cache, **{f"cache.b.{name}": value for name, value in own.items()}})
    assert found["cache.regions"].value == "a, b"
    assert (found["cache.expire"].value, found["cache.expire"].written) == ("5s", True)
    assert (found["cache.b.stale"].value, found["cache.b.stale"].written) == ("9s", True)
    assert (found["cache.a.stale"].value, found["cache.a.stale"].written) == ("none", False)
    assert found["cache.b.digest_filenames"].value == "false"
    assert "cache.a.max_entries" in found
    assert found.keys().isdisjoint({"cache.colour", "cache.a.expire", "cache.b.max_entries"})


def test_defaults_of_the_format():
    """A default is that of the sessions which the settings ask for."""
    beaker = {**FILE, "session.format": "beaker"}
    assert values(beaker, "session.timeout", "session.data_serializer", "session.auto") == [
        ("none", False, "none"),
        ("pickle", False, "pickle"),
        ("false", False, "false"),
    ]
    assert values({**FILE, "session.timeout": "none"}, "session.timeout") == [
        ("none", True, "14d"),
    ]


def test_what_a_back_end_is_given():
    """What a back end of Beaker's is handed is there, also by a name that nobody here knows."""
    assert "session.sa.*" not in rows({"session.type": "sql", "session.url": "sqlite:////x"})
    settings = {"session.type": "ext:rediscluster", "session.urls": "h", "session.colour": "red"}
    assert values(settings, "session.urls", "session.colour") == [
        ("'***'", True, "none"),
        ("red", True, "none"),
    ]
