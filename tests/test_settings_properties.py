"""What holds for any settings at all, and for the table of options as a whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_beakerish.errors import SettingsError
from pyramid_beakerish.settings import (
    OptionRow,
    Settings,
    option_table,
    read_region_settings,
    read_session_settings,
    read_settings,
)

NAMES = [row.name.replace("*", "x") for row in option_table()]
PREFIXES = ["session.", "beaker.session.", "cache.", "cache.a.", "beaker.cache.a.b.", "beakerish."]
WORDS = ["true", "none", "30m", "file", "cookie", "ext:redis", "a, a.b", "beaker", "__Host-s", "/"]

NONE_BY_DEFAULT = [
    row.name
    for row in option_table()
    if (row.scope, row.default) == ("session", "none") and "*" not in row.name
]

keys = st.builds(str.__add__, st.sampled_from(PREFIXES), st.sampled_from(NAMES) | st.text())
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from(WORDS),
    st.binary(),
    st.lists(st.text()),
    st.dictionaries(st.text(), st.text()),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.timedeltas(),
)


@given(st.dictionaries(keys | st.text() | st.integers(), values, max_size=8))
def test_any_settings(settings):
    """Any keys and values give settings or a SettingsError of whole sentences, nothing else."""
    for read in (read_settings, read_session_settings, read_region_settings):
        problems = ["None yet."]
        try:
            read(settings)
        except SettingsError as error:
            problems = list(error.problems)
        assert problems
        assert all(problem.endswith((".", "?")) for problem in problems)


@given(st.sampled_from(["secret", "encrypt_key", "validate_key", "secrets", "url", "password"]))
def test_secrets_stay_secret(name):
    """No message, error or repr holds the value of a secret option, misspelt or not."""
    value = "Tr0ub4dor&3"
    for settings in (
        {f"session.{name}": value},
        {f"session.{name}": value, f"beaker.session.{name}": value + "x"},
        {"cache.regions": "a", f"cache.b.{name}": value, f"cache.a.{name}": value},
    ):
        try:
            told = repr(read_settings(settings))
        except SettingsError as error:
            told = repr(error)
        assert value not in told


@given(st.dictionaries(st.sampled_from(["key", "timeout", "secure", "httponly"]), values))
def test_prefixes_are_equal(options):
    """Both prefixes mean the same, and no prefix as well."""

    def told(prefix):
        try:
            return read_session_settings({prefix + k: v for k, v in options.items()})[0]
        except SettingsError as error:
            return [problem.replace("beaker.session.", "session.") for problem in error.problems]

    assert told("session.") == told("beaker.session.")


def test_empty_settings():
    """An application that says nothing has sessions and no regions."""
    read = read_settings({})
    assert isinstance(read, Settings)
    assert read.regions == {}


def test_option_table():
    """The reference shows each option once a scope, its values and default as in an ini file."""
    rows = option_table()
    assert len({(row.scope, row.name) for row in rows}) == len(rows)
    assert {row.scope for row in rows} == {"beakerish", "session", "cache"}
    assert all(row.help.endswith((".", "*", ")")) and row.allowed and row.since for row in rows)
    assert OptionRow(
        scope="session",
        name="timeout",
        allowed="seconds, a number with s, m, h or d (30m), or none",
        default="14d",
        help="How long a session lives after its last use.",
        since="0.1",
        types="",
        needed_by="",
        inert="",
    ) in rows  # fmt: skip
    told = {(row.scope, row.name): (row.types, row.needed_by) for row in rows}
    assert told["session", "fsync"] == ("file, sqlite", "")
    assert told["session", "validate_key"] == ("cookie", "cookie (or secret, encrypt_key)")
    assert told["cache", "url"][1] == (
        "ext:redis, redis (or redis.sentinels, redis.startup_nodes, redis.client_factory); "
        "ext:mongodb, ext:memcached, memcached; sqlite (or data_dir)"
    )


@pytest.mark.parametrize(
    ("scope", "name", "default"),
    [
        ("cache", "regions", "none"),
        ("cache", "expire", "1m"),
        ("cache", "enabled", "true"),
        ("session", "url", "none"),
        ("session", "max_entries", "100000"),
        ("session", "touch_interval", "a tenth of the timeout, at most 60 s"),
    ],
)
def test_default_in_the_table(scope, name, default):
    """A default is spelt as one would write it."""
    (row,) = [row for row in option_table() if (row.scope, row.name) == (scope, name)]
    assert row.default == default


@pytest.mark.parametrize("name", NONE_BY_DEFAULT)
def test_none_is_a_default_that_can_be_written(name):
    """Where the reference shows none as the default, writing it changes nothing."""
    without, messages = read_session_settings({})
    written, told = read_session_settings({f"session.{name}": "None"})
    assert written.given.get(name) is None
    assert replace(written, given={}) == replace(without, given={})
    assert told == messages
