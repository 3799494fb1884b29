"""Every way in which Beaker stores sessions, and the bytes that it stores, read and planted."""

from __future__ import annotations

import base64
import dbm
import hmac
import pickle
import sqlite3
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import NamedTuple

import psycopg
from beaker import crypto
from beaker.container import MemoryNamespaceManager
from pymemcache import Client
from redis import Redis

from tests.beaker_peer import KEY, bound_table
from tests.servers import running
from tests.servers.memcached import MemcachedServer
from tests.servers.postgresql import PostgreSQLServer
from tests.servers.redis import RedisServer

SECRET = "a secret of the tests, long enough not to be guessed"
ENCRYPT = "the key that encrypts in these tests"
VALIDATE = "the key that validates in these tests"
LIBRARIES = [("cryptography", 128), ("default", 48), ("pycryptodome", 128), ("pycrypto", 48)]


class Way(NamedTuple):
    """One way: a store, whether the id is signed, the serializer, the library and its bits."""

    store: str
    signed: bool = True
    serializer: str = "pickle"
    library: str | None = None
    bits: int = 0

    def __str__(self):
        """Name the test."""
        signed = "signed" if self.signed else "unsigned"
        return f"{self.store}-{signed}-{self.serializer}-{self.library}{self.bits or ''}"


STORES = ["memory", "file", "dbm", "redis", "memcached", "postgresql", "sqlite", "sqla", "cookie"]
SERIALIZERS = ["pickle", "json"]
WAYS = [
    *[Way(store, serializer=serializer) for store, serializer in product(STORES, SERIALIZERS)],
    *[Way(store, signed=False) for store in STORES if store != "cookie"],
    *[Way(store, True, "pickle", *library) for store, library in product(STORES, LIBRARIES)],
    *[Way(store, False, "json", "cryptography", 128) for store in STORES if store != "cookie"],
    Way("cookie", True, "json", "cryptography", 128),
]

TYPES = {
    "redis": "ext:redis",
    "memcached": "ext:memcached",
    "postgresql": "ext:database",
    "sqlite": "ext:database",
    "sqla": "ext:sqla",
}


