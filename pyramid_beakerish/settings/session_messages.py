"""Messages about settings of sessions that are no mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .all_options import ALL_SESSION_OPTIONS, find_option
from .pyramid_only import SHARED, SIGNED_COOKIE_OPTIONS
from .sentences import listed
from .store_types import passes_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .option import Option
    from .options import SessionSettings
    from .section import Section

#: OWASP asks for 64 bits of entropy at least; this many characters of any alphabet have more:
#: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html
SHORTEST_SECRET = 32
SECRETS = ("secret", "encrypt_key", "validate_key")
#: Options of sessions that are stored on the server.
NEED_A_STORE = frozenset(
    {
        *("max_sessions_per_user", "on_store_error", "rotation_grace"),
        *("transactional", "after_transaction"),
    }
)
#: Options of the cookie.
COOKIE = (
    *("cookie_domain", "cookie_expires", "cookie_path", "key"),
    *("httponly", "partitioned", "samesite", "secure"),
)
#: Who keeps the sessions that are not this package's.
KEEPERS = {"beaker": "Beaker", "pyramid": "Pyramid"}
NEW_SECRET = "python -c 'import secrets; print(secrets.token_urlsafe(32))' makes one."  # noqa: S105


def session_messages(section: Section, session: SessionSettings) -> Iterator[str]:
    """Give a sentence for each thing that an administrator may not expect."""
    if session.beaker_reason is not None:
        yield f"Beaker keeps the sessions: {session.beaker_reason}."
    # As in pyramid_beaker, constant_csrf_token is not listed among the given options.
    for name in (*session.given, *["constant_csrf_token"] * bool(session.constant_csrf_token)):
        option = find_option(ALL_SESSION_OPTIONS, name)
        reason = option and no_effect(name, option, session)
        if reason:
            yield f"{section.key(name)} has no effect: {reason}."
    if not session.require_secret:
        yield from weak_secrets(section, session)
    yield from _ignored_secrets(section, session)


def no_effect(name: str, option: Option, session: SessionSettings) -> str | None:
    """Tell why these sessions have no use for an option that is given, or give ``None``."""
    if session.format == "pyramid" and name not in SHARED and name not in SIGNED_COOKIE_OPTIONS:
        return "Pyramid keeps the sessions and has no such option"
    if option.obeyed_by == "nobody":
        return option.inert
    if session.format == "beakerish":
        return _no_effect_here(name, option, session)
    if option.obeyed_by == "beakerish":
        return "Beaker keeps the sessions and has no such option"
    return _of_another_type(option, option.types, session)


def _no_effect_here(name: str, option: Option, session: SessionSettings) -> str | None:
    if option.obeyed_by == "beaker":
        return option.inert
    if session.type == "cookie" and name in NEED_A_STORE:
        return "a session in a cookie is in no store"
    if name in _USES:
        has_use, why_not = _USES[name]
        return None if has_use(session) else why_not
    return _of_another_type(option, option.own_types or option.types, session)


def _of_another_type(option: Option, types: Sequence[str], session: SessionSettings) -> str | None:
    if not types or session.type in types or _of_ones_own(session):
        return None
    return option.inert or f"only session.type = {listed(types)} reads it"


def _reads_pickles(session: SessionSettings) -> bool:
    return session.data_serializer == "pickle" or session.previous is not None


def _reads_file_dir(session: SessionSettings) -> bool:
    is_own = session.type == "file" and "data_dir" not in session.given
    # Beaker's earlier sessions are in that folder, or another package's back end may read it.
    return is_own or session.previous is not None or _of_ones_own(session)


#: Options that not all sessions of ours can use: which ones can, and why the others cannot.
_USES: dict[str, tuple[Callable[[SessionSettings], bool], str]] = {
    "file_dir": (_reads_file_dir, "only session.type = file without data_dir reads it"),
    "pickle_classes": (_reads_pickles, "neither data_serializer nor previous uses pickles"),
    "rotation_grace": (
        lambda session: session.renew_id_every is not None,
        "it is used only with renew_id_every",
    ),
    **dict.fromkeys(
        COOKIE, (lambda session: session.use_cookies, "use_cookies = false: there is no cookie")
    ),
}


def _of_ones_own(session: SessionSettings) -> bool:
    """Tell whether the backend is neither Beaker's nor ours, so that it may read any option."""
    return passes_on(session.type) or "namespace_class" in session.given


def weak_secrets(section: Section, session: SessionSettings) -> Iterator[str]:
    """Give a sentence for each secret that is missing, or may be guessed."""
    needs_secret = session.use_cookies and session.type != "cookie"
    if needs_secret and not session.secret:
        yield f"{section.key('secret')} is missing, so cookies are not signed: {NEW_SECRET}"
    for name in SECRETS:
        if any(len(line) < SHORTEST_SECRET for line in session.given.get(name, ())):
            yield (
                f"{section.key(name)} is shorter than {SHORTEST_SECRET} characters "
                f"and may be guessed: {NEW_SECRET}"
            )


def _ignored_secrets(section: Section, session: SessionSettings) -> Iterator[str]:
    keeper = KEEPERS.get(session.format)
    for name in SECRETS:
        if keeper and len(session.given.get(name, ())) > 1:
            yield f"{section.key(name)} has several lines, and {keeper} uses only the first."
