"""New ids that are derived from old ones."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from ..ids import ID_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence


class DerivedIds:
    """Gives the same new id for the same old one, to those who know the secret.

    Without secrets anybody can compute it. Of several the oldest is used: servers that already
    have a new secret, and those that do not yet, derive the same id.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        key = b""
        if secrets:
            key = blake2b(secrets[-1].encode(), digest_size=32, person=b"adopted session").digest()
        self._hash = blake2b(key=key, digest_size=ID_BYTES, person=b"adopted id")

    def derive(self, name: str) -> bytes:
        """Give the bytes of the new id for an old one."""
        digest = self._hash.copy()
        digest.update(name.encode("utf-8", "surrogateescape"))
        return digest.digest()
