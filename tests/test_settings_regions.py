"""Settings of cache regions: inheritance, names, keys that are no options, and messages."""

from __future__ import annotations

import pytest

from pyramid_beakerish.errors import SettingsError
from pyramid_beakerish.settings import (
    RegionSettings,
    beaker_region_options,
    missing_requirements,
    read_region_settings,
    read_settings,
)

#: Nothing has to be said about the cookie of these.
NO_SESSIONS = {"session.use_cookies": "false"}


def regions(**settings):
    """Read cache settings that are given without their prefix, double underscores for dots."""
    written = {f"cache.{name.replace('__', '.')}": value for name, value in settings.items()}
    return read_region_settings(written)[0]


def problems(settings):
    """Give the mistakes that strict reading finds."""
    with pytest.raises(SettingsError) as caught:
        read_settings(settings)
    return list(caught.value.problems)


def messages(settings):
    """Give the messages of strict reading."""
    return list(read_settings({**NO_SESSIONS, **settings}).messages)


@pytest.fixture
def odd_type(tmp_path, monkeypatch):
    """Install a package that registers the type odd with Beaker, for as long as the test runs."""
    folder = tmp_path / "odd-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[beaker.backends]\nodd = beaker.container:MemoryNamespaceManager\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


def test_defaults():
    """A region of which nothing more is said has the documented defaults."""
    assert regions(regions="a") == {"a": RegionSettings(name="a")}
    region = regions(regions="a")["a"]
    assert (region.type, region.expire, region.enabled, region.key_length) == (
        "memory", 60, True, 250,
    )  # fmt: skip


@pytest.mark.parametrize("value", ["a, b", "a\n b", ["a", "b"], ("a", "b", "a"), "a,,b,"])
def test_names(value):
    """Regions are listed with commas or line ends between them, or in a list."""
    assert list(regions(regions=value)) == ["a", "b"]


@pytest.mark.parametrize("value", ["", None, [], ",", "none"])
def test_no_regions(value):
    """An empty list of regions gives none."""
    assert regions(regions=value) == {}


def test_inheritance():
    """What is said for the cache holds for every region, unless the region says otherwise."""
    read = regions(
        regions="a, b",
        expire="5m",
        enabled="false",
        data_dir="/all",
        lock_dir="/lock",
        url="u",
        b__expire="none",
        b__enabled="true",
        b__data_dir="/b",
        b__type="file",
    )
    assert (read["a"].expire, read["a"].enabled, read["a"].data_dir) == (300, False, "/all")
    assert (read["b"].expire, read["b"].enabled, read["b"].data_dir) == (None, True, "/b")
    assert {region.lock_dir for region in read.values()} == {"/lock"}
    assert {region.url for region in read.values()} == {"u"}
    assert (read["a"].type, read["b"].type) == ("memory", "file")


@pytest.mark.parametrize("none", [" None ", None])
def test_none_ends_inheritance(none):
    """A region that says none has none of what is said for the cache."""
    read = regions(
        regions="a, b", type="file", url="u", table_name="t", schema_name="s", data_dir="/all",
        b__type="sql", b__url=none, b__schema_name=none, b__data_dir=none,
    )  # fmt: skip
    assert (read["a"].url, read["a"].data_dir) == ("u", "/all")
    assert (read["b"].url, read["b"].data_dir, read["b"].backend) == (
        None,
        None,
        {"table_name": "t"},
    )


def test_none_is_nothing_to_obey():
    """An option that is none has no effect, which need not be told."""
    assert messages({"cache.regions": "a", "cache.url": "none", "cache.a.lock_dir": "none"}) == []


@pytest.mark.parametrize("order", ["a, a.b", "a.b, a"])
def test_longest_name_wins(order):
    """Of regions a and a.b, the longer name owns what begins with it."""
    read = regions(regions=order, a__b__expire="10", a__expire="20")
    assert {name: region.expire for name, region in read.items()} == {"a.b": 10, "a": 20}


def test_name_that_ends_in_cache():
    """The prefix is cut at the front only."""
    assert regions(regions="page_cache", page_cache__expire="10")["page_cache"].expire == 10


def test_real_objects():
    """Values may be Python objects as well as text."""
    region = regions(regions=["a"], expire=60, enabled=True, url=None, key_length=10)["a"]
    assert (region.expire, region.enabled, region.url, region.key_length) == (60, True, None, 10)


