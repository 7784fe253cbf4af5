"""The committer: each node has one, and all its frequent writes to conversations go through it.

While one commit is in progress the next batch collects, so an idle node commits at once and a busy node commits in
batches. There is no artificial delay. After the commit each write, in queue order, is acknowledged and then
published: on one connection, acks and pushes of a conversation are sent in the order of its change numbers.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from flask import Flask

from imapp.cluster import trace_ring
from imapp.cluster.bus import bus
from imapp.cluster.bus.envelope import Stamp
from imapp.cluster.trace_ring import REFUSED, SENT
from imapp.database import transactions
from imapp.errors import AppError, BusyError, UnavailableError
from imapp.logs import get_logger
from imapp.node import current_node, node_of
from imapp.services.write_path.batch import Answer, Op, Publication
from imapp.services.write_path.parked import LOOK_SECONDS, Parked
from imapp.services.write_path.transaction import Committed, Outcome, Waits, commit, find_locked
from imapp.telemetry import metrics, tracing

log = get_logger(__name__)


class Done(Protocol):
    """A callback that the committer calls once, after the commit."""

    def __call__(self, outcome: Outcome, /) -> None:
        """Accept the outcome; must not block."""


@dataclass(slots=True)  # not frozen, like a Publication
class _Waiting:
    """A write that waits for its commit."""

    op: Op
    done: Done
    #: The time.monotonic() after which it is given up.
    deadline: float


#: A published message: its stamp, its sender's sid, and whether the bus accepted it.
_Sent = tuple[Stamp, str | None, bool]


@dataclass(frozen=True)
class QueueState:
    """The state of the committer's queue."""

    #: Number of queued and parked writes.
    waiting: int
    #: Maximum of `waiting`; further writes are refused as `busy`.
    most: int
    #: Age of the oldest write that is queued or being committed; 0 if there is none.
    oldest_seconds: float
    #: Whether the latest commit succeeded; None before the first commit.
    last_commit_ok: bool | None
    #: Seconds since the latest commit failed; None unless it failed.
    failed_seconds_ago: float | None