class Place:
    """Where a way stores: a folder, or a server that is started when it is asked for."""

    def __init__(self, way, folder):
        self.way = way
        self.folder = folder
        self.sqla = f"sqlite:///{folder}/application.db" if way.store == "sqla" else None

    @property
    def settings(self):
        """Beaker's settings, without what only an object can say."""
        way, options = self.way, {"type": TYPES.get(self.way.store, self.way.store)}
        if way.store in ("file", "dbm", "sqla", "postgresql", "sqlite", "memcached"):
            options["data_dir"] = str(self.folder)
        url = self._url()
        options |= {"url": url} if url else {}
        options |= {"secret": SECRET} if way.signed and way.store != "cookie" else {}
        options |= {"data_serializer": way.serializer} if way.serializer != "pickle" else {}
        options |= {"validate_key": VALIDATE} if way.library or way.store == "cookie" else {}
        if way.library:
            options |= {"encrypt_key": ENCRYPT, "crypto_type": way.library}
            options["encrypt_nonce_bits"] = way.bits
        return {f"session.{name}": value for name, value in options.items()}

    def here(self):
        """The settings for this process, objects among them."""
        return {**self.settings, **(bound_table(self.sqla) if self.sqla else {})}

    def previous(self):
        """The same as the settings of what was in use before."""
        options = {key.removeprefix("session."): value for key, value in self.here().items()}
        options["format"] = "beaker"
        return {f"session.previous.{name}": value for name, value in options.items()}

    def _url(self):
        store = self.way.store
        if store == "redis":
            return running(RedisServer).url
        if store == "memcached":
            return running(MemcachedServer).url
        if store == "postgresql":
            return running(PostgreSQLServer).url
        return f"sqlite:///{self.folder}/beaker.db" if store == "sqlite" else None

    def id(self, cookie):
        """Give the id that a cookie carries."""
        return cookie.partition("=")[2].strip('"')[40 if self.way.signed else 0 :]

    def cookie(self, text):
        """Give the cookie that Beaker would send for a session in the cookie."""
        signature = hmac.new(VALIDATE.encode(), text.encode(), "sha1").hexdigest()
        return f"{KEY}={signature}{text}"

    def record(self, cookie):
        """Give what is stored for a cookie, as bytes, and in memcached its flags."""
        session_id = self.id(cookie)
        return {
            "cookie": lambda: session_id,
            "memory": lambda: MemoryNamespaceManager.namespaces.dict[session_id]["session"],
            "file": lambda: self._file(session_id).read_bytes(),
            "dbm": lambda: self._dbm(session_id),
            "redis": lambda: self._redis().get(f"beaker_cache:{session_id}:session"),
            "memcached": lambda: self._memcached(session_id),
            "postgresql": lambda: self._row(session_id),
            "sqlite": lambda: self._row(session_id),
            "sqla": lambda: self._row(session_id),
        }[self.way.store]()

    def plant(self, cookie, data, flags=0):
        """Store other bytes for a cookie; give the cookie that leads to them."""
        session_id, store = self.id(cookie), self.way.store
        if store == "cookie":
            return self.cookie(data)
        if store == "memory":
            MemoryNamespaceManager.namespaces.dict[session_id]["session"] = data
        elif store == "file":
            self._file(session_id).write_bytes(data)
        elif store == "dbm":
            with dbm.open(self._dbm_file(session_id), "c") as opened:
                opened[b"session"] = data
        elif store == "redis":
            self._redis().set(f"beaker_cache:{session_id}:session", data)
        elif store == "memcached":
            with closing(Client(running(MemcachedServer).url)) as client:
                client.set(f"{session_id}_session", data, noreply=False, flags=flags)
        else:
            self._change_row(session_id, data)
        return cookie

    def wrapped(self, text):
        """Give the text as the store holds it, and memcached's flags for it."""
        store = self.way.store
        if store in ("cookie", "memory"):
            return text, 0
        if store == "memcached":
            return text.encode(), 16
        return pickle.dumps(text if store in ("dbm", "redis") else {"session": text}), 0

    def text(self, record):
        """Give the text that a record holds: the test's own records are safe to unpickle."""
        store = self.way.store
        if store in ("cookie", "memory"):
            return record
        if store == "memcached":
            return record[0].decode()
        loaded = pickle.loads(record)
        return loaded if store in ("dbm", "redis") else loaded["session"]

    def encrypted(self, data):
        """Give the text that Beaker would make of the data."""
        if not self.way.library:
            return base64.b64encode(data).decode()
        nonce = "A" * crypto.get_nonce_size(self.way.bits)[1]
        sealed = self._module().aesEncrypt(data, self._key(nonce))
        return nonce + base64.b64encode(sealed).decode()

    def decrypted(self, text):
        """Give the data that Beaker made the text of."""
        if not self.way.library:
            return base64.b64decode(text)
        size = crypto.get_nonce_size(self.way.bits)[1]
        return self._module().aesDecrypt(base64.b64decode(text[size:]), self._key(text[:size]))

    def _module(self):
        return crypto.get_crypto_module(self.way.library)

    def _key(self, nonce):
        return crypto.generateCryptoKeys(ENCRYPT, VALIDATE + nonce, 1, 32)

    def _file(self, session_id):
        return self._in_folders("container_file", session_id, ".cache")

    def _dbm_file(self, session_id):
        return str(self._in_folders("container_dbm", session_id, ".dbm"))

    def _in_folders(self, name, session_id, ending):
        folders = Path(self.folder, name, session_id[0], session_id[:2])
        return folders / f"{session_id}{ending}"

    def _dbm(self, session_id):
        with dbm.open(self._dbm_file(session_id), "r") as opened:
            return opened[b"session"]

    def _redis(self):
        return Redis.from_url(running(RedisServer).url)

    def _memcached(self, session_id):
        def flagged(key, value, flags):
            return value, flags

        with closing(Client(running(MemcachedServer).url, deserializer=flagged)) as client:
            return client.get(f"{session_id}_session")

    def _connection(self):
        if self.way.store == "postgresql":
            url = running(PostgreSQLServer).url.replace("+psycopg", "")
            return psycopg.connect(url, autocommit=True), "beaker_cache", "%s"
        name, table = ("beaker.db", "beaker_cache")
        if self.way.store == "sqla":
            name, table = ("application.db", "of_the_application")
        return sqlite3.connect(Path(self.folder, name), isolation_level=None), table, "?"

    def _row(self, session_id):
        connection, table, mark = self._connection()
        query = f"select data from {table} where namespace = {mark}"
        try:
            return bytes(connection.execute(query, (session_id,)).fetchone()[0])
        finally:
            connection.close()

    def _change_row(self, session_id, data):
        connection, table, mark = self._connection()
        query = f"update {table} set data = {mark} where namespace = {mark}"
        try:
            connection.execute(query, (data, session_id))
        finally:
            connection.close()
