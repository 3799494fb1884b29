"""The options that redis-py has, read from its own signatures, and which of them are given."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...settings import convert
from ...settings.convert import Converter, RefusedError
from ...settings.sentences import did_you_mean, near_miss

if TYPE_CHECKING:
    from collections.abc import Mapping

BY_URL = "is given by the url: leave it out"
BOUNDED = "would remove the time limit of a command, or repeat a change: leave it out"
AS_BYTES = "would change what is stored, which is bytes: leave it out"
NEWEST = "would let a session be read in an older state: leave it out"

#: Options of redis-py's that are not left to settings.
REFUSED = {
    **dict.fromkeys(("host", "port", "path", "ssl", "url"), BY_URL),
    **dict.fromkeys(
        ("retry", "retry_on_error", "retry_on_timeout", "health_check_interval"), BOUNDED
    ),
    **dict.fromkeys(("cluster_error_retry_attempts", "redis_connect_func"), BOUNDED),
    **dict.fromkeys(("decode_responses", "command_packer", "parser_class"), AS_BYTES),
    **dict.fromkeys(("read_from_replicas", "load_balancing_strategy"), NEWEST),
    **dict.fromkeys(("cache", "cache_config"), NEWEST),
}
#: What a URL says that no option may.
ADDRESS = {"host", "port", "path"}
#: Options that are read elsewhere, before these are looked at.
ELSEWHERE = ("client_factory", "cluster", "startup_nodes", "sentinels", "service_name")


#: Words in annotations that name no kind of value.
NOT_KINDS = {"Optional", "Union", "None", "NoneType", "typing", "class", "inspect", "_empty"}


def _number(value: Any) -> float | int | None:
    if isinstance(value, str):
        word = value.lower()
        if word == "none":
            return None
        return int(word) if word.isdecimal() else float(word)
    if not isinstance(value, (int, float, type(None))):
        raise TypeError(type(value))
    return value


number = Converter("a number", "a number such as 0.5, or none", _number)


def parameters_of(kind: type) -> dict[str, inspect.Parameter]:
    """Give the parameters of a class and its bases, by name, that are left to settings."""
    return {
        name: parameter
        for base in reversed(kind.__mro__[:-1])
        for name, parameter in inspect.signature(base.__init__).parameters.items()  # type: ignore[misc]
        if parameter.kind is not parameter.VAR_KEYWORD
        and parameter.kind is not parameter.VAR_POSITIONAL
        and name != "self"
        and name not in REFUSED
        and name not in ELSEWHERE
    }


def converter_of(parameter: inspect.Parameter) -> Converter:
    """Give the converter for a parameter: only numbers and booleans are converted from text."""
    kinds = set(re.findall(r"\w+", str(parameter.annotation))) - NOT_KINDS
    kinds = kinds or {type(parameter.default).__name__}
    if kinds == {"bool"}:
        return convert.boolean
    return number if kinds <= {"float", "int"} else convert.anything


@dataclass
class Given:
    """Options as given, without ``redis.`` before their names, and the mistakes in them."""

    options: dict[str, Any]
    key_prefix: str
    mistakes: list[str] = field(default_factory=list)
    parent: str = "redis."

    def key(self, name: str) -> str:
        """Give the key of an option as it was written."""
        return f"{self.key_prefix}{self.parent}{name}"

    def refuse(self, name: str, complaint: str) -> None:
        """Note what is wrong with an option, but not its value, which may be a secret."""
        self.mistakes.append(f"{self.key(name)} {complaint}")

    def refuse_if(self, wrong: bool, name: str, complaint: str) -> None:
        """Note that an option cannot go with the others, if ``wrong``."""
        if wrong:
            self.refuse(name, f"{complaint}.")

    def take(self, name: str, converter: Converter) -> Any:
        """Take an option out, converted; ``None`` if it is not there or wrong."""
        if name not in self.options:
            return None
        try:
            return converter(self.options.pop(name))
        except RefusedError as refusal:
            self.refuse(name, str(refusal))
        return None

    def take_addresses(self, name: str, port: int) -> list[tuple[str, int]]:
        """Take out a list of hosts, each with its own port or else with ``port``."""
        try:
            return [_address(text, port) for text in self.take(name, convert.names) or ()]
        except ValueError:
            self.refuse(name, "is no list of hosts: use host:port, with commas between several.")
        return []

    def below(self, prefix: str) -> Given:
        """Take out the options under a prefix; mistakes in them are noted with these."""
        names = [name for name in self.options if name.startswith(prefix)]
        own = {name[len(prefix) :]: self.options.pop(name) for name in names}
        return Given(own, self.key_prefix, self.mistakes, self.parent + prefix)

    def read(
        self, parameters: Mapping[str, inspect.Parameter], parsed: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Give the options converted; ``parsed`` are those of the URL, which must exist as well."""
        for name in self.options.keys() - parameters.keys():
            self.refuse(name, self._complaint(name, parameters))
        for name in parsed.keys() - parameters.keys() - ADDRESS:
            complaint = self._complaint(name, parameters)
            self.mistakes.append(f"{self.key_prefix}url says {name}, which {complaint}")
        known = [name for name in self.options if name in parameters]
        return {name: self.take(name, converter_of(parameters[name])) for name in known}

    def _complaint(self, name: str, parameters: Mapping[str, inspect.Parameter]) -> str:
        if name in REFUSED:
            return f"{REFUSED[name]}."
        meant = near_miss(name, parameters)
        return f"is no option of redis-py's connections.{did_you_mean(meant and self.key(meant))}"


def _address(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError(text)
    return parts.hostname, parts.port or port
