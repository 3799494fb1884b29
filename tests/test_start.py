"""What an application imports before its first request: what its settings ask for, and no more."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: What only some settings need. Beaker's own sessions and regions import all clients there are.
OPTIONAL = (
    "Crypto",
    "beaker.cache",
    "beaker.crypto",
    "cryptography",
    "pymemcache",
    "pymongo",
    "redis",
    "sqlalchemy",
    "transaction",
    "twisted",
)

#: What of ours, and of Python's own, only some settings need.
NOT_FOR_MEMORY = (
    "importlib.metadata",
    "pickletools",
    "pyramid.session",
    "pyramid_beakerish.cache.function",
    "pyramid_beakerish.cache.region",
    "pyramid_beakerish.serializers.pickles",
    "pyramid_beakerish.sessions.client_side",
    "pyramid_beakerish.sessions.previous",
    "zoneinfo",
)

SITE = """
import sys
from pyramid.config import Configurator
config = Configurator(settings=%r)
before = set(sys.modules)  # an installed package may import its own at the start of Python
config.include("pyramid_beakerish")
config.make_wsgi_app()
print(*sorted(set(sys.modules) - before))
"""


def imported(optional=OPTIONAL, **options):
    """Give those of the optional modules that an application with such sessions imports."""
    settings = {"session.secret": "s" * 32} | {f"session.{k}": v for k, v in options.items()}
    run = [sys.executable, "-c", SITE % settings]
    output = subprocess.run(run, check=True, capture_output=True, text=True, timeout=60).stdout
    return [name for name in optional if name in output.split()]


def test_memory_imports_no_library_that_other_settings_need():
    """Sessions in memory need no client library, no cryptography and none of Beaker's sessions."""
    assert imported(type="memory") == []


def test_memory_imports_no_module_that_other_settings_need():
    """Nor regions, earlier sessions, those that visitors keep, pickles or time zones."""
    assert imported(NOT_FOR_MEMORY, type="memory") == []


@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_local_files_import_no_library_that_other_settings_need(tmp_path, kind):
    """Nor do sessions in files and in SQLite."""
    assert imported(type=kind, data_dir=str(tmp_path)) == []


def test_redis_imports_its_client_alone():
    """Sessions in Redis import redis-py, and no other client."""
    assert "pymongo" not in (found := imported(type="redis", url="redis://localhost:1"))
    assert "redis" in found
    assert not {"beaker.cache", "sqlalchemy", "twisted", "pymemcache"} & set(found)
