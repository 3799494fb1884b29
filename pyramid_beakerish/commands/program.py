"""The command line: which sub-command is meant, and what becomes of an error."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from ..errors import BeakerishError, SettingsError
from . import cache, check, prepare, secret, sessions
from .ini import CommandError
from .report import clean, show

if TYPE_CHECKING:
    from collections.abc import Sequence


SUB_COMMANDS = (check, sessions, cache, prepare, secret)
#: The actions of the sub-commands that have some.
ACTIONS = {"sessions": sessions.ADDITIONS, "cache": (cache.CLEAR, cache.INVALIDATE)}


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and give its exit code."""
    options = make_parser().parse_args(ini_last(sys.argv[1:] if arguments is None else arguments))
    try:
        parts, code = options.run(options)
        show(parts, as_json=options.json)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as head, has had enough; nothing may be flushed to it at exit:
        # https://docs.python.org/3/library/signal.html#note-on-sigpipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _fail(["Interrupted."], 130)
    except CommandError as error:
        return _fail([str(error)], error.code)
    except SettingsError as error:
        return _fail([*error.problems, f"beakerish check {options.ini} tells more."], 1)
    except BeakerishError as error:
        return _fail([str(error)], 1)
    return int(code)


def ini_last(arguments: Sequence[str]) -> Sequence[str]:
    """Move an ini file that is named before the action behind it: both orders are right."""
    if len(arguments) < 3:
        return arguments
    command, ini, action, *rest = arguments
    actions = ACTIONS.get(command, ())
    if ini in actions or action not in actions:
        return arguments
    return [command, action, ini, *rest]


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="beakerish",
        description="Look after the sessions and caches of an application.",
        epilog="Exit codes: 0 all is well, 1 something is wrong, 2 the command makes no sense.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in SUB_COMMANDS:
        for sub in module.add_to(commands):
            sub.add_argument("--json", action="store_true", help="write JSON, for programs")
    return parser


def _fail(sentences: Sequence[str], code: int) -> int:
    sys.stderr.writelines(f"beakerish: {clean(sentence)}\n" for sentence in sentences)
    return code
