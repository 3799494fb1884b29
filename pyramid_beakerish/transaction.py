"""Sessions that take part in transactions of the ``transaction`` package.

What happens to the session is stored if, and only if, the transaction is committed. Needs the
extra ``pyramid_beakerish[transaction]``.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from transaction.interfaces import (
    ISavepointDataManager,
    TransactionFailedError,
    TransientError,
)
from zope.interface import implementer

from .errors import BeakerishError, SessionStateError, StoreUnavailable
from .sessions.mapping import UNSET
from .sessions.no_record import Moved, NoRecord
from .sessions.session import Session
from .sessions.snapshot import Snapshot
from .sessions.stored import release
from .stores.lease import Lease

if TYPE_CHECKING:
    Turns = dict[tuple[Any, str], "TransactionalSession"]

log = logging.getLogger(__name__)

#: The texts of cromlech.wsgistate, as its applications may compare them.
NO_WRITING = "Session's current state disallows writing"
NO_SAVING = "Session's current state disallows saving operations."

#: Seconds for which one commit may keep others from committing the session: the rest of its
#: transaction may be slow to finish, or its process may be killed.
LONGEST_TURN = 10.0
#: Longer than a turn, so that nobody fails because a process was killed during its turn.
LONGEST_WAIT = 12.0


class SessionConflict(BeakerishError, TransientError):  # type: ignore[misc]
    """Another request has changed or ended the session meanwhile: the attempt can be repeated."""


class Transactions(Protocol):
    """Where a session finds its transaction."""

    def seen(self) -> bool:
        """Tell whether there is or was a transaction for this session."""

    def current(self) -> Any:
        """Give the transaction that is under way, or ``None``."""


class GivenTransaction:
    """One transaction, until it ends."""

    def __init__(self, transaction: Any) -> None:
        self._transaction = transaction
        self._aborted = False
        transaction.addBeforeAbortHook(self._abort)  # an aborted transaction still lets others join

    def seen(self) -> bool:
        """See `Transactions`."""
        return True

    def current(self) -> Any:
        """See `Transactions`."""
        return None if self._aborted else self._transaction

    def _abort(self) -> None:
        self._aborted = True


class TransactionalSession(Session):
    """Joins the transaction before the first change, and is stored by its commit.

    Handing out a value that can be changed in place counts as a change here. After the end of the
    transaction the session can be read, but written only with
    ``session.after_transaction = save``. Without a transaction it is stored as usual.
    """

    _lasting = Session._lasting | {"_transactions", "_resource", "_unpublished", "_stale", "_turn"}
    _transactions: Transactions | None = None
    _resource: SessionDataManager | None = None  # its part in the transaction that is under way
    _turn: Lease | None = None  # what keeps other transactions from storing it
    _unpublished: Exception | None = None  # why the commit could not store it
    _stale = False  # whether another request has changed or ended it

    @property
    def _writable(self) -> bool:
        """Whether a change needs no preparation, such as joining the transaction."""
        return self._resource is not None and bool(vars(self)["_writable"])

    @_writable.setter
    def _writable(self, value: bool) -> None:
        vars(self)["_writable"] = value

    def changed(self) -> None:
        """Say that a value was changed in place. Not needed: such changes are found."""
        self._prepare_to_write()
        super().changed()

    def persist(self) -> None:
        """Store what has changed: now, or in a transaction by its commit.

        Raises the error that kept the commit from storing it.
        """
        if self._unpublished is not None:
            error, self._unpublished = self._unpublished, None
            raise error
        if self._resource is None:
            super().persist()

    def _load(self) -> None:
        super()._load()
        if self._suspects:  # values such as lists, which an onlooker has read
            self._take_part()

    def _read(self, key: str) -> Any:
        value = super()._read(key)
        self._forget_view(key)
        if key in self._suspects and not self._take_part() and self._is_over():
            # The caller gets a copy, whose changes are lost; the next transaction reads anew.
            del self._suspects[key], self._values[key]
        return value

    def _read_all(self) -> dict[str, Any]:
        self._touch()
        stored = [key for key in self._base or () if key not in self._gone]
        found = {key: self.get(key, UNSET) for key in stored}
        self._read_views()
        return {key: value for key, value in found.items() if value is not UNSET} | self._values

    def _prepare_to_write(self, key: str | None = None) -> None:
        self._touch()
        if not self._take_part() and self._is_over():
            raise SessionStateError(NO_WRITING)
        super()._prepare_to_write(key)

    def _is_over(self) -> bool:
        if self._failure is not None or self._settings.after_transaction == "save":
            return False
        return self._transactions is not None and self._transactions.seen()

    def _take_part(self) -> bool:
        """Join the transaction if there is one; tell whether the session takes part in it."""
        if self._resource is not None:
            return True
        if self._transactions is None:
            return False
        transaction = self._transactions.current()
        if transaction is None:
            return False
        resource = SessionDataManager(self)
        try:
            transaction.join(resource)
        except (ValueError, TransactionFailedError):  # it is being committed, or was
            return False
        self._resource = resource
        return True

    # For the data manager

    def _vote(self, turns: Turns) -> None:
        """Raise whatever could keep the changes from being stored."""
        encoded = {key: self._encode(key) for key in self._suspects}
        if self._detached:
            return
        try:
            if self._record is not None:
                if self._unusual or any(self._differs(key, encoded[key]) for key in encoded):
                    self._compare(turns)
            elif encoded or self._forced or self._ended:
                self._reach_store()
        except StoreUnavailable as error:
            self._fail(error)

    def _take_turn(self, turns: Turns) -> None:
        """Keep others from comparing until this transaction is over.

        Otherwise two could find the record unchanged, and the second would undo the first.
        """
        self._end_turn()
        place = self._manager, self._key
        before, turns[place] = turns.get(place), self
        if before is not None and before._turn is not None:
            # Taken over: the last to vote is also the last to finish.
            self._turn, before._turn = before._turn, None
            return
        turn = Lease(self._manager.records.store, f"commit:{self._key}", LONGEST_TURN)
        if not turn.acquire(LONGEST_WAIT):
            raise SessionConflict("Other requests kept committing the session.")
        self._turn = turn

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            release(turn)

    def _compare(self, turns: Turns) -> None:
        """Refuse to overwrite what others have stored meanwhile, and have them wait from now on."""
        self._take_turn(turns)
        try:
            record, token, _ = self._manager.records.load(self._key)
        except NoRecord:
            self._stale = True
            raise SessionConflict("The session has ended in another request.") from None
        except Moved as moved:
            self._follow(moved)
            return self._compare(turns)
        if record.values != self._base:
            self._stale = True
            raise SessionConflict("Another request has changed the session.")
        self._record, self._token = record, token
        return None

    def _reach_store(self) -> None:
        """Look for the record of a new session: nobody is to commit if the store is down."""
        records = self._manager.records
        with suppress(NoRecord):
            records.load(records.key_of(self.id))

    def _undo(self, before: Snapshot) -> None:
        """Go back to the state before the transaction, or to what others have stored since."""
        self._resource = None
        self._end_turn()
        before.restore(self)
        if self._stale:
            self._stale = False
            self._load_again()

    def _publish(self) -> None:
        """Store the changes. Raises nothing, as other data managers may have committed already."""
        self._resource = None
        try:
            super().persist()
        except Exception as error:
            log.error("A session could not be stored after the commit of its transaction.")
            self._unpublished, self._dirty = error, True
        else:
            self._forget_values()  # a list that was handed out belonged to this transaction
        finally:
            self._end_turn()


@implementer(ISavepointDataManager)
class SessionDataManager:
    """A session's part in one transaction."""

    transaction_manager = None

    def __init__(self, session: TransactionalSession) -> None:
        self._session = session
        self._before = Snapshot(session)

    def sortKey(self) -> str:  # noqa: N802 - the interface's name
        """Come last: all who can refuse have voted before the session is stored."""
        # With the key, as two transactions that take turns in different orders block each other.
        return f"~pyramid_beakerish {self._session._key}"

    def tpc_begin(self, transaction: Any) -> None:
        """Nothing to prepare."""

    def commit(self, transaction: Any) -> None:
        """Nothing is stored before all have voted."""

    def tpc_vote(self, transaction: Any) -> None:
        """Refuse what cannot be stored, and what conflicts with changes of others."""
        self._session._vote(_turns_of(transaction))

    def tpc_finish(self, transaction: Any) -> None:
        """Store the changes."""
        self._session._publish()

    def abort(self, transaction: Any) -> None:
        """Bring the session back to what it was before the first change."""
        # This is called twice, and once more after the hooks that follow a commit.
        if self._session._resource is self:
            self._session._undo(self._before)

    tpc_abort = abort

    def savepoint(self) -> SessionSavepoint:
        """Give a state to which the session can be brought back."""
        if self._session._resource is not self:
            raise SessionStateError(NO_SAVING)
        return SessionSavepoint(self._session)


class SessionSavepoint:
    """A state to which a session can be brought back, any number of times."""

    def __init__(self, session: TransactionalSession) -> None:
        self._session = session
        self._snapshot = Snapshot(session)

    def rollback(self) -> None:
        """Bring the session back."""
        self._snapshot.restore(self._session)


def _turns_of(transaction: Any) -> Turns:
    """Give the session of the transaction that has the turn of each record.

    One record may have several: a subrequest that is a copy of its request has a session of its
    own, and its parent's transaction.
    """
    try:
        turns: Turns = transaction.data(_turns_of)
    except KeyError:
        turns = {}
        transaction.set_data(_turns_of, turns)
    return turns
