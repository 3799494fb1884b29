"""A connection of psycopg that does not wait for ever."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from .limits import ANSWER

if TYPE_CHECKING:
    from collections.abc import Generator

R = TypeVar("R")

ACTIVE = TransactionStatus.ACTIVE


class NoAnswerError(psycopg.OperationalError):
    """The server has not answered in time."""


class BoundedConnection(psycopg.Connection[TupleRow]):
    """Closes itself if a conversation breaks off, for instance because the server does not answer.

    If psycopg finds the socket closed while it waits, it leaves the connection open,
    and nothing can be done with that any more, not even giving it back to the pool. The
    server itself ends a statement that takes too long (statement_timeout), but if the
    server is stopped, or the network swallows what is sent, libpq waits for ever.
    """

    def wait(self, gen: Generator[Any, Any, R], *args: Any, **kwargs: Any) -> R:
        """Wait for the end of the generator, which is psycopg's side of a conversation."""
        try:
            return super().wait(_bounded(gen), *args, **kwargs)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == ACTIVE:  # the answer is still to come
                self.close()
            raise


def _bounded(gen: Generator[Any, Any, R]) -> Generator[Any, Any, R]:
    """Pass on what psycopg waits for; while nothing comes, look at the time ten times a second."""
    end = time.monotonic() + ANSWER
    try:
        awaited = next(gen)
        while True:
            ready = yield awaited
            if not ready and time.monotonic() > end:
                raise NoAnswerError(f"no answer within {ANSWER} s")
            awaited = gen.send(ready)
    except StopIteration as stop:
        result: R = stop.value
        return result
