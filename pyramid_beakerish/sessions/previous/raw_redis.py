"""Where Beaker keeps sessions on a Redis server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis import Redis, RedisError

from ...errors import StoreUnavailable
from .raw import ANSWER, CONNECT, KEY

if TYPE_CHECKING:
    from ...serializers.foreign_pickles import ForeignPickles
    from ...settings import SessionSettings


class RedisRaw:
    """A pickled text for each session, under ``beaker_cache:<id>:session``."""

    def __init__(self, settings: SessionSettings, pickles: ForeignPickles) -> None:
        self._pickles = pickles
        self._client: Any = settings.url
        if isinstance(settings.url, str):
            self._client = Redis.from_url(
                settings.url, socket_connect_timeout=CONNECT, socket_timeout=ANSWER
            )

    def read(self, session_id: str) -> Any:
        """Give the text of a session; see `RawStore.read`."""
        data = self._ask("get", session_id)
        return None if data is None else self._pickles.loads(data)

    def remove(self, session_id: str) -> bool:
        """Remove a session; tell whether it was there."""
        return bool(self._ask("delete", session_id))

    def _ask(self, command: str, session_id: str) -> Any:
        try:
            return getattr(self._client, command)(f"beaker_cache:{session_id}:{KEY}")
        except RedisError as error:
            raise StoreUnavailable(f"Beaker's Redis: {type(error).__name__}") from None
