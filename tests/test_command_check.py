"""``beakerish check``: settings, mistakes, stores and advice, in each of its forms."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyramid_beakerish.settings import session_settings
from pyramid_beakerish.stores import Store, open_store
from pyramid_beakerish.stores.base import PROBE
from pyramid_beakerish.stores.facts import Advice, StoreFacts
from pyramid_beakerish.stores.memory import MemoryStore
from tests.command_help import COMMAND, PATIENCE, SECRET, Run, in_terminal, ini, piped
from tests.servers import own, running
from tests.servers.memcached import MemcachedServer
from tests.servers.redis import RedisServer
from tests.sql_help import FastPostgreSQL, administrator

EXAMPLE = Path(__file__).parent.parent / "example.ini"


@pytest.fixture
def run(capsys):
    return Run(capsys)


@pytest.fixture
def check(run, tmp_path):
    """Check an ini file with these lines; give the report."""

    def check(*lines, code=0, arguments=(), **options):
        return run.json("check", ini(tmp_path, *lines, **options), *arguments, code=code)

    return check


def settings(report):
    return {row["setting"]: (row["value"], row["from"]) for row in report["settings"]}


def advice(report):
    return "\n".join(row["advice"] for row in report["advice"])


def test_the_example_is_in_order(run, tmp_path):
    """example.ini has no mistake, and nothing is made by looking at it."""
    path = shutil.copy(EXAMPLE, tmp_path)
    assert run("check", path) == 0
    assert run.out.endswith("All is well.\n")
    assert [each.name for each in tmp_path.iterdir()] == ["example.ini"]


def test_every_setting_has_its_value_and_where_it_is_from(check):
    """What is written and what is a default, as it holds in the end, with units."""
    report = check(
        "beaker.session.timeout = 1800", "session.type = memory",
        "cache.regions = a, b", "cache.expire = 90", "cache.b.expire = 1h",
    )  # fmt: skip
    found = settings(report)
    assert found["beaker.session.timeout"] == ("30m", "ini")
    assert found["session.touch_interval"] == ("1m", "default")
    assert found["session.cookie_expires"] == ("true", "default")
    assert found["cache.regions"] == ("a, b", "ini")
    assert found["cache.expire"] == ("90s", "ini")
    assert found["cache.b.expire"] == ("1h", "ini")
    assert found["cache.a.key_length"] == ("250", "default")
    rows = {row["setting"]: row for row in report["settings"]}
    assert rows["beaker.session.timeout"]["instead of"] == "14d"
    assert rows["session.key"]["meaning"] == "The name of the cookie."


def test_secrets_are_masked(check, run):
    """No secret is in the report, nor what a misspelt one holds."""
    report = check(
        "session.sercet = not for your eyes", "session.constant_csrf_token = hush", code=1
    )
    assert settings(report)["session.secret"] == ("'***'", "ini")
    for secret in (SECRET, "not for your eyes", "hush"):
        assert secret not in run.out + run.err


def test_a_url_is_masked_wherever_it_is(check, run):
    """A URL may hold a password, whatever option somebody has taken for the one of the URL."""
    lines = ("session.type = memory", "session.lock_dir = redis://:hush@host")
    assert settings(check(*lines))["session.lock_dir"] == ("'***'", "ini")
    assert "hush" not in run.out + run.err


def test_signed_cookies_have_pyramids_defaults(check):
    """Of what Pyramid keeps, its defaults hold, and stand beside what is written instead."""
    found = settings(check("session.type = signed_cookie"))
    assert found["session.key"] == ("session", "default")
    assert found["session.timeout"] == ("20m", "default")
    assert found["session.reissue_time"] == ("0s", "default")
    assert found["session.set_on_exception"] == ("as cookie_on_exception", "default")
    report = check("session.type = signed_cookie", "session.timeout = 1h")
    (row,) = [row for row in report["settings"] if row["setting"] == "session.timeout"]
    assert (row["value"], row["instead of"]) == ("1h", "20m")


def test_a_default_that_depends_is_told_in_words(check, tmp_path):
    """What is known only where it is used is described, and never shown as what it is not."""
    database = f"session.url = sqlite:///{tmp_path}/db"
    found = settings(check("session.type = sql", database))
    assert found["session.table_name"] == ("beakerish; beaker_cache for Beaker's own", "default")
    assert found["session.id_generator"] == ("256 random bits", "default")
    named = settings(check("session.type = sql", database, "session.table_name = t"))
    assert named["session.table_name"] == ("t", "ini")


def test_earlier_sessions_are_named_by_where_they_are(check):
    """Sessions that are taken over show their type and format; none are none."""
    here = ("session.type = file", "session.data_dir = %(here)s")
    assert settings(check(*here))["session.previous"] == ("type = file, format = beaker", "default")
    found = settings(check(*here, "session.previous = none"))
    assert found["session.previous"] == ("none", "ini")


@pytest.mark.parametrize("seconds", ["1234567.5", "1234567", "0.25"])
def test_a_duration_has_all_its_digits(check, seconds):
    """A time that is no whole number of minutes is shown as it is."""
    found = settings(check("session.type = memory", f"session.timeout = {seconds}"))
    assert found["session.timeout"] == (f"{seconds}s", "ini")


def test_what_has_no_effect_is_left_out_unless_it_is_written(check):
    """Options of other types and of Beaker's sessions show only where the ini has them."""
    found = settings(
        check("session.type = sqlite", "session.data_dir = %(here)s", "session.auto = true")
    )
    assert found["session.auto"] == ("true", "ini")
    for name in ("max_entries", "table_name", "crypto_type", "invalidate_corrupt", "sa.*"):
        assert f"session.{name}" not in found


