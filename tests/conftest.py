"""Fixtures that several modules take."""

from __future__ import annotations

import pytest

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