def test_backend_options():
    """Options of a backend are kept with the region, those for all regions too."""
    read = regions(regions="a", type="ext:database", table_name="t", a__sa__pool_size="5")
    assert read["a"].backend == {"table_name": "t", "sa.pool_size": "5"}


def test_file_dir_stands_in_for_data_dir():
    """Settings for Beaker's files may name file_dir alone."""
    assert regions(regions="a", type="file", file_dir="/f")["a"].data_dir == "/f"


def test_repr():
    """The repr of a region's settings tells its name and its type."""
    assert repr(regions(regions="a", url="redis://:pw@h")["a"]) == "<RegionSettings a: memory>"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"cache.regions": "r x"},
            (
                "cache.regions = 'r x' lists 'r x', which is no name: "
                "use letters, digits, _, - and dots."
            ),
        ),
        (
            {"cache.regions": "redis://:pw@h"},
            (
                "cache.regions = '***' lists '***', which is no name: "
                "use letters, digits, _, - and dots."
            ),
        ),
        (
            {"cache.regions": 7},
            "cache.regions = 7 is not a list: use names separated by commas or line ends.",
        ),
        (
            {"cache.regions": "r, s", "cache.expires": "5"},
            "cache.expires = '5' is no option. Did you mean cache.expire?",
        ),
        (
            {"cache.regions": "r, s", "beaker.cache.r.expires": "5"},
            "beaker.cache.r.expires = '5' is no option. Did you mean beaker.cache.r.expire?",
        ),
        (
            {"cache.regions": "r, s", "cache.r.colour": "red"},
            "cache.r.colour = 'red' is no option.",
        ),
        (
            {"cache.regions": "short, s", "cache.shrt.expire": "5"},
            (
                "cache.shrt.expire = '5' belongs to no region: cache.regions lists short and s. "
                "Did you mean cache.short.expire?"
            ),
        ),
        (
            {"cache.regions": "r, s", "cache.other.sa.url": "db://u:pw@h"},
            "cache.other.sa.url = '***' belongs to no region: cache.regions lists r and s.",
        ),
    ],
)
def test_mistaken_key(settings, sentence):
    """A key that looks like an option, and a name that is none, are mistakes."""
    assert problems(settings) == [sentence]


@pytest.mark.parametrize(
    "settings",
    [
        {"cache.regions": "r", "cache.expires": "5"},
        {"cache.regions": "r", "cache.r.expires": "5"},
        {"cache.regions": "r", "cache.s.expire": "5"},
        {"cache.regions": "r", "cache.backend": "dogpile.cache.memory"},
    ],
)
def test_unknown_keys_when_lenient(settings):
    """Read leniently, a key that is no option is a message, or nothing at all."""
    assert len(read_region_settings(settings)[1]) == 1
    quiet = {**settings, "beakerish.unknown_settings": "ignore"}
    assert read_region_settings(quiet)[1] == ()


def test_keys_of_others():
    """A key under cache. that looks like none of ours is a message, as others own keys there."""
    assert messages({"cache.regions": "r", "cache.backend": "dogpile.cache.memory"}) == [
        "cache.backend = 'dogpile.cache.memory' is no option and has no effect."
    ]


@pytest.mark.parametrize(
    ("key", "rest"),
    [
        ("cache.arguments.url", "belongs to no region: cache.regions lists no region."),
        ("cache.typ", "is no option and has no effect. Did you mean cache.type?"),
    ],
)
def test_without_regions_the_keys_are_of_others(key, rest):
    """Where no region is listed nothing under cache. is a mistake: all of it may be dogpile's."""
    settings = {key: "x", "cache.backend": "dogpile.cache.redis"}
    (told, _) = messages(settings)
    assert told.startswith(f"{key} = ")
    assert told.endswith(f" {rest}")


def test_types_of_other_packages(odd_type):
    """Under a type of another package unknown options are handed on, for that region alone."""
    settings = {
        "cache.regions": "a, b",
        "cache.a.type": "odd",
        "cache.a.flavour": "sour",
        "cache.colour": "red",
        "cache.tabel_name": "t",
        "cache.table_name": "t",
    }
    read = read_settings({**NO_SESSIONS, **settings})
    assert read.regions["a"].backend == {
        "colour": "red",
        "tabel_name": "t",
        "table_name": "t",
        "flavour": "sour",
    }
    assert read.regions["b"].backend == {"table_name": "t"}
    assert read.messages == (
        "cache.tabel_name = 't' is handed on to the backend. Did you mean cache.table_name?",
    )


