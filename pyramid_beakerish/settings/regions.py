"""From the written options of cache regions to `RegionSettings`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .all_options import ALL_REGION_OPTIONS, find_option
from .backend_options import BACKEND, REGION
from .backends import backend_options, own_data_dir
from .option import GivenOptions
from .options import REGION_OPTIONS, RegionSettings
from .section import Section
from .sentences import listed, shown
from .store_types import PYRAMID_TYPES, passes_on
from .type_option import drop_wrong_type
from .unknown import unknown_defaults, unknown_options

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from .option import Option
    from .section import Report, Written

REGION_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)*")


def build_regions(cache: Section, report: Report) -> dict[str, RegionSettings]:
    """Give the settings of each listed region; mistakes and messages go to the report."""
    names = _region_names(cache, report)
    defaults, own = divide(cache, names)
    values = _values(defaults, report)
    given = {n: {**_inherited(values, own[n]), **_values(own[n], report)} for n in names}
    passed_on = _passed_on(defaults, own, given, report)
    regions = {name: _region(name, given[name], passed_on[name]) for name in names}
    for name, region in regions.items():
        report.messages.extend(_without_effect(own[name], [region]))
    report.messages.extend(_without_effect(defaults, list(regions.values())))
    return regions


def _region_names(cache: Section, report: Report) -> list[str]:
    values = replace(cache, written=_only(cache, {"regions"})).convert(report)
    names: list[str] = []
    for name in dict.fromkeys(values.get("regions", ())):
        if REGION_NAME.fullmatch(name):
            names.append(name)
        else:
            rule = "which is no name: use letters, digits, _, - and dots."
            report.mistakes.append(cache.sentence("regions", f"lists {shown(name)}, {rule}"))
    return names


def _only(section: Section, names: Container[str]) -> dict[str, Written]:
    return {name: entry for name, entry in section.written.items() if name in names}


def divide(cache: Section, names: list[str]) -> tuple[Section, dict[str, Section]]:
    """Give what holds for every region, and what was written for each."""
    own = {name: Section(f"{cache.prefix}{name}.", ALL_REGION_OPTIONS, {}) for name in names}
    defaults = Section(cache.prefix, ALL_REGION_OPTIONS, {})
    # The longest name first: of regions a and a.b, the second owns cache.a.b.expire.
    by_length = sorted(names, key=len, reverse=True)
    for name, entry in cache.written.items():
        owner = next((region for region in by_length if name.startswith(region + ".")), None)
        if owner is not None:
            own[owner].written[name[len(owner) + 1 :]] = entry
        elif name != "regions":
            defaults.written[name] = entry
    return defaults, own


def _values(section: Section, report: Report) -> dict[str, Any]:
    values = section.convert(report)
    drop_wrong_type(section, values, report, without={"cookie", *PYRAMID_TYPES})
    return values


def _inherited(values: dict[str, Any], own: Section) -> dict[str, Any]:
    unset = own.unset()
    return {name: value for name, value in values.items() if name not in unset}


def _passed_on(
    defaults: Section, own: dict[str, Section], given: dict[str, dict[str, Any]], report: Report
) -> dict[str, dict[str, Any]]:
    """Give, for each region, the unknown options that its backend is handed."""
    hands_on = {name: passes_on(_type(given[name])) for name in own}
    shared = unknown_defaults(defaults, own, any(hands_on.values()), report)
    found = {}
    for name, section in own.items():
        unknown = unknown_options(section, section.unknown(), hands_on[name], report)
        found[name] = {**shared, **unknown} if hands_on[name] else {}
    return found


def _region(name: str, given: dict[str, Any], passed_on: dict[str, Any]) -> RegionSettings:
    values = {"type": _type(given), **given}
    fields = {name: values.get(name, option.default) for name, option in REGION_OPTIONS.items()}
    fields["data_dir"] = own_data_dir(values)
    backend = {**backend_options(given, {**BACKEND, **REGION}), **passed_on}
    return RegionSettings(name=name, **fields, backend=GivenOptions(backend))


def _type(given: dict[str, Any]) -> Any:
    return given.get("type", REGION_OPTIONS["type"].default)


def _without_effect(section: Section, regions: list[RegionSettings]) -> Iterator[str]:
    """Give a sentence for each option written for these regions that none of them obeys."""
    unset = section.unset()
    for name in section.written:
        option = None if name in unset else find_option(section.options, name)
        reason = option and no_effect(name, option, regions)
        if reason:
            yield f"{section.key(name)} has no effect: {reason}."


def no_effect(name: str, option: Option, regions: list[RegionSettings]) -> str | None:
    """Tell why these regions have no use for an option that is given, or give ``None``."""
    if not regions:
        return "cache.regions lists no region"
    if option.obeyed_by == "nobody":
        return option.inert
    if name in _USES:
        has_use, why_not = _USES[name]
        return None if any(map(has_use, regions)) else why_not
    if not option.types or any(_reads(option, region.type) for region in regions):
        return None
    return f"only type = {listed(option.types)} reads it"


def _expires(region: RegionSettings) -> bool:
    return region.expire is not None


def _has_store(region: RegionSettings) -> bool:
    return region.type != "memory"


def _has_memory(region: RegionSettings) -> bool:
    return region.type == "memory" or region.local is not None


def _pickles(region: RegionSettings) -> bool:
    return _has_store(region) and region.serializer == "pickle"


#: Options that not every region can use: which ones can, and why the others cannot.
_USES: dict[str, tuple[Callable[[RegionSettings], bool], str]] = {
    "copy": (_has_memory, "a store gives each caller its own copy"),
    "lease": (_has_store, "only one process uses a region of type = memory"),
    "local": (_has_store, "type = memory is in memory already"),
    "max_entries": (_has_memory, "only type = memory and local read it"),
    "pickle_classes": (_pickles, "only serializer = pickle reads it"),
    "serializer": (_has_store, "type = memory keeps the object itself"),
    "stale": (_expires, "with expire = none no result expires"),
    "stale_on_error": (_expires, "with expire = none no result expires"),
}


def _reads(option: Option, store_type: Any) -> bool:
    return store_type in option.types or passes_on(store_type)
