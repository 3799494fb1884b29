"""``beakerish sessions``: sessions are listed, shown, ended, counted and swept; ids never show."""

from __future__ import annotations

import os
import subprocess

import pytest
from msgpack import packb

from tests.command_help import COMMAND, Application, Run, clock_of_tests, in_terminal, ini, piped
from tests.servers import running
from tests.servers.memcached import MemcachedServer

DAY = 86_400


@pytest.fixture
def run(capsys):
    return Run(capsys)


@pytest.fixture(autouse=True)
def now(monkeypatch):
    """Every test begins at the same moment; gives a function that lets seconds pass."""
    monkeypatch.setattr(clock_of_tests, "now", 1_700_000_000.0)

    def advance(seconds):
        monkeypatch.setattr(clock_of_tests, "now", clock_of_tests.now + seconds)

    return advance


@pytest.fixture
def kind():
    return "sqlite"


@pytest.fixture
def app(kind, tmp_path):
    made = Application(tmp_path, f"session.type = {kind}", f"session.data_dir = {tmp_path}")
    yield made
    made.store.close()


each = pytest.mark.parametrize("kind", ["sqlite", "file"])


@pytest.fixture
def distributed(tmp_path):
    """An application with its sessions in memcached, which cannot list them."""
    url = running(MemcachedServer).url
    made = Application(tmp_path, "session.type = memcached", f"session.url = {url}")
    yield made
    made.store.close()


@each
def test_list_tells_what_there_is_and_no_id(app, run, now):
    """Each session has its times, its size and what its user was told; nothing that opens it."""
    bob = app.visitor("bob", {"device": "phone"}, cart=["a secret wish"])
    now(60)
    app.visitor(x=1)
    assert run("sessions", "list", app.ini) == 0
    title, head, first, second = run.out.splitlines()
    assert title == "# Sessions"
    columns = head.split("\t")
    newest, oldest = (dict(zip(columns, row.split("\t"), strict=True)) for row in (first, second))
    assert (newest["keys"], newest["about"], newest["created"]) == ("1", "", "2023-11-14 22:14:20Z")
    assert oldest["about"] == "device: phone"
    assert oldest["ends"] == "2023-11-28 22:14:20Z"
    assert "wish" not in run.out
    assert bob.cookies["beaker.session.id"].partition(".")[0] not in run.out


def test_list_by_user_age_use_and_size(app, run, now):
    """Conditions choose, and all of them must be met."""
    app.visitor("bob", blob="x" * 3000)
    now(2 * DAY)
    app.visitor("bob")
    app.visitor("eve")
    assert len(run.json("sessions", "list", app.ini)["sessions"]) == 3
    assert len(run.json("sessions", "list", app.ini, "--user", "bob")["sessions"]) == 2
    for condition in (["--older-than", "1d"], ["--unused-for", "36h"], ["--larger-than", "2k"]):
        (row,) = run.json("sessions", "list", app.ini, *condition)["sessions"]
        assert row["bytes"] > 3000
    never = ["--user", "eve", "--older-than", "1d"]
    assert run.json("sessions", "list", app.ini, *never)["sessions"] == []
    assert run("sessions", "list", app.ini, *never) == 0
    assert run.out == "There are no such sessions.\n"


@pytest.mark.parametrize(("order", "first"), [("used", 2), ("age", 0), ("size", 1)])
def test_list_is_sorted_and_limited(app, run, now, order, first):
    """The last used first, or the oldest, or the largest; and no more than asked for."""
    for number, size in enumerate((10, 5000, 100)):
        app.visitor(**{f"k{number}": "x" * size})
        now(60)
    found = run.json("sessions", "list", app.ini, "--sort", order, "--limit", "1")["sessions"]
    (name,) = (row["session"] for row in found)
    (key,) = run.json("sessions", "show", app.ini, name)["keys"]
    assert key["key"] == f"k{first}"


def test_a_user_whose_name_is_a_number_is_found(app, run):
    """7 on the command line is the text "7" and the number 7 of the application."""
    app.visitor(7)
    app.visitor("7")
    assert run.json("sessions", "count", app.ini, "--user", "7") == {"count": 2}


