"""Transactions, and work that must not run on the event loop.

There are only two ways to the database:

- `db.session` reads. Each statement sees the data committed when it starts, on both databases; a flush is refused.
- `atomic(fn, *args)` writes: one transaction, run again if the database reports that it lost a deadlock.

SQLite takes one writer at a time, so its writers queue on a lock in this process: a greenlet that waited inside
SQLite would stop the event loop, and with it the writer it waits for. SQLite's commits wait for the disk, so they run
in a native thread.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from imapp.database.errors import code_of, is_lock_timeout, is_retryable
from imapp.errors import BusyError
from imapp.extensions import db
from imapp.logs import get_logger
from imapp.node import current_node
from imapp.telemetry import metrics

T = TypeVar("T")

log = get_logger(__name__)


#: Seconds that a SQLite writer waits for its turn before the client gets the error "busy".
SQLITE_TURN_SECONDS = 10

_sqlite_turn = threading.Lock()

#: A function that the next transaction of `atomic` calls first, before its own work.
beside: ContextVar[Callable[[Session], None] | None] = ContextVar("beside", default=None)

#: Key of `Session.info`: a function that is called with the session if the connection breaks during COMMIT, so that it
#: is unknown whether the transaction is stored.
ON_COMMIT_UNKNOWN = "on_commit_unknown"


@contextmanager
def timed() -> Iterator[None]:
    """Measure the duration of a transaction."""
    began = time.perf_counter()
    try:
        yield
    finally:
        metrics.DATABASE_SECONDS.observe(time.perf_counter() - began)


def writing(engine: Engine) -> Engine:
    """Return the engine in the mode of a write transaction."""
    return engine.execution_options(im_write=True)


def release() -> None:
    """Release the connection held by `db.session`, before a long wait and where an app context lives on."""
    if db.session.registry.has():
        try:
            db.session.remove()
        except DBAPIError as exc:  # the connection died after the last answer: nothing is lost but the connection
            log.info("connection_lost", code=code_of(exc))
            db.session.registry.clear()


@contextmanager
def writer_turn() -> Iterator[None]:
    """Hold the turn to write (SQLite only); raises BusyError if it does not come in time."""
    if db.engine.dialect.name != "sqlite":
        yield
        return
    if not _sqlite_turn.acquire(timeout=SQLITE_TURN_SECONDS):
        raise BusyError
    try:
        yield
    finally:
        _sqlite_turn.release()


def atomic(fn: Callable[..., T], *args: Any) -> T:
    """Run `fn(session, *args)` in one write transaction and commit it.

    `fn` may be run more than once. Raises UnavailableError if the database does not answer. It is then unknown
    whether the transaction was committed, and the clients concerned are told to sync (see COMMIT_UNKNOWN).
    """
    release()  # a caller that holds one connection while it waits for another may cause a deadlock
    deadline = time.monotonic() + patience_seconds()
    for attempt in count():
        try:
            return _run_once(fn, args)
        except DBAPIError as exc:
            # A lock that timed out will hardly be free soon, and a further wait would occupy a connection.
            if is_lock_timeout(exc) or not is_retryable(exc) or time.monotonic() > deadline:
                raise
            back_off(attempt)
    raise AssertionError("unreachable")


def patience_seconds() -> float:
    """Return the seconds for which a write is retried before the client has to: as long as a database may hang."""
    return patience(current_node().settings)


def patience(settings: Any) -> float:
    """Return the seconds for which a write is retried with these settings."""
    bounds = settings.db_connect_timeout_seconds, settings.db_read_timeout_seconds, settings.db_write_timeout_seconds
    return float(sum(bounds))


def back_off(attempt: int) -> None:
    """Back off with jitter, so that the losers of a deadlock do not collide again."""
    metrics.DATABASE_RETRIES.inc()
    time.sleep(random.uniform(0.005, 0.02) * 2 ** min(attempt, 4))  # noqa: S311 - jitter, not a secret


def _run_once(fn: Callable[..., T], args: tuple[Any, ...]) -> T:
    first = beside.get()
    with writer_turn(), Session(writing(db.engine), expire_on_commit=False) as session:
        if first is not None:
            first(session)
        result = fn(session, *args)
        session.flush()
        _commit(session)
    if first is not None:
        beside.set(None)
    return result


def _commit(session: Session) -> None:
    """Commit. If the connection breaks meanwhile, the outcome is unknown: have the clients concerned told to sync."""
    try:
        session.commit()
    except DBAPIError as exc:
        if exc.connection_invalidated:
            log.warning("commit_failed", code=code_of(exc), message="unknown whether it was committed")
            on_unknown: Callable[[Session], None] | None = session.info.get(ON_COMMIT_UNKNOWN)
            if on_unknown is not None:
                on_unknown(session)
        raise
