"""Sessions of Pyramid's SignedCookieSessionFactory, each as a whole in a signed cookie."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from webob.cookies import SignedSerializer

from ...errors import CorruptData
from ...settings.pyramid_only import SIGNED_COOKIE_OPTIONS
from ..cookie import sent_values
from ..record import NOTHING
from .earlier import Contents, moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...serializers.foreign_pickles import ForeignPickles
    from ...settings import SessionSettings
    from .earlier import EarlierSession


#: What Pyramid does if nothing else was given.
DEFAULTS: dict[str, Any] = {name: option.default for name, option in SIGNED_COOKIE_OPTIONS.items()}


class _Bytes:
    """A serializer that leaves what was signed as it is."""

    def loads(self, data: bytes) -> bytes:
        """Give the bytes."""
        return data


class SignedCookies:
    """The sessions in signed cookies; they have no ids, so each change makes another session."""

    def __init__(self, settings: SessionSettings, pickles: ForeignPickles) -> None:
        given = {**DEFAULTS, **settings.given}
        self.timeout = settings.timeout
        self._name = settings.key
        self._serializer = given["serializer"]
        self._pickles = pickles
        self._signers = [
            SignedSerializer(secret, given["salt"], given["hashalg"], serializer=_Bytes())
            for secret in settings.secret
        ]

    def open(self) -> None:
        """Nothing to open."""

    def find(self, header: str) -> Iterator[EarlierSession]:
        """Give the sessions that are in the header; see `Earlier.find`."""
        for value in sent_values(header, self._name):
            for signer in self._signers:
                try:
                    signed = signer.loads(value)
                except ValueError:
                    continue
                yield _SignedCookie(self, signed)

    def loads(self, data: bytes) -> Any:
        """Give what was signed; raises `CorruptData`."""
        serializer: Any = self._serializer
        if serializer == "pickle":
            return self._pickles.loads(data)
        try:
            return (json if serializer == "json" else serializer).loads(data)
        except Exception:  # whatever the application's object raises
            raise CorruptData("a signed cookie cannot be read") from None


class _SignedCookie:
    def __init__(self, cookies: SignedCookies, data: bytes) -> None:
        self._cookies = cookies
        self._data = data

    @property
    def name(self) -> str:
        return blake2b(self._data, digest_size=32, person=b"signed cookie").hexdigest()

    def read(self) -> Contents:
        loaded = self._cookies.loads(self._data)
        if not isinstance(loaded, (list, tuple)) or len(loaded) != 3:
            raise CorruptData("a signed cookie does not hold a session")
        renewed, created, values = loaded
        if type(values) is not dict or not all(type(key) is str for key in values):
            raise CorruptData("a signed cookie does not hold a dictionary with str for its keys")
        return Contents(values, moment(created), moment(renewed), NOTHING)

    def forget(self) -> bool:
        return True  # it cannot be removed: the browser has it