@pytest.mark.parametrize("number", [0, -5])
def test_zero_and_less_are_numbers_too(app, run, number):
    """Whatever number the application has bound is found."""
    app.visitor(number)
    assert run.json("sessions", "count", app.ini, "--user", str(number)) == {"count": 1}


@pytest.mark.parametrize(
    "spelling",
    ["07", "+7", " 7", "0_7", "\u0667", "7.0", "-0", pytest.param("7" * 5000, id="too long")],
)
def test_a_number_has_one_spelling(app, run, spelling):
    """What Python would spell in another way is no number, but some user's name."""
    app.visitor(7)
    app.visitor(0)
    assert run.json("sessions", "count", app.ini, "--user", spelling) == {"count": 0}


def test_a_user_is_not_taken_for_another(app, run):
    """The text 007 is another user than the number 7, whose sessions go on."""
    number, text = app.visitor(7, a=1), app.visitor("007", a=1)
    assert run.json("sessions", "end", app.ini, "--user", "007", "--yes") == {"ended": 1}
    assert [is_alive(browser) for browser in (number, text)] == [True, False]


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--older-than", "soon", "'soon' is not a duration: use seconds, or a number with s, m,"),
        ("--unused-for", "0", "'0' is not above zero: leave the option out."),
        ("--larger-than", "big", "'big' is not a size: use a number such as 500, 64k or 1m."),
        ("--limit", "-1", "'-1' is not a whole number above zero: use a number such as 250."),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(app, run, option, value, says):
    """A duration or size that is none is an error of the command line, which says what is one."""
    assert run("sessions", "list", app.ini, option, value) == 2
    assert f"{option}: {says}" in run.err


def fingerprint(app, run):
    (row,) = run.json("sessions", "list", app.ini)["sessions"]
    return row["session"]


@each
def test_show_names_the_keys_and_no_values(app, run):
    """Without being told to, it shows sizes alone."""
    app.visitor(cart=["wish"])
    shown = run.json("sessions", "show", app.ini, fingerprint(app, run))
    assert [row["key"] for row in shown["keys"]] == ["cart"]
    assert "value" not in shown["keys"][0]


def test_a_session_is_named_as_in_the_log(app, run, caplog):
    """What a line of the log calls a session is its name here, too."""
    caplog.set_level("INFO", "pyramid_beakerish")
    app.visitor(a=1)
    assert f"A session was begun ({fingerprint(app, run)})." in caplog.text


def test_show_reveals_values_on_demand(app, run):
    """With --reveal the values are there as Python spells them."""
    app.visitor(cart=["wish"])
    shown = run.json("sessions", "show", app.ini, fingerprint(app, run)[:6], "--reveal")
    assert shown["keys"][0]["value"] == "['wish']"


def test_a_value_that_cannot_be_read_says_so(app, run):
    """A damaged value is told as such, and the others are shown."""
    app.visitor(good=1, bad="value")
    (key,) = app.store.keys("session:")
    value, token = app.store.load(key)
    app.store.swap(key, token, value.replace(b"\xa5value", b"\xc1value"), None)
    rows = run.json("sessions", "show", app.ini, fingerprint(app, run), "--reveal")["keys"]
    values = {row["key"]: row["value"] for row in rows}
    assert values["good"] == "1"
    assert values["bad"].startswith("cannot be read")


def test_a_value_that_python_does_not_spell_says_so(app, run):
    """A number of more digits than Python writes is told as such, and the others are shown."""
    app.visitor(good=1, long=10**5000)
    rows = run.json("sessions", "show", app.ini, fingerprint(app, run), "--reveal")["keys"]
    values = {row["key"]: row["value"] for row in rows}
    assert values == {"good": "1", "long": "cannot be shown: ValueError"}


