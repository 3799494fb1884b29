"""One section of the settings: what was written under its prefixes, found and converted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .all_options import find_option
from .convert import RefusedError
from .option import EARLIER
from .sentences import near_miss, shown, sounds_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .option import Option


@dataclass(frozen=True)
class Written:
    """One option as somebody wrote it: the whole key and the raw value."""

    key: str
    value: Any


@dataclass
class Report:
    """What reading found: mistakes, which end in an error, and messages for the log."""

    unknown_settings: Literal["error", "warn", "ignore"]
    mistakes: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def unknown(self, sentence: str) -> None:
        """Take a sentence about an unknown key, and treat it as ``unknown_settings`` says."""
        if self.unknown_settings == "error":
            self.mistakes.append(sentence)
        else:
            self.remark(sentence)

    def remark(self, sentence: str) -> None:
        """Take a message about a key that may well belong to another package."""
        if self.unknown_settings != "ignore":
            self.messages.append(sentence)


@dataclass(frozen=True)
class Section:
    """What was written in one section, by bare names; ``prefix`` is that of new keys."""

    prefix: str
    options: dict[str, Option]
    written: dict[str, Written]

    @property
    def is_earlier(self) -> bool:
        """Whether this is the section of ``previous.*``."""
        return self.prefix.endswith(EARLIER)

    def key(self, name: str) -> str:
        """Give the key of an option as it was written, or as it would be."""
        return self.written[name].key if name in self.written else self.prefix + name

    def key_beside(self, name: str, other: str) -> str:
        """Give the key of another option, spelt with the prefix of one that was written."""
        key = self.written[name].key
        return key[: key.rfind(name)] + other

    def is_secret(self, name: str) -> bool:
        """Tell whether the value must not be shown."""
        option = find_option(self.options, name)
        if option is not None:
            return option.secret
        meant = near_miss(name, self.options)
        return sounds_secret(name) or (meant is not None and self.options[meant].secret)

    def sentence(self, name: str, rest: str) -> str:
        """Begin a sentence with the key and the value as they were written."""
        written = self.written[name]
        return f"{written.key} = {shown(written.value, self.is_secret(name))} {rest}"

    def unknown(self) -> list[str]:
        """Give the names that are no options."""
        return [name for name in self.written if find_option(self.options, name) is None]

    def unset(self) -> set[str]:
        """Give the names of options that are written as none, which is the same as not written.

        What none means in a library's option, such as one of ``sa.*``, is left to the library.
        """
        known = ((name, self.options.get(name), each) for name, each in self.written.items())
        return {name for name, option, each in known if option and option.is_unset_by(each.value)}

    def suggestion(self, name: str) -> str | None:
        """Give the key that was probably meant instead of an unknown one."""
        meant = near_miss(name, self.options)
        return meant and self.key_beside(name, meant)

    def cookies_option(self, name: str) -> str | None:
        """Give the key with ``cookie_`` added to the name, or taken away, if that is an option."""
        bare = name.removeprefix("cookie_")
        other = bare if bare != name else f"cookie_{name}"
        return self.key_beside(name, other) if other in self.options else None

    def convert(self, report: Report) -> dict[str, Any]:
        """Give the values of the known options that were given, converted."""
        values: dict[str, Any] = {}
        unset = self.unset()
        for name, written in self.written.items():
            option = find_option(self.options, name)
            if option is None or name in unset or (written.value is None and not option.takes_none):
                continue
            try:
                values[name] = option.convert(written.value)
            except RefusedError as refusal:
                report.mistakes.append(self.sentence(name, str(refusal)))
        return values


def cut(
    settings: Mapping[str, Any],
    prefixes: tuple[str, ...],
    options: dict[str, Option],
    report: Report,
) -> Section:
    """Give what the settings hold under the prefixes, by names without the prefix.

    Keys are suggested with the first prefix. One option that is written with both prefixes and
    different values is a mistake.
    """
    section = Section(prefixes[0], options, {})
    for key, value in settings.items():
        prefix = _prefix_of(key, prefixes)
        if prefix is None:
            continue
        name = key[len(prefix) :].strip()
        earlier = section.written.setdefault(name, Written(key, value))
        if earlier.key != key and earlier.value != value:
            value_shown = shown(value, section.is_secret(name))
            report.mistakes.append(
                section.sentence(name, f"and {key} = {value_shown} are one option: keep one line.")
            )
    return section


def _prefix_of(key: Any, prefixes: tuple[str, ...]) -> str | None:
    found = (prefix for prefix in prefixes if isinstance(key, str) and key.startswith(prefix))
    return next(found, None)
