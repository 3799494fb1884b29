"""Which sessions are meant: by user, age and size, or by fingerprint or handle."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ..sessions.administration import SHORTEST_FINGERPRINT, CannotList
from ..settings.convert import RefusedError, duration, whole_number
from .ini import CommandError
from .progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..sessions.administration import Administration, StoredSession
    from ..settings.convert import Converter

KILO = 1024
SIZES = {"k": KILO, "m": KILO**2}

CANNOT_LIST = (
    "This type of store, such as memcached, cannot list its sessions: name a user with --user, "
    "whose sessions are in an index."
)

seconds = duration("leave the option out")


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Add the conditions that sessions must meet to a sub-command."""
    parser.add_argument(
        "--user", metavar="ID", help="those of the user whose id bind_user was given"
    )
    parser.add_argument(
        "--older-than", type=age, metavar="AGE", help="created longer ago than this: 30m, 8h or 14d"
    )
    parser.add_argument("--unused-for", type=age, metavar="AGE", help="not used for this long")
    parser.add_argument(
        "--larger-than", type=size, metavar="SIZE", help="with more bytes than this: 500, 64k or 1m"
    )


def age(text: str) -> float:
    """Read a duration, as the settings spell it, for argparse."""
    return float(_read(seconds, text))


def size(text: str) -> int:
    """Read a number of bytes, for argparse."""
    factor = SIZES.get(text[-1:].lower())
    try:
        return int(text[:-1]) * factor if factor else int(text)
    except ValueError:
        rest = "is not a size: use a number such as 500, 64k or 1m."
        raise argparse.ArgumentTypeError(f"{text!r} {rest}") from None


def number(text: str) -> int:
    """Read a number above zero, for argparse."""
    return int(_read(whole_number, text))


def _read(converter: Converter, text: str) -> Any:
    try:
        return converter(text)
    except RefusedError as refusal:
        raise argparse.ArgumentTypeError(f"{text!r} {refusal}") from None


def is_filtered(options: argparse.Namespace) -> bool:
    """Tell whether there are any conditions."""
    return options.user is not None or is_measured(options)


def is_measured(options: argparse.Namespace) -> bool:
    """Tell whether there are conditions on age, use or size."""
    given = (options.older_than, options.unused_for, options.larger_than)
    return any(value is not None for value in given)


def chosen(
    sessions: Administration, options: argparse.Namespace, now: float
) -> list[StoredSession]:
    """Give the sessions that meet the conditions."""
    return [session for session in _candidates(sessions, options) if _meets(session, options, now)]


def named(sessions: Administration, options: argparse.Namespace) -> StoredSession:
    """Give the only session of that fingerprint or handle; raises `CommandError` otherwise."""
    if options.user is not None:
        found = [one for one in of_user(sessions, options.user) if _is_named(one, options.name)]
    else:
        found = _of_name(sessions, options.name)
    if len(found) == 1:
        return found[0]
    several = f"Several sessions begin with {options.name}: give more of the fingerprint."
    raise CommandError(several if found else f"There is no session {options.name}.")


def of_user(sessions: Administration, userid: str) -> list[StoredSession]:
    """Give the sessions of a user; for the application, ``7`` may be a number or a text."""
    numbers: list[Any] = [int(userid)] if _spells_a_number(userid) else []
    return [session for user in [userid, *numbers] for session in sessions.sessions_of(user)]


def all_keys(sessions: Administration, beginning: str = "") -> list[str]:
    """Give the store's keys of sessions; raises `CommandError` if it cannot list them."""
    try:
        with progress("Listing the sessions"):
            return sessions.keys(beginning)
    except CannotList:
        raise CommandError(CANNOT_LIST) from None


def read_all(sessions: Administration, keys: list[str]) -> list[StoredSession]:
    """Read the sessions of these keys, which may take long."""
    with progress("Reading the sessions", len(keys)) as step:
        return list(sessions.sessions(keys, step))


def _spells_a_number(userid: str) -> bool:
    # Not every text that int takes: 007 may be another user than 7.
    try:
        return str(int(userid)) == userid
    except ValueError:
        return False


def _candidates(sessions: Administration, options: argparse.Namespace) -> Iterable[StoredSession]:
    if options.user is not None:
        return of_user(sessions, options.user)
    return read_all(sessions, all_keys(sessions))


def _meets(session: StoredSession, options: argparse.Namespace, now: float) -> bool:
    return (
        _exceeds(now - session.created, options.older_than)
        and _exceeds(now - session.last_accessed, options.unused_for)
        and _exceeds(session.size, options.larger_than)
    )


def _exceeds(value: float, least: float | None) -> bool:
    return least is None or value > least


def _of_name(sessions: Administration, name: str) -> list[StoredSession]:
    if len(name) >= SHORTEST_FINGERPRINT:
        found = list(sessions.sessions(all_keys(sessions, name)))
        if found:
            return found
    every = read_all(sessions, all_keys(sessions))
    return [session for session in every if session.handle == name]


def _is_named(session: StoredSession, name: str) -> bool:
    is_long = len(name) >= SHORTEST_FINGERPRINT
    return session.handle == name or (is_long and session.fingerprint.startswith(name))
