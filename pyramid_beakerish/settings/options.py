"""THE table: every option of sessions, regions and the package itself, declared once.

A field with its metadata is the whole declaration of an option. Parsing, messages, near-misses
and the reference in the docs are derived from it.
"""

# ruff: noqa: RUF009 (option() is dataclasses.field() with a declaration)

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from . import convert, cookie_rules
from .convert import DAY, MINUTE
from .option import GivenOptions, declared_options, option

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from pyramid_beakerish.stores.base import Store

#: Beaker's types that open a SQL database by a URL.
DATABASES = ("ext:database", "database")
#: Beaker's types that take an engine and a table as objects.
SQLALCHEMY = ("ext:sqla", "sqla")
#: The types of this package's own store of SQL databases.
SQL_TYPES = ("sql", *DATABASES, *SQLALCHEMY)
MEMCACHED = ("ext:memcached", "memcached")


@dataclass(frozen=True, kw_only=True, repr=False)
class StoreSettings:
    """Where the bytes go, and how: what sessions and regions have in common.

    ``backend`` holds the given options of a backend, such as ``table_name`` or ``sa.url``.
    """

    type: str | Store = option(
        convert.store_type,
        "memory",
        "The kind of store, or a store object.",
        default_text="memory; for sessions file if data_dir is given",
    )
    url: str | Any | None = option(
        convert.text_or_object,
        None,
        "Where the server or database is, or a client or engine where the type takes one.",
        secret=True,
        needed_by=("ext:redis", "ext:mongodb", *MEMCACHED, "sql", *DATABASES),
        instead=dict.fromkeys(DATABASES, ("sa.url",)),
    )
    data_dir: str | None = option(
        convert.text,
        None,
        "The folder that holds the data, and lock files where lock_dir is not given.",
        needed_by=("file", "dbm"),
        instead={"file": ("file_dir", "lock_dir"), "dbm": ("dbm_dir", "lock_dir")},
    )
    lock_dir: str | None = option(convert.text, None, "The folder that holds lock files.")
    fsync: bool = option(
        convert.boolean,
        False,
        "Whether each write waits for the disk, so that a power cut loses nothing.",
        types=("file",),
        obeyed_by="beakerish",
    )
    create_table: bool = option(
        convert.boolean,
        True,
        "Whether the table of a SQL store is made when the application starts.",
        types=SQL_TYPES,
        obeyed_by="beakerish",
    )
    max_entries: int = option(
        convert.whole_number,
        100_000,
        "How many entries are kept in memory before the least recently used leave.",
        types=("memory",),
        obeyed_by="beakerish",
    )
    backend: Mapping[str, Any] = field(default_factory=GivenOptions)


