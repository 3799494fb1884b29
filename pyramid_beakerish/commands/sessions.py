"""``beakerish sessions``: list, show, end, count and sweep."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import CorruptData
from ..sessions.administration import Administration
from ..sessions.manager import SessionManager
from .choice import add_filters, chosen, is_filtered, is_measured, named, number
from .ini import CommandError, add_ini, load_ini
from .progress import progress
from .report import Fact, Table
from .stores import IN_COOKIES, why_empty

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from ..sessions.administration import StoredSession
    from ..settings import SessionSettings, Settings
    from .ini import Commands, Parser, Result

    Work = Callable[[Administration, argparse.Namespace, float], Result]

WITH_VISITORS = "These sessions are in their visitors' cookies, and nowhere else."
BEAKERS = "Beaker keeps these sessions, so this command cannot look at them."
IN_MEMORY = (
    "With session.type = memory each process of the application keeps sessions of its own, which "
    "no other program can see. Use sqlite, file or a server."
)

ORDERS: dict[str, Callable[[StoredSession], float]] = {
    "used": lambda session: -session.last_accessed,
    "age": lambda session: session.created,
    "size": lambda session: -session.size,
}
ONE = "A session given by name ends regardless of conditions: only --user may be added."
NONE = "There are no such sessions."
WHOLE = ("session", "handle")
COLUMNS = ("session", "created", "last used", "ends", "bytes", "keys", "handle", "about")


def add_to(commands: Commands) -> Iterator[Parser]:
    """Add the sub-command and its actions to the command line."""
    group = commands.add_parser("sessions", help="look at sessions, and end them")
    actions = group.add_subparsers(required=True, metavar="ACTION")
    for name, help_text, work in ACTIONS:
        parser = actions.add_parser(name, help=help_text)
        add_ini(parser)
        parser.set_defaults(run=partial(run, work))
        ADDITIONS[name](parser)
        yield parser


def run(work: Work, options: argparse.Namespace) -> Result:
    """Open the sessions that the settings describe, and do the work on them."""
    read = load_ini(options).read()
    _refuse_if_out_of_reach(read.session)
    _refuse_if_empty(read)
    manager = SessionManager(read.session, read.clock)
    try:
        return work(Administration(manager), options, read.clock())
    finally:
        manager.records.store.close()


def _refuse_if_out_of_reach(session: SessionSettings) -> None:
    if session.type in IN_COOKIES:
        raise CommandError(WITH_VISITORS)
    if not session.in_own_store:
        raise CommandError(BEAKERS)
    if session.type == "memory":
        raise CommandError(IN_MEMORY)


def _refuse_if_empty(read: Settings) -> None:
    reason = why_empty(read.session, read.clock)
    if reason is not None:
        raise CommandError(f"There are no sessions yet. {reason}")


def list_sessions(sessions: Administration, options: argparse.Namespace, now: float) -> Result:
    """List the sessions that meet the conditions."""
    found = sorted(chosen(sessions, options, now), key=ORDERS[options.sort])[: options.limit]
    rows = [_row(session) for session in found]
    return [Table("sessions", "Sessions", COLUMNS, rows, NONE, WHOLE)], 0


def show_session(sessions: Administration, options: argparse.Namespace, now: float) -> Result:
    """Show what is in one session: the names of its keys, and the values only if asked to."""
    session = named(sessions, options)
    about = Table("session", "Session", COLUMNS, [_row(session)], whole=WHOLE)
    columns = ["key", "bytes", *(["value"] if options.reveal else [])]
    rows = [
        [key, size, *([_revealed(sessions, session, key)] if options.reveal else [])]
        for key, size in session.sizes.items()
    ]
    return [about, Table("keys", "Keys", columns, rows, "It is empty.")], 0


def end_sessions(sessions: Administration, options: argparse.Namespace, now: float) -> Result:
    """End one session, or those that meet the conditions, or all."""
    found = _to_end(sessions, options, now)
    if len(found) > 1 or options.all:
        _confirm(f"End {len(found)} sessions?", options)
    with progress("Ending the sessions", len(found)) as step:
        for session in found:
            sessions.end(session)
            step()
    return [Fact("ended", len(found), f"Sessions ended: {len(found)}.")], 0


def count_sessions(sessions: Administration, options: argparse.Namespace, now: float) -> Result:
    """Count the sessions that meet the conditions."""
    count = len(chosen(sessions, options, now))
    return [Fact("count", count, str(count))], 0


def sweep(sessions: Administration, options: argparse.Namespace, now: float) -> Result:
    """Remove what has expired."""
    with progress("Removing what has expired"):
        removed = sessions.sweep()
    return [Fact("removed", removed, f"Expired entries removed: {removed}.")], 0


ACTIONS: tuple[tuple[str, str, Work], ...] = (
    ("list", "list sessions, never with an id or a value", list_sessions),
    ("show", "show one session", show_session),
    ("end", "end one session, a user's, or all", end_sessions),
    ("count", "count sessions", count_sessions),
    ("sweep", "remove what has expired; servers do that by themselves", sweep),
)


def _add_list(parser: Parser) -> None:
    add_filters(parser)
    parser.add_argument("--sort", choices=list(ORDERS), default="used", help="default: used")
    parser.add_argument("--limit", type=number, metavar="N", help="show the first N")


def _add_show(parser: Parser) -> None:
    parser.add_argument("name", metavar="SESSION", help="its fingerprint or its handle")
    parser.add_argument("--user", metavar="ID", help="whose session it is")
    parser.add_argument("--reveal", action="store_true", help="show the values as well")


def _add_end(parser: Parser) -> None:
    parser.add_argument("name", metavar="SESSION", nargs="?", help="its fingerprint or its handle")
    add_filters(parser)
    parser.add_argument("--all", action="store_true", help="all sessions of everybody")
    parser.add_argument("--yes", action="store_true", help="do not ask")


ADDITIONS: dict[str, Callable[[Parser], None]] = {
    "list": _add_list,
    "show": _add_show,
    "end": _add_end,
    "count": add_filters,
    "sweep": lambda parser: None,
}


def _to_end(
    sessions: Administration, options: argparse.Namespace, now: float
) -> list[StoredSession]:
    if options.name is not None:
        if options.all or is_measured(options):
            raise CommandError(ONE, code=2)
        return [named(sessions, options)]
    if options.all == is_filtered(options):
        raise CommandError("Give either a session, conditions such as --user, or --all.", code=2)
    return chosen(sessions, options, now)


def _confirm(question: str, options: argparse.Namespace) -> None:
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("There is no terminal to ask on: use --yes.", code=2)
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was ended.")


def _row(session: StoredSession) -> list[Any]:
    about = ", ".join(f"{name}: {value}" for name, value in session.about.items())
    moments = (session.created, session.last_accessed, session.expires)
    shown = [moment_shown(moment) for moment in moments]
    size, keys = session.size, len(session.sizes)
    return [session.fingerprint, *shown, size, keys, session.handle, about]


def moment_shown(moment: float | None) -> str:
    """Spell a moment in UTC."""
    if moment is None:
        return "never"
    try:
        return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, ValueError, OSError):  # a damaged record may hold any number
        return "no date"


def _revealed(sessions: Administration, session: StoredSession, key: str) -> str:
    try:
        return repr(sessions.value(session, key))
    except CorruptData as error:
        return f"cannot be read: {error}"
    except Exception as error:  # for a number of over 4300 digits, or by a class's own __repr__
        return f"cannot be shown: {type(error).__name__}"
