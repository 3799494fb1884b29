"""The options that belong to a backend, and those of all options that are handed to Beaker."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .all_options import find_option
from .beaker_only import SESSION
from .convert import DAY
from .options import SESSION_OPTIONS, STORE_OPTIONS
from .store_types import BEAKER_TYPES, DATABASES, MEMCACHED, has_own_store, runs_on_beaker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .option import Option
    from .options import RegionSettings, SessionSettings, StoreSettings

MEMCACHED_LIMIT = 30 * DAY


#: What Beaker calls the types that have a shorter name here.
BEAKERS_NAMES = {"redis": "ext:redis", "sql": "ext:database"}


def backend_options(values: Mapping[str, Any], table: dict[str, Option]) -> dict[str, Any]:
    """Give the options that the table has and that a backend reads."""
    known = ((name, find_option(table, name)) for name in values)
    return {name: values[name] for name, option in known if option and option.obeyed_by != "nobody"}


def own_data_dir(values: Mapping[str, Any]) -> str | None:
    """Give the folder for our own store: settings written for Beaker may name file_dir alone."""
    folder: str | None = values.get("data_dir")
    return values.get("file_dir") if folder is None and values["type"] == "file" else folder


def beaker_options(settings: SessionSettings) -> dict[str, Any]:
    """Give the keyword arguments for Beaker's Session: the given options that it knows.

    Durations are whole seconds. Of several secrets or keys, the first is handed on.
    ``secure = auto`` is left out, as it depends on the request.

    Example::

        session, messages = session_settings(format="beaker", timeout="30m")
        assert beaker_options(session) == {"timeout": 1800}
    """
    options = {
        name: _for_beaker(name, value)
        for name, value in settings.given.items()
        if _is_beakers(name) and value != "auto"
    }
    return {**options, **_backend_for_beaker(settings)}


def beaker_region_options(region: RegionSettings) -> dict[str, Any]:
    """Give what ``beaker.cache.cache_regions`` is to hold for a region.

    These are exactly the keys that pyramid_beaker writes, the backend options that were given,
    and the options of our own store for a type that Beaker does not have.

    Example::

        beaker.cache.cache_regions["short"] = beaker_region_options(regions["short"])
    """
    return {
        "data_dir": region.data_dir,
        "lock_dir": region.lock_dir,
        "expire": _expire_for_beaker(region),
        "enabled": region.enabled,
        "key_length": region.key_length,
        "type": _type_for_beaker(region),
        "url": region.url,
        **_store_options(region),
        **_backend_for_beaker(region),
    }


def _type_for_beaker(region: RegionSettings) -> Any:
    return BEAKERS_NAMES.get(str(region.type), region.type)


def _store_options(region: RegionSettings) -> dict[str, Any]:
    kind = _type_for_beaker(region)
    if kind in BEAKER_TYPES or runs_on_beaker(kind) or not has_own_store(kind):
        return {}
    return {name: getattr(region, name) for name in STORE_OPTIONS}


def _is_beakers(name: str) -> bool:
    option = SESSION_OPTIONS.get(name) or SESSION.get(name)
    return option is not None and option.obeyed_by in ("both", "beaker")


def _for_beaker(name: str, value: Any) -> Any:
    if isinstance(value, tuple):
        return value[0]
    if name == "timeout":
        return _whole_seconds(value)
    if isinstance(value, float):
        return timedelta(seconds=value)
    return value


def _expire_for_beaker(region: RegionSettings) -> int | None:
    # Memcached takes a longer time for a date long past, and Beaker does not convert it:
    # https://github.com/memcached/memcached/wiki/Programming#expiration
    longest = MEMCACHED_LIMIT if region.type in MEMCACHED else math.inf
    return None if region.expire is None else _whole_seconds(min(region.expire, longest))


def _whole_seconds(seconds: float | None) -> int | None:
    # Rounded up, so that a fraction of a second does not become no time at all.
    return None if seconds is None else math.ceil(seconds)


def _backend_for_beaker(settings: StoreSettings) -> dict[str, Any]:
    options = {
        name: value for name, value in settings.backend.items() if not name.startswith("redis.")
    }
    if "timeout" in options:
        options["timeout"] = _whole_seconds(options["timeout"])
    if settings.type in ("sql", *DATABASES):
        # Beaker 1.14 reads engine options from this one dictionary only. It enters the url there
        # itself, and would take the region with the changed dictionary for another one.
        engine = {name: options.pop(name) for name in list(options) if name.startswith("sa.")}
        url = {"sa.url": settings.url} if settings.url else {}
        options["sa_opts"] = {**options.get("sa_opts", {}), **engine, **url}
    return options
