"""A session of many keys is stored in parts, and is the dictionary that a small one is."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgpack import packb, unpackb

from pyramid_beakerish.sessions.parts import Parts
from pyramid_beakerish.stores.base import WRITE_ID_SIZE
from pyramid_beakerish.stores.memory import MemoryStore
from pyramid_beakerish.testing import FrozenClock
from pyramid_beakerish.testing.site import Site, WatchedStore

MANY = {f"key {number}": number for number in range(150)}

NAMES = st.integers(0, 170).map("key {}".format) | st.sampled_from(["", "1", "key", "ключ"])
CHANGES = st.lists(st.tuples(NAMES, st.integers() | st.none()), max_size=12)


@pytest.fixture
def store():
    return WatchedStore(MemoryStore(FrozenClock()))


@pytest.fixture
def site(store):
    return Site(store, FrozenClock())


@pytest.fixture
def visitor(site):
    return site.stranger().put(**MANY)


def apply(changes, to):
    """Set the keys to their values, and remove those that are to have none."""
    for key, value in changes:
        if value is None:
            to.pop(key, None)
        else:
            to[key] = value


def parts_of(store):
    """Give the only record, its fields, and the parts of its values."""
    (key,) = store.keys("session:")
    fields = unpackb(store.load(key)[0][WRITE_ID_SIZE:])
    return key, fields, fields[-1]


def damage(store, *numbers):
    """Have these parts of the only session hold what is nothing."""
    key, fields, parts = parts_of(store)
    for number in numbers:
        parts[number] = b"\xc1damaged"
    store.set(key, b"w" * WRITE_ID_SIZE + packb(fields), None)


@pytest.mark.parametrize("name", ["msgpack", "json"])
def test_it_is_a_dictionary(name):
    """Whatever requests do to it, it has the keys and values of a dictionary, in its order."""
    site = Site(MemoryStore(FrozenClock()), FrozenClock(), data_serializer=name)

    @given(requests=st.lists(CHANGES, max_size=4))
    def check(requests):
        visitor, model = site.stranger().put(**MANY), dict(MANY)
        for changes in requests:
            apply(changes, model)
            visitor.use(lambda session, changes=changes: apply(changes, session))
            assert list(visitor.use(lambda session: list(session.items()))) == list(model.items())
        assert visitor.use(lambda session: [session.get(key) for key in model]) == [*model.values()]

    check()


@given(first=CHANGES, second=CHANGES)
def test_parts_are_a_dictionary(first, second):
    """Changed twice they hold what a dictionary does, which is told by looking at any key."""
    model, parts = {}, Parts.of({"one": b""})
    for changes in ([*MANY.items()], first, second):
        changed = {key: str(value).encode() for key, value in changes}
        model |= changed
        parts |= changed
    assert dict(parts) == {"one": b"", **model}
    assert len(parts) == len(model) + 1
    assert all(parts.get(f"key {number}") == model.get(f"key {number}") for number in range(170))


def test_a_key_that_is_no_text(visitor):
    """It is not there, as in any session."""
    for key in (1, b"key 1", "\ud800"):
        assert not visitor.use(lambda session, key=key: key in session)


def test_requests_at_once(site, visitor):
    """Two that change it at once both win, be it one part that they change or two."""

    def slow(session):
        session["key 1"] = "mine"
        dict(session)
        visitor.twin().put(**{"key 2": "theirs", "key 149": "theirs", "new": "theirs"})

    visitor.use(slow)
    changed = {"key 1": "mine", "key 2": "theirs", "key 149": "theirs", "new": "theirs"}
    assert visitor.contents() == {**MANY, **changed}


def test_only_the_part_that_is_asked_for_is_decoded(store, visitor, caplog):
    """Of all others, damaged here, nobody hears; a change rewrites that part alone."""
    damage(store, 1, 2)
    assert visitor.use(lambda session: session["key 1"]) == 1
    visitor.put(**{"key 1": "changed"})
    assert not caplog.records
    assert parts_of(store)[2][1:3] == [b"\xc1damaged"] * 2


def test_a_damaged_part(store, visitor, caplog):
    """Its keys are not there, and it is left as it is; new keys come after it."""
    damage(store, 2)
    assert visitor.use(lambda session: session.get("key 149")) is None
    assert len(visitor.contents()) == 128
    visitor.put(**{"key 149": "new"})
    assert visitor.use(lambda session: session["key 149"]) == "new"
    assert parts_of(store)[2][2] == b"\xc1damaged"
    assert "A part of a session cannot be decoded" in caplog.text


@pytest.mark.parametrize(
    "part",
    [
        packb({"word": b"hunter2"}) + b"\x01",
        packb({b"\xffword": b"hunter2"}, use_bin_type=False),
        packb({b"word": b"hunter2"}),
    ],
    ids=["too long", "no text", "bytes"],
)
def test_a_damaged_part_is_not_quoted(caplog, part):
    """The line in the log tells what is wrong with a part, and nothing of what is in it."""
    assert dict(Parts([part])) == {}
    assert "A part of a session cannot be decoded" in caplog.text
    assert "hunter2" not in caplog.text
    assert "word" not in caplog.text


@pytest.mark.parametrize("values", [[], ["text"], [b"\x80", 1], 5, None])
def test_what_are_no_parts(store, visitor, values):
    """The visitor of such a session begins anew."""
    key, fields, _ = parts_of(store)
    store.set(key, b"w" * WRITE_ID_SIZE + packb([*fields[:-1], values]), None)
    assert visitor.use(lambda session: session.new)


def test_any_damage(store, visitor):
    """Whatever becomes of the stored bytes, the visitor is served."""
    (key,) = store.keys("session:")
    valid, chance = store.load(key)[0], random.Random(5)
    for _ in range(300):
        at = chance.randrange(WRITE_ID_SIZE, len(valid))
        store.set(key, valid[:at] + chance.randbytes(1) + valid[at + 1 :], None)
        visitor.twin().use(lambda session: (session.get("key 7"), session.update(a=1), {**session}))
