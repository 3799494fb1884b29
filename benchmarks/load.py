"""What a web server with Redis behind it answers under load: requests per second, and latency.

python -m benchmarks load
"""

from __future__ import annotations

import http.client
import itertools
import json
import subprocess
import sys
from abc import abstractmethod
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.servers import new_folder, own, remove_folders
from tests.servers.process import HOST, PATIENCE, Server, program
from tests.servers.redis import RedisServer
from tests.servers.wrk import Wrk

from . import promises
from .harness import Rounds, Table, pin, unpin
from .served import BARE, BEAKER, OURS, REDIS, SESSIONS, THEIR_REDIS
from .servers import are_there
from .site import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS = (RedisServer, Wrk)
CONTESTANTS = (OURS, BEAKER, THEIR_REDIS, BARE)
KINDS = ("read", "write")
#: Visitors with a session each, and the connections on which they come. So many visitors that
#: nobody has two requests under way: who comes again has been answered long since.
VISITORS, CONNECTIONS = 1000, 16
RATE = "requests per second"
LATENCIES = ("p50", "p99", "p99.9")
SCRIPT = str(Path(__file__).with_name("visitors.lua"))


class WebServer(Server):
    """A web server that serves the application with sessions of some kind."""

    programs = ()
    debian = ""
    #: Whether all of it runs on one processor, as it is one process of Python.
    one_process = False

    def __init__(self, folder: Path, sessions: str, redis_url: str) -> None:
        super().__init__(folder)
        self._environ = [f"{SESSIONS}={sessions}", f"{REDIS}={redis_url}"]

    def command(self) -> list[str]:
        """Run in the foreground."""
        return ["env", *self._environ, sys.executable, "-m", *self.arguments()]

    @abstractmethod
    def arguments(self) -> list[str]:
        """Give the module that serves, and what it is told."""

    def answers(self) -> bool:
        """Tell whether it serves a page."""
        try:
            return get(self.port, "read")[0] == http.client.OK
        except OSError:
            return False

    def __exit__(self, *error: object) -> None:
        self.stop()  # gunicorn's processes end when their parent tells them to


class Waitress(WebServer):
    """One process of 4 threads."""

    title = "waitress, 4 threads"
    one_process = True

    def arguments(self) -> list[str]:
        """Listen with the defaults."""
        where = ["--host", HOST, "--port", str(self.port)]
        return ["waitress", *where, "--call", "benchmarks.served:app"]


class Gunicorn(WebServer):
    """Four processes, each for one request at a time."""

    title = "gunicorn, 4 workers"

    def arguments(self) -> list[str]:
        """Listen with the default kind of workers, which close each connection."""
        where = ["--bind", f"{HOST}:{self.port}", "--workers", "4"]
        return ["gunicorn", *where, "--log-level", "warning", "benchmarks.served:app()"]


def tables(
    rounds: int = 9,
    seconds: int = 2,
    servers: tuple[type[WebServer], ...] = (Waitress, Gunicorn),
    contestants: tuple[str, ...] = CONTESTANTS,
    kinds: tuple[str, ...] = KINDS,
    visitors: int = VISITORS,
    warm_up: int = 1,
) -> Iterator[Table]:
    """Have all contestants answer by turns on each web server."""
    if not are_there(*SERVERS, what="web servers under load"):
        return
    for kind in servers:
        with own(RedisServer) as redis, ExitStack() as stack:
            promises.check(settings_of(type="ext:redis", url=redis.url))
            sites = {
                name: Crowd(stack.enter_context(kind(new_folder(), name, redis.url)), visitors)
                for name in contestants
            }
            if kind.one_process:
                pin(*(site.server.pid for site in sites.values()), beside=(redis.pid,))
            for page in kinds:
                for site in sites.values():
                    site.come(page, warm_up)
                found = by_turns(page, sites, rounds, seconds)
                table = _table(f"{kind.title}, Redis behind it: a page that {page}s", found)
                table.notes.append(f"medians and quartiles of {rounds} rounds of {seconds} seconds")
                yield table
            for name in sites.keys() - {BARE}:
                sites[name].check_counters()
            unpin()
    remove_folders()


def by_turns(
    page: str, sites: dict[str, Crowd], rounds: int, seconds: int
) -> dict[str, list[dict[str, float]]]:
    """Have each site answer one after the other, again and again."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in sites}
    for _, (name, site) in itertools.product(range(rounds), sites.items()):
        found[name].append(site.come(page, seconds))
    return found


def _table(title: str, found: dict[str, list[dict[str, float]]]) -> Table:
    table = Table(f"{title}: {RATE}, and latencies in milliseconds")
    for column in (RATE, *LATENCIES):
        values = {name: [each[column] for each in runs] for name, runs in found.items()}
        table.columns[column] = Rounds(values)
    rates = table.columns[RATE]
    for other in found:
        if other != OURS:
            ratios = rates.ratios(OURS, other)
            first, third = ratios.quartiles(OURS)
            ratio = f"{ratios.median(OURS):.2f} [{first:.2f}..{third:.2f}]"
            table.notes.append(f"{OURS} answers {ratio} times as many requests as {other}")
    return table


class Crowd:
    """Visitors of a site who each have a session there, and how often they wrote to it."""

    def __init__(self, server: WebServer, visitors: int) -> None:
        self.server = server
        self._cookies = [get(server.port, "write")[1] for _ in range(visitors)]
        self._file = server.folder / "cookies"
        self._file.write_text("\n".join(self._cookies))
        self._written, self._cut_off = visitors, 0

    def come(self, page: str, seconds: int) -> dict[str, float]:
        """Ask for a page as often as can be in that time, and give what wrk tells."""
        if not seconds:
            return {}
        told = self._wrk(page, f"-d{seconds}s")
        if told["failed"] or not told["requests"]:
            raise RuntimeError(f"{self.server.command()} fails under load: {told}")
        if page == "write":
            self._written += told["requests"]
            self._cut_off += CONNECTIONS
        return {**told, RATE: told["requests"] / told["seconds"]}

    def _wrk(self, page: str, time: str) -> dict[str, Any]:
        url = f"http://{HOST}:{self.server.port}/{page}"
        many = [program("wrk"), "-t1", f"-c{CONNECTIONS}", time, "-s", SCRIPT, url, "--"]
        ended = subprocess.run(
            [*many, str(self._file)], check=True, capture_output=True, timeout=PATIENCE
        )
        told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return told

    def check_counters(self) -> None:
        """See that each answered request has counted, and none twice.

        At the end of its time wrk takes no more answers, of one request on each connection.
        """
        counted = sum(int(get(self.server.port, "read", cookie)[2]) for cookie in self._cookies)
        if not self._written <= counted <= self._written + self._cut_off:
            raise RuntimeError(f"{self._written} requests have counted to {counted}")


def get(port: int, page: str, cookie: str = "") -> tuple[int, str, str]:
    """Ask for a page; give the status, the cookie and the body."""
    with closing(http.client.HTTPConnection(HOST, port, timeout=PATIENCE)) as connection:
        connection.request("GET", f"/{page}", headers={"Cookie": cookie})
        answer = connection.getresponse()
        given = (answer.getheader("Set-Cookie") or "nobody=0").partition(";")[0]
        return answer.status, given, answer.read().decode()
