"""What the readers of Beaker's stores do with damage, with races and with servers that are gone."""

from __future__ import annotations

import base64
import dataclasses
import json
import pickle
import sys
import zlib
from contextlib import closing
from fractions import Fraction

import beaker.session
import pytest
import sqlalchemy
from pyramid.exceptions import ConfigurationExecutionError
from redis import Redis

from pyramid_beakerish import CorruptData, StoreUnavailable
from pyramid_beakerish.serializers.foreign_pickles import ForeignPickles
from pyramid_beakerish.sessions.no_record import NoRecord
from pyramid_beakerish.sessions.previous import open_earlier, raw_local
from pyramid_beakerish.sessions.previous.envelope import Envelope
from pyramid_beakerish.settings import session_settings
from tests import beaker_peer
from tests.beaker_peer import KEY, PLAIN, see
from tests.beaker_records import ENCRYPT, VALIDATE, Place, Way
from tests.file_help import files
from tests.previous_help import Here, here
from tests.servers import own, running
from tests.servers.memcached import MemcachedServer
from tests.servers.process import free_port
from tests.servers.redis import RedisServer

ID = "0123456789abcdef" * 2

pytestmark = pytest.mark.usefixtures("own_databases")


@pytest.fixture(autouse=True)
def own_time(monkeypatch):
    """Give Beaker its clock back after each test."""
    monkeypatch.setattr(beaker.session, "time", beaker.session.time)


def source(**options):
    """Give what reads sessions that Beaker has stored with the options."""
    earlier = {f"previous.{name}": value for name, value in options.items()}
    settings, _ = session_settings(**{"previous.format": "beaker", **earlier})
    return open_earlier(settings, lambda: 1000.0)


def session_of(**options):
    """Give the one session that an unsigned cookie names."""
    (session,) = source(**options).find(f"{KEY}={ID}")
    return session


# Servers


GONE = {
    "ext:redis": f"redis://127.0.0.1:{free_port()}/0",
    "ext:memcached": f"127.0.0.1:{free_port()}",
    "ext:database": f"postgresql+psycopg://test@127.0.0.1:{free_port()}/x",
}


@pytest.mark.parametrize("kind", GONE)
def test_a_server_that_is_gone(kind, tmp_path):
    """A server that does not answer is told as such; no id, no address is in the error."""
    session = session_of(type=kind, url=GONE[kind], data_dir=str(tmp_path))
    for call in (session.read, session.forget):
        with pytest.raises(StoreUnavailable) as caught:
            call()
        assert str(caught.value).startswith("Beaker's ")
        assert ID not in str(caught.value)


def test_a_server_that_is_slow():
    """A server that takes the connection and says nothing is given up after a second."""
    with own(RedisServer) as redis, own(MemcachedServer) as memcached:
        for kind, server in (("ext:redis", redis), ("ext:memcached", memcached)):
            server.pause()
            try:
                with pytest.raises(StoreUnavailable):
                    session_of(type=kind, url=server.url, data_dir="x").read()
            finally:
                server.resume()


def test_a_redis_client():
    """Beaker takes a client in the place of a URL, and so does the reader."""
    url = running(RedisServer).url
    with closing(Redis.from_url(url)) as client:
        assert session_of(type="ext:redis", url=client).forget() is False


def test_several_memcached_servers(tmp_path):
    """The record is found on whichever server it is, and removed there."""
    url = running(MemcachedServer).url
    with own(MemcachedServer) as other:
        place = Place(Way("memcached"), tmp_path)
        cookie = beaker_peer.serve(place.settings, "fill")["cookie"]
        earlier = {**place.previous(), "session.previous.url": f"inet:{other.url};{url}"}
        assert here(earlier).do(see, cookie)["user"] == PLAIN["user"]
        assert place.record(cookie) is None


def test_what_memcached_does_not_hold():
    """A session that is on no server is none."""
    session = session_of(type="ext:memcached", url=running(MemcachedServer).url, data_dir="x")
    with pytest.raises(NoRecord):
        session.read()
    assert session.forget() is False


