"""Attacks that succeed on pyramid_beaker and fail here; more of them are in docs/security.

Those that Beaker's faults had shown before are in test_faults_sessions_*.py.
"""

from __future__ import annotations

import base64
import contextlib
import pickle

import pytest
from beaker.session import SignedCookie

from tests.rivals import KEY, SECRET, Boobytrap, PyramidBeaker
from tests.servers import own
from tests.servers.memcached import MemcachedServer

PICKLED = 1  # the flag by which python-memcached knows a pickle
SLABS = range(1, 40)


class Listing(MemcachedServer):
    """One that can list what it holds: with several queues it lists one of them only."""

    options = ("-o", "no_modern")


@pytest.fixture
def unsigned(site):
    """An application without a secret."""
    del site.settings["session.secret"]
    return site


def test_a_sub_domain_sets_a_second_cookie(unsigned):
    """A cookie that a sub-domain has planted does not take the place of the visitor's own."""
    visitor = unsigned.visitor(user="u")
    own, planted = f"{KEY}={visitor.cookie}", f"{KEY}={unsigned.made_up_id()}"
    headers = [f"{own}; {planted}", f"{planted}; {own}"]
    with unsigned.beaker_fails():
        assert [unsigned.visitor(header).get("user") for header in headers] == ["u", "u"]


def test_a_sub_domain_sets_a_second_signed_cookie(site):
    """A cookie with a signature of somebody else's hides nobody's session."""
    visitor = site.visitor(user="u")
    own = f"{KEY}={visitor.cookie}"
    forged = f"{KEY}={'0' * 40}{visitor.cookie[40:]}"
    with site.beaker_fails():
        assert site.visitor(f"{own}; {forged}").get("user") == "u"


def test_a_name_that_ends_in_ours(unsigned):
    """A cookie that WebOb would take for a __Host- cookie is none, and hides none."""
    unsigned.set(key="__Host-sid", secure="true")
    response = unsigned.visitor().request(lambda request: request.session.update({"user": "u"}))
    own = response.headers["Set-Cookie"].strip().partition(";")[0]
    planted = f"x __Host-sid={unsigned.made_up_id()}"
    assert unsigned.visitor(planted).get("user") is None
    with unsigned.beaker_fails():
        assert unsigned.visitor(f"{planted}; {own}").get("user") == "u"


def test_a_planted_csrf_token(unsigned):
    """Who knew the CSRF token before the login does not know it afterwards."""
    intruder = unsigned.visitor(a=1)
    token = intruder.do(lambda session: session.get_csrf_token())
    victim = intruder.thief()

    def log_in(session):
        session["auth.userid"] = "victim"
        return session.get_csrf_token()

    with unsigned.beaker_fails():
        assert victim.do(log_in) != token


DAMAGES = {
    "cut off": lambda value: value[:20],
    "of another byte": lambda value: "_" + value[1:],
    "twice": lambda value: value * 2,
    "with more behind": lambda value: value + ".00",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_cookie_that_was_tampered_with(unsigned, damage):
    """A damaged cookie is no error, opens nothing, and is never taken for a new session's id."""
    damaged = f"{KEY}={damage(unsigned.visitor(user='u').cookie)}"
    before = unsigned.records()
    assert unsigned.visitor(damaged).get("user") is None
    with unsigned.beaker_fails():
        assert unsigned.records() == before
        unsigned.visitor(damaged).set(user="v")
        assert unsigned.visitor(damaged).get("user") is None


@pytest.mark.parametrize("store", ["memory"])
def test_a_logout_without_a_session(unsigned):
    """Logging out with made-up cookies fills no store (CVE-2015-5964)."""
    for _ in range(5):
        planted = f"{KEY}={unsigned.made_up_id()}"
        unsigned.visitor(planted).do(lambda session: session.invalidate())
    with unsigned.beaker_fails():
        assert unsigned.records() == {}


def test_a_login_under_an_id_from_a_log(site):
    """An id that was renewed by the application itself is of no use to who has read it before."""
    visitor = site.visitor(user="u")
    seen = visitor.thief()
    visitor.do(lambda session: session.regenerate_id())
    seen.do(lambda session: session.update({"user": "intruder"}))
    assert visitor.get("user") == "u"
    with site.beaker_fails():
        assert seen.get("user") is None


@pytest.mark.parametrize("length", [1024, 5000])
def test_a_path_that_no_browser_keeps(site, length):
    """A path for which a browser would drop the attribute is an error where it is set."""
    visitor = site.visitor(user="u")

    def set_path(session):
        session.path = "/" + "x" * length

    with (
        site.beaker_fails(pytest.fail.Exception),
        pytest.raises(ValueError, match="longer"),
    ):
        visitor.do(set_path)


def test_a_name_for_which_no_browser_keeps_a_cookie(site):
    """A cookie that would be larger than browsers take is an error when the application starts."""
    site.set(key="k" * 4096)
    with site.beaker_fails(pytest.fail.Exception), pytest.raises(Exception, match=r"session\.key"):
        site.visitor(user="u")


# This package's own sessions of this type are not in the cookie in Beaker's form.
@pytest.mark.parametrize("package", [PyramidBeaker])
@pytest.mark.parametrize("store", ["cookie"])
def test_a_pickle_in_the_cookie(site):
    """Who knows the key that signs cookies can send sessions, and have nothing executed."""
    planted = base64.b64encode(pickle.dumps(Boobytrap())).decode()
    _, signed = SignedCookie(SECRET).value_encode(planted)
    Boobytrap.sprung = False
    with contextlib.suppress(TypeError):  # what was planted is no dictionary
        site.visitor(f"{KEY}={signed}").get("user")
    with site.beaker_fails():
        assert not Boobytrap.sprung


@pytest.mark.parametrize("store", ["file"])
def test_a_pickle_in_memcached(site):
    """What an intruder writes into memcached is not run when a session is read."""
    planted = pickle.dumps(Boobytrap())
    with own(Listing) as server:
        site.set(type="ext:memcached", url=server.url)
        visitor = site.visitor(user="u")
        for key in stored_keys(server):
            command = b"set %s %d 0 %d\r\n%s" % (key, PICKLED, len(planted), planted)
            assert server.say(command) == b"STORED"
        Boobytrap.sprung = False
        with site.beaker_fails():
            assert visitor.get("user") is None
            assert not Boobytrap.sprung


def stored_keys(server):
    """Give the keys of everything that the server holds; there is something."""
    answers = [server.say(b"stats cachedump %d 0" % slab) for slab in SLABS]
    lines = [line for answer in answers for line in answer.splitlines()]
    keys = [line.split()[1] for line in lines if line.startswith(b"ITEM ")]
    assert keys
    return keys