def test_what_a_backend_is_handed_is_shown(check):
    """Options of SQLAlchemy's, and one that nobody knows, are there as they were written."""
    report = check(
        "session.type = ext:database", "session.url = sqlite:////tmp/x", "session.sa.pool_size = 3",
        "session.format = beaker",
        "beakerish.unknown_settings = warn", "session.whatever = 5",
    )  # fmt: skip
    found = settings(report)
    assert found["session.sa.pool_size"] == ("'***'", "ini")
    assert found["session.whatever"] == ("5", "ini")
    assert found["session.format"][0] == "beaker"
    assert found["session.auto"] == ("false", "default")
    assert "stores" not in report


def test_objects_are_named_by_where_they_are(check):
    """A function is named as the ini would name it."""
    found = settings(check("session.id_generator = secrets:token_urlsafe"))
    assert found["session.id_generator"] == ("secrets:token_urlsafe", "ini")


def test_all_mistakes_are_told_with_their_remedies(check):
    """Each mistake is a sentence with the key as it was written; the code is 1."""
    report = check(
        "session.tiemout = 30m", "session.secure = perhaps", "session.type = sqlite", code=1
    )
    sentences = [row["mistake"] for row in report["mistakes"]]
    assert len(sentences) == 3
    assert "Did you mean session.timeout?" in sentences[0] + sentences[1]
    assert report["ok"] is False
    assert "stores" not in report


def test_a_store_is_contacted(check, tmp_path):
    """A store that answers has a round trip, a version and its room."""
    lines = ("session.type = sqlite", f"session.data_dir = {tmp_path}/data")
    (row,) = check(*lines)["stores"]
    assert row["state"] == "The file is made when the application starts."
    made, _ = session_settings(type="sqlite", data_dir=tmp_path / "data")
    store = open_store(made)
    store.prepare()
    store.close()
    (row,) = check(*lines)["stores"]
    assert (row["state"], row["used for"]) == ("answers", "sessions")
    assert row["version"].startswith("SQLite 3.")
    assert row["round trip"].endswith(" ms")
    assert "used" in row["room"]
    assert "free" in row["room"]