@dataclass(frozen=True, kw_only=True, repr=False)
class SessionSettings(StoreSettings):
    """How sessions are kept, and the cookie that names them.

    ``beaker_reason`` tells why Beaker serves the sessions where nobody asked for it, and
    ``given`` holds the options that were given, converted, by their bare names.
    """

    key: str = option(cookie_rules.name, "beaker.session.id", "The name of the cookie.")
    secret: tuple[str, ...] = option(
        convert.secrets,
        (),
        "What signs the cookie, one secret a line, newest first: the first signs, all verify.",
        secret=True,
    )
    timeout: float | None = option(
        convert.duration_or_none("use none for sessions that never end by themselves"),
        14 * DAY,
        "How long a session lives after its last use.",
        beaker_default=None,
        takes_none=True,
    )
    lifetime: float | None = option(
        convert.duration_or_none("use none for no limit"),
        None,
        "How long a session lives after its creation, however much it is used.",
        obeyed_by="beakerish",
        takes_none=True,
    )
    touch_interval: float = option(
        convert.duration("leave it out for a tenth of the timeout, at most 60 s"),
        MINUTE,
        "How often at most a read is recorded as use of the session.",
        default_text="a tenth of the timeout, at most 60 s",
        obeyed_by="beakerish",
    )
    save_accessed_time: bool = option(
        convert.boolean,
        True,
        "Whether reading counts as use; if not, the timeout counts from the last change.",
    )
    cookie_domain: str | None = option(
        cookie_rules.domain, None, "The domain whose hosts share the cookie."
    )
    cookie_path: str = option(cookie_rules.path, "/", "The path under which the cookie is sent.")
    cookie_expires: bool | float | datetime = option(
        convert.cookie_expires,
        True,
        "When the browser forgets the cookie: with its end (true), never (false), or a time.",
    )
    secure: bool | Literal["auto"] = option(
        convert.boolean_or_auto,
        "auto",
        "Whether the cookie is sent over https only; auto follows the request's own scheme.",
    )
    httponly: bool = option(
        convert.boolean,
        True,
        "Whether the cookie is hidden from JavaScript.",
    )
    samesite: Literal["Lax", "Strict", "None"] | None = option(
        convert.samesite,
        "Lax",
        "Whether requests from other sites carry the cookie; None needs secure = true.",
        takes_none=True,
    )
    use_cookies: bool = option(convert.boolean, True, "Whether a cookie is read and sent at all.")
    data_serializer: str | Any = option(
        convert.serializer,
        "msgpack",
        "How values become bytes; an object needs dumps and loads.",
        beaker_default="pickle",
    )
    pickle_classes: tuple[str, ...] = option(
        convert.names,
        (),
        "The classes that data_serializer = pickle may load, as package.module.Class.",
        obeyed_by="beakerish",
    )
    rotate_on: str | None = option(
        convert.text_or_none,
        "auth.userid",
        "The session key whose change gives the session a new id; none for no such key.",
        obeyed_by="shell",
        takes_none=True,
    )
    on_store_error: Literal["error", "anonymous"] = option(
        convert.one_of("error", "anonymous"),
        "error",
        "Whether a request fails, or is served without a session, when the store is down.",
        obeyed_by="beakerish",
    )
    cache_control: Literal["private", "no-store"] = option(
        convert.one_of("private", "no-store"),
        "private",
        "The Cache-Control of a response that sets the cookie.",
        obeyed_by="shell",
    )
    cookie_on_exception: bool = option(
        convert.boolean,
        True,
        "Whether the session is saved, and its cookie sent, when an exception view answers.",
        obeyed_by="shell",
    )
    constant_csrf_token: str | Literal[False] = option(
        convert.text_or_false,
        False,
        "One CSRF token for every session; for tests only.",
        secret=True,
        obeyed_by="shell",
    )
    format: Literal["beakerish", "beaker"] = option(
        convert.one_of("beakerish", "beaker"),
        "beakerish",
        "Whose sessions these are: this package's, or Beaker's own Session class.",
        default_text="beakerish, or beaker where only Beaker can do what is asked",
        obeyed_by="shell",
    )
    beaker_reason: str | None = None
    given: Mapping[str, Any] = field(default_factory=GivenOptions)

    def __repr__(self) -> str:
        return f"<SessionSettings {self.given!r}>"


@dataclass(frozen=True, kw_only=True, repr=False)
class RegionSettings(StoreSettings):
    """One cache region: its store, and how long and under what keys it keeps results."""

    name: str
    expire: float | None = option(
        convert.duration_or_none("use enabled = false to cache nothing, or none for no end"),
        MINUTE,
        "How long a result is kept; none for ever.",
        takes_none=True,
    )
    enabled: bool = option(
        convert.boolean, True, "Whether results are cached; if not, functions are just called."
    )
    key_length: int = option(
        convert.whole_number, 250, "The longest key that is not replaced by its hash."
    )

    def __repr__(self) -> str:
        return f"<RegionSettings {self.name}: {self.type}>"


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """What is said once for the cache as a whole, and not region by region."""

    regions: tuple[str, ...] = option(
        convert.names, (), "The names of the cache regions, with commas or line ends between them."
    )


@dataclass(frozen=True, kw_only=True)
class PackageSettings:
    """How this package itself behaves: the options under ``beakerish.``."""

    unknown_settings: Literal["error", "warn", "ignore"] = option(
        convert.one_of("error", "warn", "ignore"),
        "error",
        "What becomes of a setting that is no option: an error, a message, or nothing.",
    )
    clock: Callable[[], float] = option(
        convert.dotted_callable,
        time.time,
        "What tells the time, in seconds since 1970; for tests.",
        default_text="time.time",
    )


STORE_OPTIONS = declared_options(StoreSettings)
SESSION_OPTIONS = declared_options(SessionSettings)
REGION_OPTIONS = declared_options(RegionSettings)
CACHE_OPTIONS = declared_options(CacheSettings)
PACKAGE_OPTIONS = declared_options(PackageSettings)