@pytest.mark.parametrize("flags", [8, 9])
def test_what_memcached_holds_compressed(tmp_path, flags):
    """What a client library has compressed is read."""
    place = Place(Way("memcached"), tmp_path)
    cookie = beaker_peer.serve(place.settings, "fill")["cookie"]
    text = place.record(cookie)[0]
    plain = pickle.dumps(text.decode()) if flags & 1 else text
    place.plant(cookie, zlib.compress(plain), flags)
    assert here(place.previous()).do(see, cookie)["user"] == PLAIN["user"]


@pytest.mark.parametrize(("data", "flags"), [(b"\xff", 16), (b"no zlib", 8)])
def test_what_memcached_holds_and_is_no_text(tmp_path, data, flags):
    """Anything else is a new session."""
    place = Place(Way("memcached"), tmp_path)
    cookie = beaker_peer.serve(place.settings, "fill")["cookie"]
    place.plant(cookie, data, flags)
    application = here(place.previous())
    assert application.do(see, cookie) == {}
    assert application.refused == ["corrupt record"]


def test_no_table(tmp_path):
    """A database in which Beaker has never stored anything has no sessions."""
    url = f"sqlite:///{tmp_path}/x.db"
    session = session_of(type="ext:database", url=url, data_dir=str(tmp_path))
    assert session.forget() is False
    application = here({"session.previous.format": "beaker", **database(url, tmp_path)})
    assert application.do(see, f"{KEY}={ID}") == {}
    assert application.refused == ["unknown or ended"]


def database(url, folder, **more):
    options = {"type": "ext:database", "url": url, "data_dir": str(folder), **more}
    return {f"session.previous.{name}": value for name, value in options.items()}


def test_a_damaged_database(tmp_path):
    """A database that is none is a store that cannot be used."""
    (tmp_path / "x.db").write_bytes(b"no database" * 100)
    url = f"sqlite:///{tmp_path}/x.db"
    with pytest.raises(StoreUnavailable):
        session_of(type="ext:database", url=url, data_dir=str(tmp_path)).read()


def test_an_engine(tmp_path):
    """An engine of the application's is taken where a URL could stand."""
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/x.db")
    assert session_of(type="ext:database", url=engine, data_dir=str(tmp_path)).forget() is False
    engine.dispose()


def test_what_cannot_be_opened(tmp_path, caplog):
    """A library that is missing is an error if it was named, and else a line in the log."""
    url = "postgresql+nothing://test@127.0.0.1/x"
    with pytest.raises(ConfigurationExecutionError, match=r"session\.previous cannot be opened"):
        here({"session.previous.format": "beaker", **database(url, tmp_path)})
    unnamed, _ = session_settings(
        type="ext:database", format="beaker", url=url, data_dir=str(tmp_path)
    )
    (session,) = open_earlier(after(unnamed), lambda: 1000.0).find(f"{KEY}={ID}")
    with pytest.raises(NoRecord):
        session.read()
    assert session.forget() is False
    assert "If there are none, set session.previous = none." in caplog.text


def after(settings):
    """Give settings that have come after these, without a word about them."""
    return dataclasses.replace(session_settings(type="memory")[0], previous=settings)


@pytest.mark.parametrize("spelling", ["sa", "sa_opts"])
def test_options_of_the_engine(tmp_path, spelling):
    """The engine's options are obeyed, but those of a pool: there is none."""
    options = {"sa.url": f"sqlite:///{tmp_path}/x.db", "sa.pool_recycle": 5, "sa.echo": False}
    given = options if spelling == "sa" else {"sa_opts": options}
    session = session_of(type="ext:database", data_dir=str(tmp_path), **given)
    assert session.forget() is False


# Files


def test_folders_that_are_named(tmp_path):
    """``file_dir`` and ``dbm_dir`` are obeyed."""
    for kind, folder in (("file", "file_dir"), ("dbm", "dbm_dir")):
        options = {"type": kind, folder: str(tmp_path / kind), "lock_dir": str(tmp_path / "lock")}
        settings = {f"session.{name}": value for name, value in options.items()}
        cookie = beaker_peer.serve(settings, "fill")["cookie"]
        earlier = {f"session.previous.{name}": value for name, value in options.items()}
        application = here({**earlier, "session.previous.format": "beaker"})
        assert application.do(see, cookie)["user"] == PLAIN["user"]


