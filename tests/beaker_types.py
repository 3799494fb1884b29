"""Beaker's types of sessions that need no server, and pyramid_beaker over the same store."""

from __future__ import annotations

import pytest
from beaker.container import MemoryNamespaceManager

from tests.rivals import PyramidBeaker

TYPES = ["memory", "file", "dbm", "cookie", "ext:database", "ext:sqla", "own"]
KEPT = [store for store in TYPES if store != "cookie"]

kept = pytest.mark.parametrize("store", KEPT)
one_type = pytest.mark.parametrize("store", ["file"])
both_kinds = pytest.mark.parametrize("store", ["file", "cookie"])


def neighbour(site, monkeypatch):
    """Give the same application with pyramid_beaker, over the same sessions."""
    spaces = MemoryNamespaceManager.namespaces
    other = PyramidBeaker("memory", site.folder, monkeypatch)
    monkeypatch.setattr(MemoryNamespaceManager, "namespaces", spaces)
    settings = {key: value for key, value in site.settings.items() if key != "session.format"}
    other.settings, other.store = settings, site.store
    return other
