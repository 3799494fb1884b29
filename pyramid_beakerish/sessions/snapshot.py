"""What a session holds at one moment, for code that may have to go back to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .stored import StoredMapping


class Snapshot:
    """A session's contents and what was done to it, down to the items of a nested list.

    Raises `SerializationError` for a value that could not be stored either.
    """

    def __init__(self, session: StoredMapping) -> None:
        self._state = {
            name: each for name, each in vars(session).items() if name not in session._lasting
        }
        encoded = {key: session._encode(key) for key in session._suspects}
        # Unchanged values are left out, to be read again: a read joins the transaction of its time.
        self._values = {
            key: value
            for key, value in encoded.items()
            if key in session._gone or session._differs(key, value)
        }

    def restore(self, session: StoredMapping) -> None:
        """Bring the session back, any number of times. One whose store has failed stays empty."""
        if session._failure is not None:
            return
        session._forget_values()
        state: dict[str, Any] = vars(session)
        for name in state.keys() - session._lasting - self._state.keys():
            del state[name]
        state.update(self._state)
        for key, encoded in self._values.items():
            session._values[key] = session._serializer.loads(encoded)
            session._suspects[key] = None
