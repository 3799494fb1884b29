"""What the store needs from the object that speaks to Redis for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from hashlib import sha1
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Script:
    """A script that the server runs, and the name under which the server remembers it."""

    def __init__(self, text: str) -> None:
        self.text = text.encode()
        self.name = sha1(self.text, usedforsecurity=False).hexdigest().encode()


class Server(ABC):
    """Sends commands to Redis and gives the answers, as bytes.

    Raises redis-py's errors, and those of the system.
    """

    @abstractmethod
    def ask(self, name: str, *arguments: bytes) -> Any:
        """Send a command that does no harm if it is obeyed twice."""

    @abstractmethod
    def tell(self, name: str, *arguments: bytes) -> Any:
        """Send a command that is never sent again, whatever becomes of its answer."""

    @abstractmethod
    def ask_each(self, name: str, *arguments: bytes) -> list[Any]:
        """Send a command to each server that takes writes; give what they answer."""

    @abstractmethod
    def get_many(self, names: Sequence[bytes]) -> Sequence[bytes | None]:
        """Give the values of several names, in one round trip to each server concerned."""

    @abstractmethod
    def scan(self, pattern: bytes) -> Iterator[bytes]:
        """List the names that match, some perhaps twice."""

    @abstractmethod
    def close(self) -> None:
        """Give back the connections that are idle; others are made when they are needed."""

    def run(self, script: Script, *arguments: bytes) -> Any:
        """Run a script on the name that is the first argument; never retry after a failure."""
        try:
            return self.tell("EVALSHA", script.name, b"1", *arguments)
        except NoScriptError:  # a server forgets scripts when it restarts
            return self.tell("EVAL", script.text, b"1", *arguments)