class Committer:
    """A queue of ops and the one thread (greenlet under gunicorn) that commits them in batches."""

    def __init__(self, app: Flask, *, batch_max: int, queue_max: int) -> None:
        self._app = app
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._patience = transactions.patience(node_of(app).settings)
        self._queue: deque[_Waiting] = deque()
        self._parked: Parked[_Waiting] = Parked(find_locked)
        self._wake = threading.Event()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False
        #: Deadline (monotonic) of the oldest write that is being committed; None if none is.
        self._in_hand: float | None = None
        #: Time (monotonic) at which the latest commit failed; None if it succeeded.
        self._failed_at: float | None = None
        self._has_committed = False
        self._ring = trace_ring.of_app(app)
        metrics.COMMIT_QUEUE.set_function(self._waiting)

    def _waiting(self) -> int:
        return len(self._queue) + (self._parked.count() if self._parked else 0)

    def submit(self, op: Op, done: Done) -> None:
        """Queue `op` without blocking; raises BusyError if the queue is full or the node is shutting down."""
        if self._closing or self._waiting() >= self._queue_max:
            self.note_refusal(op.actor_id, op.client_id, BusyError())
            raise BusyError(retry_after=1)
        self._queue.append(_Waiting(op, done, time.monotonic() + self._patience))
        self._wake.set()
        if self._thread is None:
            with self._start:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._loop, name="committer", daemon=True)
                    self._thread.start()

    def run(self, op: Op) -> Answer:
        """Queue `op`, wait for its commit and return its result; raises the op's error.

        Raises UnavailableError after three times the committer's patience. That is longer than the committer itself can
        take: its patience once in the queue, once during the commit, and a last statement.
        """
        transactions.release()  # other requests need the connection during the wait
        answered = threading.Event()
        outcomes: list[Outcome] = []

        def done(outcome: Outcome) -> None:
            outcomes.append(outcome)
            answered.set()

        self.submit(op, done)
        if not answered.wait(3 * self._patience):
            raise UnavailableError(retry_after=1)
        if isinstance(outcomes[0], AppError):
            raise outcomes[0]
        return outcomes[0]

    def state(self) -> QueueState:
        """Return how long writes wait and whether the latest commit succeeded."""
        moment, oldest = time.monotonic(), self._in_hand
        with suppress(IndexError):  # an empty queue has no oldest
            oldest = oldest or self._queue[0].deadline
        return QueueState(
            waiting=self._waiting(),
            most=self._queue_max,
            oldest_seconds=0.0 if oldest is None else round(max(0.0, self._patience + moment - oldest), 3),
            last_commit_ok=self._failed_at is None if self._has_committed else None,
            failed_seconds_ago=None if self._failed_at is None else round(moment - self._failed_at, 3),
        )

    def close(self, timeout_seconds: float = 10) -> None:
        """Refuse new writes, commit the queued ones, and stop."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)

    def _loop(self) -> None:
        with self._app.app_context():
            while not (self._closing and not self._waiting()):
                self._wake.wait(LOOK_SECONDS if self._parked else None)
                self._wake.clear()
                self._guarded(self._unpark)
                while self._queue:
                    self._guarded(self._turn)
                    self._guarded(self._unpark)

    @staticmethod
    def _guarded(act: Callable[[], None]) -> None:
        try:
            act()
        except Exception:  # the next batch must be committed
            log.exception("commit_turn_failed")

    def _unpark(self) -> None:
        """Move parked writes to unlocked conversations to the front of the queue; give up expired parked writes."""
        if not self._parked:
            return
        for late in self._parked.take_late(lambda waiting: time.monotonic() > waiting.deadline):
            self._give_up(late)
        try:
            self._queue.extendleft(reversed(self._parked.take_free()))
        except Exception as exc:  # noqa: BLE001 - the database is unavailable: each write will report that itself
            log.warning("locks_unknown", error=type(exc).__name__)
            self._queue.extendleft(reversed(self._parked.take_all()))

    def _turn(self) -> None:
        taken = self._take()
        if not taken:
            return
        self._in_hand = taken[0].deadline
        outcomes, publications = _commit([waiting.op for waiting in taken])
        self._in_hand = None
        self._has_committed = True
        has_failed = all(isinstance(outcome, UnavailableError) for outcome in outcomes)
        self._failed_at = time.monotonic() if has_failed else None
        answered_at = time.monotonic()
        metrics.COMMIT_BATCH.observe(len(taken))
        committed_ms = time.time() * 1000
        sent: list[_Sent] = []
        for waiting, outcome, published in zip(taken, outcomes, publications, strict=True):
            op = waiting.op
            if isinstance(outcome, Waits):
                self._parked.add(op.conversation_id, waiting)
                continue
            metrics.WRITE_SECONDS.observe(self._patience + answered_at - waiting.deadline)
            if isinstance(outcome, AppError):
                self.note_refusal(op.actor_id, op.client_id, outcome)
            _tell(waiting.done, outcome)
            for publication in published:
                is_taken = _publish(publication)
                if publication.stamp is not None:
                    sent.append((publication.stamp, publication.skip_sid, is_taken))
        self._follow(sent, committed_ms)

    def note_refusal(self, actor_id: int, client_id: str | None, error: AppError) -> None:
        """Add to a message's trace why it was not stored."""
        if client_id is not None:
            self._ring.keep([(time.time() * 1000, REFUSED, client_id, actor_id, error.code)])

    def _follow(self, sent: list[_Sent], committed_ms: float) -> None:
        """Record metrics and traces of the published messages; once for the whole batch, because that is cheap."""
        published_ms = time.time() * 1000
        metrics.COMMITTED.observe_all([(committed_ms - accepted_ms) / 1000 for (accepted_ms, *_), _, _ in sent])
        metrics.PUBLISHED.observe_all([(published_ms - accepted_ms) / 1000 for (accepted_ms, *_), _, _ in sent])
        self._ring.keep(
            [
                (accepted_ms, SENT, message_id, committed_ms, published_ms, sid, is_taken)
                for (accepted_ms, message_id, _), sid, is_taken in sent
            ]
        )
        if tracing.is_on():
            for (accepted_ms, message_id, traceparent), _, _ in sent:
                tracing.record("commit", traceparent, accepted_ms, committed_ms, **{"imapp.message_id": message_id})
                tracing.record("publish", traceparent, committed_ms, published_ms)

    def _take(self) -> list[_Waiting]:
        """Return the next batch; give up expired writes at once, because a batch takes long if the database hangs."""
        taken: list[_Waiting] = []
        while self._queue and len(taken) < self._batch_max:
            waiting = self._queue.popleft()
            if time.monotonic() > waiting.deadline:
                self._give_up(waiting)
            elif waiting.op.conversation_id in self._parked:
                self._parked.add(waiting.op.conversation_id, waiting)
            else:
                taken.append(waiting)
        return taken

    def _give_up(self, waiting: _Waiting) -> None:
        metrics.WRITE_SECONDS.observe(self._patience + time.monotonic() - waiting.deadline)
        self.note_refusal(waiting.op.actor_id, waiting.op.client_id, UnavailableError())
        _tell(waiting.done, UnavailableError(retry_after=1))


def _commit(ops: list[Op]) -> Committed:
    """Run `commit`; report an unexpected exception to all submitters, which would otherwise wait without an answer."""
    try:
        return commit(ops)
    except Exception:
        log.exception("batch_failed", ops=len(ops))
        return [AppError()] * len(ops), [[] for _ in ops]


def _tell(done: Done, outcome: Outcome) -> None:
    try:
        done(outcome)
    except Exception:  # a failing callback must not stop the committer
        log.exception("acknowledgement_failed")


def _publish(one: Publication) -> bool:
    """Publish an event; return whether the bus accepted it."""
    try:
        return bus.send(one.name, one.payload, *one.rooms, skip_sid=one.skip_sid, stamp=one.stamp)
    except Exception:  # `sync` delivers acknowledged writes; the committer must go on
        log.exception("publishing_failed", pushed=one.name)
        return False


def current() -> Committer:
    """Return the committer of the current app."""
    return current_node().part(Committer)


def run(op: Op) -> Answer:
    """Commit `op` and return its result; raises the op's error."""
    return current().run(op)


def submit(op: Op, done: Callable[[Outcome], None]) -> None:
    """Queue `op`; `done` is called with the outcome after the commit. Raises BusyError."""
    current().submit(op, done)