FILES = {"cache.regions": "a", "cache.type": "file", "cache.data_dir": "/x"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"cache.regions": "a", "cache.a.table_name": "t"},
            (
                "cache.a.table_name has no effect: "
                "only type = sql, ext:database, database, ext:sqla or sqla reads it."
            ),
        ),
        (
            {"cache.regions": "a", "cache.fsync": "true"},
            "cache.fsync has no effect: only type = file or sqlite reads it.",
        ),
        (
            {"cache.regions": "a", "cache.lock_dir": "/x"},
            (
                "cache.lock_dir has no effect: only type = dbm, file, sqlite, ext:memcached, "
                "memcached, ext:database, database, ext:sqla or sqla reads it."
            ),
        ),
        (
            {**FILES, "cache.a.url": "redis://u:pw@h"},
            (
                "cache.a.url has no effect: only type = ext:redis, redis, ext:mongodb, "
                "ext:memcached, memcached, sql, ext:database, database, ext:sqla, sqla or sqlite "
                "reads it."
            ),
        ),
        (
            {"cache.regions": "a", "cache.log_file": "x"},
            "cache.log_file has no effect: nothing reads it, not even Beaker.",
        ),
        (
            {"cache.expire": "5"},
            "cache.expire has no effect: cache.regions lists no region.",
        ),
        (
            {"cache.regions": "a", "cache.local": "5s"},
            "cache.local has no effect: type = memory is in memory already.",
        ),
        (
            {"cache.regions": "a", "cache.a.lease": "5s"},
            "cache.a.lease has no effect: only one process uses a region of type = memory.",
        ),
        (
            {"cache.regions": "a", "cache.serializer": "json"},
            "cache.serializer has no effect: type = memory keeps the object itself.",
        ),
        (
            {"cache.regions": "a", "cache.stale": "5s", "cache.a.expire": "none"},
            "cache.stale has no effect: with expire = none no result expires.",
        ),
        (
            {**FILES, "cache.pickle_classes": "a.B"},
            "cache.pickle_classes has no effect: only serializer = pickle reads it.",
        ),
        (
            {**FILES, "cache.copy": "true"},
            "cache.copy has no effect: a store gives each caller its own copy.",
        ),
        (
            {**FILES, "cache.max_entries": "10"},
            "cache.max_entries has no effect: only type = memory and local read it.",
        ),
    ],
)
def test_option_without_effect(settings, message):
    """An option that no region obeys is told, with the reason."""
    assert messages(settings) == [message]


def test_option_with_effect_on_one_region():
    """An option that one of several regions reads has an effect, so nothing is said."""
    settings = {"cache.regions": "a, b", "cache.data_dir": "/x", "cache.a.type": "file"}
    assert messages({**settings, "cache.fsync": "true"}) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"cache.regions": "a", "cache.copy": "true", "cache.stale": "1m", "cache.max_entries": "9"},
        {**FILES, "cache.local": "5s", "cache.copy": "true", "cache.max_entries": "9"},
        {**FILES, "cache.serializer": "pickle", "cache.pickle_classes": "a.B, a:B.C"},
        {**FILES, "cache.stale_on_error": "none", "cache.lease": "5"},
    ],
)
def test_options_of_results_have_an_effect(settings):
    """An option that the region obeys is taken without a word."""
    assert messages(settings) == []


def test_own_serializer():
    """A region keeps results in the serializer that is asked for, whatever the others do."""
    read = regions(regions="a, b", a__serializer="JSON", a__stale="30s", b__stale_on_error="10m")
    assert [region.serializer for region in read.values()] == ["json", "msgpack"]
    assert [region.kept_after_expiry for region in read.values()] == [30, 600]


@pytest.mark.parametrize(
    ("settings", "rest"),
    [
        ({"cache.a.stale": "0"}, "use none to let all wait for the new result."),
        ({"cache.a.stale_on_error": "-1"}, "use none to let every error through."),
        ({"cache.a.local": "0s"}, "use none to ask the store each time."),
        ({"cache.a.lease": "0"}, "leave it out for 30 s."),
        ({"cache.a.copy": "maybe"}, "is not a boolean: use true or false."),
        ({"cache.a.serializer": "yaml"}, "use msgpack, json, pickle or an object with dumps"),
        ({"cache.a.pickle_classes": "B"}, "= 'B' holds 'B', which is no class name: use package."),
    ],
)
def test_nonsense(settings, rest):
    """A value that no region can obey is an error with the remedy."""
    (problem,) = problems({"cache.regions": "a", **settings})
    assert problem.startswith(next(iter(settings)))
    assert rest in problem


