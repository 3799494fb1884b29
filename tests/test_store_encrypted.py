"""``session.encrypt_key``: what the store holds can be read by nobody else."""

from __future__ import annotations

import sys

import pytest

from pyramid_beakerish.errors import SettingsError
from pyramid_beakerish.settings import read_session_settings, read_settings
from pyramid_beakerish.stores.encrypted import EncryptedStore
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import StoreSuite
from tests.beaker_peer import fill, see
from tests.beaker_records import SECRET
from tests.file_help import files
from tests.previous_help import Here

OLD, NEW = "the older secret of these tests", "the newer secret of these tests"
VALUE = b"12345678contents of a session"
#: The entry ``a`` of that value, as version 0.1 has encrypted it with OLD.
STORED = (
    "3132333435363738e512db3bcca925081ea6b341369f9349f40373f3a344f6c1"
    "f41d08b8f38c6bdc8bc97e76936724401f3a777985dd2e4d16"
)


class TestEncryptedStore(StoreSuite):
    """It is a store as any other."""

    shared_by_processes = False

    def make_store(self, clock, folder):
        """Encrypt what is in memory."""
        return EncryptedStore(MemoryStore(clock), [NEW, OLD])


@pytest.fixture
def inner():
    """The store that somebody else reads."""
    return MemoryStore()


def test_nothing_can_be_read(inner):
    """The bytes that are stored hold nothing of the value but its write id, and never repeat."""
    store = EncryptedStore(inner, [NEW])
    seen = set()
    for _ in range(3):
        store.set("a", VALUE, None)
        stored = inner.load("a")[0]
        assert b"contents" not in stored
        assert stored[:8] == VALUE[:8]
        seen.add(stored)
    assert len(seen) == 3


def test_what_an_earlier_version_has_stored(inner):
    """An update of this package logs nobody out: what is in the store can still be read."""
    inner.set("a", bytes.fromhex(STORED), None)
    assert EncryptedStore(inner, [NEW, OLD]).load("a")[0] == VALUE


def test_keys_are_replaced(inner):
    """A new key is put before the old one: it encrypts, and both decrypt."""
    EncryptedStore(inner, [OLD]).set("a", VALUE, None)
    both = EncryptedStore(inner, [NEW, OLD])
    assert both.load("a")[0] == VALUE
    both.set("a", VALUE, None)
    assert EncryptedStore(inner, [NEW]).load("a")[0] == VALUE


@pytest.mark.parametrize(
    "change",
    [
        lambda stored: stored[:-1] + bytes([stored[-1] ^ 1]),
        lambda stored: bytes([stored[0] ^ 1]) + stored[1:],
        lambda stored: stored[:8] + bytes([stored[8] ^ 1]) + stored[9:],
        lambda stored: stored[:-1],
        lambda stored: stored[:20],
        lambda stored: stored[:10],
        lambda stored: stored[:8],
        lambda stored: stored[:3],
        lambda stored: VALUE,
    ],
)
def test_what_was_changed_is_not_read(inner, change):
    """Of bytes that were changed at any place nothing but the write id is given."""
    store = EncryptedStore(inner, [NEW, OLD])
    store.set("a", VALUE, None)
    stored = change(inner.load("a")[0])
    inner.set("a", stored, None)
    assert store.load("a")[0] == stored[:8]
    assert store.load_many(["a"])["a"][0] == stored[:8]


def test_what_was_moved_is_not_read(inner):
    """The bytes of one entry, copied to another, are nothing there."""
    store = EncryptedStore(inner, [NEW])
    store.set("mallory", VALUE, None)
    inner.set("victim", inner.load("mallory")[0], None)
    assert store.load("victim")[0] == VALUE[:8]


def test_sessions(tmp_path):
    """Sessions are encrypted on disk, and one of another key is a new session."""
    settings = {
        "session.type": "file",
        "session.data_dir": str(tmp_path),
        "session.secret": SECRET,
        "session.encrypt_key": OLD,
        "session.previous": "none",
    }
    application = Here(settings)
    cookie = application.begin(fill)
    assert application.do(see, cookie)["user"] == "u\u00e9"
    stored = b"".join(path.read_bytes() for path in files(tmp_path))
    assert b"hello" not in stored
    assert b"cart" not in stored
    rotated = Here({**settings, "session.encrypt_key": f"{NEW}\n{OLD}"})
    assert rotated.do(see, cookie)["user"] == "u\u00e9"
    other = Here({**settings, "session.encrypt_key": NEW})
    assert other.do(see, cookie) == {}
    assert other.refused == ["corrupt record"]


def test_without_the_library(monkeypatch):
    """Encryption that was asked for and cannot be had is an error at start, or at first use."""
    monkeypatch.setitem(sys.modules, "cryptography", None)
    settings = {"session.encrypt_key": SECRET}
    with pytest.raises(SettingsError) as caught:
        read_settings(settings)
    assert caught.value.problems == (
        "session.encrypt_key needs pyramid_beakerish[encryption]: install it.",
    )
    assert read_session_settings(settings)


def test_validate_key_alone():
    """``validate_key`` has no effect on a server's records, and a line says why."""
    _, said = read_session_settings({"session.secret": SECRET, "session.validate_key": SECRET})
    (line,) = said
    assert line.startswith("session.validate_key has no effect: a record on the server")