@pytest.mark.parametrize("type_name", ["cookie", "signed_cookie"])
def test_without_a_store_none_is_contacted(check, type_name):
    """Sessions that are in cookies need no store, and are in order."""
    report = check(f"session.type = {type_name}", code=0)
    assert "stores" not in report


@pytest.mark.parametrize("kind", ["file", "dbm"])
def test_files_are_contacted(check, run, tmp_path, kind):
    """A folder that is to be made has the room of the disk below it."""
    lines = (f"session.type = {kind}", f"session.data_dir = {tmp_path}/a/b")
    (row,) = check(*lines)["stores"]
    assert row["state"] == "The folder is made when the application starts."
    assert row["room"].endswith(" free")
    assert not (tmp_path / "a").exists()
    assert run("prepare", ini(tmp_path, *lines)) == 0
    (row,) = check(*lines)["stores"]
    assert row["state"] == "answers"


def test_one_store_for_several_is_one_row(check, tmp_path):
    """Sessions and regions that share a store are told together; a region that is off is not."""
    shared = [
        f"cache.{name}"
        for name in ("type = file", f"data_dir = {tmp_path}", "regions = a, b, c, off")
    ]
    report = check(
        "session.type = file", f"session.data_dir = {tmp_path}", *shared,
        "cache.b.type = memory", "cache.c.data_dir = %(here)s/c", "cache.off.enabled = false",
    )  # fmt: skip
    uses = {(row["store"], row["used for"]) for row in report["stores"]}
    assert uses == {("file", "sessions, region a"), ("memory", "region b"), ("file", "region c")}


def test_memcached_tells_its_version_and_room(check):
    """A server has a version, and as much room as it was given."""
    url = running(MemcachedServer).url
    report = check("session.type = memcached", f"session.url = {url}")
    (row,) = report["stores"]
    assert row["version"].startswith("memcached 1.")
    assert row["room"].endswith("entries")
    links = {row["advice"]: row["see"] for row in report["advice"]}
    ended = "When memcached is started again, all users are logged out: use another session.type."
    assert links[ended].startswith("https://")
    assert "When memcached is full" in advice(report)


def test_a_small_server_that_may_forget_is_not_almost_full(check):
    """What evicts when it is full has as little room as it was given, and that is told already."""
    url = running(MemcachedServer).url
    assert "left" not in advice(check("session.type = memcached", f"session.url = {url}"))


def test_memcached_tells_that_it_is_too_small(check):
    """Entries that left before their time show as advice to give more memory."""
    server = own(MemcachedServer)
    server.options = ("-m", "3")
    with server:
        store = open_store(session_settings(type="memcached", url=server.url)[0])
        for number in range(100):
            store.set(f"session:{number}", b"12345678" + b"x" * 100_000, None)
        store.close()
        report = check("session.type = memcached", f"session.url = {server.url}")
    assert "entries were evicted before they expired" in advice(report)


class EvictingRedis(RedisServer):
    """A server that removes entries when it is full, and keeps none when it ends."""

    options = (*RedisServer.options, "--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru")


def test_redis_that_ends_sessions_early_is_told(check):
    """A server that is no place for sessions is told with what to set, and where that is said."""
    with own(EvictingRedis) as server:
        report = check("session.type = redis", f"session.url = {server.url}")
    (row,) = report["stores"]
    assert row["version"].startswith("Redis ")
    assert row["room"].endswith(" free")
    links = {row["advice"]: row["see"] for row in report["advice"]}
    full = "When redis is full, users are logged out too early: set maxmemory-policy noeviction."
    ended = "When redis is started again, all users are logged out: set appendonly yes."
    assert links[full].endswith("/eviction/")
    assert links[ended].endswith("/persistence/")


