"""The options that this package's sessions, regions and stores obey, declared once.

A field with its metadata is the whole declaration of an option. Parsing, messages, near-misses
and the reference in the docs are derived from it. The options of single back ends, and those that
are Beaker's or Pyramid's alone, are in modules of their own; `all_options` has them all.
"""

# ruff: noqa: RUF009 (option() is dataclasses.field() with a declaration)

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from . import convert, cookie_rules
from .convert import DAY, MINUTE
from .option import EARLIER, GivenOptions, declared_options, option
from .pyramid_only import SIGNED_COOKIE
from .store_types import (
    BY_FOLDER,
    BY_URL,
    DATABASES,
    FOLDERS,
    MEMCACHED,
    REDIS,
    SQL_TYPES,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from ..stores.base import Store

#: Options that lead to a Redis server in place of a URL.
REDIS_SERVERS = ("redis.sentinels", "redis.startup_nodes", "redis.client_factory")


@dataclass(frozen=True, kw_only=True, repr=False)
class StoreSettings:
    """Where the bytes go, and how: what sessions and regions have in common.

    ``backend`` holds the backend's options that were given, such as ``table_name`` or ``sa.url``;
    ``given``, for sessions only, holds all options that were given, converted, by their bare names.
    """

    type: str | Store = option(
        convert.store_type,
        "memory",
        "The kind of store: memory, file, sqlite, redis, memcached, sql, one of Beaker's "
        "others or, for sessions, cookie; or a store object.",
        default_text="memory; for sessions file if data_dir is given",
    )
    url: str | Any | None = option(
        convert.text_or_object,
        None,
        "Where the server, database or file is, or a client or engine where the type takes one.",
        secret=True,
        types=BY_URL,
        needed_by=(*REDIS, "ext:mongodb", *MEMCACHED, *DATABASES, "sqlite"),
        instead=dict.fromkeys(DATABASES, ("sa.url",)),
        alternatives={
            **dict.fromkeys(REDIS, REDIS_SERVERS),
            "sqlite": ("data_dir",),
        },
    )
    data_dir: str | None = option(
        convert.text,
        None,
        "The folder that holds the data, and lock files where lock_dir is not given.",
        types=BY_FOLDER,
        own_types=FOLDERS,
        needed_by=("file", "dbm"),
        instead={"file": ("file_dir", "lock_dir"), "dbm": ("dbm_dir", "lock_dir")},
    )
    lock_dir: str | None = option(
        convert.text,
        None,
        "The folder that holds lock files.",
        types=BY_FOLDER,
        own_types=FOLDERS,
    )
    fsync: bool = option(
        convert.boolean,
        False,
        "Whether each write waits for the disk, so that a power cut loses nothing.",
        types=("file", "sqlite"),
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
        "How many entries are kept in memory before the least recently used are removed.",
        types=("memory",),
        obeyed_by="beakerish",
    )
    backend: Mapping[str, Any] = field(default_factory=GivenOptions)
    given: Mapping[str, Any] = field(default_factory=GivenOptions)

    @property
    def key_prefix(self) -> str:
        """The prefix under which these settings were written."""
        return ""


@dataclass(frozen=True, kw_only=True, repr=False)
class SessionSettings(StoreSettings):
    """How sessions are kept, and the cookie that names them.

    ``beaker_reason`` tells why Beaker keeps the sessions although ``format`` does not ask for it;
    ``key_prefix`` is the prefix of the options that were given.
    """

    key: str = option(
        cookie_rules.name,
        "beaker.session.id",
        "The name of the cookie.",
        default_of={"pyramid": "session"},
    )
    secret: tuple[str, ...] = option(
        convert.secrets,
        (),
        "What signs the cookie, one secret a line, newest first: the first signs, all verify.",
        secret=True,
        needed_by=(SIGNED_COOKIE,),
    )
    id_generator: Callable[[], str] | None = option(
        convert.dotted_callable,
        None,
        "What draws the ids: 22 to 128 characters of A-Z a-z 0-9 _ -, with 128 random bits.",
        default_text="256 random bits",
        obeyed_by="beakerish",
    )
    require_secret: bool = option(
        convert.boolean,
        False,
        "Whether a secret that is missing, or shorter than 32 characters, is an error.",
        obeyed_by="shell",
    )
    timeout: float | None = option(
        convert.duration_or_none("use none for sessions that never end by themselves"),
        14 * DAY,
        "How long a session lives after its last use.",
        default_of={"beaker": None, "pyramid": 20 * MINUTE},
        takes_none=True,
    )
    lifetime: float | None = option(
        convert.duration_or_none("use none for no limit"),
        None,
        "How long a session lives after its creation, however much it is used.",
        obeyed_by="beakerish",
        takes_none=True,
    )
    renew_id_every: float | None = option(
        convert.duration_or_none("use none for ids that only a login changes"),
        None,
        "How long an id is used before the session gets a new one by itself.",
        obeyed_by="beakerish",
        takes_none=True,
    )
    rotation_grace: float | None = option(
        convert.duration_or_none("use none for no grace"),
        30.0,
        "How long the old id still leads to a session whose id was renewed by itself.",
        obeyed_by="beakerish",
        takes_none=True,
    )
    max_sessions_per_user: int | None = option(
        convert.whole_number_or_none,
        None,
        "How many sessions one user may have; the least recently used ones end. none for no limit.",
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
        "Whether requests from other sites carry the cookie; None needs secure = true, and an "
        "empty value leaves it to the browser.",
        takes_none=True,
    )
    partitioned: bool = option(
        convert.boolean,
        False,
        "Whether a page inside another site's page has a cookie of its own there (CHIPS).",
        obeyed_by="beakerish",
    )
    use_cookies: bool = option(convert.boolean, True, "Whether a cookie is read and sent at all.")
    data_serializer: str | Any = option(
        convert.serializer,
        "msgpack",
        "How values become bytes; an object needs dumps and loads.",
        default_of={"beaker": "pickle"},
    )
    pickle_classes: tuple[str, ...] = option(
        convert.class_names,
        (),
        "The classes that pickled sessions may hold, as package.module:Class.",
        obeyed_by="shell",
    )
    rotate_on: str | None = option(
        convert.session_key,
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
    clear_site_data: tuple[str, ...] = option(
        convert.site_data,
        (),
        "What else the browser forgets at logout: cache, cookies, storage; with commas between.",
        obeyed_by="beakerish",
    )
    cookie_on_exception: bool = option(
        convert.boolean,
        True,
        "Whether the session is saved, and its cookie sent, when an exception view answers.",
        obeyed_by="shell",
    )
    constant_csrf_token: str | Literal[False] = option(
        convert.token,
        False,
        "One CSRF token for every session; for tests only.",
        secret=True,
        obeyed_by="shell",
    )
    previous: SessionSettings | None = option(
        convert.nothing,
        None,
        "Where sessions were kept before, as previous.*; none if there are no earlier ones.",
        default_text="the same settings in the other format: Beaker's sessions, unless they are in "
        "memory, MongoDB or a Redis cluster; where format = beaker, this package's",
        obeyed_by="shell",
        takes_none=True,
    )
    transactional: bool = option(
        convert.boolean,
        False,
        "Whether changes are stored if, and only if, the transaction of pyramid_tm is committed.",
        obeyed_by="beakerish",
    )
    after_transaction: Literal["error", "save"] = option(
        convert.one_of("error", "save"),
        "error",
        "What a change after the end of the transaction is: an error, or saved by itself.",
        obeyed_by="beakerish",
    )
    # "pyramid" is the format of signed cookies; their type sets it, and no setting names it.
    format: Literal["beakerish", "beaker", "pyramid"] = option(
        convert.one_of("beakerish", "beaker"),
        "beakerish",
        "Whose sessions these are: this package's, or Beaker's own Session class.",
        default_text="beakerish, or beaker where only Beaker can do what is asked",
        obeyed_by="shell",
    )
    beaker_reason: str | None = None
    key_prefix: str = "session."

    @property
    def is_earlier(self) -> bool:
        """Whether these are the settings of ``previous.*``."""
        return self.key_prefix.endswith(EARLIER)

    @property
    def in_own_store(self) -> bool:
        """Whether a store of this package keeps the sessions: not Beaker, and no cookie."""
        return self.format == "beakerish" and self.type != "cookie"

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
    stale: float | None = option(
        convert.duration_or_none("use none to let all wait for the new result"),
        None,
        "For how long after its end the old result is given to others while one caller renews it.",
        obeyed_by="beakerish",
        takes_none=True,
    )
    stale_on_error: float | None = option(
        convert.duration_or_none("use none to let every error through"),
        None,
        "For how long after its end the old result is given if the function fails.",
        obeyed_by="beakerish",
        takes_none=True,
    )
    local: float | None = option(
        convert.duration_or_none("use none to ask the store each time"),
        None,
        "For how long a result of a store is kept in the memory of each process as well.",
        obeyed_by="beakerish",
        takes_none=True,
    )
    copy: bool = option(
        convert.boolean,
        False,
        "Whether memory hands out copies of what it keeps, and not the object itself.",
        obeyed_by="beakerish",
    )
    lease: float = option(
        convert.duration("leave it out for 30 s"),
        30.0,
        "For how long other processes wait for the one that creates a result.",
        obeyed_by="beakerish",
    )
    serializer: str | Any = option(
        convert.serializer,
        "msgpack",
        "How results become bytes in a store; an object needs dumps and loads.",
        obeyed_by="beakerish",
    )
    pickle_classes: tuple[str, ...] = option(
        convert.class_names,
        (),
        "The classes that serializer = pickle may load, as package.module:Class.",
        obeyed_by="beakerish",
    )

    @property
    def kept_after_expiry(self) -> float:
        """For how long a result is kept after its end, in seconds."""
        return max(self.stale or 0.0, self.stale_on_error or 0.0)

    @property
    def shares_objects(self) -> bool:
        """Whether all callers are given the same object from memory, not one each."""
        return not self.copy and (self.type == "memory" or self.local is not None)

    @property
    def key_prefix(self) -> str:
        """The prefix under which these settings were written."""
        return f"cache.{self.name}."

    def __repr__(self) -> str:
        return f"<RegionSettings {self.name}: {self.type}>"


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """What is set once for the cache as a whole, not region by region."""

    regions: tuple[str, ...] = option(
        convert.names, (), "The names of the cache regions, separated by commas or line ends."
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
