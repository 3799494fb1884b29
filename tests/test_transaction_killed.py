"""A process that is killed while a transaction is being committed; the sessions are in files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from pyramid.config import Configurator
from webtest import TestApp

from pyramid_beakerish.transaction import LONGEST_TURN
from tests.scenarios import DataManager

PATIENCE = 60  # seconds


def later():
    """Tell the time when nobody waits for a commit any more that is over by now."""
    return time.time() + LONGEST_TURN


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def make_app(folder, moment=None, clock=time.time):
    """Make an application that is killed at a moment of its commit: ``vote`` or ``finish``."""
    config = Configurator(
        settings={
            "beakerish.clock": clock,
            "session.type": "file",
            "session.data_dir": folder,
            "session.transactional": "true",
            "tm.manager_hook": "pyramid_tm.explicit_manager",
        }
    )
    config.include("pyramid_tm")
    config.include("pyramid_beakerish")

    def pay(request):
        manager = DataManager([])
        manager.sortKey = lambda: "~~after the session"
        setattr(manager, f"tpc_{moment}", lambda transaction: die())
        request.tm.get().join(manager)
        request.session["cart"] = []
        request.session["paid"] = True

    def fill(request):
        request.session["cart"] = ["tea"]

    config.add_view(fill, name="fill", renderer="string")
    config.add_view(pay, name="pay", renderer="string")
    config.add_view(lambda request: dict(request.session), name="look", renderer="json")
    return config.make_wsgi_app()


@pytest.mark.parametrize(
    ("moment", "left"),
    [("vote", {"cart": ["tea"]}), ("finish", {"cart": [], "paid": True})],
)
def test_killed_during_the_commit(tmp_path, moment, left):
    """Killed between vote and finish the session is whole and as before; after it, as stored."""
    visitor = TestApp(make_app(str(tmp_path)))
    visitor.get("/fill")
    (cookie,) = visitor.cookies.items()
    command = [sys.executable, "-m", __name__, str(tmp_path), moment, "=".join(cookie)]
    dead = subprocess.run(command, timeout=PATIENCE, capture_output=True)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    visitor = TestApp(make_app(str(tmp_path), clock=later), cookiejar=visitor.cookiejar)
    assert visitor.get("/look").json == left
    visitor.get("/fill")
    assert visitor.get("/look").json == {**left, "cart": ["tea"]}


if __name__ == "__main__":
    folder, moment, cookie = sys.argv[1:]
    TestApp(make_app(folder, moment)).get("/pay", headers={"Cookie": cookie})