def test_a_file_that_cannot_be_read(tmp_path):
    """What the system refuses is told without the name of the file, which is the id."""
    place = Place(Way("file", signed=False), tmp_path)
    place._file(ID).mkdir(parents=True)
    session = session_of(type="file", data_dir=str(tmp_path))
    for call in (session.read, session.forget):
        with pytest.raises(StoreUnavailable) as caught:
            call()
        assert ID not in str(caught.value)


def test_dbm_files_that_are_damaged(tmp_path):
    """What is no dbm file is corrupt."""
    place = Place(Way("dbm", signed=False), tmp_path)
    cookie = beaker_peer.serve(place.settings, "fill")["cookie"]
    for path in files(tmp_path / "container_dbm"):
        path.write_bytes(b"x")
    application = here(place.previous())
    assert application.do(see, cookie) == {}
    assert application.refused == ["corrupt record"]


def test_dbm_files_that_are_not_there(tmp_path):
    """Looking for a session makes no file, nor a lock."""
    session = session_of(type="dbm", data_dir=str(tmp_path))
    with pytest.raises(NoRecord):
        session.read()
    assert session.forget() is False
    assert files(tmp_path) == []


def test_dbm_files_go_while_they_are_waited_for(tmp_path, monkeypatch):
    """A session that another request has taken meanwhile is none."""
    monkeypatch.setattr(raw_local, "PATIENCE", 5)
    place = Place(Way("dbm", signed=False), tmp_path)
    cookie = beaker_peer.serve(place.settings, "fill")["cookie"]
    raw = source(type="dbm", data_dir=str(tmp_path)).store
    found = raw_local._files
    answers = iter([[1], []])
    monkeypatch.setattr(raw_local, "_files", lambda path: next(answers))
    assert raw.read(place.id(cookie)) is None
    monkeypatch.setattr(raw_local, "_files", found)
    assert raw.read(place.id(cookie)) is not None


def test_dbm_files_that_stay_locked(tmp_path, monkeypatch):
    """Beaker's lock is not waited for without end."""
    monkeypatch.setattr(raw_local, "PATIENCE", 0.02)
    place = Place(Way("dbm", signed=False), tmp_path)
    cookie = beaker_peer.serve(place.settings, "fill")["cookie"]
    raw = source(type="dbm", data_dir=str(tmp_path)).store

    class Held:
        def acquire_write_lock(self, wait):
            return False

    monkeypatch.setattr(raw_local, "file_synchronizer", lambda *a, **k: Held())
    with pytest.raises(StoreUnavailable, match="locked"):
        raw.read(place.id(cookie))


# Envelopes


def envelope(**options):
    """Give what opens a session's text."""
    settings, _ = session_settings(format="beaker", **options)
    return Envelope(settings, ForeignPickles())


def text(data):
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "stored",
    [
        5,
        "no base64!",
        "\u00e9",
        text(b""),
        text(b"junk"),
        text(pickle.dumps([1])),
        text(zlib.compress(b"no json")),
        text(zlib.compress(b"{}")[:-1]),
        text(zlib.compress(b"[" * 100_000)),
        text(zlib.compress(b" " * (17 * 2**20))),
    ],
    ids=range(10),
)
def test_no_session(stored):
    """Whatever is not a dictionary in an envelope of Beaker's is corrupt, and nothing else."""
    with pytest.raises(CorruptData):
        envelope().opened(stored)
    with pytest.raises(CorruptData):
        envelope(encrypt_key=ENCRYPT, validate_key=VALIDATE).opened(stored)


