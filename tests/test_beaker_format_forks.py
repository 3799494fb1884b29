"""``session.format = beaker`` in the children of a process that has used sessions before."""

from __future__ import annotations

import os

import pytest

from pyramid_beakerish.testing.together import start_child, wait_for
from tests.beaker_records import SECRET
from tests.previous_help import Here
from tests.process_help import each_fork
from tests.servers import running
from tests.servers.memcached import MemcachedServer
from tests.servers.postgresql import PostgreSQLServer

ANSWERS = 300

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.usefixtures("own_databases", "measured_children"),
]


def check_own(application, name, cookie):
    """Assert that each answer to the cookie is its own session."""
    for _ in range(ANSWERS):
        assert application.do(lambda session: session["user"], cookie) == name


@each_fork
@pytest.mark.parametrize(
    ("kind", "server"),
    [("ext:memcached", MemcachedServer), ("ext:database", PostgreSQLServer)],
    ids=["memcached", "PostgreSQL"],
)
def test_fork(kind, server, fork, tmp_path):
    """Of several processes that share a parent each visitor is given his own session only."""
    place = {"session.type": kind, "session.url": running(server).url}
    rules = {"session.format": "beaker", "session.secret": SECRET}
    application = Here({**place, **rules, "session.data_dir": str(tmp_path)})
    names = ["alice", "bob", "carol"]
    cookies = [
        application.begin(lambda session, name=name: session.update(user=name)) for name in names
    ]
    visitors = list(zip(names, cookies, strict=True))
    children = [
        start_child(lambda who=who: check_own(application, *who), fork) for who in visitors[1:]
    ]
    check_own(application, *visitors[0])
    assert [wait_for(child) for child in children] == [0, 0]
