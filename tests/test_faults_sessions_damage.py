"""Faults of Beaker's sessions, rows 17 to 21 and 29: full disks, damaged and foreign records."""

from __future__ import annotations

import contextlib
import logging
import pickle
import re
import resource
import sys
from types import ModuleType

import pytest

from tests.rivals import BeakersFormat, Boobytrap, PyramidBeaker, planted

DAMAGE = {
    "empty": lambda data: b"",
    "garbage": lambda data: b"\x80garbage" * 20,
    "truncated": lambda data: data[: len(data) // 2],
}
_DAMAGED = re.compile("corrupt|damaged").search


@contextlib.contextmanager
def full_disk():
    """Let no file grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("store", ["file"])
def test_row_17_a_read_is_served_where_writes_are_refused(site, caplog):
    """A page that only reads is served although the disk is full; that is logged."""
    site.set(timeout="600")
    visitor = site.visitor(user="u")
    site.clock.advance(120)
    with site.beaker_fails(OSError):
        with full_disk():
            assert visitor.get("user") == "u"
        assert "could not be extended" in caplog.text
    site.clock.advance(300)
    assert visitor.get("user") == "u"


@pytest.mark.parametrize("store", ["file"])
@pytest.mark.parametrize(
    ("serializer", "value"), [("pickle", lambda: None), ("json", {1, object()})]
)
def test_row_18_a_value_that_cannot_be_stored_destroys_nothing(site, serializer, value):
    """After a value that cannot be stored the session holds what it held before."""
    site.set(data_serializer=serializer)
    visitor = site.visitor(user="u")
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        visitor.set(bad=value)
    with site.beaker_fails():
        assert visitor.get("user") == "u"


@pytest.mark.parametrize("damage", DAMAGE)
def test_row_19_a_damaged_record_is_no_session(site, damage, caplog):
    """A record that cannot be read is logged, and the visitor has a new session."""
    visitor = site.visitor(user="u")
    site.damage(DAMAGE[damage])
    with site.beaker_fails(Exception):
        assert visitor.get("user") is None
        visitor.set(user="v")
        assert visitor.get("user") == "v"
        assert {r.levelno for r in caplog.records if _DAMAGED(r.message)} == {logging.WARNING}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("end", ["invalidate", "delete"])
def test_row_19_a_damaged_record_can_be_ended(site, damage, end):
    """Logging out of a session whose record cannot be read is no error."""
    visitor = site.visitor(user="u")
    site.damage(DAMAGE[damage])
    with site.beaker_fails(Exception):
        visitor.do(lambda session: getattr(session, end)())
        assert visitor.get("user") is None


@pytest.fixture
def shop(monkeypatch):
    """A module of the application with a class whose objects are kept in sessions."""
    module = ModuleType("shop")

    class Cart:
        """A cart."""

        def __reduce__(self):
            return type(self), ("things",)

        def __init__(self, things):
            """Take the things."""

    Cart.__module__, Cart.__qualname__ = "shop", "Cart"
    module.Cart = Cart
    monkeypatch.setitem(sys.modules, "shop", module)
    return module


def _renamed(shop):
    shop.Basket = shop.Cart
    del shop.Cart
    return "shop.Basket"


def _changed(shop):
    shop.Cart.__init__ = lambda cart: None
    return "shop.Cart"


@pytest.mark.parametrize("deploy", [_renamed, _changed])
def test_row_20_a_class_that_has_changed_costs_one_key(site, shop, deploy):
    """Where a release renames or changes a class, what else is in the session is still read."""
    site.set(data_serializer="pickle")
    site.set_ours(pickle_classes="shop.Cart")
    visitor = site.visitor(user="u", cart=shop.Cart("things"))
    classes = deploy(shop)
    site.set_ours(pickle_classes=classes)
    site.start()
    with site.beaker_fails(AssertionError, AttributeError):
        assert visitor.get("user") == "u"
        assert visitor.get("cart") is None


@pytest.mark.parametrize("package", [BeakersFormat, PyramidBeaker], ids=lambda kind: kind.package)
@pytest.mark.filterwarnings("ignore:Invalidating corrupt session")
def test_row_21_false_is_false(site):
    """With ``invalidate_corrupt = false`` in the ini file a damaged record is an error."""
    site.set(invalidate_corrupt="false")
    visitor = site.visitor(user="u")
    site.damage(lambda data: data[:7])
    errors = (ValueError, EOFError, pickle.PickleError)
    with site.beaker_fails(pytest.fail.Exception), pytest.raises(errors):
        visitor.get("user")


@pytest.mark.parametrize("store", ["file"])
@pytest.mark.parametrize("serializer", ["json", None])
def test_row_29_the_store_is_not_unpickled(site, serializer):
    """What an intruder writes into the store is not run when a session is read."""
    if serializer:
        site.set(data_serializer=serializer)
    visitor = site.visitor(user="u")
    site.damage(planted)
    Boobytrap.sprung = False
    with contextlib.suppress(Exception):
        visitor.get("user")
    with site.beaker_fails():
        assert not Boobytrap.sprung