@pytest.mark.parametrize("library", ["cryptography", "pycryptodome"])
def test_keys_are_tried_in_turn(library, tmp_path):
    """Of several keys any may have encrypted a session."""
    place = Place(Way("file", True, "pickle", library, 128), tmp_path)
    sealed = place.encrypted(pickle.dumps({"a": 1}, 2))
    keys = {"encrypt_key": f"other\n{ENCRYPT}", "validate_key": f"{VALIDATE}\nother"}
    assert envelope(crypto_type=library, **keys).opened(sealed) == {"a": 1}
    with pytest.raises(CorruptData):
        envelope(crypto_type=library, encrypt_key="other", validate_key="other").opened(sealed)


@pytest.mark.parametrize("library", ["cryptography", "pycryptodome"])
def test_any_library_may_have_been_the_default(library, tmp_path):
    """What is installed here may be another library than the one that Beaker had."""
    place = Place(Way("file", True, "pickle", library, 128), tmp_path)
    sealed = place.encrypted(pickle.dumps({"a": 1}, 2))
    reader = envelope(encrypt_key=ENCRYPT, validate_key=VALIDATE)
    assert reader.opened(sealed) == {"a": 1}
    with pytest.raises(CorruptData, match="Fraction"):
        reader.opened(place.encrypted(pickle.dumps({"a": Fraction(1)}, 2)))


def test_a_crypto_library_that_is_missing(monkeypatch):
    """Without the library that has encrypted it a session waits, and the log says for what."""
    settings, _ = session_settings(
        format="beaker", encrypt_key=ENCRYPT, validate_key=VALIDATE, crypto_type="pycryptodome"
    )
    monkeypatch.setattr(beaker.crypto, "CRYPTO_MODULES", {})
    monkeypatch.delitem(sys.modules, "beaker.crypto.pycrypto", raising=False)
    monkeypatch.delattr(beaker.crypto, "pycrypto", raising=False)
    monkeypatch.setitem(sys.modules, "Crypto.Cipher", None)
    with pytest.raises(CorruptData, match="crypto_type = pycryptodome"):
        Envelope(settings, ForeignPickles()).opened("A" * 40)


class Reversed:
    """A serializer of the application's own."""

    def dumps(self, data):
        return json.dumps(data).encode()[::-1]

    def loads(self, data):
        return json.loads(data[::-1])


def test_a_serializer_of_ones_own(tmp_path):
    """An object that was Beaker's data_serializer reads what it has written, or it is corrupt."""
    reader = envelope(data_serializer=Reversed())
    assert reader.opened(text(Reversed().dumps({"a": 1}))) == {"a": 1}
    with pytest.raises(CorruptData, match="data_serializer"):
        reader.opened(text(b"junk"))
    place = Place(Way("file", serializer="object"), tmp_path)
    settings = {**place.settings, "session.data_serializer": Reversed()}
    shared = Here({**settings, "session.format": "beaker"})
    cookie = shared.begin(lambda session: session.update(a=1))
    assert shared.do(see, cookie) == {"a": 1}


MOMENTS = {"_creation_time": 900.0, "_accessed_time": 950.0}


@pytest.mark.parametrize(
    "data",
    [
        {**MOMENTS, "_accessed_time": "x"},
        {**MOMENTS, "_creation_time": float("inf")},
        {**MOMENTS, "_path": "/; Domain=evil"},
        {**MOMENTS, "_domain": "a b"},
        {**MOMENTS, "_domain": 5},
    ],
    ids=str,
)
def test_moments_and_places_that_cannot_be(tmp_path, data):
    """What Beaker keeps among the data is believed only where it can be true."""
    place = Place(Way("file", signed=False), tmp_path)
    place._file(ID).parent.mkdir(parents=True)
    stored = text(pickle.dumps({"user": "u", **data}, 2))
    place.plant(f"{KEY}={ID}", place.wrapped(stored)[0])
    with pytest.raises(CorruptData):
        session_of(type="file", data_dir=str(tmp_path)).read()


def planted(folder, data):
    """Store the data as Beaker would, and give where that is, with an application after it."""
    place = Place(Way("file", signed=False), folder)
    place._file(ID).parent.mkdir(parents=True)
    place.plant(f"{KEY}={ID}", place.wrapped(text(pickle.dumps(data, 2)))[0])
    return place, here(place.previous())