def test_caches_may_lose_entries(check):
    """What only sessions suffer from is not said of a region's server."""
    with own(EvictingRedis) as server:
        report = check(
            "session.type = file", "session.data_dir = %(here)s", "cache.regions = a",
            "cache.type = redis", f"cache.url = {server.url}",
        )  # fmt: skip
    assert "redis" not in advice(report)


def test_a_missing_table_is_told(check, run, tmp_path):
    """Where nobody else makes the table, ``beakerish prepare`` is named, and makes it."""
    url = running(FastPostgreSQL).url
    lines = ("session.type = sql", f"session.url = {url}", "session.table_name = told")
    with administrator(url) as execute:
        execute("DROP TABLE IF EXISTS told_entries")
    (row,) = check(*lines)["stores"]
    assert row["version"].startswith("PostgreSQL ")
    made = "The table told_entries is made when the application starts, or by beakerish prepare."
    assert row["state"] == made
    lines = (*lines, "session.create_table = false")
    (row,) = check(*lines, code=1)["stores"]
    assert "told_entries does not exist: beakerish prepare makes it" in row["state"]
    assert run("prepare", ini(tmp_path, *lines)) == 0
    (row,) = check(*lines)["stores"]
    assert row["state"] == "answers"


DOWN = [
    ("memcached", "127.0.0.1:1", "memcached at 127.0.0.1:1 cannot be used: Connection refused"),
    ("redis", "redis://127.0.0.1:1", "the Redis server cannot be reached: Connection refused"),
    ("redis", "unix:///no/such", "the Redis server cannot be reached: No such file or directory"),
    ("sql", "postgresql://127.0.0.1:1/none", "the database cannot be used: OperationalError: "),
]


@pytest.mark.parametrize(("kind", "url", "state"), DOWN)
def test_a_server_that_is_down_is_a_failure(check, kind, url, state):
    """A store that does not answer has its reason as its state; the code is 1."""
    report = check(f"session.type = {kind}", f"session.url = {url}", code=1)
    assert report["stores"][0]["state"].startswith(state)
    assert report["ok"] is False


@pytest.mark.parametrize("kind", ["file", "sqlite", "dbm"])
def test_a_file_where_a_folder_should_be_is_a_failure(check, run, tmp_path, kind):
    """Nothing can be made below a file, and that is told as any failure of a store is."""
    (tmp_path / "file").touch()
    lines = (f"session.type = {kind}", f"session.data_dir = {tmp_path}/file")
    (row,) = check(*lines, code=1)["stores"]
    assert "Not a directory" in row["state"]
    assert run("sessions", "list", ini(tmp_path, *lines)) == 1
    assert run.err == f"beakerish: {row['state']}\n"


def test_a_folder_of_somebody_else_is_a_failure(check, monkeypatch):
    """Where this user may not write nothing can be stored."""
    # Root may write everywhere.
    monkeypatch.setattr(
        "pyramid_beakerish.stores.system.folders.os.access", lambda path, mode: False
    )
    report = check("session.type = file", "session.data_dir = %(here)s/data", code=1)
    assert "may not write to" in report["stores"][0]["state"]


def test_little_room_is_told(check, monkeypatch):
    """A disk that is about to be full is worth a word."""
    full = shutil._ntuple_diskusage(10**9, 10**9 - 5000, 5000)
    monkeypatch.setattr("pyramid_beakerish.stores.system.folders.disk_usage", lambda path: full)
    report = check("session.type = file", "session.data_dir = %(here)s/data")
    assert "less than 100 MB left" in advice(report)
    assert report["stores"][0]["room"] == "5 kB free"


def test_a_huge_disk_is_shown_in_terabytes(check, monkeypatch):
    """Room has the unit that fits."""
    huge = shutil._ntuple_diskusage(10**14, 0, 10**14)
    monkeypatch.setattr("pyramid_beakerish.stores.system.folders.disk_usage", lambda path: huge)
    report = check("session.type = file", "session.data_dir = %(here)s/data")
    assert report["stores"][0]["room"] == "90.9 TB free"


