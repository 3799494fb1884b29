"""Fixtures that several modules take, and the servers of a run."""

from __future__ import annotations

import faulthandler
import gc
import os
import sys

import beaker.cache
import pytest
from beaker.container import FileNamespaceManager, MemoryNamespaceManager
from beaker.ext.sqla import SqlaNamespaceManager
from beaker.synchronization import _synchronizers
from beaker.util import SyncDict
from coverage import Coverage
from hypothesis import HealthCheck, settings

from pyramid_beakerish.cache import configured
from pyramid_beakerish.testing import FrozenClock
from tests import servers, waits
from tests.rivals import Beakerish, Boobytrap, PyramidBeaker

#: Each has servers of its own.
MOST_WORKERS = 4

#: Seconds that Python may take to end after the tests.
LONGEST_END = 60

# How long an example takes depends on who else uses the machine: the test's own time is bounded.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


def pytest_addoption(parser):
    """Let continuous integration insist on the servers that a laptop may lack."""
    parser.addoption(
        "--servers-required",
        action="store_true",
        help="fail, and do not skip, where a server's programs are not installed",
    )
    parser.addoption(
        "--without-servers",
        action="store_true",
        help="skip what needs a server, as on a machine that has none",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Have one worker more than processors, as each waits for servers a fifth of its time."""
    return min((os.cpu_count() or 1) + 1, MOST_WORKERS)


def pytest_configure(config):
    if config.getoption("--servers-required"):
        servers.Policy.refuse = pytest.fail
    if config.getoption("--without-servers"):
        servers.process.find_program = lambda name: None


def pytest_collection_finish():
    """Spare the garbage collector ten thousand tests: to look at them took a tenth of all time."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logreport(report):
    """Forget what a test has logged that passed: thousands of them would fill the memory."""
    if report.passed:
        report.sections.clear()


def pytest_terminal_summary(terminalreporter):
    """Tell at the end what was skipped, and which command brings what it needs."""
    skipped = terminalreporter.stats.get("skipped", ())
    for reason in sorted({report.longrepr[2] for report in skipped}):
        terminalreporter.write_line(reason)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    servers.stop_all()
    servers.remove_folders()
    # A thread that never ends would keep Python from its end: then all are shown, and it ends.
    faulthandler.dump_traceback_later(LONGEST_END, exit=True, file=sys.__stderr__)


@pytest.fixture(autouse=True)
def _trap_is_set():
    """Let no test see that an earlier one has loaded a planted pickle."""
    Boobytrap.sprung = False


@pytest.fixture(scope="session", autouse=True)
def _long_waits():
    """Give servers more time than the package does, on a machine that may be busy."""
    with waits.long_waits():
        yield


@pytest.fixture
def measured_children(monkeypatch):
    """Have coverage count what forked children run, where only they run it.

    Not for all, by its patch of ``os._exit``: each of hundreds writes all that its parent has run
    so far, a tenth of the time of the whole suite.
    """
    measured, leave = Coverage.current(), os._exit

    def save_and_leave(status):
        measured.save()
        leave(status)

    if measured is not None:
        monkeypatch.setattr(os, "_exit", save_and_leave)


@pytest.fixture
def usual_waits():
    """Give servers the time that the package does, where that is what is tested."""
    with waits.usual_waits():
        yield


@pytest.fixture
def clock():
    """Time that passes when told."""
    return FrozenClock()


@pytest.fixture(params=[Beakerish, PyramidBeaker], ids=lambda kind: kind.package)
def package(request):
    """Each of the two packages."""
    return request.param


@pytest.fixture(params=["memory", "file"])
def store(request):
    """Each kind of store that both packages have."""
    return request.param


@pytest.fixture
def site(package, store, tmp_path, monkeypatch):
    """An application with each package and each kind of store."""
    return package(store, tmp_path / "data", monkeypatch)


@pytest.fixture
def own_databases(monkeypatch):
    """Close the databases that a test has opened: Beaker keeps each as long as the process."""
    engines = SyncDict()
    monkeypatch.setattr(SqlaNamespaceManager, "binds", engines)
    monkeypatch.setattr(SqlaNamespaceManager, "tables", SyncDict())
    yield
    for engine in engines.dict.values():
        engine.dispose()


@pytest.fixture
def own_caches(monkeypatch):
    """Give a test a process of its own, as far as caches are concerned."""
    monkeypatch.setattr(configured.configured, "regions", None)
    monkeypatch.setattr(beaker.cache, "cache_regions", {})
    monkeypatch.setattr(beaker.cache, "cache_managers", {})
    monkeypatch.setattr(MemoryNamespaceManager, "namespaces", SyncDict())
    monkeypatch.setattr(FileNamespaceManager, "namespaces", SyncDict(), False)
    yield
    _synchronizers.clear()