@pytest.mark.parametrize("moment", [1e300, -1e300, 2.0**62, -(2.0**62)])
def test_a_moment_that_no_date_has_says_so(app, run, moment):
    """A session that was damaged to have begun in no year is listed with the others."""
    app.visitor(good=1)
    app.visitor(bad=1)
    key, _ = app.store.keys("session:")
    value, token = app.store.load(key)
    begun = packb(clock_of_tests.now)
    app.store.swap(key, token, value.replace(begun, packb(moment), 1), None)
    rows = run.json("sessions", "list", app.ini)["sessions"]
    assert {row["created"] for row in rows} == {"no date", "2023-11-14 22:13:20Z"}


def test_what_is_no_value_has_no_size(app, run):
    """A record with something else than a value in it is listed with the others."""
    app.visitor(n=1)
    (key,) = app.store.keys("session:")
    value, token = app.store.load(key)
    app.store.swap(key, token, value.replace(b"\xc4\x01\x01", b"\x91\x01"), None)
    (row,) = run.json("sessions", "list", app.ini)["sessions"]
    assert row["bytes"] == 1


def test_a_session_is_named_by_its_handle_too(app, run):
    """The handle that users see in their own list will do."""
    app.visitor("bob")
    (row,) = run.json("sessions", "list", app.ini)["sessions"]
    assert run.json("sessions", "show", app.ini, row["handle"])["session"] == [row]
    assert run.json("sessions", "show", app.ini, row["handle"], "--user", "bob")["session"] == [row]


def test_no_handle_looks_like_an_option(app, run):
    """None has a sign in it: one that began with a hyphen could not be given to the command."""
    for _ in range(50):
        app.visitor("bob")
    rows = run.json("sessions", "list", app.ini)["sessions"]
    assert len(rows) == 50
    assert all(row["handle"].isalnum() for row in rows)


def test_a_session_that_is_not_there_is_told(app, run):
    """An unknown name, and one too short to be sure, are errors."""
    app.visitor(a=1)
    for name in ("ffffffffffff", fingerprint(app, run)[:3]):
        assert run("sessions", "show", app.ini, name) == 1
        assert run.err == f"beakerish: There is no session {name}.\n"


def test_a_name_of_several_is_refused(app, run, monkeypatch):
    """A fingerprint must be long enough to be that of one session."""
    monkeypatch.setattr("pyramid_beakerish.commands.choice.SHORTEST_FINGERPRINT", 0)
    app.visitor(a=1)
    app.visitor(a=1)
    assert run("sessions", "show", app.ini, "") == 1
    assert "give more of the fingerprint" in run.err


def is_alive(browser):
    return browser.contents() != {}


@each
def test_end_ends_one(app, run):
    """The cookie of an ended session opens nothing; another one's still does."""
    gone, stays = app.visitor(a=1), app.visitor(b=2)
    rows = run.json("sessions", "list", app.ini)["sessions"]
    names = [row["session"] for row in rows]
    contents = {n: run.json("sessions", "show", app.ini, n)["keys"][0]["key"] for n in names}
    (name,) = [n for n, key in contents.items() if key == "a"]
    assert run.json("sessions", "end", app.ini, name) == {"ended": 1}
    assert not is_alive(gone)
    assert is_alive(stays)


@each
def test_end_ends_a_users(app, run):
    """All sessions of a user end, and leave the list of that user; others go on."""
    phone, desk, other = app.visitor("bob", a=1), app.visitor("bob", a=1), app.visitor("eve", a=1)
    assert run("sessions", "end", app.ini, "--user", "bob", "--yes") == 0
    assert run.out == "Sessions ended: 2.\n"
    assert [is_alive(browser) for browser in (phone, desk, other)] == [False, False, True]
    assert run.json("sessions", "count", app.ini, "--user", "bob") == {"count": 0}


@each
def test_end_ends_all(app, run):
    """With --all everybody is logged out."""
    browsers = [app.visitor("bob", a=1), app.visitor(a=1)]
    assert run("sessions", "end", app.ini, "--all", "--yes") == 0
    assert not any(map(is_alive, browsers))


@pytest.mark.parametrize("arguments", [[], ["--all", "--user", "bob"]])
def test_end_wants_to_know_which(app, run, arguments):
    """Nothing, and everything but with conditions, is no answer."""
    assert run("sessions", "end", app.ini, *arguments) == 2
    assert "Give either" in run.err