SAFE = (
    "session.type = file", "session.data_dir = %(here)s", "session.secure = true",
    "session.lifetime = 30d",
)  # fmt: skip


def test_a_safe_configuration_needs_no_advice(check):
    """Where there is nothing to say, nothing is said."""
    assert check(*SAFE)["advice"] == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("session.secret = short", "shorter than 32 characters"),
        ("session.secret = example-only-replace-me-by-a-secret-of-your-own", "is an example's"),
        ("session.secure = false", "in clear text"),
        ("session.secure = auto", "is Secure where the request is https"),
        ("session.httponly = false", "Scripts can read the cookie"),
        ("session.samesite = None", "Other sites' requests"),
        ("session.timeout = none", "never end by themselves"),
        ("session.lifetime = none", "never ends"),
        ("session.data_serializer = pickle", "Loading a pickle"),
        ("session.constant_csrf_token = x", "for tests only"),
        ("session.auto = true", "has no effect"),
    ],
)
def test_a_risk_is_told(check, line, words):
    """Each risk has its remedy in a sentence, and is no mistake."""
    name = line.partition(" = ")[0]
    lines = [each for each in SAFE if not each.startswith(name + " ")]
    assert words in advice(check(*lines, line, name="risky.ini"))


def test_a_missing_secret_is_told_with_a_link(run, tmp_path):
    """An unsigned cookie leads to advice that leads to OWASP."""
    path = tmp_path / "app.ini"
    path.write_text("[app:main]\nuse = egg:pyramid_beakerish#demo\nsession.type = memory\n")
    (row,) = [r for r in run.json("check", path)["advice"] if "secret" in r["advice"]]
    assert "cookies are not signed" in row["advice"]
    assert row["see"].startswith("https://cheatsheetseries.owasp.org/")


SHOWN = re.compile(r"""session\.secret"?\s*[=:]\s*"?([^"\n]{32,})""")


@pytest.mark.parametrize("name", ["secret", "encrypt_key", "validate_key"])
def test_no_secret_that_is_shown_is_kept_unawares(check, name):
    """Who copies a page or an example, with its secret, is told that everybody has that one."""
    root = EXAMPLE.parent
    texts = [*root.glob("docs/*.rst"), *root.glob("examples/**/*.*"), EXAMPLE, root / "README.md"]
    shown = {found for text in texts for found in SHOWN.findall(text.read_text("utf-8", "replace"))}
    assert len(shown) > 5
    for secret in shown:
        report = check(*SAFE, f"session.{name} = {secret}")
        assert f"session.{name} is an example's" in advice(report), secret


def test_without_cookies_there_is_no_advice_on_them(check):
    """What no cookie needs is not said."""
    lines = [line for line in SAFE if "secure" not in line]
    assert check(*lines, "session.use_cookies = false")["advice"] == []


def test_memory_with_several_workers_is_told(check):
    """Sessions in memory are a risk, and with several processes a fault."""
    assert "no other worker process has them" in advice(check("session.type = memory"))
    report = check("session.type = memory", server=["workers = 4"])
    assert "[server:main] starts 4 processes" in advice(report)


class Remarking(MemoryStore):
    """A store of somebody else's that tells of itself."""

    def inspect(self):
        return StoreFacts(version="Odd 7", remarks=(Advice("Odd things happen: be careful."),))


class Plain(Store):
    """A store of somebody else's with the least that a store has."""

    def __init__(self):
        self.loaded = []

    def load(self, key):
        self.loaded.append(key)

    from_settings = create = swap = set = delete = keys = None


def test_a_store_of_ones_own_can_tell_what_it_knows(check, monkeypatch):
    """What ``inspect`` gives is in the table and in the advice."""
    monkeypatch.setattr("pyramid_beakerish.stores.memory.MemoryStore", Remarking)
    report = check("session.type = memory")
    assert report["stores"][0]["version"] == "Odd 7"
    assert "Odd things happen" in advice(report)


