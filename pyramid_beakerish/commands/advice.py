"""What an administrator should think about: settings that are no mistakes, but a risk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..settings.all_options import ALL_SESSION_OPTIONS
from ..settings.read import SESSION_PREFIXES
from ..settings.section import Report, cut
from ..settings.session_messages import SECRETS, weak_secrets
from ..stores.facts import Advice, StoreFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..settings import SessionSettings, Settings
    from .ini import Ini
    from .stores import Examined

OWASP = "https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html"
ASVS = "https://github.com/OWASP/ASVS/blob/v5.0.0/5.0/en/0x16-V7-Session-Management.md"
PROXIES = "https://docs.pylonsproject.org/projects/waitress/en/stable/reverse-proxy.html"
MDN_COOKIES = "https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie"
PICKLE = "https://docs.python.org/3/library/pickle.html"
FORKS = "https://docs.gunicorn.org/en/stable/design.html"

#: Words in the secrets of published examples, which everybody knows.
EXAMPLE_WORDS = (
    *("example", "replace", "changeme", "change-me", "itsaseekreet"),
    *("put in", "32 characters", "32-characters", "until now"),
)

REMEDY = "use session.type = sqlite or a server."
APART = f"each has sessions of its own, so that users seem logged out at random: {REMEDY}"
ALONE = f"Sessions end with the process, and no other worker process has them: {REMEDY}"

#: With fewer free bytes than this a store is nearly full.
LITTLE_ROOM = 100 * 1024 * 1024


def all_advice(ini: Ini, read: Settings, stores: Iterable[Examined]) -> list[Advice]:
    """Give everything there is to say."""
    about_stores = (advice for found in stores for advice in _on_store(ini, found))
    return [*_on_messages(ini, read), *_on_session(read.session), *about_stores]


def _on_messages(ini: Ini, read: Settings) -> Iterator[Advice]:
    section = cut(ini.settings, SESSION_PREFIXES, ALL_SESSION_OPTIONS, Report("ignore"))
    about_secrets = set(weak_secrets(section, read.session))
    for message in read.messages:
        yield Advice(message, OWASP if message in about_secrets else "")


def _on_session(session: SessionSettings) -> Iterator[Advice]:
    yield from _on_secrets(session)
    if session.constant_csrf_token:
        yield Advice("session.constant_csrf_token is for tests only: leave it out.", OWASP)
    if session.data_serializer == "pickle":
        yield Advice(
            "Loading a pickle runs whatever is written in it: use msgpack or json.", PICKLE
        )
    if session.use_cookies:
        yield from _on_cookie(session)
    yield from _on_times(session)


def _on_secrets(session: SessionSettings) -> Iterator[Advice]:
    for name in SECRETS:
        lines = (line.lower() for line in session.given.get(name, ()))
        if any(word in line for line in lines for word in EXAMPLE_WORDS):
            told = f"session.{name} is an example's: make your own with beakerish secret."
            yield Advice(told, OWASP)


def _on_cookie(session: SessionSettings) -> Iterator[Advice]:
    if session.secure is False:
        yield Advice("The cookie is also sent in clear text: set session.secure = true.", OWASP)
    elif session.secure == "auto":
        yield Advice(
            "The cookie is Secure where the request is https, as the WSGI server sees it: set "
            "session.secure = true if all of the site is, or tell the server to trust its proxy.",
            PROXIES,
        )
    if not session.httponly:
        yield Advice("Scripts can read the cookie: set session.httponly = true.", OWASP)
    if session.samesite in (None, "None"):
        yield Advice(
            "Other sites' requests carry the cookie: use session.samesite = Lax, or check CSRF "
            "tokens everywhere.",
            MDN_COOKIES,
        )


def _on_times(session: SessionSettings) -> Iterator[Advice]:
    if session.timeout is None:
        yield Advice("Sessions never end by themselves: set session.timeout.", ASVS)
    if session.lifetime is None and session.format == "beakerish":
        yield Advice(
            "A session that stays in use never ends: set session.lifetime, such as 30d.", ASVS
        )


def _on_store(ini: Ini, found: Examined) -> Iterator[Advice]:
    facts, used = found.facts, found.used
    if used.keeps_sessions:
        yield from _on_session_store(ini, found)
    # A store that evicts is full sooner or later; other advice is about that.
    if not facts.get("evicts") and facts.get("free", LITTLE_ROOM) < LITTLE_ROOM:
        yield Advice(f"{used.name} has less than 100 MB left: give it more room.")
    yield from facts.get("remarks", ())


def _on_session_store(ini: Ini, found: Examined) -> Iterator[Advice]:
    facts, name = found.facts, found.used.name
    if facts.get("reach") == "process":
        workers = _workers(ini)
        several = f"[server:main] starts {workers} processes, and {APART}"
        yield Advice(several if workers else ALONE, FORKS)
    elif facts.get("persistent") is False:
        yield _remedied(
            f"When {name} is started again, all users are logged out", "persistent", facts
        )
    if facts.get("evicts"):
        yield _remedied(f"When {name} is full, users are logged out too early", "evicts", facts)


def _remedied(risk: str, fact: str, facts: StoreFacts) -> Advice:
    remedy = facts.get("remedies", {}).get(fact, Advice("use another session.type"))
    return Advice(f"{risk}: {remedy.text}.", remedy.link)


def _workers(ini: Ini) -> str | None:
    """Give the number of processes that the server is told to start, if it is above one."""
    given = (ini.server.get(name, "1") for name in ("workers", "processes"))
    return next((number for number in given if number.strip() not in ("0", "1")), None)