def test_a_key_that_is_beakers_in_cookies_only(tmp_path):
    """``_id`` is the application's, as MongoDB has it, where the cookie is not the session."""
    _, application = planted(tmp_path, {"user": "u", "_id": "507f"})
    assert application.do(dict, f"{KEY}={ID}") == {"user": "u", "_id": "507f"}


def test_keys_that_are_no_text(tmp_path, caplog):
    """They stay behind, as no session here has such, and the log tells it; all else goes on."""
    _, application = planted(tmp_path, {"user": "u", 5: 1, ("a", 1): 2})
    assert application.do(dict, f"{KEY}={ID}") == {"user": "u"}
    assert "2 keys of a session were dropped: they are not strings." in caplog.text


@pytest.mark.parametrize("data", [{"_domain": ""}, {"_path": None}, {"_path": ""}], ids=str)
def test_places_that_are_empty(tmp_path, data):
    """Where Beaker was told an empty domain or path it sent none: such a session goes on."""
    _, application = planted(tmp_path, {"user": "u", **data})
    moved = application.moved(f"{KEY}={ID}")
    assert application.do(see, moved) == {"user": "u"}


@pytest.mark.parametrize(
    "stored", [b"", b"\x80\x04", pickle.dumps(5), pickle.dumps({"session": 5})]
)
def test_damaged_records(tmp_path, stored, caplog):
    """A record that is damaged is a new session, in either mode, and is left where it is."""
    place = Place(Way("file", signed=False), tmp_path)
    place._file(ID).parent.mkdir(parents=True)
    place.plant(f"{KEY}={ID}", stored)
    application = here(place.previous())
    assert application.do(see, f"{KEY}={ID}") == {}
    assert application.refused == ["corrupt record"]
    assert place._file(ID).read_bytes() == stored
    assert ID not in caplog.text


def test_a_cookie_without_an_id(tmp_path):
    """A session in a cookie that has no id inside is none of Beaker's."""
    place = Place(Way("cookie"), tmp_path)
    application = here(place.previous())
    cookie = place.cookie(text(pickle.dumps({**MOMENTS, "user": "u"}, 2)))
    assert application.do(see, cookie) == {}
    assert application.refused == ["corrupt record"]


def test_cookies_without_a_key():
    """Where Beaker's cookies cannot be verified none is believed."""
    assert list(source(type="cookie").find(f"{KEY}={'0' * 40}abc")) == []


# Beaker's format


def test_a_connection_to_a_cluster_is_read_safely():
    """A Redis cluster's records are read as those of one server."""
    from pyramid_beakerish.sessions.beaker_safely import SafeRedisCluster

    with closing(Redis.from_url(running(RedisServer).url)) as client:
        space = SafeRedisCluster(ForeignPickles(), ID, client)
        assert "session" not in space
        with pytest.raises(KeyError):
            space["session"]
        space["session"] = "text"
        assert space["session"] == "text"
        client.delete(f"beaker_cache:{ID}:session")


def test_a_file_that_cannot_be_read_in_beakers_format(tmp_path):
    """What is no file is an error; Beaker takes only what is missing or forbidden for nothing."""
    place = Place(Way("file", signed=False), tmp_path)
    place._file(ID).mkdir(parents=True)
    shared = Here({**place.settings, "session.format": "beaker"})
    with pytest.raises(IsADirectoryError):
        shared.do(see, f"{KEY}={ID}")


def test_classes_that_are_not_listed(tmp_path):
    """In Beaker's format an object is stored only if it will be read again."""
    place = Place(Way("file"), tmp_path)
    settings = {**place.settings, "session.format": "beaker"}
    shared = Here(settings)
    line = "add the line tests.beaker_peer:Basket to pickle_classes"
    with pytest.raises(TypeError, match=line):
        shared.begin(beaker_peer.basket)
    listed = Here({**settings, "session.pickle_classes": "tests.beaker_peer:Basket"})
    cookie = listed.begin(beaker_peer.basket)
    assert listed.do(lambda session: session["basket"].lines, cookie) == ["x"]
