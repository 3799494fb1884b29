"""Fixtures that several modules take."""

from __future__ import annotations

import pytest
from beaker.ext.sqla import SqlaNamespaceManager
from beaker.util import SyncDict

from tests.rivals import Beakerish, PyramidBeaker


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
