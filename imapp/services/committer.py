"""The committer: all writes to conversations on the hot path go through one per node.

While one commit is under way the next batch gathers, so an idle node commits at once and a busy one batches by
itself. Nothing waits on purpose. After the commit each write, in the order of the queue, is acknowledged and then
published: on one connection, acks and pushes of a conversation leave in the order of its change numbers.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from flask import Flask, current_app

from imapp import database, metrics, tracing
from imapp.cluster import bus, traces
from imapp.cluster.traces import REFUSED, SENT
from imapp.cluster.wire import Stamp
from imapp.errors import AppError, BusyError, UnavailableError
from imapp.logs import get_logger
from imapp.services.batch import Op, Publication
from imapp.services.group_commit import Committed, Outcome, Result, Waits, commit, find_locked
from imapp.services.parked import LOOK_SECONDS, Parked

log = get_logger(__name__)


class Done(Protocol):
    """Called once, in the committer, after the commit."""

    def __call__(self, outcome: Outcome, /) -> None:
        """Take the outcome; must not block."""


#: A write, whom to tell, and the time.monotonic() after which it is no longer tried.
_Waiting = tuple[Op, Done, float]

#: A message that was published: its stamp, its sender's sid, and whether the bus took it.
_Sent = tuple[Stamp, str | None, bool]


@dataclass(frozen=True)
class QueueState:
    """How the committer is."""

    waiting: int
    most: int
    #: Of all that wait or are being committed.
    oldest_seconds: float
    #: None before the first.
    last_commit_ok: bool | None
    #: None unless it failed.
    failed_seconds_ago: float | None


class Committer:
    """A queue of ops and the one thread (greenlet under gunicorn) that commits them in batches."""

    def __init__(self, app: Flask, *, batch_max: int, queue_max: int) -> None:
        self._app = app
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._patience = database.patience(app.config["IMAPP"])
        self._queue: deque[_Waiting] = deque()
        self._parked: Parked[_Waiting] = Parked(find_locked)
        self._wake = threading.Event()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False
        #: The deadline of the oldest write that is being committed.
        self._in_hand: float | None = None
        #: None while the last commit was well, else when it failed (monotonic).
        self._failed_at: float | None = None
        self._has_committed = False
        self._ring = traces.of_app(app)
        metrics.COMMIT_QUEUE.set_function(self._waiting)

    def _waiting(self) -> int:
        return len(self._queue) + (self._parked.count() if self._parked else 0)

    def submit(self, op: Op, done: Done) -> None:
        """Queue `op` without blocking; raises BusyError past the limit or when the node is going away."""
        if self._closing or self._waiting() >= self._queue_max:
            self.note_refusal(op.actor_id, op.client_id, BusyError())
            raise BusyError(retry_after=1)
        self._queue.append((op, done, time.monotonic() + self._patience))
        self._wake.set()
        if self._thread is None:
            self._launch()

    def run(self, op: Op) -> dict[str, Any]:
        """Queue `op`, wait for its commit and give its result; raises what it failed with.

        The wait has an end beyond all that the committer allows itself: its own patience once in the queue, once at
        work, and a last statement. Raises UnavailableError then.
        """
        database.release()  # others need the connection while this one waits
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
        """How long it makes writes wait, and whether the database takes them."""
        moment, oldest = time.monotonic(), self._in_hand
        with suppress(IndexError):  # an empty queue has no oldest
            oldest = oldest or self._queue[0][2]
        return QueueState(
            waiting=self._waiting(),
            most=self._queue_max,
            oldest_seconds=0.0 if oldest is None else round(max(0.0, self._patience + moment - oldest), 3),
            last_commit_ok=self._failed_at is None if self._has_committed else None,
            failed_seconds_ago=None if self._failed_at is None else round(moment - self._failed_at, 3),
        )

    def close(self, timeout_seconds: float = 10) -> None:
        """Take nothing more, commit what is queued, stop."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)

    def _launch(self) -> None:
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="committer", daemon=True)
                self._thread.start()

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
        """Put what is free again before the others, and tell those who have waited too long."""
        if not self._parked:
            return
        for late in self._parked.take_late(lambda waiting: time.monotonic() > waiting[2]):
            self._give_up(late)
        try:
            self._queue.extendleft(reversed(self._parked.take_free()))
        except Exception as exc:  # noqa: BLE001 - the database is away: the writes find out by themselves
            log.warning("locks_unknown", error=type(exc).__name__)
            self._queue.extendleft(reversed(self._parked.take_all()))

    def _turn(self) -> None:
        taken = self._take()
        if not taken:
            return
        self._in_hand = taken[0][2]
        outcomes, publications = _commit([op for op, _, _ in taken])
        self._note(outcomes)
        answered_at = time.monotonic()
        metrics.COMMIT_BATCH.observe(len(taken))
        committed_ms = time.time() * 1000
        sent: list[_Sent] = []
        for (op, done, deadline), outcome, published in zip(taken, outcomes, publications, strict=True):
            if isinstance(outcome, Waits):
                self._parked.add(op.conversation_id, (op, done, deadline))
                continue
            metrics.WRITE_SECONDS.observe(self._patience + answered_at - deadline)
            if isinstance(outcome, AppError):
                self.note_refusal(op.actor_id, op.client_id, outcome)
            _tell(done, outcome)
            for publication in published:
                is_taken, stamp = _publish(publication), publication[4]
                if stamp is not None:
                    sent.append((stamp, publication[3], is_taken))
        self._follow(sent, committed_ms)

    def note_refusal(self, actor_id: int, client_id: str | None, error: AppError) -> None:
        """Remember why a message was not stored, for its trace."""
        if client_id is not None:
            self._ring.keep([(time.time() * 1000, REFUSED, client_id, actor_id, error.code)])

    def _follow(self, sent: list[_Sent], committed_ms: float) -> None:
        """Count the messages that were published, and remember whether the bus took them; together, which is cheap."""
        published_ms = time.time() * 1000
        metrics.COMMITTED.observe_all([(committed_ms - stamp[0]) / 1000 for stamp, _, _ in sent])
        metrics.PUBLISHED.observe_all([(published_ms - stamp[0]) / 1000 for stamp, _, _ in sent])
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

    def _note(self, outcomes: list[Result]) -> None:
        """Each of a batch is told the same when the database does not take it."""
        self._in_hand = None
        self._has_committed = True
        has_failed = all(isinstance(outcome, UnavailableError) for outcome in outcomes)
        self._failed_at = time.monotonic() if has_failed else None

    def _take(self) -> list[_Waiting]:
        """The next batch. Who waited too long is told at once: with a database that hangs, each batch takes long."""
        taken: list[_Waiting] = []
        while self._queue and len(taken) < self._batch_max:
            op, done, deadline = self._queue.popleft()
            if time.monotonic() > deadline:
                self._give_up((op, done, deadline))
            elif op.conversation_id in self._parked:
                self._parked.add(op.conversation_id, (op, done, deadline))
            else:
                taken.append((op, done, deadline))
        return taken

    def _give_up(self, waiting: _Waiting) -> None:
        op, done, deadline = waiting
        metrics.WRITE_SECONDS.observe(self._patience + time.monotonic() - deadline)
        self.note_refusal(op.actor_id, op.client_id, UnavailableError())
        _tell(done, UnavailableError(retry_after=1))


