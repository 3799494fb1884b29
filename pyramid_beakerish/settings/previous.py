"""The configuration that was in use before: ``previous.*``, or Beaker with the same settings."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .all_options import ALL_SESSION_OPTIONS, PREVIOUS
from .option import EARLIER
from .section import Report, Section, Written
from .sentences import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from .options import SessionSettings

#: Beaker's types whose records are read here, without Beaker.
READ_FROM_BEAKER = (
    "memory",
    "file",
    "dbm",
    "cookie",
    "ext:redis",
    "ext:memcached",
    "memcached",
    "ext:database",
    "database",
    "ext:sqla",
    "sqla",
)

#: Options that name a class of the application's, which only Beaker can use and which may have
#: options of its own.
OWN_CLASSES = ("session_class", "namespace_class")


def earlier_options(section: Section) -> Section:
    """Give the section of what is written under ``previous.``."""
    written = {
        name[len(EARLIER) :]: Written(found.key, found.value)
        for name, found in section.written.items()
        if name.startswith(EARLIER)
    }
    options = {
        name: option
        for name, option in ALL_SESSION_OPTIONS.items()
        if name not in PREVIOUS and name != "previous"
    }
    return Section(f"{section.prefix}{EARLIER}", options, written)


def build_previous(
    section: Section,
    values: dict[str, Any],
    build: Callable[[Section, Report], SessionSettings],
    report: Report,
) -> SessionSettings | None:
    """Give the earlier configuration that the section names, if it names one.

    ``build`` makes the settings of a section of sessions.
    """
    earlier = earlier_options(section)
    if not earlier.written or section.is_earlier:  # an earlier configuration has no earlier one
        return None
    if "previous" in values:
        other = next(iter(earlier.written.values())).key
        report.mistakes.append(
            section.sentence("previous", f"cannot go with {other}: leave one of them out.")
        )
        return None
    aside = Report(report.unknown_settings)
    previous = build(earlier, aside)  # its messages would be about settings no longer in use
    report.mistakes.extend([*aside.mistakes, *_unreadable(earlier, previous)])
    return previous


def is_read_from_beaker(values: dict[str, Any]) -> bool:
    """Tell whether the records that Beaker has stored under these settings can be read here."""
    return values["type"] in READ_FROM_BEAKER and not _has_own_class(values)


def may_have_had_others(section: Section, values: dict[str, Any], format_name: str) -> bool:
    """Tell whether sessions may have been stored in the other format under these settings."""
    if section.is_earlier or "previous" in values or values["type"] == "memory":
        return False
    if format_name == "beakerish":
        return is_read_from_beaker(values) and not _lacks_something(values)
    # Only Beaker serves classes of the application's, and only Pyramid signed cookies.
    served = format_name == "beaker" and not _has_own_class(values)
    return served and not _lacks_cryptography(values)


def _has_own_class(values: dict[str, Any]) -> bool:
    return any(name in values for name in OWN_CLASSES)


def _lacks_something(values: dict[str, Any]) -> bool:
    """Tell whether Beaker could not have worked with these settings."""
    kind = values["type"]
    needed = {n: o.instead.get(kind) for n, o in ALL_SESSION_OPTIONS.items() if kind in o.needed_by}
    return any(
        name not in values and not (instead and values.keys() >= set(instead))
        for name, instead in needed.items()
    )


def _lacks_cryptography(values: dict[str, Any]) -> bool:
    """Tell whether only Beaker, with another library, can encrypt as these settings ask."""
    return "encrypt_key" in values and find_spec("cryptography") is None


def as_had_before(values: dict[str, Any]) -> dict[str, Any]:
    """Give the values for the format that was in use before: without ``format`` and msgpack."""
    kept = {name: value for name, value in values.items() if name != "format"}
    if kept.get("data_serializer") == "msgpack":  # which Beaker does not have
        del kept["data_serializer"]
    return kept


def _unreadable(section: Section, previous: SessionSettings) -> list[str]:
    written = {**previous.given, "type": previous.type}
    if previous.format != "beaker" or is_read_from_beaker(written):
        return []
    which = f"only type = {listed(READ_FROM_BEAKER)} can, without {listed(OWN_CLASSES)}"
    return [f"{section.key('type')} = {previous.type} cannot be read from Beaker: {which}."]
