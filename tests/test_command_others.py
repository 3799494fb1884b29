"""``beakerish cache``, ``secret`` and ``prepare``, and the command line itself."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import textwrap

import pytest

from pyramid_beakerish.cache.regions import CacheRegions
from pyramid_beakerish.commands import main, program
from pyramid_beakerish.settings import read_region_settings, session_settings
from tests.command_help import Run, in_terminal, ini, piped


@pytest.fixture
def run(capsys):
    return Run(capsys)


LINES = ("cache.regions = files, others, here",)


@pytest.fixture
def path(tmp_path):
    """An ini file with two regions in files, and one in memory."""
    own = (f"cache.{name}.{line}" for name in ("files", "others") for line in in_files(tmp_path))
    return ini(tmp_path, "session.type = memory", *LINES, *own)


def in_files(folder):
    return ("type = file", f"data_dir = {folder}")


@pytest.fixture
def regions(path, tmp_path):
    """The regions in files, as the application has them, each with two values."""
    settings = {
        "cache.regions": "files, others",
        "cache.type": "file",
        "cache.data_dir": str(tmp_path),
    }
    made = CacheRegions(read_region_settings(settings)[0])
    for region in made.values():
        region.set("a", 1)
        region.set("b", 2)
    return made


def kept(regions):
    return {name: [key for key in "ab" if region.peek(key)] for name, region in regions.items()}


def test_clear_forgets_the_named_region(run, path, regions):
    """What the application finds next is made anew; other regions keep theirs."""
    assert run("cache", "clear", path, "files") == 0
    assert run.out == "Regions cleared: files.\n"
    assert kept(regions) == {"files": [], "others": ["a", "b"]}


def test_clear_all_forgets_what_can_be_reached(run, path, regions):
    """With --all every region goes that another program can reach, and no other is named."""
    assert run.json("cache", "clear", path, "--all") == {"cleared": ["files", "others"]}
    assert kept(regions) == {"files": [], "others": []}


def test_clear_goes_on_after_a_store_that_is_down(run, tmp_path, regions):
    """One region that fails is named with its reason, and keeps no other from being cleared."""
    down = ("cache.down.type = redis", "cache.down.url = redis://127.0.0.1:1/0")
    files = (f"cache.{line}" for line in in_files(tmp_path))
    names = "cache.regions = down, files, others"
    path = ini(tmp_path, "session.type = memory", names, *down, *files, name="down.ini")
    refused = "the Redis server cannot be reached: Connection refused"
    for chosen in (["--all"], ["down", "files", "others"]):
        assert run.json("cache", "clear", path, *chosen, code=1) == {
            "cleared": ["files", "others"],
            "failed": [{"region": "down", "why": refused}],
        }
    assert kept(regions) == {"files": [], "others": []}


def test_invalidate_forgets_single_keys(run, path, regions):
    """The keys that are given are forgotten, and no other."""
    assert run("cache", "invalidate", path, "files", "a", "no such key") == 0
    assert kept(regions) == {"files": ["b"], "others": ["a", "b"]}


@pytest.mark.parametrize("kind", ["file", "sqlite", "dbm"])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["clear", "--all"], "Regions cleared: none.\nRegions that are still empty: short.\n"),
        (["invalidate", "short", "a"], "Keys forgotten in short: 0.\n"),
    ],
)
def test_a_region_that_was_never_used_is_left_alone(run, tmp_path, kind, arguments, told):
    """No folder is made before the first start: it would belong to whoever runs the command."""
    lines = ("cache.regions = short", f"cache.type = {kind}", f"cache.data_dir = {tmp_path}/data")
    path = ini(tmp_path, "session.type = memory", *lines)
    action, *rest = arguments
    assert run("cache", action, path, *rest) == 0
    assert run.out == told
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("arguments", [[], ["files", "--all"]])
def test_clear_wants_to_know_which(run, path, arguments):
    """Nothing, and both at once, is no answer."""
    assert run("cache", "clear", path, *arguments) == 2
    assert "Name regions, or use --all." in run.err


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("no_such", 2, "is not configured"),
        ("here", 1, "in the memory of each process"),
    ],
)
def test_a_region_that_cannot_be_reached_says_why(run, path, name, code, words):
    """An unknown region and one in memory are told apart."""
    assert run("cache", "clear", path, name) == code
    assert words in run.err


def test_the_ini_file_may_come_before_the_action(run, path, regions):
    """Both orders will do."""
    assert run("cache", path, "clear", "files") == 0
    assert kept(regions)["files"] == []
    assert run("sessions", path, "list") == run("sessions", "list", path)
    assert "With session.type = memory" in run.err
    assert run("check", path, "list") == 2
    assert run("sessions", "list", "sweep") == 2
    assert "sweep cannot be read" in run.err  # a file of that name, were there one


def test_secret_in_a_pipe_is_the_secret_alone():
    """A pipe gets a good secret and nothing else, another one each time."""
    first, second = (piped("secret").stdout for _ in range(2))
    assert first.count("\n") == 1
    assert first != second
    assert session_settings(secret=first.strip(), require_secret=True)


def test_secret_in_a_terminal_shows_how_to_rotate():
    """A person is shown where it goes, and that the old one stays for a while."""
    code, sent = in_terminal("secret")
    assert code == 0
    assert "session.secret =" in sent
    assert "the secret you have had until now" in sent
    assert "or the longest that set_lifetime gives" in sent.replace("\r\n", " ")


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_secret_fills_the_lines_of_the_terminal(columns):
    """However wide the terminal is, a line ends where the next word has no room."""
    _, sent = in_terminal("secret", columns=columns)
    *_, told = sent.replace("\r\n", "\n").strip().split("\n\n")
    lines = [line.rstrip() for line in told.splitlines()]
    assert lines == textwrap.wrap(" ".join(lines), columns)


def test_secret_as_json(run):
    """A program finds it under its name."""
    assert len(run.json("secret")["secret"]) == 43


def test_prepare_makes_what_is_needed_first(run, tmp_path):
    """The file of sqlite is there afterwards, with its table; to repeat it does no harm."""
    path = ini(tmp_path, "session.type = sqlite", f"session.data_dir = {tmp_path}/data")
    for _ in range(2):
        assert run("prepare", path) == 0
        assert run.out == "sqlite (sessions): prepared\n"
    assert (tmp_path / "data" / "beakerish" / "sqlite.db").exists()


def test_prepare_tells_each_of_two_alike(run, tmp_path):
    """Two files of one type are two in JSON, too; sessions in cookies need nothing."""
    lines = [f"cache.{name}.data_dir = {tmp_path / name}" for name in "ab"]
    path = ini(
        tmp_path, "session.type = cookie", "cache.regions = a, b", "cache.type = sqlite", *lines
    )
    assert run.json("prepare", path) == {
        "sqlite (region a)": "prepared",
        "sqlite (region b)": "prepared",
    }


def test_prepare_fails_where_the_database_is_down(run, tmp_path):
    """What an application puts up with when it starts is an error for who asked for a table."""
    lines = ("session.type = sql", "session.url = postgresql://127.0.0.1:1/none")
    assert run("prepare", ini(tmp_path, *lines)) == 1
    assert "the database cannot be used" in run.err


def test_prepare_fails_where_a_server_is_down(run, tmp_path):
    """What needs nothing first is prepared only if it can be used."""
    path = ini(tmp_path, "session.type = redis", "session.url = redis://127.0.0.1:1/0")
    assert run("prepare", path) == 1
    assert "the Redis server cannot be reached" in run.err


def test_prepare_fails_where_it_cannot(run, tmp_path):
    """A folder that cannot be made is an error in one line."""
    (tmp_path / "file").touch()
    path = ini(tmp_path, "session.type = sqlite", f"session.data_dir = {tmp_path}/file/data")
    assert run("prepare", path) == 1
    assert run.err.startswith("beakerish: ")


def test_without_rich_the_message_names_the_extra(monkeypatch, capsys):
    """Where the library is not installed, the command says what to install."""
    monkeypatch.setattr("pyramid_beakerish.commands.find_spec", lambda name: None)
    assert main(["secret"]) == 2
    assert "pip install 'pyramid_beakerish[command]'" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["sessions"], ["cache"], ["no-such-command"]])
def test_half_a_command_line_is_refused(run, arguments):
    """What is missing is told, with the usage, and the code is 2."""
    assert run(*arguments) == 2
    assert "usage: beakerish" in run.err


def test_help_names_the_commands_and_the_codes(run):
    """The help has every sub-command, and what the exit codes mean."""
    assert run("--help") == 0
    for word in ("check", "sessions", "cache", "prepare", "secret", "Exit codes"):
        assert word in run.out


def test_an_interruption_is_no_traceback(run, tmp_path, monkeypatch):
    """Ctrl-C ends the command with the code that shells know."""

    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(program.secret, "run", interrupt)
    assert run("secret") == 130
    assert run.err == "beakerish: Interrupted.\n"


WARNING = """
import warnings

warnings.warn("pkg_resources is deprecated as an API.", UserWarning, stacklevel=2)

class Anything:
    def __init__(self, *arguments):
        pass

def __getattr__(name):
    return Anything
"""


def test_what_pyramid_is_warned_of_is_not_told(path, tmp_path):
    """What a newer setuptools says of Pyramid is nothing that a cron job should mail."""
    (tmp_path / "pkg_resources.py").write_text(WARNING)
    process = piped("check", path, env={"PYTHONPATH": f"{tmp_path}:."})
    assert (process.returncode, process.stderr) == (0, "")


def test_the_output_may_be_caught():
    """A program that calls the command may have put any file in the place of the output."""
    with contextlib.redirect_stdout(io.StringIO()) as caught:
        assert main(["secret"]) == 0
    assert len(caught.getvalue()) == 44


def test_the_console_script_is_installed():
    """The name that people type is that of the command."""
    script = sys.executable.rpartition("/")[0] + "/beakerish"
    done = subprocess.run([script, "secret"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, len(done.stdout)) == (0, 44)