def test_wrong_type():
    """A type that nobody serves is told once, however many regions have it."""
    (problem,) = problems({"cache.regions": "a, b", "cache.type": "memroy"})
    assert problem.startswith("cache.type = 'memroy' is no type: use database, dbm, ")
    assert problem.endswith(" Did you mean memory?")
    (problem,) = problems({"cache.regions": "a", "cache.a.type": "cookie"})
    assert problem.startswith("cache.a.type = 'cookie' is no type: use ")


@pytest.mark.parametrize(
    ("expire", "to_beaker"), [("31d", 30 * 86400), ("29.5d", 2548800), ("none", None)]
)
@pytest.mark.parametrize("name", ["memcached", "ext:memcached"])
def test_longer_than_memcached_takes(name, expire, to_beaker):
    """Row 61: Beaker hands memcached more than 30 days, a date long past; here it gets 30 days."""
    region = regions(regions="a", type=name, url="h", expire=expire)["a"]
    assert region.expire == (None if expire == "none" else float(expire[:-1]) * 86400)
    assert beaker_region_options(region)["expire"] == to_beaker


def test_others_take_longer_than_memcached():
    """Other types keep results for as long as the settings say, also where Beaker has them."""
    region = regions(regions="a", type="memory", expire="31d")["a"]
    assert beaker_region_options(region)["expire"] == 31 * 86400


def test_requirements():
    """What a region's type needs is a mistake when read strictly, unless it is switched off."""
    settings = {"cache.regions": "a, b", "cache.type": "file", "cache.b.enabled": "false"}
    sentence = "cache.a.type = file needs cache.a.data_dir."
    assert problems(settings) == [sentence]
    assert missing_requirements(read_region_settings(settings)[0]["a"]) == [sentence]
    assert problems({"cache.regions": "a", "cache.type": "sqlite"}) == [
        "cache.a.type = sqlite needs cache.a.url or cache.a.data_dir."
    ]


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ({}, "cache.a.lock_dir must be the same as session.lock_dir: both keep type = file in the"),
        ({"cache.a.data_dir": "./d/"}, "cache.a.lock_dir must be the same as session.lock_dir: "),
        ({"cache.lock_dir": "l/../l"}, None),
        ({"cache.a.data_dir": "other"}, None),
        ({"cache.type": "sqlite"}, None),
        ({"session.type": "sqlite", "cache.type": "sqlite"}, None),
        ({"session.lock_dir": "d"}, None),
        ({"cache.a.enabled": "false"}, None),
        ({"session.format": "beaker"}, None),
        (
            {"session.type": "dbm", "cache.type": "dbm", "session.dbm_dir": "x"},
            None,
        ),
        (
            {
                "session.type": "dbm",
                "cache.type": "dbm",
                "cache.data_dir": "other",
                "session.dbm_dir": "x",
                "cache.dbm_dir": "x",
            },
            "cache.a.lock_dir must be the same as session.lock_dir: both keep type = dbm in the",
        ),
        (
            {
                "session.type": "dbm",
                "cache.type": "dbm",
                "session.data_dir": None,
                "cache.data_dir": None,
                "session.dbm_dir": "x",
                "cache.dbm_dir": "x",
                "cache.lock_dir": "other",
            },
            "cache.a.lock_dir must be the same as session.lock_dir: both keep type = dbm in the",
        ),
    ],
)
def test_one_folder_and_two_lock_dirs(more, refused):
    """Stores that share their files must share the locks that keep their writers apart."""
    shared = {"session.data_dir": "d", "session.lock_dir": "l", "cache.data_dir": "d"}
    settings = {"cache.regions": "a", "cache.type": "file", **shared, **more}
    if refused is None:
        read_settings(settings)
    else:
        (problem,) = problems(settings)
        assert problem.startswith(refused)


def test_requirements_of_beakers_types(monkeypatch):
    """A region of a type that only Beaker serves needs what Beaker's backend needs."""
    monkeypatch.setitem(__import__("sys").modules, "pymongo", None)
    assert problems({"cache.regions": "a", "cache.type": "ext:mongodb"}) == [
        "cache.a.type = ext:mongodb needs cache.a.url.",
        "cache.a.type = ext:mongodb needs pymongo: install it.",
    ]