@pytest.mark.parametrize(
    "beside",
    [["--older-than", "30d"], ["--unused-for", "1h"], ["--larger-than", "1m"], ["--all", "--yes"]],
)
def test_end_of_one_takes_no_conditions(app, run, beside):
    """A session that is named ends whatever its age, so a condition on it is refused."""
    visitor = app.visitor(a=1)
    assert run("sessions", "end", app.ini, fingerprint(app, run), *beside) == 2
    assert "only --user may be added" in run.err
    assert is_alive(visitor)


def test_end_of_many_asks_first(app, run):
    """Where nobody can be asked, --yes has to be said."""
    visitor = app.visitor(a=1)
    assert run("sessions", "end", app.ini, "--all") == 2
    assert "--yes" in run.err
    assert is_alive(visitor)


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("\n", 1)])
def test_end_takes_the_answer_in_a_terminal(app, answer, code):
    """Yes ends the sessions, anything else none."""
    visitor = app.visitor(a=1)
    found, sent = in_terminal("sessions", "end", app.ini, "--all", typed=answer)
    assert found == code
    assert "End 1 sessions? [y/N]" in sent
    assert is_alive(visitor) == bool(code)


@each
def test_sweep_tells_how_much_it_removed(app, run, now):
    """What has expired is removed, and what is alive stays."""
    app.visitor(a=1)
    app.visitor(a=1)
    now(15 * DAY)
    alive = app.visitor(a=1)
    swept = run.json("sessions", "sweep", app.ini)["removed"]
    assert swept in (0, 1, 2)  # a write may have swept before
    assert is_alive(alive)
    assert len(list(app.store.keys(""))) == 1


def test_an_expired_session_and_a_way_to_another_are_not_listed(tmp_path, run, now):
    """The list has what a cookie could open, each once."""
    app = Application(tmp_path, "session.type = file", f"session.data_dir = {tmp_path}")
    app.site = type(app.site)(app.store, clock_of_tests, renew_id_every="1m")
    visitor = app.visitor(a=1)
    now(90)
    visitor.use(lambda session: session["a"])
    assert len(list(app.store.keys("session:"))) == 2
    assert run.json("sessions", "count", app.ini) == {"count": 1}


def test_to_look_is_no_use_of_a_session(app, run, now):
    """A session that is listed and shown ends when it would have ended anyway."""
    app.visitor(a=1)
    before = run.json("sessions", "list", app.ini)
    now(DAY)
    run("sessions", "show", app.ini, before["sessions"][0]["session"], "--reveal")
    assert run.json("sessions", "list", app.ini) == before


def test_what_a_visitor_has_sent_cannot_steer_the_terminal(app, run):
    """Control characters in a device's name come out as escapes."""
    app.visitor("bob", {"device": "\x1b]0;owned\x07[bold]"}, a=1)
    run("sessions", "list", app.ini)
    assert r"\x1b]0;owned\x07[bold]" in run.out
    _, sent = in_terminal("sessions", "list", app.ini, columns=200)
    assert "\x07" not in sent
    assert "[bold]" in sent.replace("\r\n", "")


def test_what_cannot_be_encoded_is_escaped(app, monkeypatch):
    """A letter that the output's encoding lacks, as Latin-1 lacks most, is shown by its number."""
    app.visitor("bob", {"device": "h\xe4ndy \u043a"}, a=1)
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    process = piped("sessions", "list", app.ini)
    assert (process.returncode, process.stderr) == (0, "")
    assert r"device: h\xe4ndy \u043a" in process.stdout
    code, sent = in_terminal("sessions", "list", app.ini, columns=200)
    assert code == 0
    assert r"device: h\xe4ndy \u043a" in sent


def test_memcached_cannot_list(distributed, run):
    """Where the store cannot list its keys, the message says what can be done."""
    distributed.visitor("memcached-bob", a=1)
    for action in ("list", "count"):
        assert run("sessions", action, distributed.ini) == 1
        assert "cannot list its sessions" in run.err
    assert run("sessions", "show", distributed.ini, "aabbccddeeff") == 1


