"""The memcached store where something goes wrong: no wrong answer, and none that is late."""

from __future__ import annotations

import contextlib
import socket

import pytest

from pyramid_beakerish.errors import StoreUnavailable
from pyramid_beakerish.stores.memcached.store import MemcachedStore, name_of
from pyramid_beakerish.testing.stores import stamped
from pyramid_beakerish.testing.together import in_threads
from tests.servers import own_fixture, running
from tests.servers.memcached import MemcachedServer
from tests.servers.process import HOST
from tests.servers.proxy import Cut, Proxy, unchanged
from tests.timing import note_timeouts, within

SECRET = b"what nobody else may read"


def calls(store):
    """Give every method of the store, ready to be called on an entry that is there."""
    _, token = store.load("k")
    return {
        "load": lambda: store.load("k"),
        "load_many": lambda: store.load_many(["k", "other"]),
        "create": lambda: store.create("new", stamped(), 10),
        "swap": lambda: store.swap("k", token, stamped(), 10),
        "set": lambda: store.set("k", stamped(), 10),
        "delete": lambda: store.delete("k"),
        "guarded delete": lambda: store.delete("k", token),
    }


METHODS = ["load", "load_many", "create", "swap", "set", "delete", "guarded delete"]
each_method = pytest.mark.parametrize("method", METHODS)


@pytest.fixture
def proxy():
    """A proxy before this run's server, which is empty."""
    server = running(MemcachedServer)
    server.empty()
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def store(proxy, clock):
    """A store behind the proxy, with one entry."""
    store = MemcachedStore(proxy.url, clock)
    store.set("k", stamped(SECRET), 10)
    yield store
    store.close()


server = own_fixture(MemcachedServer)


@pytest.fixture
def direct(server):
    """A store on the test's own server, with one entry."""
    store = MemcachedStore(server.url)
    store.set("k", stamped(), 10)
    yield store
    store.close()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_that_is_down(server, direct, end):
    """Every method says at once that the store is unavailable, and works once it is back."""
    methods = calls(direct)
    getattr(server, end)()
    for method in METHODS:
        with within(1), pytest.raises(StoreUnavailable, match=rf"{server.port} cannot be used"):
            methods[method]()
    server.start()
    assert direct.load("k") is None
    assert direct.create("k", stamped(), 10)


@each_method
def test_a_server_that_was_restarted_meanwhile(server, direct, method):
    """The first call after a restart is answered, though every idle connection is dead."""
    in_threads(4, lambda _: direct.load("k"))
    methods = calls(direct)
    server.kill()
    server.start()
    assert methods[method]() in (None, {}, False, method == "create")


def test_a_token_from_before_a_restart(server, direct):
    """What was loaded before a restart neither comes back by a swap nor replaces what is new."""
    _, token = direct.load("k")
    server.kill()
    server.start()
    assert not direct.swap("k", token, stamped(), 10)
    assert direct.load("k") is None


@pytest.mark.usefixtures("usual_waits")
def test_a_server_that_is_paused(server, direct):
    """A silent server is given up within two seconds, and answers again once it goes on."""
    value, _ = direct.load("k")
    server.pause()
    try:
        with within(2), pytest.raises(StoreUnavailable, match="no answer in time"):
            direct.load("k")
    finally:
        server.resume()
    assert direct.load("k")[0] == value


@pytest.mark.usefixtures("usual_waits")
def test_how_long_is_waited(monkeypatch):
    """A connection is waited for half a second, and an answer for one."""
    waits = note_timeouts(monkeypatch)
    MemcachedStore(running(MemcachedServer).url).load("k")
    assert waits == {0.5, 1.0}


def test_the_other_connections(proxy, store):
    """Once a connection has broken the idle ones, which are as old, are not tried in turn."""
    proxy.hold(b"gets", 2)
    in_threads(2, lambda _: store.load("k"))
    proxy.on_request = unchanged

    def cut(data):
        raise Cut

    proxy.on_answer = cut
    with pytest.raises(StoreUnavailable):
        store.load("k")
    proxy.on_answer = unchanged
    accepted = proxy.accepted
    assert store.load("k")
    assert proxy.accepted == accepted + 1


