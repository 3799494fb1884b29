"""The words in which mistakes are told: the key as written, the value, and the remedy."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

MASKED = "'***'"
LONGEST_SHOWN = 60
SHOWN_AS_WRITTEN = (bool, float, timedelta, datetime, type(None))
LARGEST_SHOWN = 10**18
#: A misspelt ``secret`` must not reach a log either.
SECRET_WORDS = ("secret", "key", "pass", "pwd", "token", "url", "dsn", "auth", "cred", "sa.")


def shown(value: Any, secret: bool = False) -> str:
    """Show a value as a message may: short, and masked if it is secret."""
    if secret or is_url(value):
        return MASKED
    if isinstance(value, str):
        short = value if len(value) <= LONGEST_SHOWN else value[: LONGEST_SHOWN - 3] + "..."
        return repr(short)
    plain = isinstance(value, int) and abs(value) < LARGEST_SHOWN
    if plain or isinstance(value, SHOWN_AS_WRITTEN):
        return str(value)
    return f"<{type(value).__name__}>"


def is_url(value: Any) -> bool:
    """Tell whether the value may hold a password, whatever option it was written for."""
    return isinstance(value, str) and "://" in value


def sounds_secret(name: str) -> bool:
    """Tell whether an unknown option may hold a secret, going by its name."""
    return any(word in name.lower() for word in SECRET_WORDS)


def near_miss(word: str, words: Collection[str], cutoff: float = 0.8) -> str | None:
    """Give the word of these that was probably meant, if there is one."""
    from difflib import get_close_matches  # only where there is a mistake

    letters = sorted(word.lower())
    # Two swapped letters are half of a short name, so that it would be below any cutoff.
    swapped = [each for each in words if sorted(each) == letters]
    close = swapped or get_close_matches(word.lower(), sorted(words), n=1, cutoff=cutoff)
    return close[0] if close else None


def did_you_mean(suggestion: str | None) -> str:
    """Give the question that follows a sentence, or nothing."""
    return f" Did you mean {suggestion}?" if suggestion else ""


def listed(words: Iterable[str], last: str = "or") -> str:
    """Give the words as a sentence lists them: ``a, b or c``."""
    *front, end = [*words] or [""]
    return f"{', '.join(front)} {last} {end}" if front else end
