"""What a store type needs and the settings lack, checked without contacting anything."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from .all_options import ALL_REGION_OPTIONS, ALL_SESSION_OPTIONS
from .options import RegionSettings, SessionSettings
from .sentences import listed
from .store_types import (
    MEMCACHED,
    SQL_TYPES,
    has_own_store,
    missing_extra,
    missing_library,
    runs_on_beaker,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .option import Option
    from .options import StoreSettings


def missing_requirements(settings: StoreSettings) -> list[str]:
    """Give one sentence for each thing that the type of store needs and lacks.

    It may be an option, such as a url or a data_dir, or a client library. Nothing is contacted.

    Example::

        problems = missing_requirements(settings)
        if problems:
            raise SettingsError(problems)
    """
    if "namespace_class" in settings.given:
        return []
    problems = [*_missing_options(settings), *_missing_client(settings)]
    if isinstance(settings, SessionSettings):
        problems.extend(_missing_for_sessions(settings))
    return problems or _wrong_for_store(settings)


def _missing_for_sessions(settings: SessionSettings) -> Iterator[str]:
    if settings.transactional:
        yield from _missing_for_transactions()
    if settings.format == "beaker":
        yield from _missing_for_encryption(settings)
    elif "encrypt_key" in settings.given and find_spec("cryptography") is None:
        yield f"{settings.key_prefix}encrypt_key needs pyramid_beakerish[encryption]: install it."
    # An earlier configuration that nobody has written is no requirement: it is read if it can be.
    if settings.previous is not None and settings.previous.is_earlier:
        yield from missing_requirements(settings.previous)


def _missing_options(settings: StoreSettings) -> Iterator[str]:
    if settings.type in SQL_TYPES and not _is_beakers(settings):
        return  # our own store needs other options than Beaker's, and says so itself
    options = ALL_REGION_OPTIONS if isinstance(settings, RegionSettings) else ALL_SESSION_OPTIONS
    for name, option in options.items():
        if settings.type not in option.needed_by or _value(settings, name) is not None:
            continue
        together, single = _instead(settings, option)
        if together and all(_value(settings, other) is not None for other in together):
            continue
        if all(_value(settings, other) is None for other in single):
            yield _needs(settings, name, together, single)


def _instead(settings: StoreSettings, option: Option) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the options that together replace this one, and those of which any one does."""
    kind = str(settings.type)
    together, single = option.instead.get(kind, ()), option.alternatives.get(kind, ())
    if _is_beakers(settings):
        return together, ()
    return (), single


def _needs(
    settings: StoreSettings, name: str, together: tuple[str, ...], single: tuple[str, ...]
) -> str:
    prefix = settings.key_prefix
    wanted = listed([prefix + one for one in (name, *single)])
    others = listed([prefix + other for other in together], "and")
    return f"{prefix}type = {settings.type} needs {wanted}{', or ' * bool(others)}{others}."


def _value(settings: StoreSettings, name: str) -> Any:
    """Give what was given for an option, wherever it is kept."""
    if name in settings.backend:
        return settings.backend[name]
    engine = settings.backend.get("sa_opts", {})
    return getattr(settings, name, None) or settings.given.get(name) or engine.get(name)


def _missing_client(settings: StoreSettings) -> Iterator[str]:
    if not isinstance(settings.type, str):
        return
    if not _is_beakers(settings):
        extra = missing_extra(settings.type)
        if extra:
            yield f"{settings.key_prefix}type = {settings.type} needs {extra}: install it."
        return
    chosen = settings.backend.get("memcache_module", "auto")
    is_earlier = isinstance(settings, SessionSettings) and settings.is_earlier
    if is_earlier and settings.type in MEMCACHED:
        chosen = "pymemcache"
    libraries = missing_library(settings.type, None if chosen == "auto" else chosen)
    if libraries:
        yield f"{settings.key_prefix}type = {settings.type} needs {libraries}: install it."


def _wrong_for_store(settings: StoreSettings) -> list[str]:
    """Give what the store itself finds wrong with its options; making a store contacts nothing."""
    from ..stores import open_store

    if has_own_store(settings.type) and not _is_beakers(settings):
        try:
            open_store(settings).close()
        except SettingsError as error:
            return list(error.problems)
    return []


def _is_beakers(settings: StoreSettings) -> bool:
    """Tell whether a back end of Beaker's keeps the bytes, for Beaker's sessions or for ours."""
    is_asked_for = isinstance(settings, SessionSettings) and settings.format == "beaker"
    return is_asked_for or runs_on_beaker(settings.type)


def _missing_for_transactions() -> Iterator[str]:
    if find_spec("transaction") is None:
        yield "session.transactional needs pyramid_beakerish[transaction]: install it."


def _missing_for_encryption(settings: SessionSettings) -> Iterator[str]:
    crypto_type = settings.given.get("crypto_type", "default")
    module = _crypto_module(crypto_type)
    prefix = settings.key_prefix
    if module is None:
        yield f"{prefix}crypto_type = {crypto_type} needs that library: install it."
    if "encrypt_key" not in settings.given:
        return
    if "validate_key" not in settings.given:
        yield f"{prefix}encrypt_key needs {prefix}validate_key."
    if module is not None and not module.has_aes:
        # Beaker would silently store clear text.
        yield f"{prefix}encrypt_key needs an AES library: install cryptography."


def _crypto_module(crypto_type: str) -> Any:
    from beaker import crypto  # imports pycryptodome, where it is installed

    try:
        return crypto.get_crypto_module(crypto_type)
    except ImportError:
        return None