def test_a_store_need_not_tell_anything():
    """By default a store is asked for an entry, and tells nothing."""
    Plain.__abstractmethods__ = frozenset()
    store = Plain()
    assert store.inspect() == {}
    assert store.loaded == [PROBE]


def test_what_comes_after_pyramid_beaker_is_told(check):
    """The defaults that the settings rely on and that are others, and what code may notice."""
    report = check(
        "session.type = memory",
        "session.timeout = 1h",
        "session.httponly = true",
        arguments=["--from", "pyramid_beaker"],
    )
    changed = {
        row["setting"]: (row["pyramid_beaker"], row["here"]) for row in report["changed_defaults"]
    }
    assert changed == {
        "session.secure": ("false", "auto"), "session.data_serializer": ("pickle", "msgpack")
    }  # fmt: skip
    assert "session.delete()" in [row["what"] for row in report["changed_code"]]


def test_with_beakers_own_format_less_is_different(check):
    """``session.format = beaker`` keeps Beaker's timeout and serializer."""
    lines = ("session.type = file", "session.data_dir = %(here)s", "session.format = beaker")
    report = check(*lines, arguments=["--from", "pyramid_beaker"])
    assert [row["setting"] for row in report["changed_defaults"]] == [
        "session.secure",
        "session.httponly",
    ]
    assert "stores" not in report


def test_a_section_is_chosen_as_for_pserve(run, tmp_path):
    """app.ini#name is the section [app:name]."""
    path = ini(tmp_path, "session.type = memory")
    with open(path, "a") as file:
        file.write("[app:other]\nuse = main\nsession.timeout = soon\n")
    assert run("check", path) == 0
    assert run("check", f"{path}#other") == 1
    assert run("check", f"{path}#third") == 2


def test_variables_of_the_ini_file_are_given_as_to_pserve(run, tmp_path):
    """What pserve is told as NAME=VALUE is told with --set, as often as there are variables."""
    path = ini(tmp_path, "session.timeout = %(idle)s", server=["listen = localhost:%(port)s"])
    assert run("check", path) == 2
    assert "%(idle)s" in run.err
    found = settings(run.json("check", path, "--set", "idle=7m", "--set", "port=8080"))
    assert found["session.timeout"] == ("7m", "ini")
    assert run("check", path, "--set", "idle") == 2
    assert "argument --set: invalid variable value: 'idle'" in run.err


@pytest.mark.parametrize(
    "text",
    [
        None,
        "no section\n",
        "[app:main]\nuse = no_such_section\n",
        "[app:main]\nuse = egg:pyramid_beakerish#demo\na = %(b)s\n",
        "\x00\xff",
    ],
)
def test_a_file_that_is_no_ini_file_is_an_error(run, tmp_path, text):
    """One line says why it cannot be read, and the code is 2."""
    path = tmp_path / "app.ini"
    if text is not None:
        path.write_text(text)
    assert run("check", path) == 2
    assert run.err.startswith(f"beakerish: {path} cannot be read: ")
    assert run.err.count("\n") == 1


def test_the_application_is_not_started(run, tmp_path):
    """A factory that fails is not called, and the report says what that means."""
    (tmp_path / "broken_app.py").write_text(
        "def main(*args, **settings):\n    raise SystemExit(7)\n"
    )
    path = tmp_path / "app.ini"
    path.write_text("[app:main]\npaste.app_factory = broken_app:main\nsession.type = memory\n")
    process = piped("check", str(path), env={"PYTHONPATH": f"{tmp_path}:."})
    assert process.returncode == 0, process.stderr
    assert "The application was not started" in process.stdout


