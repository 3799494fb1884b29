"""A package that somebody else has written: back ends for Beaker, and stores for this package."""

from __future__ import annotations

import contextlib
import os
import pickle
from hashlib import sha256

from beaker.container import NamespaceManager
from beaker.synchronization import file_synchronizer
from beaker.util import verify_directory

from pyramid_beakerish.stores.for_beaker import StoreNamespaceManager
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock


class ClosetNamespaceManager(NamespaceManager):
    """A back end that knows nothing of this package: a pickled dictionary for each namespace."""

    def __init__(self, namespace, closet, data_dir=None, lock_dir=None, **options):
        super().__init__(namespace)
        verify_directory(closet)
        self.path = os.path.join(closet, sha256(namespace.encode()).hexdigest())
        self.lock_dir = lock_dir or closet

    def get_creation_lock(self, key):
        return file_synchronizer(identifier=f"{self.namespace}/{key}", lock_dir=self.lock_dir)

    def _contents(self):
        with contextlib.suppress(FileNotFoundError), open(self.path, "rb") as file:
            return pickle.load(file)
        return {}

    def _write(self, contents):
        temporary = f"{self.path}.{os.getpid()}.tmp"
        with open(temporary, "wb") as file:
            pickle.dump(contents, file)
        os.replace(temporary, self.path)

    def __getitem__(self, key):
        return self._contents()[key]

    def __contains__(self, key):
        return key in self._contents()

    def __setitem__(self, key, value):
        self._write({**self._contents(), key: value})

    def __delitem__(self, key):
        contents = self._contents()
        del contents[key]
        self._write(contents)


class Shelf(MemoryStore):
    """A store with a clock that the tests can set."""

    clock = FrozenClock()

    @classmethod
    def from_settings(cls, settings, clock):
        return cls(cls.clock)


class Unlisted(MemoryStore):
    """A store that cannot list its keys."""

    def keys(self, prefix):
        return None


class ShelfNamespaceManager(StoreNamespaceManager):
    store_type = "shelf"


class BoxNamespaceManager(StoreNamespaceManager):
    store_type = "box"


class UnlistedNamespaceManager(StoreNamespaceManager):
    store_type = "unlisted"


ENTRY_POINTS = """
[beaker.backends]
closet = tests.closet:ClosetNamespaceManager
missing = tests.no_such_module:Manager
shelf = tests.closet:ShelfNamespaceManager
box = tests.closet:BoxNamespaceManager
unlisted = tests.closet:UnlistedNamespaceManager

[pyramid_beakerish.stores]
shelf = tests.closet:Shelf
box = pyramid_beakerish.stores.file.store:FileStore
unlisted = tests.closet:Unlisted
"""


def install(folder, monkeypatch):
    """Have Python find the package's metadata, as if it were installed."""
    metadata = folder / "closet-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: closet\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(folder))
