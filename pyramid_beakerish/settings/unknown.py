"""Keys that are no options: misspelt, meant for a backend of somebody else's, or not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .all_options import find_option
from .sentences import did_you_mean, listed, near_miss

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from .option import Option
    from .section import Report, Section


def unknown_options(
    section: Section, names: Iterable[str], handed_on: bool, report: Report
) -> dict[str, Any]:
    """Give the raw values of unknown options to hand on to a backend, as Beaker does.

    If nothing is ``handed_on``, each one is reported instead.
    """
    values = {}
    for name in names:
        meant = did_you_mean(section.suggestion(name))
        if not handed_on:
            meant = meant or did_you_mean(section.cookies_option(name))
            report.unknown(section.sentence(name, f"is no option.{meant}"))
            continue
        values[name] = section.written[name].value
        if meant:
            report.remark(section.sentence(name, f"is handed on to the backend.{meant}"))
    return values


def unknown_defaults(
    section: Section, regions: Collection[str], handed_on: bool, report: Report
) -> dict[str, Any]:
    """Give the unknown options for all regions that are handed on to a backend.

    Other packages have keys under ``cache.`` too, so a key is a mistake only if it looks like an
    option, or like an option of a region that is not listed. If no region is listed, no key is a
    mistake: an application that has dogpile's caches alone writes ``cache.arguments.url``.
    """
    names = []
    tell = report.unknown if regions else report.remark
    for name in section.unknown():
        meant = section.suggestion(name)
        if _ends_in_an_option(section.options, name):
            tell(section.sentence(name, _belongs_to_none(section, name, regions)))
        elif handed_on or (regions and meant):
            names.append(name)
        else:
            rest = f"is no option and has no effect.{did_you_mean(meant)}"
            report.remark(section.sentence(name, rest))
    return unknown_options(section, names, handed_on, report)


def misspelt_prefixes(
    settings: Mapping[str, Any], tables: Mapping[str, dict[str, Option]], report: Report
) -> None:
    """Report the keys that would be options if their prefix were not misspelt."""
    for key in settings:
        if isinstance(key, str) and not key.startswith(tuple(tables)):
            meant = did_you_mean(_under_another_prefix(key, tables))
            if meant:
                report.remark(f"{key} has no effect here.{meant}")


def _under_another_prefix(key: str, tables: Mapping[str, dict[str, Option]]) -> str | None:
    for front, rest in _divisions(key):
        prefix = near_miss(f"{front}.", tables)
        if prefix and _ends_in_an_option(tables[prefix], key):
            return prefix + rest
    return None


def _ends_in_an_option(options: dict[str, Option], name: str) -> bool:
    return any(find_option(options, rest) for _, rest in _divisions(name))


def _divisions(name: str) -> list[tuple[str, str]]:
    """Give each way to divide the name into a region's and an option's."""
    dots = [at for at, letter in enumerate(name) if letter == "."]
    return [(name[:at], name[at + 1 :]) for at in dots]


def _belongs_to_none(section: Section, name: str, regions: Collection[str]) -> str:
    region, rest = next(
        found for found in _divisions(name) if find_option(section.options, found[1])
    )
    near = near_miss(region, regions, cutoff=0.6)
    meant = did_you_mean(section.key_beside(name, f"{near}.{rest}") if near else None)
    lists = listed(regions, "and") if regions else "no region"
    return f"belongs to no region: {section.key('regions')} lists {lists}.{meant}"
