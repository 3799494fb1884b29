"""Which store types there are, who serves them, and what library they need."""

from __future__ import annotations

from importlib.util import find_spec

from .pyramid_only import SIGNED_COOKIE
from .registered import registered

#: Beaker's types that open a SQL database by a URL.
DATABASES = ("ext:database", "database")
#: Our own stores that keep files.
FOLDERS = ("dbm", "file", "sqlite")
#: Beaker's types that take an engine and a table as objects.
SQLALCHEMY = ("ext:sqla", "sqla")
#: The types of this package's own store of SQL databases.
SQL_TYPES = ("sql", *DATABASES, *SQLALCHEMY)
MEMCACHED = ("ext:memcached", "memcached")
REDIS = ("ext:redis", "redis")
#: The types that are found by a URL, here or in Beaker.
BY_URL = (*REDIS, "ext:mongodb", *MEMCACHED, *SQL_TYPES, "sqlite")
#: The types that need a folder, if only for Beaker's lock files.
BY_FOLDER = (*FOLDERS, *MEMCACHED, *DATABASES, *SQLALCHEMY)

#: Beaker's types, each with its client libraries, any one of which will do.
BEAKER_TYPES: dict[str, tuple[str, ...]] = {
    "memory": (),
    "file": (),
    "dbm": (),
    "cookie": (),
    "ext:memcached": ("memcache", "cmemcache", "bmemcached"),
    "ext:database": ("sqlalchemy",),
    "ext:sqla": ("sqlalchemy",),
    "ext:mongodb": ("pymongo",),
    "ext:redis": ("redis",),
    "ext:rediscluster": ("redis",),
    # Beaker registers these two names of its own classes as entry points.
    "database": ("sqlalchemy",),
    "memcached": ("memcache", "cmemcache", "bmemcached"),
    "sqla": ("sqlalchemy",),
}

#: Types for which Beaker calls a Datastore API that ended with Python 2 on App Engine.
WITHOUT_SERVICE = frozenset({"ext:google", "google"})

#: Our own types that need a client library, each with its module and the extra that brings it.
OWN_LIBRARIES: dict[str, tuple[str, str]] = {
    **dict.fromkeys(MEMCACHED, ("pymemcache", "memcached")),
    **dict.fromkeys(REDIS, ("redis", "redis")),
    **dict.fromkeys(SQL_TYPES, ("sqlalchemy", "sql")),
}
#: Served by Pyramid itself.
PYRAMID_TYPES = frozenset({SIGNED_COOKIE})

#: Types whose unknown options Beaker hands on to the client library.
PASSING_ON = frozenset({"ext:rediscluster"})


def is_store(value: object) -> bool:
    """Tell whether the value is a store itself, not the name of a type."""
    # The stores import this module, so an import at the top would be circular.
    from ..stores import Store

    return isinstance(value, Store)


def has_own_store(type_name: object) -> bool:
    """Tell whether the type has a store of this package, or one that is registered with it."""
    from ..stores import OWN_STORES, known_types

    return type_name in OWN_STORES or type_name in known_types()


def runs_on_beaker(type_name: object) -> bool:
    """Tell whether the type has a store that keeps its entries with a back end of Beaker's."""
    from ..stores import runs_on_beaker

    return runs_on_beaker(type_name)


def beaker_has(type_name: object) -> bool:
    """Tell whether Beaker has a backend, or a session class, of that type."""
    return type_name in BEAKER_TYPES or type_name in _registered_with_beaker()


def passes_on(type_name: object) -> bool:
    """Tell whether options that are unknown here are handed on to the backend of this type."""
    from ..stores import OWN_STORES

    known = type_name in BEAKER_TYPES or type_name in OWN_STORES or type_name in PYRAMID_TYPES
    if known or is_store(type_name):
        return type_name in PASSING_ON
    return True


def known_here() -> frozenset[str]:
    """Give every type that no other package has to register."""
    from ..stores import OWN_STORES

    return frozenset(OWN_STORES) | PYRAMID_TYPES | frozenset(BEAKER_TYPES)


def all_types() -> frozenset[str]:
    """Give every type that somebody serves."""
    from ..stores import known_types

    return known_here() | known_types() | _registered_with_beaker()


def _registered_with_beaker() -> frozenset[str]:
    names = frozenset(registered("beaker.backends").names)
    return names - WITHOUT_SERVICE


def missing_extra(type_name: str) -> str | None:
    """Give the requirement that installs our store's client library, if that is missing."""
    if type_name not in OWN_LIBRARIES:
        return None
    library, extra = OWN_LIBRARIES[type_name]
    return None if find_spec(library) else f"pyramid_beakerish[{extra}]"


def missing_library(type_name: str, chosen: str | None = None) -> str | None:
    """Give the libraries of which Beaker's backend needs any one, if none is installed.

    ``chosen`` is the one library that the settings name, if they do.
    """
    needed = (chosen,) if chosen else BEAKER_TYPES.get(type_name, ())
    if not needed or any(find_spec(library) for library in needed):
        return None
    return " or ".join(needed)
