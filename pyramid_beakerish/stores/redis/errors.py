"""What goes wrong at a Redis server, in the words of the store contract."""

from __future__ import annotations

from redis import exceptions

from ...errors import StoreError, StoreUnavailable
from ..translating import translating


class AnswerLost(exceptions.ConnectionError):
    """The connection broke after a command was sent, which may have been obeyed or not."""


#: Whatever a client may raise; RedisClusterException is not a RedisError.
FAILURES = (exceptions.RedisError, exceptions.RedisClusterException, OSError)

#: Why the server cannot serve: the first class that fits counts.
REASONS: tuple[tuple[type[Exception], str], ...] = (
    (AnswerLost, "broke the connection: whether the entry was written is not known"),
    (exceptions.AuthenticationError, "refuses the user or the password"),
    (exceptions.AuthorizationError, "refuses the user or the password"),
    (exceptions.NoPermissionError, "does not permit the user the commands of a store"),
    (exceptions.BusyLoadingError, "is still loading its data"),
    (exceptions.OutOfMemoryError, "is full: its maxmemory is used up"),
    (exceptions.ReadOnlyError, "takes no writes: it is a replica"),
    (exceptions.MasterDownError, "is a replica whose master is down"),
    (exceptions.ClusterError, "belongs to a cluster that is down"),
    (exceptions.TryAgainError, "is moving the entry to another server"),
    (exceptions.RedisClusterException, "belongs to a cluster that cannot be reached"),
    (exceptions.TimeoutError, "does not answer in time"),
    (TimeoutError, "does not answer in time"),
    (exceptions.ConnectionError, "cannot be reached"),
    (OSError, "cannot be reached"),
)

#: The same for answers that redis-py has no class for, by their first word.
WORDS = {
    "BUSY": "is busy with somebody's script",
    "DB": "has no database with the number in the url",
    "MISCONF": "cannot write to its disk",
    "NOREPLICAS": "takes no writes: it has too few replicas",
}

#: How an error of a command in a script begins, somewhere in the answer: redis-py knows these
#: errors only at its start. Redis 6 has more before them, and words missing rights differently.
IN_SCRIPTS: tuple[tuple[str, type[exceptions.ResponseError]], ...] = (
    ("-OOM ", exceptions.OutOfMemoryError),
    ("-READONLY ", exceptions.ReadOnlyError),
    ("-MISCONF ", exceptions.ResponseError),
    ("The user executing the script can't run", exceptions.NoPermissionError),
    ("ACL failure in script", exceptions.NoPermissionError),  # Valkey
)


def known(error: Exception) -> Exception:
    """Give the error of a command in a script as if the command had been sent by itself."""
    said = str(error)
    as_known = (
        kind(said[said.index(begin) :].lstrip("-")) for begin, kind in IN_SCRIPTS if begin in said
    )
    return next(as_known, error)


def translated(error: Exception) -> StoreError:
    """Give the error that the contract has for an error of a client."""
    error = known(error)
    for kind, reason in REASONS:
        if isinstance(error, kind):
            return StoreUnavailable(f"the Redis server {reason}{_said_by_the_system(error)}")
    word = str(error).partition(" ")[0]
    if word in WORDS:
        return StoreUnavailable(f"the Redis server {WORDS[word]}")
    # Not the whole answer: it may quote the command, and with it a key and its contents.
    code = word if word.isalpha() and word.isupper() else type(error).__name__
    return StoreError(f"the Redis server refused a command ({code})")


def _said_by_the_system(error: Exception) -> str:
    """Give the reason why there is no connection, such as an unknown host; it quotes no command."""
    said = getattr(error.__context__, "strerror", None) or getattr(error, "strerror", None)
    return f": {said}" if said else ""


#: Makes a method raise `StoreUnavailable` or `StoreError` for every error of a client.
translating_errors = translating(FAILURES, translated)
