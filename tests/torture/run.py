"""One run of the torture: servers, clients and faults, and what came of it."""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

from tests.servers import new_folder
from tests.servers.process import Server, accepts_connections

from .clients import Client

SECRET = "only the tortured applications sign with this"
SITES, CLIENTS, TABS = 2, 4, 2


class Site(Server):
    """One process that serves the application."""

    programs = ()
    debian = ""

    def __init__(self, settings):
        super().__init__(new_folder())
        self._settings = settings

    def command(self):
        return [
            *(sys.executable, "-m", "tests.torture.site"),
            *(str(self.port), json.dumps(self._settings)),
        ]

    def answers(self):
        return accepts_connections(self.port)


@dataclass
class Result:
    """What came of a run."""

    requests: int = 0
    failures: int = 0
    slowest: float = 0.0
    faults: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


class Faults:
    """Breaks things while the clients are at it, and mends them again."""

    def __init__(self, sites, server, keeps, chance):
        self.done = []
        self.losses = 0
        self._sites = sites
        self._server = server
        self._keeps = keeps
        self._random = chance

    def go_on(self, until):
        """Break something every now and then until it is time to stop."""
        kinds = [self._kill_site]
        if self._server is not None:
            kinds += [self._kill_server, self._restart_server, self._pause_server]
        while time.monotonic() < until:
            time.sleep(self._random.uniform(0.2, 0.6))
            kind = self._random.choice(kinds)
            self.done.append(kind.__name__.strip("_"))
            kind()

    def _kill_site(self):
        site = self._random.choice(self._sites)
        site.kill()
        site.start()

    def _kill_server(self):
        self._losing(self._server.kill)

    def _restart_server(self):
        self._losing(self._server.stop)

    def _losing(self, end):
        # Counted before and after: what was begun in between may or may not be there.
        self.losses += not self._keeps
        end()
        self.losses += not self._keeps
        time.sleep(self._random.uniform(0, 0.3))
        self._server.start()

    def _pause_server(self):
        self._server.pause()
        time.sleep(self._random.uniform(0.1, 0.5))
        self._server.resume()


def torture(store, seconds, seed):
    """Let clients use the application for so many seconds while things break.

    Gives a `Result`; the same seed makes the same choices, though not at the same moments.
    """
    chance = random.Random(seed)
    with ExitStack() as stack:
        server = store.server and stack.enter_context(store.server(new_folder()))
        settings = {**store.settings(server or new_folder()), "session.secret": SECRET}
        sites = [stack.enter_context(Site(settings)) for _ in range(SITES)]
        faults = Faults(sites, server, store.keeps, chance)
        ports = [site.port for site in sites]
        clients = [
            Client(f"client {number}", ports, lambda: faults.losses, chance.random())
            for number in range(CLIENTS)
        ]
        _run(clients, faults, time.monotonic() + seconds)
        return _result(clients, faults)


def _run(clients, faults, until):
    threads = [
        threading.Thread(target=client.run, args=(f"tab {tab}", until), daemon=True)
        for client in clients
        for tab in range(TABS)
    ]
    for thread in threads:
        thread.start()
    faults.go_on(until)
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a client hangs"


def _result(clients, faults):
    for client in clients:
        client.check_at_the_end()
    return Result(
        requests=sum(client.requests for client in clients),
        failures=sum(client.failures for client in clients),
        slowest=max(client.slowest for client in clients),
        faults=faults.done,
        violations=[each for client in clients for each in client.history.violations],
    )
