"""What holds for an application, option by option, for people who ask why it behaves as it does."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from .all_options import ALL_SESSION_OPTIONS, find_option
from .options import CACHE_OPTIONS, PACKAGE_OPTIONS, SessionSettings
from .read import CACHE_PREFIXES, PACKAGE_PREFIXES, SESSION_PREFIXES, examine_settings
from .reference import default_shown, spelt
from .regions import divide
from .regions import no_effect as no_effect_on_region
from .section import Report, Section, cut
from .sentences import MASKED, is_url
from .session_messages import no_effect as no_effect_on_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .option import Option
    from .options import RegionSettings, StoreSettings

#: Stands for a value that the settings do not have: the option's default is shown.
UNKNOWN: Any = object()

#: The end of a name such as ``sa.*``, which stands for any number of options; only those that are
#: written are shown.
MANY = "*"

UNKNOWN_HELP = "No option of this package; a backend may know it."


class EffectiveOption(NamedTuple):
    """One option as it holds for an application; secrets are masked.

    ``key`` is what an ini file says, or would say, to set it; ``written`` tells whether it does.
    """

    key: str
    value: str
    written: bool
    default: str
    help: str


def effective_options(settings: Mapping[str, Any]) -> list[EffectiveOption]:
    """Give every option that is written, or that has an effect by its default.

    Each region has its own. An option with a wrong value is given with its default.

    Example::

        {o.key: o.value for o in effective_options({"session.timeout": "30m"})}
    """
    read, _ = examine_settings(settings)
    package = _written(settings, PACKAGE_PREFIXES, PACKAGE_OPTIONS)
    session = _written(settings, SESSION_PREFIXES, ALL_SESSION_OPTIONS)
    cache = _written(settings, CACHE_PREFIXES, CACHE_OPTIONS)
    rows = (
        *_as_converted(package, PACKAGE_OPTIONS),
        *_of_session(session, read.session),
        *_as_converted(cache, CACHE_OPTIONS),
        *_of_regions(cache, read.regions),
    )
    return list(dict.fromkeys(rows))  # what is said once for all regions is shown once


def _written(
    settings: Mapping[str, Any], prefixes: tuple[str, ...], options: dict[str, Option]
) -> Section:
    return cut(settings, prefixes, options, Report("ignore"))


def _as_converted(section: Section, options: Mapping[str, Option]) -> Iterator[EffectiveOption]:
    values = section.convert(Report("ignore"))
    for name, option in options.items():
        yield _row(section, name, values.get(name, option.default))


def _of_session(section: Section, session: SessionSettings) -> Iterator[EffectiveOption]:
    def acts(name: str, option: Option) -> bool:
        needs_beaker = option.obeyed_by == "beaker" and session.format != "beaker"
        return not needs_beaker and no_effect_on_session(name, option, session) is None

    yield from _of_store(section, session, acts)


def _of_regions(cache: Section, regions: Mapping[str, RegionSettings]) -> Iterator[EffectiveOption]:
    """Give what holds for each region, whether it is written for that region or for all."""
    shared, own = divide(cache, list(regions))
    known = {name: w for name, w in shared.written.items() if find_option(shared.options, name)}
    for name, region in regions.items():
        section = replace(own[name], written={**known, **own[name].written})
        yield from _of_store(section, region, partial(_acts_on_region, region))


def _acts_on_region(region: RegionSettings, name: str, option: Option) -> bool:
    return no_effect_on_region(name, option, [region]) is None


def _of_store(
    section: Section, settings: StoreSettings, acts: Callable[[str, Option], bool]
) -> Iterator[EffectiveOption]:
    given = {**settings.backend, **settings.given}
    format_name = getattr(settings, "format", "beakerish")
    for name, option in section.options.items():
        if name in section.written or (name[-1] != MANY and acts(name, option)):
            value = getattr(settings, name, given.get(name, UNKNOWN))
            yield _row(section, name, value, format_name)
    for name, written in section.written.items():
        if name not in section.options:
            yield _row(section, name, given.get(name, written.value), format_name)


def _row(
    section: Section, name: str, value: Any, format_name: str = "beakerish"
) -> EffectiveOption:
    option = find_option(section.options, name)
    default = default_shown(option, format_name) if option else "none"
    is_default = value is UNKNOWN or (value is None and option and not option.takes_none)
    return EffectiveOption(
        key=section.key(name),
        value=default if is_default else _shown(value, section.is_secret(name)),
        written=name in section.written,
        default=default,
        help=option.help if option else UNKNOWN_HELP,
    )


def _shown(value: Any, secret: bool) -> str:
    if isinstance(value, SessionSettings):
        return f"type = {spelt(value.type)}, format = {value.format}"
    text = spelt(value)
    hidden = secret and value not in (None, (), False)
    return MASKED if hidden or is_url(text) else text
