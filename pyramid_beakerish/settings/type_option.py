"""The ``type`` option, which names a store or is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .sentences import did_you_mean, is_url, listed, near_miss
from .store_types import WITHOUT_SERVICE, all_types, is_store, known_here

if TYPE_CHECKING:
    from collections.abc import Collection

    from .section import Report, Section


def drop_wrong_type(
    section: Section, values: dict[str, Any], report: Report, without: Collection[str] = ()
) -> None:
    """Remove the type from the values, and report it as a mistake, if nobody serves it."""
    if "type" in values:
        url = section.key_beside("type", "url")
        complaint = _complaint(values["type"], frozenset(without), url)
        if complaint:
            report.mistakes.append(section.sentence("type", complaint))
            del values["type"]


def _complaint(given: Any, without: frozenset[str], url: str) -> str | None:
    if is_store(given):
        return None
    if not isinstance(given, str):
        return "is neither the name of a type nor a store."
    if given in known_here() - without:
        return None  # a look at all packages that are installed takes 20 ms
    types = all_types() - without
    if given in types:
        return None
    if given in WITHOUT_SERVICE:
        return "cannot be served: the API that it called no longer exists. Use another type."
    meant = url if is_url(given) else near_miss(given, types, cutoff=0.6)
    return f"is no type: use {listed(sorted(types))}.{did_you_mean(meant)}"
