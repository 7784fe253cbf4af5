"""Group commit: many writes in one transaction, which is retried if the database reports a deadlock.

If the transaction fails for a reason that a single write may have caused, each write is retried in its own transaction.
Writes to conversations that another transaction keeps locked are returned as LOCKED; the other writes are committed
without them.
"""

import time
from collections.abc import Collection, Sequence
from enum import Enum
from itertools import count

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from imapp.cluster.bus.bus import conversation_room
from imapp.database import engines, errors, transactions
from imapp.errors import AppError, UnavailableError
from imapp.events import SyncRequired
from imapp.logs import get_logger
from imapp.services import affected_rooms
from imapp.services.contacts import mutual_presence
from imapp.services.write_path.batch import Answer, Batch, Op, Publication
from imapp.services.write_path.batch_statements import statements

log = get_logger(__name__)

#: The outcome of an op, reported to its submitter: its result, or the error with which it failed.
Outcome = Answer | AppError


class Waits(Enum):
    """Result of an op that was not run, because another transaction keeps its conversation locked."""

    LOCKED = "locked"


LOCKED = Waits.LOCKED

Result = Outcome | Waits

#: The result of each op, and the publications of each op, both in the order of the ops.
Committed = tuple[list[Result], list[list[Publication]]]


class _CommitUnknownError(Exception):
    """Raised when the connection breaks during COMMIT: it is unknown whether the batch is stored."""

    def __init__(self, batch: Batch) -> None:
        super().__init__()
        # The rooms of the batch's publications, and those of conversations with moved read marks, which members of
        # small groups see as receipts.
        told = {room for publication in batch.publications for room in publication.rooms}
        self.rooms = tuple(told | set(map(conversation_room, batch.read)))


def commit(ops: Sequence[Op]) -> Committed:
    """Commit all ops in one transaction; if it fails, each in its own transaction, so that a bad op fails alone."""
    try:
        return _attempt(ops)
    except IntegrityError:
        return _one_by_one(ops)
    except Exception as exc:  # noqa: BLE001 - every failure is an answer
        if errors.is_lock_timeout(exc):
            return _around_locks(ops)
        if len(ops) > 1 and not isinstance(exc, _CommitUnknownError) and errors.as_app_error(exc) is None:
            return _one_by_one(ops)
        return _failed(ops, exc)


def find_locked(conversation_ids: Collection[int]) -> set[int]:
    """Return the given conversations that another transaction has locked at this moment."""
    with engines.committer_engine().connect() as connection:
        free = connection.execute(text(statements(connection.dialect.name).heads_free(sorted(conversation_ids))))
        return set(conversation_ids) - set(free.scalars())


def _around_locks(ops: Sequence[Op]) -> Committed:
    """Commit the ops on unlocked conversations, after a lock wait has timed out."""
    locked = find_locked({op.conversation_id for op in ops})
    log.warning("conversations_locked", conversations=len(locked), ops=len(ops))
    outcomes: list[Result] = [LOCKED] * len(ops)
    publications: list[list[Publication]] = [[] for _ in ops]
    for group in _free_groups(ops, locked):
        try:
            told, published = commit([ops[index] for index in group]) if locked else _attempt([ops[i] for i in group])
        except Exception as exc:  # noqa: BLE001 - every failure is an answer
            if errors.is_lock_timeout(exc):
                continue
            told, published = _failed([ops[index] for index in group], exc)
        for index, outcome, pushes in zip(group, told, published, strict=True):
            outcomes[index], publications[index] = outcome, pushes
    return outcomes, publications


def _free_groups(ops: Sequence[Op], locked: set[int]) -> list[list[int]]:
    """Return groups of op indexes to commit together: one group with all ops on unlocked conversations.

    If no conversation is locked, the lock is on other rows; then the ops of each conversation form a group.
    """
    if locked:
        free = [index for index, op in enumerate(ops) if op.conversation_id not in locked]
        return [free] if free else []
    groups: dict[int, list[int]] = {}
    for index, op in enumerate(ops):
        groups.setdefault(op.conversation_id, []).append(index)
    return list(groups.values())


def _one_by_one(ops: Sequence[Op]) -> Committed:
    outcomes: list[Result] = []
    publications: list[list[Publication]] = []
    for op in ops:
        try:
            try:
                told, published = _attempt([op])
            except IntegrityError:  # it lost the race for a client id to another node: the second attempt finds its row
                told, published = _attempt([op])
        except Exception as exc:  # noqa: BLE001 - every failure is an answer
            told, published = _failed([op], exc)
        outcomes += told
        publications += published
    return outcomes, publications


def _failed(ops: Sequence[Op], exc: Exception) -> Committed:
    """Return the outcomes of failed ops; if it is unknown whether they are stored, tell affected clients to sync."""
    if isinstance(exc, _CommitUnknownError):
        log.warning("commit_failed", ops=len(ops), message="it is unknown whether they are stored")
        event = SyncRequired(reason=affected_rooms.COMMIT_UNKNOWN)
        publications: list[list[Publication]] = [[] for _ in ops]
        publications[-1].append(Publication(event.name, event.wire(), exc.rooms))
        return [UnavailableError(retry_after=1)] * len(ops), publications
    known = errors.as_app_error(exc)
    if known is None:
        log.error("op_failed", op=type(ops[0]).__name__, exc_info=exc)
        return [AppError()] * len(ops), [[] for _ in ops]
    log.warning("commit_failed", ops=len(ops), error=type(exc).__name__, code=errors.code_of(exc))
    return [known] * len(ops), [[] for _ in ops]


def _attempt(ops: Sequence[Op]) -> Committed:
    """Run one transaction; retry it if it lost a deadlock or its connection was already dead before the commit."""
    deadline = time.monotonic() + transactions.patience_seconds()
    for attempt in count():
        try:
            return _transact(Batch(ops), ops)
        except DBAPIError as exc:
            is_stale = exc.connection_invalidated and attempt == 0
            if errors.is_lock_timeout(exc):
                raise  # the committer parks these ops instead of blocking the others
            if time.monotonic() > deadline or not (is_stale or errors.is_retryable(exc)):
                raise
            if not is_stale:
                transactions.back_off(attempt)
    raise AssertionError("unreachable")


def _transact(batch: Batch, ops: Sequence[Op]) -> Committed:
    with transactions.writer_turn(), transactions.timed(), engines.committer_engine().connect() as connection:
        batch.load(connection)
        outcomes: list[Result] = []
        publications: list[list[Publication]] = []
        for op in ops:
            start = len(batch.publications)
            try:
                outcomes.append(op.apply(batch))
            except AppError as error:
                outcomes.append(error)
            publications.append(batch.publications[start:])
        try:
            batch.commit(connection)
        except DBAPIError as exc:
            if exc.connection_invalidated:
                raise _CommitUnknownError(batch) from exc
            raise
    if batch.acquainted:
        mutual_presence.note(batch.acquainted)
    return outcomes, publications
