"""Flash messages and the CSRF token, for any mapping that is a session."""

from __future__ import annotations

import secrets
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ..settings import SessionSettings

CSRF_KEY = "_csrft_"
FLASH_PREFIX = "_f_"


class FlashAndCSRF(MutableMapping[str, Any]):
    """What `pyramid.interfaces.ISession` adds to a dictionary.

    It is kept under the same keys as by pyramid_beaker and Pyramid's own sessions.
    """

    _settings: SessionSettings

    @property
    def _constant_csrf_token(self) -> str | Literal[False]:
        return self._settings.constant_csrf_token

    def flash(self, msg: Any, queue: str = "", allow_duplicate: bool = True) -> None:
        """Add a message for the visitor to the end of a queue.

        ``allow_duplicate``: whether to add it if the queue holds an equal one. Default: true.
        """
        messages = self.get(FLASH_PREFIX + queue, [])
        if allow_duplicate or msg not in messages:
            self[FLASH_PREFIX + queue] = [*messages, msg]

    def pop_flash(self, queue: str = "") -> list[Any]:
        """Take all messages out of a queue."""
        messages: list[Any] = self.pop(FLASH_PREFIX + queue, [])
        return messages

    def peek_flash(self, queue: str = "") -> list[Any]:
        """Give the messages of a queue and leave them there."""
        messages: list[Any] = self.get(FLASH_PREFIX + queue, [])
        return messages

    def new_csrf_token(self) -> str:
        """Draw a token against cross-site request forgery and keep it in the session."""
        token = self[CSRF_KEY] = self._new_csrf_token()
        return token

    def get_csrf_token(self) -> str:
        """Give the session's token; one is drawn if there is none."""
        token: str | None = self.get(CSRF_KEY)
        if token is None:
            token = self[CSRF_KEY] = self._first_csrf_token()
        return token

    def _first_csrf_token(self) -> str:
        return self._new_csrf_token()

    def _new_csrf_token(self) -> str:
        return self._constant_csrf_token or secrets.token_hex(32)
