"""From the name of a type to its store."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

from pyramid_beakerish.errors import SettingsError
from pyramid_beakerish.settings import StoreSettings, read_region_settings
from pyramid_beakerish.stores import OWN_STORES, known_types, open_store
from pyramid_beakerish.stores.file.store import FileStore
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.stores import stamped


@pytest.fixture
def installed(monkeypatch):
    """Register stores as an installed package would; give the function that does."""
    entries = []

    def registered(group):
        return importlib.metadata.EntryPoints(entries).select(group=group)

    def install(name, value):
        entries.append(importlib.metadata.EntryPoint(name, value, "pyramid_beakerish.stores"))

    monkeypatch.setattr("pyramid_beakerish.stores.registered", registered)
    return install


def test_memory():
    """The type memory makes a memory store with its bound and the clock."""
    clock = FrozenClock()
    store = open_store(StoreSettings(type="memory", max_entries=1), clock)
    assert isinstance(store, MemoryStore)
    store.set("a", stamped(), 10)
    store.set("b", stamped(), 10)
    assert list(store.keys("")) == ["b"]
    clock.advance(10)
    assert store.load("b") is None


def test_file(tmp_path):
    """The type file makes a file store in data_dir, its locks in lock_dir, with the clock."""
    clock = FrozenClock()
    data, locks = tmp_path / "data", tmp_path / "locks"
    store = open_store(StoreSettings(type="file", data_dir=str(data), lock_dir=str(locks)), clock)
    assert isinstance(store, FileStore)
    store.set("a", stamped(), 10)
    assert data.is_dir()
    assert locks.is_dir()
    clock.advance(10)
    assert store.load("a") is None


def test_file_without_a_folder():
    """The type file without a data_dir is a mistake in the settings."""
    with pytest.raises(SettingsError, match=r"^type = file needs data_dir, the folder to keep"):
        open_store(StoreSettings(type="file"))


@pytest.mark.parametrize("kind", ["file", "sqlite", "dbm"])
def test_a_region_without_a_folder(kind):
    """The mistake names the settings with the region's prefix, as no check at start has done so."""
    settings = {"cache.regions": "a", "cache.a.type": kind}
    regions, _ = read_region_settings(settings)
    told = rf"^cache\.a\.type = {kind} needs .*cache\.a\.data_dir, "
    with pytest.raises(SettingsError, match=told):
        open_store(regions["a"])


def test_a_store_is_taken_as_it_is():
    """A store object in the settings is the store."""
    store = MemoryStore()
    assert open_store(StoreSettings(type=store)) is store


def test_unknown_type():
    """A type without a store is a mistake that names the ones there are."""
    with pytest.raises(SettingsError) as caught:
        open_store(StoreSettings(type="paper"))
    assert caught.value.problems == (
        f"type = paper is not the name of a store; these are: {', '.join(sorted(OWN_STORES))}",
    )


def test_an_installed_store(installed):
    """A store of another package is found by its entry point."""
    before = known_types()
    installed("shelf", "pyramid_beakerish.stores.memory:MemoryStore")
    assert known_types() == {*before, "shelf"}
    assert isinstance(open_store(StoreSettings(type="shelf")), MemoryStore)


def test_own_names_are_ours(installed):
    """Another package cannot take the place of a store of ours."""
    installed("file", "pyramid_beakerish.stores.memory:MemoryStore")
    assert isinstance(open_store(StoreSettings(type="file", data_dir="data")), FileStore)


def test_a_missing_library(installed):
    """A store whose client library is not installed is a mistake that names the library."""
    installed("shelf", "no_such_library:Store")
    with pytest.raises(SettingsError) as caught:
        open_store(StoreSettings(type="shelf"))
    assert caught.value.problems == (
        "type = shelf needs a module that cannot be imported: No module named 'no_such_library'",
    )


def test_names_cost_no_import():
    """Asking for the known types imports no store."""
    code = (
        "import sys; from pyramid_beakerish.stores import known_types; assert known_types();"
        "sys.exit('pyramid_beakerish.stores.memory' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