def _commit(ops: list[Op]) -> Committed:
    """As `commit`; what fails beyond it is told to all, who would wait in vain."""
    try:
        return commit(ops)
    except Exception:
        log.exception("batch_failed", ops=len(ops))
        return [AppError()] * len(ops), [[] for _ in ops]


def _tell(done: Done, outcome: Outcome) -> None:
    try:
        done(outcome)
    except Exception:  # one submitter's fault must not stop the committer
        log.exception("acknowledgement_failed")


def _publish(publication: Publication) -> bool:
    """Push it; tells whether the bus took it."""
    name, payload, rooms, skip_sid, stamp = publication
    try:
        return bus.send(name, payload, *rooms, skip_sid=skip_sid, stamp=stamp)
    except Exception:  # what was acknowledged is found by sync; the committer must go on
        log.exception("publishing_failed", pushed=name)
        return False


def current() -> Committer:
    """The committer of the app at hand."""
    committer: Committer = current_app.extensions["committer"]
    return committer


def run(op: Op) -> dict[str, Any]:
    """Commit `op` and give its result; raises what it failed with."""
    return current().run(op)


def submit(op: Op, done: Callable[[Outcome], None]) -> None:
    """Queue `op`; `done` is called with the outcome after the commit. Raises BusyError."""
    current().submit(op, done)