@pytest.mark.usefixtures("usual_waits")
def test_a_server_that_takes_no_connection():
    """A connection that is not made is given up within a second."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind((HOST, 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):  # nobody accepts these, and there is no room for more
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((HOST, port))
        with within(1), pytest.raises(StoreUnavailable, match="no answer in time"):
            MemcachedStore(f"{HOST}:{port}").load("k")


@pytest.mark.parametrize("length", [0, 1, 7, 70])
@each_method
def test_an_answer_that_is_cut_off(proxy, store, method, length):
    """A connection that ends in mid-answer is unavailable, and the next call is answered well."""
    value, _ = store.load("k")
    work = calls(store)[method]

    def cut(data):
        raise Cut(data[: min(length, len(data) - 1)])

    proxy.on_answer = cut
    with pytest.raises(StoreUnavailable, match="its answer broke off"):
        work()
    proxy.on_answer = unchanged
    found = store.load("k")
    assert found is None or found[0] == value or method in ("swap", "set")
    assert store.load("other") is None


def test_a_write_whose_answer_was_lost(proxy, store):
    """It is not sent again, and its write id tells that it has happened."""
    _, token = store.load("k")
    sent = []
    proxy.on_request = lambda data: sent.append(data) or data

    def cut(data):
        raise Cut

    proxy.on_answer = cut
    value = stamped(b"written")
    with pytest.raises(StoreUnavailable):
        store.swap("k", token, value, 10)
    proxy.on_answer = unchanged
    assert store.load("k")[0] == value
    assert [data.split()[0] for data in sent] == [b"cas", b"gets"]


@pytest.mark.usefixtures("usual_waits")
def test_an_answer_that_comes_too_late(proxy, store):
    """An answer for which nobody waits any more is never taken for that to another question."""
    store.set("other", stamped(b"other"), 10)
    held = []
    proxy.on_answer = lambda data: held.append(data) or b""
    with pytest.raises(StoreUnavailable, match="no answer in time"):
        store.load("k")
    proxy.on_answer = lambda data: b"".join(held) + data
    for _ in range(2):
        with contextlib.suppress(StoreUnavailable):
            assert store.load("other")[0].endswith(b"other")


@each_method
def test_an_answer_in_small_pieces(proxy, store, method):
    """An answer that comes byte by byte is read to its end."""
    proxy.piece = 1
    store.close()
    work = calls(store)[method]
    assert work() is not False
    assert store.load("gone") is None


ANSWERS = [
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"VALUE another 0 3 1\r\nabc\r\nEND\r\n",
    b"VALUE beakerish: 0 what nobody else may read\r\n",
    b"VALUE " + name_of("k") + b" 0 3 1\r\nabcdefghijk",
    b"VALUE " + name_of("k") + b" 0 3 1\r\nabcdefghijk\r\nEND\r\n",
    b"VALUE\r\n",
    b"what nobody else may read\r\n",
    b"SERVER_ERROR out of memory\r\n",
    b"CLIENT_ERROR what nobody else may read\r\n",
    b"ERROR\r\n",
]


@pytest.mark.usefixtures("usual_waits")
@pytest.mark.parametrize("answer", ANSWERS)
@each_method
def test_an_answer_that_is_none(proxy, store, method, answer):
    """Whatever else answers, the store is unavailable, and the error tells nothing stored."""
    work = calls(store)[method]
    proxy.on_answer = lambda data: answer
    with pytest.raises(StoreUnavailable) as caught:
        work()
    assert "nobody" not in str(caught.value)


def test_a_delete_that_is_answered_by_nonsense(proxy, store):
    """A delete is never taken for done, or for needless, because of an answer that is none."""

    def spoil(data):
        proxy.on_answer = lambda answer: b"what\r\n" if data.startswith(b"delete") else answer
        return data

    proxy.on_request = spoil
    with pytest.raises(StoreUnavailable):
        store.delete("k")


def test_an_entry_that_is_neither_there_nor_created(proxy, store):
    """A router whose server is down says so of both, and is not asked for ever."""
    asked = []
    proxy.on_request = lambda data: asked.append(data) or data
    proxy.on_answer = lambda data: (
        b"END\r\n" if asked[-1].startswith(b"gets") else b"NOT_STORED\r\n"
    )
    with within(2), pytest.raises(StoreUnavailable, match="neither has an entry nor stores one"):
        store.create("new", stamped(), 10)


def test_a_set_that_is_not_stored(proxy, store):
    """A set is never lost in silence, as behind proxies of memcached that say NOT_STORED."""
    proxy.on_answer = lambda data: b"NOT_STORED\r\n"
    with pytest.raises(StoreUnavailable, match="has not stored"):
        store.set("k", stamped(), 10)