def test_memcached_finds_a_users(distributed, run):
    """A user's sessions are found by the index, shown, and ended."""
    visitor = distributed.visitor("memcached-eve", a=1)
    (row,) = run.json("sessions", "list", distributed.ini, "--user", "memcached-eve")["sessions"]
    named = ["sessions", "end", distributed.ini, row["session"], "--user", "memcached-eve"]
    assert run(*named) == 0
    assert not is_alive(visitor)


@pytest.mark.parametrize("kind", ["sqlite", "file", "dbm"])
@pytest.mark.parametrize("action", ["list", "sweep"])
def test_a_store_that_was_never_used_has_no_sessions(tmp_path, run, kind, action):
    """The command makes no file that would belong to whoever runs it."""
    path = ini(tmp_path, f"session.type = {kind}", f"session.data_dir = {tmp_path}/data")
    assert run("sessions", action, path) == 1
    assert "There are no sessions yet. The f" in run.err
    assert not (tmp_path / "data").exists()


def test_sessions_in_memory_cannot_be_seen(tmp_path, run):
    """No other program sees the memory of the application."""
    assert run("sessions", "list", ini(tmp_path, "session.type = memory")) == 1
    assert "session.type = memory" in run.err


def test_sessions_of_beakers_are_beakers(tmp_path, run):
    """What Beaker keeps this command cannot look at."""
    lines = ("session.type = file", "session.data_dir = %(here)s", "session.format = beaker")
    path = ini(tmp_path, *lines)
    assert run("sessions", "list", path) == 1
    assert "Beaker keeps these sessions" in run.err


@pytest.mark.parametrize("type_name", ["cookie", "signed_cookie"])
def test_sessions_that_visitors_keep_are_with_them(tmp_path, run, type_name):
    """What is in the visitors' cookies nobody can list."""
    assert run("sessions", "list", ini(tmp_path, f"session.type = {type_name}")) == 1
    assert (
        run.err == "beakerish: These sessions are in their visitors' cookies, and nowhere else.\n"
    )


def test_a_server_that_is_down_is_told(tmp_path, run):
    """Without its server the command says so in one line."""
    path = ini(tmp_path, "session.type = memcached", "session.url = 127.0.0.1:1")
    assert run("sessions", "list", path) == 1
    assert run.err.startswith("beakerish: memcached at 127.0.0.1:1 cannot be used")
    assert run.err.count("\n") == 1


def test_wrong_settings_are_told(tmp_path, run):
    """Every mistake is a line, and where to learn more is another."""
    path = ini(tmp_path, "session.timeout = soon", "session.lifetime = later")
    assert run("sessions", "list", path) == 1
    assert len(run.err.splitlines()) == 3
    assert f"beakerish check {path}" in run.err


def test_long_work_shows_progress_in_a_terminal(app):
    """A bar on the way, gone at the end; a pipe gets nothing of it."""
    for _ in range(3):
        app.visitor(a=1)
    code, sent = in_terminal("sessions", "list", app.ini)
    assert code == 0
    assert "Reading the sessions" in sent
    assert "━" in sent
    process = piped("sessions", "list", app.ini)
    assert (process.returncode, process.stderr) == (0, "")
    assert len(process.stdout.splitlines()) == 5
    assert "━" not in process.stdout


def test_a_reader_that_has_enough_is_no_error(app):
    """A pipe that is closed early, as by head, ends the command quietly."""
    app.visitor(a=1)
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [*COMMAND, "sessions", "list", app.ini]
    process = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, timeout=30)
    os.close(write_end)
    assert (process.returncode, process.stderr) == (0, b"")


def test_a_session_without_end_says_never(tmp_path, run):
    """Where nothing ends a session, its end is shown as such."""
    app = Application(tmp_path, "session.type = file", f"session.data_dir = {tmp_path}")
    app.visitor(a=1).use(lambda session: session.set_lifetime(timeout=None))
    assert run.json("sessions", "list", app.ini)["sessions"][0]["ends"] == "never"
