"""``session.format = beaker``: what the disk, or a failing server, has made of a record."""

from __future__ import annotations

import dbm.dumb
import errno
import json
import pickle

import pytest

from pyramid_beakerish.testing.together import Background
from tests.beaker_types import both_kinds, one_type
from tests.rivals import KEY, SECRET, BeakersFormat

pytestmark = pytest.mark.usefixtures("own_databases")


@pytest.fixture
def package():
    """This package alone, with Beaker's sessions."""
    return BeakersFormat


def see(session):
    """Give what a new session shows, too."""
    return dict(session), session.new, session.path


NOTHING = {}, True, "/"


class Damaged:
    """A serializer that gives what is ``left`` of the data."""

    left = dict

    def dumps(self, data):
        """Write JSON."""
        return json.dumps(data).encode()

    def loads(self, data):
        """Give what is left."""
        return self.left(json.loads(data))


LEFT = {
    "nothing": lambda data: None,
    "no dictionary": lambda data: tuple(data),
    "no time of use": lambda data: {**data, "_accessed_time": "9"},
    "no time of its own": lambda data: {**data, "_creation_time": float("nan")},
    "no domain": lambda data: {**data, "_domain": 1},
    "no path": lambda data: {**data, "_path": ["/"]},
}


@both_kinds
@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT)
def test_damaged_data(site, left):
    """A record that is none of Beaker's once it is decoded is a new session."""
    damaged = Damaged()
    site.set(timeout="3600", data_serializer=damaged)
    visitor = site.visitor(user="u")
    damaged.left = left
    assert visitor.do(see) == NOTHING


@one_type
@pytest.mark.parametrize("left", ["A", "a\xe9"])
@pytest.mark.parametrize("keys", [{}, {"encrypt_key": "e" * 40, "validate_key": SECRET}])
def test_damaged_text(site, left, keys):
    """A record that is no base64 is a new session, encrypted or not."""

    def damage(data):
        return pickle.dumps({"session": pickle.loads(data)["session"][:24] + left})

    site.set(**keys)
    visitor = site.visitor(user="u")
    site.damage(damage)
    assert visitor.do(see) == NOTHING


@one_type
def test_no_text(site):
    """So is one that holds something else than a text."""
    visitor = site.visitor(user="u")
    session_id = visitor.do(lambda session: session.id)
    site.damage(lambda data: pickle.dumps({"session": 1}))
    assert visitor.do(lambda session: session.new and session.id != session_id)


class Module:
    """A module for dbm files that cannot read one of them."""

    error = damaged = last = None

    def open(self, file, flags):
        """Open the file, or fail."""
        if file == self.damaged:
            raise self.error
        self.last = file
        return dbm.dumb.open(file, flags)

    def fail(self, error):
        """Have the file that was opened last raise the error."""
        self.error, self.damaged = error, self.last


@pytest.mark.parametrize("store", ["dbm"])
@pytest.mark.parametrize("error", [SyntaxError(), OSError("bad magic number"), dbm.error[0]()])
def test_damaged_dbm_files(site, error):
    """Whatever its module finds wrong with a dbm file, it is a new session."""
    module = Module()
    site.set(dbmmodule=module)
    visitor = site.visitor(user="u")
    module.fail(error)
    assert visitor.do(see) == NOTHING


@pytest.mark.parametrize("store", ["dbm"])
def test_a_dbm_file_that_cannot_be_read_now(site):
    """A fault that may pass is an error, and the session is there when it has passed."""
    module = Module()
    site.set(dbmmodule=module)
    visitor = site.visitor(user="u")
    module.fail(PermissionError(errno.EACCES, "no"))
    with pytest.raises(PermissionError):
        visitor.get("user")
    module.damaged = None
    assert visitor.get("user") == "u"


class Slowly(Module):
    """A module for dbm files during whose making of one another request comes."""

    other = None

    def __init__(self, request):
        self.request = request

    def open(self, file, flags):
        """Open the file; half of what is made is there when the other request looks."""
        made = super().open(file, flags)
        if flags == "c" and self.other is None:
            self.other = Background(self.request)
            self.other.ends(0.2)
        return made


@pytest.mark.parametrize("store", ["dbm"])
def test_a_dbm_file_that_is_being_made(site):
    """What another request has made half of is not taken for damaged."""

    def session_id():
        return site.visitor(f"{KEY}={made_up}").do(lambda session: session.id)

    module = Slowly(session_id)
    del site.settings["session.secret"]
    site.set(dbmmodule=module)
    made_up = site.made_up_id()
    assert session_id() == made_up == module.other.result()
