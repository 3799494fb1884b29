"""A store around any other, which then cannot read what it keeps."""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .around import StoreAround
from .base import WRITE_ID_SIZE, Entry, Store, encode_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..settings import StoreSettings

NONCE_SIZE = 12  # what AES-GCM is made for: NIST SP 800-38D section 8.2


class EncryptedStore(StoreAround):
    """Encrypts each value with AES-GCM for another store, and authenticates it when it is read.

    ``secrets`` are the keys, newest first: the first encrypts, all decrypt. Each entry has a key of
    its own, derived from the secret and the name of the entry: a value that is moved to another
    entry is not accepted there, and the random nonces of different entries never meet. A value that
    was changed, or that no secret opens, is given as its write id alone, without contents, which is
    not a valid record.

    >>> from pyramid_beakerish.stores.memory import MemoryStore
    >>> inner = MemoryStore()
    >>> store = EncryptedStore(inner, ["a secret that only these examples know"])
    >>> store.create("greeting", b"12345678hello", ttl=60)
    True
    >>> store.load("greeting")
    (b'12345678hello', b'12345678')
    >>> b"hello" in inner.load("greeting")[0]
    False
    """

    def __init__(self, store: Store, secrets: Sequence[str]) -> None:
        super().__init__(store)
        self._keys = [_master_key(secret) for secret in secrets]

    @classmethod
    def from_settings(cls, settings: StoreSettings, clock: Callable[[], float]) -> EncryptedStore:
        """Make the store that the settings describe, and encrypt with their ``encrypt_key``."""
        from . import open_store

        return cls(open_store(settings, clock), settings.given["encrypt_key"])

    def load(self, key: str) -> Entry | None:
        """Give the value under the key and its token, or ``None``."""
        entry = super().load(key)
        return None if entry is None else (self._decrypted(key, entry[0]), entry[1])

    def load_many(self, keys: Iterable[str]) -> dict[str, Entry]:
        """Give the entries found under several keys."""
        found = super().load_many(keys)
        return {key: (self._decrypted(key, value), token) for key, (value, token) in found.items()}

    def create(self, key: str, value: bytes, ttl: float | None) -> bool:
        """Store the value only if the key is absent; tell whether it was stored."""
        return super().create(key, self._encrypted(key, value), ttl)

    def swap(self, key: str, token: Any, value: bytes, ttl: float | None) -> bool:
        """Store the value only if the entry is still the one that ``load`` gave."""
        return super().swap(key, token, self._encrypted(key, value), ttl)

    def set(self, key: str, value: bytes, ttl: float | None) -> None:
        """Store the value, whatever was there."""
        super().set(key, self._encrypted(key, value), ttl)

    def _encrypted(self, key: str, value: bytes) -> bytes:
        write_id, nonce = value[:WRITE_ID_SIZE], os.urandom(NONCE_SIZE)
        cipher = AESGCM(_entry_key(self._keys[0], key))
        return write_id + nonce + cipher.encrypt(nonce, value[WRITE_ID_SIZE:], write_id)

    def _decrypted(self, key: str, stored: bytes) -> bytes:
        write_id, nonce = stored[:WRITE_ID_SIZE], stored[WRITE_ID_SIZE:][:NONCE_SIZE]
        encrypted = stored[WRITE_ID_SIZE + NONCE_SIZE :]
        for master in self._keys:
            # Encrypted with another secret, or (ValueError) too short for a nonce.
            with suppress(InvalidTag, ValueError):
                cipher = AESGCM(_entry_key(master, key))
                return write_id + cipher.decrypt(nonce, encrypted, write_id)
        return write_id


def _master_key(secret: str) -> bytes:
    return blake2b(secret.encode(), digest_size=32, person=b"encrypted store").digest()


def _entry_key(master: bytes, key: str) -> bytes:
    return blake2b(encode_key(key), key=master, digest_size=32).digest()
