"""The ini file that pserve takes: its settings, without starting the application."""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plaster import PlasterError, get_settings, parse_uri
from pyramid.paster import get_appsettings

from ..settings import read_settings

if TYPE_CHECKING:
    import argparse

    from ..settings import Settings
    from .report import Part

    Parser = argparse.ArgumentParser
    #: What sub-commands are added to.
    Commands = argparse._SubParsersAction[Parser]
    #: What a sub-command has to say, and the exit code.
    Result = tuple[list[Part], int]

#: Errors of reading a file that is missing, is no ini file, or names what is not installed. Their
#: texts say enough without their types.
FAILURES = (OSError, LookupError, ImportError, ValueError, configparser.Error, PlasterError)

HELP = "the ini file that pserve takes; app.ini#name is its section [app:name]"


class CommandError(Exception):
    """The command cannot do what it was asked to; the text says why, and what helps.

    ``code`` is the exit code.
    """

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Ini:
    """The settings of an application, as the ini file has them.

    The application is not started, so what its code sets or includes is not in them. ``server`` is
    the section ``[server:main]``; ``not_imported`` tells why the application cannot be imported
    here, if it cannot.
    """

    uri: str
    settings: dict[str, Any]
    server: dict[str, Any]
    not_imported: str | None

    def read(self) -> Settings:
        """Read the settings; raises `SettingsError` with every mistake."""
        return read_settings(self.settings)


def load_ini(options: argparse.Namespace) -> Ini:
    """Load the ini file that the options name; raises `CommandError` if it cannot be read."""
    uri, variables = options.ini, dict(options.variables)
    try:
        settings, not_imported = _app_settings(uri, variables)
        server = get_settings(uri, "server:main", variables)
    except Exception as error:  # the application is imported, and may raise anything
        raise CommandError(f"{uri} cannot be read: {_reason(error)}", code=2) from error
    return Ini(uri, settings, server, not_imported)


def _app_settings(uri: str, variables: dict[str, str]) -> tuple[dict[str, Any], str | None]:
    """Give the settings, and why the application cannot be imported, if it cannot.

    PasteDeploy imports the application first, which may be installed elsewhere, or broken.
    """
    try:
        return get_appsettings(uri, options=variables), None
    except Exception as error:  # PasteDeploy imports the application, which may raise anything
        name = parse_uri(uri).fragment or "main"
        section = get_settings(uri, f"app:{name}", variables)
        if not _names_code(section):
            raise
        return section, _reason(error)


def _names_code(section: dict[str, Any]) -> bool:
    """Tell whether a section has all settings of its application, and takes none from another."""
    return "paste.app_factory" in section or section.get("use", "").startswith(("egg:", "call:"))


def _reason(error: Exception) -> str:
    text, name = " ".join(str(error).split()), type(error).__name__
    if isinstance(error, FAILURES):
        return text or name
    return f"{name}: {text}"


def add_ini(parser: Parser) -> None:
    """Add the ini file, and its variables, to a sub-command."""
    parser.add_argument("ini", metavar="INI", help=HELP)
    parser.add_argument(
        "--set",
        type=variable,
        action="append",
        default=[],
        dest="variables",
        metavar="NAME=VALUE",
        help="a variable for the ini file; pserve takes it without --set",
    )


def variable(text: str) -> tuple[str, str]:
    """Read a variable of the ini file, for argparse."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError
    return name, value
