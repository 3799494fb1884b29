"""The benchmarks of servers under load and of very many sessions go through with small numbers.

Each in a process of its own, as they choose processors and what is imported. Those that need what
only ``make bench`` installs run where that is: ``make test-bench``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import require
from tests.servers.memcached import MemcachedServer
from tests.servers.postgresql import PostgreSQLServer
from tests.servers.redis import RedisServer
from tests.servers.wrk import Wrk

TOP = Path(__file__).parent.parent
#: What has coverage measure the processes that a test starts.
MEASURING = "COVERAGE_PROCESS_CONFIG"


def lines_of(module, tables, before=""):
    """Give the lines that a benchmark prints."""
    program = f"from benchmarks import {module} as b\n{before}\nfor table in b.{tables}:\n"
    program += "    print(*table.lines(), sep='\\n')\n"
    return run(program).splitlines()


def run(program, folder=TOP, **environ):
    """Run it beside the benchmarks; give what it prints.

    Its coverage is not measured: under CPython 3.11 a thread can die of it at its start, and a pool
    of processes would wait for that one for ever.
    """
    unmeasured = {name: value for name, value in os.environ.items() if name != MEASURING}
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**unmeasured, "PYTHONPATH": str(TOP), **environ},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_load():
    """A server answers under load, and each answered request has counted once."""
    for kind in (Wrk, RedisServer):
        require(kind)
    some = "servers=(b.Waitress,), contestants=(b.OURS, b.BARE), kinds=('write',), visitors=200"
    lines = lines_of("load", f"tables(rounds=1, seconds=1, warm_up=0, {some})")
    assert lines[1].startswith("waitress, 4 threads, Redis behind it: a page that writes")
    assert "times as many requests as without sessions" in lines[-2]
    assert lines[-1] == "  medians and quartiles of 1 rounds of 1 seconds"


def test_load_shares_the_processors():
    """A web server of one process has one processor to itself; Redis and wrk have the other."""
    for kind in (Wrk, RedisServer):
        require(kind)
    program = (
        "import os\n"
        "from benchmarks import harness, load as b\n"
        "own, servers = b.own, []\n"
        "b.own = lambda kind: servers.append(own(kind)) or servers[0]\n"
        "some = {'servers': (b.Waitress,), 'contestants': (b.OURS,), 'kinds': ('read',)}\n"
        "for table in b.tables(rounds=1, seconds=1, visitors=20, warm_up=0, **some):\n"
        "    given = [os.sched_getaffinity(pid) for pid in (0, servers[0].pid)]\n"
        "    print(given == [set(harness.PROCESSORS[:1])] * 2 or len(harness.PROCESSORS) < 2)\n"
    )
    assert run(program) == "True\n"


def test_load_without_its_programs():
    """What needs a program that is not installed is left out, by name."""
    program = (
        "from tests.servers.process import Server\n"
        "Server.missing_programs = classmethod(lambda kind: kind.programs)\n"
        "from benchmarks import load\n"
        "assert not list(load.tables())\n"
    )
    expected = "left out for want of redis-server, wrk: web servers under load"
    assert run(program).splitlines()[-1] == expected


def test_sweep():
    """Each store is swept while a thread and a process use it, and keeps what they write."""
    require(PostgreSQLServer)
    lines = lines_of("sweep", "tables(entries=400, quiet=0.02)")
    names = [line.split("  ")[0] for line in lines[3:7]]
    assert names == ["memory", "file", "sqlite", "sql, PostgreSQL"]
    assert "others wait" in lines[7]


class TestBesideTheirPeers:
    @pytest.fixture(autouse=True)
    def _peers(self):
        for name in ("cachetools", "cashews", "django", "dogpile.cache", "pyramid_nacl_session"):
            pytest.importorskip(name, reason="make test-bench installs it")

    def test_sessions(self):
        """Each kind of request is measured in each kind of store, an untouched session as well."""
        for kind in (RedisServer, MemcachedServer):
            require(kind)
        lines = lines_of("sessions", "tables(rounds=1)", before="b.THREADS = 2")
        titles = [line for line in lines if line.startswith("sessions in ")]
        assert len(titles) == 6
        untouched = [line for line in lines if line.startswith("  untouched: ")]
        assert len(untouched) == 9
        assert all(", at most 0.2: " in line for line in untouched)
        assert sum("read, 2 threads          write, 2 threads" in line for line in lines) == 2

    def test_payloads(self):
        """Sessions of each size are read and changed in memory and in Redis, and have a size."""
        require(RedisServer)
        lines = lines_of("payloads", "tables(rounds=2, sizes=(1, 100), on_server=(1, 70))")
        for start in ("reading one key", "changing one key", "one key of many, in Redis", "bytes"):
            assert sum(line.startswith(start) for line in lines) == 1
        assert sum("write, 70 keys" in line for line in lines) == 1

    def test_regions(self):
        """Hits of few entries and of many are measured in the same rounds, each by its target."""
        require(RedisServer)
        lines = lines_of("regions", "tables(rounds=2, entries=(1, 10, 300))")
        titles = [line for line in lines if line.startswith("hit of a region")]
        assert len(titles) == 3
        of_many = [line for line in lines if line.startswith("  300 entries: ")]
        assert [line.split(", at most ")[1].split(":")[0] for line in of_many] == ["1.5", "1.5"]
        assert all("sqlite with 1 entry" in line or "file with 1 entry" in line for line in of_many)

    def test_promises_of_a_region(self):
        """A region in which nothing expires is no contestant."""
        program = (
            "from benchmarks import promises, regions as r\n"
            "r.configure({'eternal': {'type': 'memory'}}, lambda: 1e9)\n"
            "try:\n"
            "    promises.check_region(r.cache_region('eternal'), r.FrozenClock(), r.TTL)\n"
            "except AssertionError:\n"
            "    print('refused')\n"
        )
        assert run(program) == "refused\n"

    def test_million(self):
        """Sessions and entries have a size, in memory and in Redis, and hits take their time."""
        require(RedisServer)
        lines = lines_of("million", "tables(entries=4000, in_redis=200, rounds=2)")
        titles = [line for line in lines if line.startswith(("4,000", "200", "hit"))]
        assert len(titles) == 4

    def test_processes(self):
        """Four processes serve at once, each its own visitor."""
        require(RedisServer)
        lines = lines_of("processes", "tables(rounds=2, repeated=1)")
        assert len(lines) == 3 + 6

    def test_start_is_written(self, tmp_path):
        """A table is written when it is known, with what it is of, beside those of earlier runs."""
        results = tmp_path / "benchmarks.json"
        earlier = {"title": "measured earlier", "date": "2020-01-01", "versions": {"redis": "5"}}
        results.write_text(json.dumps({"tables": [earlier]}))
        program = (
            "import functools\n"
            "from benchmarks import __main__ as command, start\n"
            "start.tables = functools.partial(start.tables, rounds=1)\n"
            "command.main('start')\n"
        )
        assert "start of an application" in run(program, tmp_path)
        kept, written = json.loads(results.read_text())["tables"]
        assert kept == earlier
        assert {"title", "times", "targets", "date", "machine", "versions"} <= set(written)
        assert "redis-server" not in written["versions"]  # which a start does not need

    def test_without_servers(self, tmp_path):
        """The rest is measured, and each table that needs one is named."""
        program = (
            "from tests.servers.process import Server\n"
            "Server.missing_programs = classmethod(lambda kind: kind.programs)\n"
            "import functools\n"
            "from benchmarks import __main__ as command, payloads\n"
            "payloads.tables = functools.partial(payloads.tables, rounds=1, sizes=(1, 20))\n"
            "command.main('payloads')\n"
        )
        lines = run(program, tmp_path).splitlines()
        assert [line for line in lines if line.startswith("left out")] == [
            "left out for want of redis-server: large sessions in Redis",
            "left out for want of redis-server: bytes stored of a session",
        ]
        assert len(json.loads((tmp_path / "benchmarks.json").read_text())["tables"]) == 2

    def test_help(self):
        """It names each part with the servers that it starts, as a wrong name does the parts."""
        program = (
            "import contextlib, sys\n"
            "from benchmarks.__main__ import arguments\n"
            "sys.stderr = sys.stdout\n"
            "for given in ('--help', 'strat'):\n"
            "    with contextlib.suppress(SystemExit):\n"
            "        arguments([given])\n"
        )
        printed = run(program)
        assert "in microseconds. (redis-server, memcached)" in printed
        assert "'strat' is none of sessions, payloads, regions, start" in printed

    def test_plots(self, tmp_path):
        """What was measured becomes two plots, in which text is text."""
        pytest.importorskip("matplotlib")
        program = (
            "from pathlib import Path\n"
            "from benchmarks.plots import HITS, TITLES, draw\n"
            "times = {f'{n:,} keys': {'one': [n, n, n], 'other': [9, 9, 9]} for n in (1, 1000)}\n"
            "tables = [{'title': title, 'times': times} for title in (HITS, *TITLES.values())]\n"
            f"draw({{'tables': tables}}, Path({str(tmp_path)!r}))\n"
        )
        run(program)
        drawn = sorted(tmp_path.glob("*.svg"))
        assert [path.name for path in drawn] == [
            "performance_entries.svg",
            "performance_payload.svg",
        ]
        assert all("<text" in path.read_text() for path in drawn)

    def test_plots_of_contradictions(self, tmp_path):
        """A plot is refused that contradicts the table of regions by more than a fifth."""
        pytest.importorskip("matplotlib")
        program = (
            "import json, pathlib, sys\n"
            "from benchmarks import plots\n"
            "def table(title, **hits):\n"
            "    return {'title': title, 'times': {plots.ONE: {n: [t] for n, t in hits.items()}}}\n"
            "tables = [table(plots.HITS, ours=1.19, theirs=1.21, drawn=9)]\n"
            "tables.append(table(plots.IN_MEMORY_TITLE, ours=1, theirs=1, told=9))\n"
            "pathlib.Path('benchmarks.json').write_text(json.dumps({'tables': tables}))\n"
            "try:\n"
            "    plots.main()\n"
            "except SystemExit as refused:\n"
            "    print(refused)\n"
        )
        assert run(program, tmp_path).splitlines() == [
            "a hit of theirs takes 1.210 in the plot and 1.000 in the table of regions",
            "measure them again: python -m benchmarks regions million",
        ]
