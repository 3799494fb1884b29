"""What a store type needs and the settings lack, checked without contacting anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beaker import crypto

from .beaker_only import ALL_REGION_OPTIONS, ALL_SESSION_OPTIONS
from .databases import database_mistakes
from .options import DATABASES, SQL_TYPES, RegionSettings, SessionSettings
from .sentences import listed
from .store_types import has_own_store, missing_library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .option import Option
    from .options import StoreSettings


def missing_requirements(settings: StoreSettings) -> list[str]:
    """Give one sentence for each thing that the type of store needs and lacks.

    That is an option, such as a url or a data_dir, or a client library. Nothing is contacted.

    Example::

        problems = missing_requirements(settings)
        if problems:
            raise SettingsError(problems)
    """
    if "namespace_class" in getattr(settings, "given", ()):
        return []
    if settings.type in SQL_TYPES and not _is_beakers(settings):
        return database_mistakes(settings, _prefix(settings))
    problems = list(_missing_options(settings))
    problems.extend(_missing_client(settings))
    if isinstance(settings, SessionSettings) and settings.format == "beaker":
        problems.extend(_missing_for_encryption(settings))
    return problems


def _prefix(settings: StoreSettings) -> str:
    return f"cache.{settings.name}." if isinstance(settings, RegionSettings) else "session."


def _missing_options(settings: StoreSettings) -> Iterator[str]:
    options = ALL_REGION_OPTIONS if isinstance(settings, RegionSettings) else ALL_SESSION_OPTIONS
    for name, option in options.items():
        instead = _instead(settings, option)
        if settings.type not in option.needed_by or _value(settings, name) is not None:
            continue
        if not instead or any(_value(settings, other) is None for other in instead):
            yield _needs(settings, name, instead)


def _instead(settings: StoreSettings, option: Option) -> tuple[str, ...]:
    """Give the options of Beaker's which together stand in for this one."""
    return option.instead.get(str(settings.type), ()) if _is_beakers(settings) else ()


def _needs(settings: StoreSettings, name: str, instead: tuple[str, ...]) -> str:
    prefix = _prefix(settings)
    others = listed([prefix + other for other in instead], "and")
    return f"{prefix}type = {settings.type} needs {prefix}{name}{', or ' * bool(others)}{others}."


def _value(settings: StoreSettings, name: str) -> Any:
    """Give what was given for an option, wherever it is kept."""
    if name in settings.backend:
        return settings.backend[name]
    engine = settings.backend.get("sa_opts", {}) if settings.type in DATABASES else {}
    given = getattr(settings, "given", {})
    return getattr(settings, name, None) or given.get(name) or engine.get(name)


def _missing_client(settings: StoreSettings) -> Iterator[str]:
    if not isinstance(settings.type, str) or not _is_beakers(settings):
        return
    chosen = settings.backend.get("memcache_module", "auto")
    libraries = missing_library(settings.type, None if chosen == "auto" else chosen)
    if libraries:
        yield f"{_prefix(settings)}type = {settings.type} needs {libraries}: install it."


def _is_beakers(settings: StoreSettings) -> bool:
    if isinstance(settings, SessionSettings):
        return settings.format == "beaker"
    return not has_own_store(settings.type)


def _missing_for_encryption(settings: SessionSettings) -> Iterator[str]:
    crypto_type = settings.given.get("crypto_type", "default")
    module = _crypto_module(crypto_type)
    if module is None:
        yield f"session.crypto_type = {crypto_type} needs that library: install it."
    if "encrypt_key" not in settings.given:
        return
    if "validate_key" not in settings.given:
        yield "session.encrypt_key needs session.validate_key."
    if module is not None and not module.has_aes:
        # Beaker would store clear text without a word.
        yield "session.encrypt_key needs an AES library: install cryptography."


def _crypto_module(crypto_type: str) -> Any:
    try:
        return crypto.get_crypto_module(crypto_type)
    except ImportError:
        return None
