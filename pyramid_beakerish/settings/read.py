"""Reading the settings of an application: all at once and strictly, or one part of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..errors import SettingsError
from .all_options import ALL_REGION_OPTIONS, ALL_SESSION_OPTIONS
from .backend_options import BACKEND
from .option import GivenOptions
from .options import (
    CACHE_OPTIONS,
    PACKAGE_OPTIONS,
    STORE_OPTIONS,
    PackageSettings,
    StoreSettings,
)
from .regions import build_regions
from .requirements import missing_requirements
from .section import Report, cut
from .sessions import build_session
from .shared_folders import differing_locks
from .unknown import misspelt_prefixes, unknown_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .options import RegionSettings, SessionSettings

SESSION_PREFIXES = ("session.", "beaker.session.")
CACHE_PREFIXES = ("cache.", "beaker.cache.")
PACKAGE_PREFIXES = ("beakerish.",)
ALL_CACHE_OPTIONS = {**ALL_REGION_OPTIONS, **CACHE_OPTIONS}
#: What may be written under each prefix.
OPTIONS = {
    **dict.fromkeys(SESSION_PREFIXES, ALL_SESSION_OPTIONS),
    **dict.fromkeys(CACHE_PREFIXES, ALL_CACHE_OPTIONS),
    **dict.fromkeys(PACKAGE_PREFIXES, PACKAGE_OPTIONS),
}
#: Keyword arguments have no prefix.
NO_PREFIX = ("",)


@dataclass(frozen=True)
class Settings:
    """All that an application's settings say to this package.

    ``messages`` are for the log, one sentence each; ``clock`` tells the time in seconds.
    """

    session: SessionSettings
    regions: Mapping[str, RegionSettings]
    messages: tuple[str, ...]
    clock: Callable[[], float]


def read_settings(settings: Mapping[str, Any], *, own_sessions: bool = False) -> Settings:
    """Read sessions, cache and the package's own options, and accept no mistake.

    With ``own_sessions`` the application has a session factory of its own, so the ``session.``
    settings are not checked.

    Raises `SettingsError` with a sentence for each mistake, and for each thing that a type of store
    needs and lacks.

    Example::

        read = read_settings({"session.type": "memory", "session.timeout": "30m"})
        assert read.session.timeout == 1800
    """
    read, mistakes = examine_settings(settings, own_sessions=own_sessions)
    if mistakes:
        raise SettingsError(mistakes)
    return read


def examine_settings(
    settings: Mapping[str, Any], *, own_sessions: bool = False
) -> tuple[Settings, tuple[str, ...]]:
    """Read settings that may be wrong; give those that can be obeyed, and the mistakes.

    A wrong setting counts as not written. The mistakes are those of `read_settings`.

    Example::

        read, mistakes = examine_settings({"session.timeout": "soon"})
        assert read.session.timeout == 14 * 86400 and len(mistakes) == 1
    """
    report = _report(settings, "error")
    package = _read_package(settings, report)
    session = _read_session(settings, Report("ignore") if own_sessions else report)
    regions = _read_regions(settings, report)
    misspelt_prefixes(settings, OPTIONS, report)
    # A region that is switched off opens no store.
    enabled = [region for region in regions.values() if region.enabled]
    stores = enabled if own_sessions else [session, *enabled]
    report.mistakes.extend(problem for store in stores for problem in missing_requirements(store))
    report.mistakes.extend(differing_locks(stores))
    read = Settings(session, regions, tuple(report.messages), package.clock)
    return read, tuple(report.mistakes)


def read_session_settings(
    settings: Mapping[str, Any],
) -> tuple[SessionSettings, tuple[str, ...]]:
    """Read the options of sessions; give them, and messages for the log.

    An unknown key is a message, and what the type of store needs is left to
    `missing_requirements` at first use.

    Raises `SettingsError` with a sentence for each mistake.

    Example::

        session, messages = read_session_settings({"session.timeout": "30m"})
        assert session.timeout == 1800
    """
    report = _report(settings, "warn")
    _read_package(settings, report)
    session = _read_session(settings, report)
    _raise(report)
    return session, tuple(report.messages)


def read_region_settings(
    settings: Mapping[str, Any],
) -> tuple[dict[str, RegionSettings], tuple[str, ...]]:
    """Read the options of cache regions; give them by name, and messages for the log.

    An unknown key is a message, and what the type of store needs is left to
    `missing_requirements` at first use.

    Raises `SettingsError` with a sentence for each mistake.

    Example::

        regions, messages = read_region_settings({"cache.regions": "short", "cache.expire": "5s"})
        assert regions["short"].expire == 5
    """
    report = _report(settings, "warn")
    _read_package(settings, report)
    regions = _read_regions(settings, report)
    _raise(report)
    return regions, tuple(report.messages)


def read_clock(settings: Mapping[str, Any]) -> Callable[[], float]:
    """Give the clock that ``beakerish.clock`` names; the other functions report mistakes in it.

    Example::

        assert read_clock({"beakerish.clock": "time.monotonic"}) is time.monotonic
    """
    return _read_package(settings, Report("ignore")).clock


def session_settings(**options: Any) -> tuple[SessionSettings, tuple[str, ...]]:
    """Read options of sessions without a prefix; give them, and messages for the log.

    Unknown options are messages, as for `read_session_settings`.

    Raises `SettingsError` with a sentence for each mistake.

    Example::

        session, messages = session_settings(timeout="30m", secure=True)
    """
    report = Report("warn")
    session = build_session(cut(options, NO_PREFIX, ALL_SESSION_OPTIONS, report), report)
    _raise(report)
    return session, tuple(report.messages)


def store_settings(**options: Any) -> StoreSettings:
    """Read options of a store without a prefix; unknown ones belong to its back end.

    Raises `SettingsError` with a sentence for each mistake.

    Example::

        assert store_settings(type="file", data_dir="data", fsync="true").fsync is True
    """
    report = Report("ignore")
    section = cut(options, NO_PREFIX, {**STORE_OPTIONS, **BACKEND}, report)
    values = section.convert(report)
    _raise(report)
    backend = {name: options[name] for name in section.unknown()}
    backend.update((name, values.pop(name)) for name in list(values) if name not in STORE_OPTIONS)
    return StoreSettings(**values, backend=GivenOptions(backend))


def _report(settings: Mapping[str, Any], default: Literal["error", "warn"]) -> Report:
    """Give an empty report that treats unknown settings as the settings themselves ask."""
    package = cut(settings, PACKAGE_PREFIXES, PACKAGE_OPTIONS, Report(default))
    values = package.convert(Report(default))
    return Report(values.get("unknown_settings", default))


def _read_package(settings: Mapping[str, Any], report: Report) -> PackageSettings:
    section = cut(settings, PACKAGE_PREFIXES, PACKAGE_OPTIONS, report)
    unknown_options(section, section.unknown(), False, report)
    return PackageSettings(**section.convert(report))


def _read_session(settings: Mapping[str, Any], report: Report) -> SessionSettings:
    return build_session(cut(settings, SESSION_PREFIXES, ALL_SESSION_OPTIONS, report), report)


def _read_regions(settings: Mapping[str, Any], report: Report) -> dict[str, RegionSettings]:
    return build_regions(cut(settings, CACHE_PREFIXES, ALL_CACHE_OPTIONS, report), report)


def _raise(report: Report) -> None:
    if report.mistakes:
        raise SettingsError(report.mistakes)