@pytest.fixture
def failing(tmp_path, monkeypatch):
    """Write an application whose module has this code, and the ini file with these lines."""

    def failing(code, *lines):
        (tmp_path / "failing_app.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "failing_app", raising=False)
        path = tmp_path / "app.ini"
        path.write_text("\n".join([*lines, "session.type = memory", "session.timeout = 7m"]))
        return str(path)

    return failing


NAMED = ("[app:main]", "paste.app_factory = failing_app:main")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_library", "No module named 'no_such_library'"),
        ("raise RuntimeError('no')", "RuntimeError: no"),
        ("(", "SyntaxError: '(' was never closed (failing_app.py, line 1)"),
    ],
)
def test_an_application_that_cannot_be_imported_is_told(run, failing, code, reason):
    """Its settings are checked all the same, and one line has the error of its module."""
    report = run.json("check", failing(code, *NAMED))
    assert settings(report)["session.timeout"] == ("7m", "ini")
    assert report["not_imported"] == reason
    assert run("check", failing(code, *NAMED)) == 0
    assert f"The application could not be imported here: {reason}\n" in run.out


@pytest.mark.parametrize("use", ["call:failing_app:main", "egg:no_such_package"])
def test_an_application_is_imported_however_it_is_named(run, failing, use):
    """What ``use`` names may be absent, as where the command has an environment of its own."""
    path = failing("import no_such_library", "[app:other]", f"use = {use}")
    report = run.json("check", f"{path}#other")
    assert settings(report)["session.timeout"] == ("7m", "ini")
    assert "no_such_" in report["not_imported"]


def test_a_section_that_builds_on_another_needs_an_application(run, failing):
    """Half of its settings are elsewhere, so they are not taken for all of them."""
    path = failing("import no_such_library", *NAMED, "[app:other]", "use = main")
    assert run("check", f"{path}#other") == 2
    assert run.err == f"beakerish: {path}#other cannot be read: No module named 'no_such_library'\n"


def test_an_application_that_can_be_imported_needs_no_word(run, tmp_path):
    """The report has nothing about it."""
    assert "not_imported" not in run.json("check", ini(tmp_path, "session.type = memory"))


def test_the_example_needs_the_extra_of_the_command_alone(tmp_path):
    """Where the libraries of the demonstration are not installed, its settings are read."""
    path = shutil.copy(EXAMPLE, tmp_path)
    program = "import sys; sys.modules['markupsafe'] = None\n" + COMMAND[-1]
    process = subprocess.run(
        [sys.executable, "-c", program, "check", path],
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert "could not be imported here: import of markupsafe halted" in process.stdout
    assert process.stdout.endswith("All is well.\n")


def test_in_a_terminal_there_are_tables_and_colours(tmp_path):
    """A terminal gets boxes and styles, and links that can be followed."""
    code, sent = in_terminal("check", ini(tmp_path, "session.type = memory"))
    assert code == 0
    for sign in ("┏", "\x1b[1m", "\x1b[32mAll is well.", "\x1b]8;"):
        assert sign in sent
    code, sent = in_terminal("check", ini(tmp_path, "session.type = nothing"))
    assert code == 1
    assert "\x1b[1;31mMistakes: 1." in sent


def test_a_terminal_is_told_what_is_wrong(tmp_path):
    """A server that is down is red, and a file that is no ini file is one line."""
    down = ini(tmp_path, "session.type = redis", "session.url = redis://127.0.0.1:1")
    code, sent = in_terminal("check", down)
    assert code == 1
    assert "\x1b[1;31mStores that cannot be used: 1." in sent
    code, sent = in_terminal("check", str(tmp_path / "none.ini"))
    assert code == 2
    assert sent.startswith(f"beakerish: {tmp_path}/none.ini cannot be read")


def test_in_a_pipe_there_are_plain_lines(tmp_path):
    """A pipe gets lines with tabs, which cut and grep can use."""
    process = piped("check", ini(tmp_path, "session.type = memory"))
    assert process.returncode == 0
    assert "\x1b" not in process.stdout
    assert "session.type\tmemory\tini\t" in process.stdout
