"""The other session systems, and the floors: the least that a session could cost."""

from __future__ import annotations

import hmac
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import msgpack
import pyramid_beaker
from pyramid.session import JSONSerializer, SignedCookieSessionFactory
from pyramid_nacl_session import EncryptedCookieSessionFactory, generate_secret
from pyramid_session_redis import RedisSessionFactory

import pyramid_beakerish

from .promises import check
from .site import SECRET, TIMEOUT, Site, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable

OURS, BEAKER, BARE = "pyramid_beakerish", "pyramid_beaker", "bare Pyramid"
SIGNED, ENCRYPTED, THEIR_REDIS = (
    "SignedCookieSessionFactory",
    "pyramid_nacl_session",
    "pyramid_session_redis",
)
#: As large as the record of the session that is read.
VALUE = bytes(100)


def ours(keys: int = 0, **options: Any) -> Site:
    """Give an application of ours, which keeps its promises, with a session of that many keys."""
    settings = settings_of(**options)
    check(settings)
    return Site(lambda config: config.include(pyramid_beakerish), settings).begin(keys)


def beaker(keys: int = 0, **options: Any) -> Site:
    """Give an application on pyramid_beaker with such a session."""
    return Site(lambda config: config.include(pyramid_beaker), settings_of(**options)).begin(keys)


def both(keys: int = 0, **options: Any) -> dict[str, Site]:
    """Give one application on each of the two, with the same settings."""
    return {OURS: ours(keys, **options), BEAKER: beaker(keys, **options)}


def in_cookies() -> dict[str, Site]:
    """Give those that keep all of a session in the cookie."""
    signed = SignedCookieSessionFactory(SECRET, serializer=JSONSerializer(), timeout=TIMEOUT)
    encrypted = EncryptedCookieSessionFactory(
        generate_secret(as_hex=False), serializer=JSONSerializer(), timeout=TIMEOUT
    )
    return {
        SIGNED: with_factory(signed).begin(),
        ENCRYPTED: with_factory(encrypted).begin(),
    }


def session_redis(url: str, keys: int = 0) -> Site:
    """Give pyramid_session_redis with its defaults."""
    return with_factory(RedisSessionFactory(SECRET, timeout=TIMEOUT, redis_url=url)).begin(keys)


def with_factory(factory: Callable[[Any], Any]) -> Site:
    """Give an application with this session factory."""
    return Site(lambda config: config.set_session_factory(factory))


def hand_made() -> Site:
    """Give the shortest session that is one: an id with its MAC, and a dictionary of records."""
    records: dict[str, bytes] = {}
    key = SECRET.encode()

    class Session(dict):
        def __init__(self, request: Any) -> None:
            name, _, mac = request.environ.get("HTTP_COOKIE", "").partition("=")[2].partition("-")
            self.name = name if hmac.compare_digest(mac, _mac(key, name)) else None
            super().__init__(msgpack.unpackb(records[self.name]) if self.name else ())
            request.add_response_callback(self.save)

        changed = False

        def __setitem__(self, name: str, value: object) -> None:
            self.changed = True
            super().__setitem__(name, value)

        def save(self, request: Any, response: Any) -> None:
            if not self.changed:
                return
            if self.name is None:
                self.name = os.urandom(32).hex()
                cookie = f"session={self.name}-{_mac(key, self.name)}; Path=/; HttpOnly"
                response.headerlist.append(("Set-Cookie", cookie))
            records[self.name] = msgpack.packb(dict(self))

    return with_factory(Session).begin()


def _mac(key: bytes, name: str) -> str:
    return hmac.digest(key, name.encode(), "sha256").hex()


def one_file(folder: str) -> Site:
    """Give an application whose view opens, reads and decodes one file."""
    path = os.path.join(folder, "floor")
    with open(path, "wb") as file:
        file.write(msgpack.packb({"counter": 1, "more": VALUE}))

    def view(request: Any) -> object:
        with open(path, "rb") as file:
            return msgpack.unpackb(file.read())["counter"]

    return Site(view=view)


def one_select(folder: str) -> Site:
    """Give an application whose view selects one row by its key."""
    connection = sqlite3.connect(os.path.join(folder, "floor.db"), isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE floor (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
    connection.execute("INSERT INTO floor VALUES ('key', ?)", (VALUE,))
    select = "SELECT value FROM floor WHERE key = ?"
    return Site(view=lambda request: len(connection.execute(select, ("key",)).fetchone()[0]))


def one_call(call: Callable[[], object]) -> Site:
    """Give an application whose view makes one call, to the client of a server for example."""
    return Site(view=lambda request: bool(call()))


def wait_for_next_second() -> None:
    """Let the cookies of a session grow older than a second.

    Pyramid's and nacl's are set anew only when the second has changed, as it has in real traffic.
    """
    time.sleep(1.1)
