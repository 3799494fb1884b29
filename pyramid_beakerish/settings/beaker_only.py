"""The options of Beaker's sessions that are not among this package's own.

They are accepted, so that settings written for Beaker go on working. Beaker's own sessions
(``session.format = beaker``) obey them. Ours obey some; why the others have no effect is logged.
"""

from __future__ import annotations

from typing import Any

from . import convert
from .convert import Converter
from .option import Option

CRYPTO_TYPES = ("default", "cryptography", "pycryptodome", "pycrypto")


def _crypto_type(value: str) -> str:
    from beaker import crypto  # imports pycryptodome, where it is installed

    if value not in CRYPTO_TYPES and value not in crypto.CRYPTO_MODULES:
        raise ValueError(value)
    return value


def _session_class(value: Any) -> Any:
    from beaker.session import Session  # imports every client library that is installed

    found = convert.resolve(value)
    if not issubclass(found, Session):
        raise TypeError(found)
    return found


crypto_type = Converter("a crypto module", "default, cryptography or pycryptodome", _crypto_type)
session_class = Converter(
    "a subclass of beaker.session.Session", "such a class or package.module:name", _session_class
)

#: Options of Beaker's sessions.
SESSION: dict[str, Option] = {
    "auto": Option(
        convert=convert.boolean,
        default=False,
        help="Whether Beaker saves a session that was merely read.",
        obeyed_by="beaker",
        inert="every change is saved without being asked for",
    ),
    "invalidate_corrupt": Option(
        convert=convert.boolean,
        default=None,
        default_text="true, except for what cannot be decrypted",
        help="Whether a session of Beaker's that cannot be read becomes a new one, not an error.",
        obeyed_by="beaker",
        inert="a session that cannot be read always becomes a new one",
    ),
    "webtest_varname": Option(
        convert=convert.text,
        default=None,
        help="The name under which the WSGI middleware shows the session to WebTest.",
        obeyed_by="nobody",
        inert="only the WSGI middleware reads it",
    ),
    "encrypt_key": Option(
        convert=convert.secrets,
        default=None,
        help="What encrypts stored sessions, one key a line, newest first; needs cryptography.",
        secret=True,
    ),
    "validate_key": Option(
        convert=convert.secrets,
        default=None,
        help="What signs a session in a cookie where there is no secret, as in Beaker; there it "
        "signs encrypted sessions, too.",
        own_types=("cookie",),
        needed_by=("cookie",),
        alternatives={"cookie": ("secret", "encrypt_key")},
        inert="a record on the server needs no signature, and an encrypted one has its own; the "
        "key is used only to read what Beaker has stored",
        secret=True,
    ),
    "encrypt_nonce_bits": Option(
        convert=convert.nonce_bits,
        default=128,
        help="How many random bits Beaker salts the encryption key with.",
        obeyed_by="beaker",
        inert="it is used only to read what Beaker has encrypted",
    ),
    "crypto_type": Option(
        convert=crypto_type,
        default="default",
        help="The library that Beaker encrypts with.",
        obeyed_by="beaker",
        inert="it is used only to read what Beaker has encrypted",
    ),
    "session_class": Option(
        convert=session_class,
        default=None,
        help="Your own Session class, derived from Beaker's.",
        obeyed_by="beaker",
    ),
    "namespace_class": Option(
        convert=convert.dotted_callable,
        default=None,
        help="Your own NamespaceManager, in place of a type.",
        obeyed_by="beaker",
    ),
}
