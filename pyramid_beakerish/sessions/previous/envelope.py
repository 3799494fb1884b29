"""What Beaker makes of a session's data: a dictionary, serialised, perhaps encrypted, as text."""

from __future__ import annotations

import json
import logging
import zlib
from base64 import b64decode
from contextlib import suppress
from itertools import product
from typing import TYPE_CHECKING, Any

from ...errors import CorruptData
from ...settings import cookie_rules
from ..events import Refusal
from ..no_record import NoRecord
from ..record import NOTHING
from .earlier import Contents, moment
from .raw import LARGEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...serializers.foreign_pickles import ForeignPickles
    from ...settings import SessionSettings

log = logging.getLogger(__name__)

_EVERYWHERE = frozenset(("_accessed_time", "_creation_time", "_domain", "_path"))

_PICKLE = b"\x80"  # begins every pickle of protocol 2 and above, and nothing that zlib writes


def beakers_own(kind: object) -> frozenset[str]:
    """Give the keys that Beaker has among the application's data in sessions of this type."""
    return _EVERYWHERE | {"_id"} if kind == "cookie" else _EVERYWHERE


class Envelope:
    """Opens what Beaker's sessions have stored under their settings; runs no code from it.

    Pickles and JSON are told apart by their first byte, so that either is read whatever
    ``data_serializer`` says now.
    """

    def __init__(self, settings: SessionSettings, pickles: ForeignPickles) -> None:
        self._pickles = pickles
        serializer = settings.data_serializer
        self._codec = None if isinstance(serializer, str) else serializer
        given = settings.given
        self._keys = list(product(given.get("encrypt_key", ()), given.get("validate_key", ("",))))
        self._crypto_type = given.get("crypto_type", "default")
        self._nonce_bits = given.get("encrypt_nonce_bits", 128)

    def opened(self, text: Any) -> dict[str, Any]:
        """Give the data of a session; raises `CorruptData`, and nothing else."""
        if not isinstance(text, str):
            raise CorruptData("what Beaker has stored is not text")
        failure = None
        for data in self._decrypted(text):
            try:
                return self._loaded(data)
            except CorruptData as error:  # or it was another key's, which AES-CTR cannot tell
                failure = failure or error
        raise failure or CorruptData("what Beaker has stored cannot be decrypted")

    def _decrypted(self, text: str) -> Iterator[bytes]:
        if not self._keys:
            yield from_base64(text)
            return
        from beaker import crypto  # imports pycryptodome, where it is installed

        modules = _crypto_modules(self._crypto_type)
        nonce_size = crypto.get_nonce_size(self._nonce_bits)[1]
        nonce, payload = text[:nonce_size], from_base64(text[nonce_size:])
        for module, (encrypt_key, validate_key) in product(modules, self._keys):
            salt = validate_key + nonce
            try:
                key = crypto.generateCryptoKeys(encrypt_key, salt, 1, module.getKeyLength())
                decrypted: bytes = module.aesDecrypt(payload, key)
            except Exception:  # noqa: S112 - each library has its own, for another key's data
                continue
            yield decrypted

    def _loaded(self, data: bytes) -> dict[str, Any]:
        loaded = self._deserialised(data)
        if type(loaded) is not dict:
            raise CorruptData("what Beaker has stored is not a dictionary")
        texts = {key: value for key, value in loaded.items() if type(key) is str}
        if len(texts) < len(loaded):
            number = len(loaded) - len(texts)
            log.warning("%d keys of a session were dropped: they are not strings.", number)
        return texts

    def _deserialised(self, data: bytes) -> Any:
        if self._codec is None:
            return self._pickles.loads(data) if data[:1] == _PICKLE else from_json(data)
        try:
            return self._codec.loads(data)
        except Exception:  # whatever the application's object raises
            raise CorruptData("data_serializer cannot read what Beaker has stored") from None


def _crypto_modules(crypto_type: str) -> list[Any]:
    """Give Beaker's modules that may have encrypted the data: its default has changed."""
    from beaker import crypto

    names = ("default", "pycryptodome") if crypto_type == "default" else (crypto_type,)
    found = []
    for name in names:
        with suppress(ImportError):
            found.append(crypto.get_crypto_module(name))
    if not found:
        raise CorruptData(
            f"what Beaker has encrypted needs the library crypto_type = {crypto_type}: install it"
        )
    return found


def contents(data: dict[str, Any], settings: SessionSettings, now: float) -> Contents:
    """Give what a session of Beaker's holds; raises `NoRecord` for what is left of an ended one."""
    own = beakers_own(settings.type)
    values = {key: value for key, value in data.items() if key not in own}
    if not values and "_creation_time" not in data:
        raise NoRecord(Refusal.UNKNOWN)  # delete() leaves the domain and the path
    accessed = moment(data.get("_accessed_time", now))
    created = moment(data.get("_creation_time", accessed))
    return Contents(values, created, accessed, _own(data, settings) or NOTHING)


def _own(data: dict[str, Any], settings: SessionSettings) -> dict[str, Any]:
    """Give the domain and the path that this one session has set."""
    usual = {"domain": settings.cookie_domain, "path": settings.cookie_path}
    # For an empty domain Beaker sends none, whatever the settings say.
    found = {"domain": data.get("_domain", usual["domain"]) or None}
    found["path"] = data.get("_path") or usual["path"]
    own = {name: value for name, value in found.items() if value != usual[name]}
    try:
        return {name: value and getattr(cookie_rules, name)(value) for name, value in own.items()}
    except ValueError:
        raise CorruptData("a session of Beaker's has an invalid domain or path") from None


def from_base64(text: str | bytes) -> bytes:
    """Give the bytes that Beaker has encoded as text; raises `CorruptData`."""
    try:
        return b64decode(text)
    except ValueError:
        raise CorruptData("what Beaker has stored is not base64") from None


def from_json(data: bytes) -> Any:
    """Give what Beaker has stored as compressed JSON; raises `CorruptData`."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, LARGEST)
        if not unpacker.eof:
            raise ValueError
        return json.loads(text)
    except (zlib.error, ValueError, RecursionError):
        raise CorruptData("what Beaker has stored is neither a pickle nor JSON") from None
