"""Transactions, and work that must not run on the event loop.

There are only two ways to the database:

- `db.session` reads. Each statement sees the data committed when it starts, on both databases; a flush is refused.
- `atomic(fn, *args)` writes: one transaction, run again if the database reports that it lost a deadlock.

SQLite takes one writer at a time, so its writers queue on a lock in this process: a greenlet that waited inside
SQLite would stop the event loop, and with it the writer it waits for. SQLite's commits wait for the disk, so they run
in a native thread.
"""

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from itertools import count
from typing import Any, TypeVar

from flask import Flask, current_app
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from imapp import metrics, mysql
from imapp.errors import AppError, BusyError, UnavailableError
from imapp.extensions import db
from imapp.logs import get_logger

T = TypeVar("T")

log = get_logger(__name__)

#: MySQL errors after which the same transaction may be run again: lock wait timeout, deadlock. If another Galera member
#: changed the same rows first, a member reports it as a deadlock, at any statement and at COMMIT.
_RETRYABLE = frozenset({1205, 1213})

#: MySQL's error when a statement has waited too long for a row locked by another transaction.
_LOCK_TIMEOUT = 1205

#: MySQL errors of a server that takes no writes: a Galera member without its cluster, shutdown, a COMMIT that failed
#: midway, read-only since a failover. A new connection may lead to another server.
_WRONG_SERVER = frozenset({1047, 1053, 1180, 1290, 1792, 1836})

#: MySQL errors of a server that takes no further connections: none at all, or none of this account.
_FULL = frozenset({1040, 1203, 1226})

#: Seconds that a SQLite writer waits for its turn before the client gets the error "busy".
_SQLITE_TURN_SECONDS = 10

#: Seconds that a statement waits for a row locked by another transaction. The committer's statements wait for the
#: shortest time possible, since all other writes wait behind them.
LOCK_SECONDS, _COMMITTER_LOCK_SECONDS = 3, 1

#: Seconds after which the server ends an idle transaction or connection. A node that is cut off in the middle of a
#: transaction must not keep its locks for the hours of the server's default wait_timeout. MariaDB can end idle
#: transactions, MySQL only idle connections.
IDLE_SECONDS = {"mariadb": 30, "mysql": 60}

#: The first statement of each connection.
_SESSION = (
    "SET time_zone = '+00:00', innodb_lock_wait_timeout = {lock_seconds}"
    f"/*M!100303 , idle_transaction_timeout = {IDLE_SECONDS['mariadb']} */"
    f"/*!80000 , wait_timeout = {IDLE_SECONDS['mysql']} */"
)

_sqlite_turn = threading.Lock()

#: A function that the next transaction of `atomic` calls first, before its own work.
beside: ContextVar[Callable[[Session], None] | None] = ContextVar("beside", default=None)

_COMMITTER_ENGINE = "committer_engine"

#: Key of the app's extension that is called with the session of a transaction if it is unknown whether it committed.
COMMIT_UNKNOWN = "imapp.commit_unknown"

#: Index of the execution context among the arguments of SQLAlchemy's statement events.
_CONTEXT = 4


def offload(fn: Callable[..., T], *args: Any) -> T:
    """Run blocking native work in a thread of gevent's pool, or in this thread if nothing is monkey-patched."""
    from gevent import get_hub, monkey  # not at import: tests and the command line run without a hub

    if not monkey.is_module_patched("threading"):
        return fn(*args)
    result: T = get_hub().threadpool.apply(fn, args)
    return result


class _OffloadedConnection(sqlite3.Connection):
    """A SQLite connection that does not block the event loop in a commit, which waits for the disk."""

    def commit(self) -> None:
        """Commit in a native thread."""
        offload(super().commit)


def engine_options(url: str, settings: Any) -> dict[str, Any]:
    """Return the engine's arguments for this database URL; every wait is bounded in seconds."""
    if url.startswith("sqlite"):
        return {
            "hide_parameters": True,
            "isolation_level": "AUTOCOMMIT",
            "connect_args": {"factory": _OffloadedConnection, "timeout": _SQLITE_TURN_SECONDS},
        }
    return {
        "hide_parameters": True,  # error messages are logged
        "isolation_level": "READ COMMITTED",
        "pool_size": settings.db_pool_size,
        "max_overflow": settings.db_pool_overflow,
        "pool_timeout": settings.db_pool_timeout_seconds,
        "pool_recycle": settings.db_pool_recycle_seconds,
        "pool_pre_ping": True,
        "connect_args": {
            "charset": "utf8mb4",
            "connect_timeout": settings.db_connect_timeout_seconds,
            "read_timeout": settings.db_read_timeout_seconds,
            "write_timeout": settings.db_write_timeout_seconds,
            "init_command": _SESSION.format(lock_seconds=LOCK_SECONDS),
        },
    }


def init_database(app: Flask) -> None:
    """Create the committer's engine beside the app's, and register the event listeners of both."""
    options = engine_options(app.config["SQLALCHEMY_DATABASE_URI"], app.config["IMAPP"])
    app.extensions[_COMMITTER_ENGINE] = create_engine(
        app.config["SQLALCHEMY_DATABASE_URI"], **{**options, **_committer_pool(options)}
    )
    with app.app_context():
        engines = (db.engine, app.extensions[_COMMITTER_ENGINE])
    # This runs before Flask-SQLAlchemy's own teardown, which would turn a good answer into an error if the connection
    # died after the last read.
    app.teardown_appcontext(lambda _exc: release())
    _watch(*engines)
    if engines[0].dialect.name == "sqlite":
        for engine in engines:
            event.listen(engine, "connect", _on_sqlite_connect)
            event.listen(engine, "begin", _on_sqlite_begin)
            event.listen(engine, "reset", _on_sqlite_reset)
    else:
        _listen_to_mysql(*engines)


def _watch(app_engine: Engine, committer_engine: Engine) -> None:
    """Measure the duration of statements and the number of connections in use."""
    event.listen(app_engine, "before_cursor_execute", _statement_begins)
    event.listen(app_engine, "after_cursor_execute", _statement_ended)
    event.listen(app_engine, "handle_error", _statement_failed)
    pools: list[Any] = [app_engine, committer_engine]
    metrics.DATABASE_POOL_IN_USE.set_function(lambda: sum(engine.pool.checkedout() for engine in pools))
    metrics.DATABASE_POOL_LIMIT.set_function(
        lambda: sum(engine.pool.size() + engine.pool._max_overflow for engine in pools)
    )


def _statement_begins(*arguments: Any) -> None:
    arguments[_CONTEXT].imapp_began = time.perf_counter()


def _statement_ended(*arguments: Any) -> None:
    metrics.DATABASE_SECONDS.observe(time.perf_counter() - arguments[_CONTEXT].imapp_began)


def _statement_failed(context: ExceptionContext) -> None:
    """Measure failed statements too, such as those that waited for a lock until the timeout."""
    began = getattr(context.execution_context, "imapp_began", None)
    if began is not None:
        metrics.DATABASE_SECONDS.observe(time.perf_counter() - began)


@contextmanager
def timed() -> Iterator[None]:
    """Measure the duration of a transaction."""
    began = time.perf_counter()
    try:
        yield
    finally:
        metrics.DATABASE_SECONDS.observe(time.perf_counter() - began)


def _listen_to_mysql(app_engine: Engine, committer_engine: Engine) -> None:
    event.listen(app_engine, "do_connect", mysql.connect)
    event.listen(committer_engine, "do_connect", mysql.connect_for_scripts)
    event.listen(committer_engine, "do_execute_no_params", mysql.run_script)
    for engine in (app_engine, committer_engine):
        event.listen(engine, "connect", _on_mysql_connect)
        event.listen(engine, "handle_error", partial(_on_mysql_error, (app_engine, committer_engine)))


def _committer_pool(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a pool with one connection for the committer alone, used without a ping.

    A dead connection is noticed when it is used.
    """
    if "pool_size" not in options:
        return {}
    arguments = {**options["connect_args"], "init_command": _SESSION.format(lock_seconds=_COMMITTER_LOCK_SECONDS)}
    pool = {"pool_size": 1, "max_overflow": 0, "pool_pre_ping": False, "pool_reset_on_return": None}
    return {**pool, "connect_args": arguments}


def _on_sqlite_connect(connection: Any, _record: Any) -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_SQLITE_TURN_SECONDS * 1000}",
    ):
        connection.execute("PRAGMA " + pragma)


def _on_sqlite_begin(connection: Connection) -> None:
    if connection.get_execution_options().get("im_write"):
        raw: Any = connection.connection.dbapi_connection
        try:
            offload(raw.execute, "BEGIN IMMEDIATE")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            raise BusyError(retry_after=1) from exc  # another process writes: a backup, the command line


def _on_sqlite_reset(connection: Any, _record: Any, _state: Any) -> None:
    """Roll back a transaction left open by a failed COMMIT: SQLAlchemy takes it as ended, SQLite may not."""
    if connection.in_transaction:
        connection.rollback()


def _on_mysql_connect(connection: Any, _record: Any) -> None:
    """On a Galera member, make each transaction wait until it sees all writes that any member has acknowledged.

    Otherwise a write acknowledged on one node might not yet be visible on another: its member may apply it later.
    """
    with connection.cursor() as cursor:
        cursor.execute("SHOW VARIABLES LIKE 'wsrep_on'")
        if (cursor.fetchone() or ("", "OFF"))[1] == "ON":
            cursor.execute("SET SESSION wsrep_sync_wait = 1")


def _on_mysql_error(engines: tuple[Engine, ...], context: ExceptionContext) -> None:
    """Discard all connections if a server takes no writes."""
    if code_of(context.original_exception) in _WRONG_SERVER:
        context.is_disconnect = True
        for engine in engines:
            engine.dispose()


def committer_engine() -> Engine:
    """Return the engine of the committer. It is separate, so that the committer never waits behind readers."""
    engine: Engine = current_app.extensions[_COMMITTER_ENGINE]
    return _writing(engine)


def _writing(engine: Engine) -> Engine:
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
    if not _sqlite_turn.acquire(timeout=_SQLITE_TURN_SECONDS):
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
    return patience(current_app.config["IMAPP"])


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
    with writer_turn(), Session(_writing(db.engine), expire_on_commit=False) as session:
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
            current_app.extensions[COMMIT_UNKNOWN](session)
        raise


def is_retryable(exc: DBAPIError) -> bool:
    """Return whether the database has rolled back the transaction and it may be run again."""
    return code_of(exc) in _RETRYABLE


def is_lock_timeout(exc: BaseException) -> bool:
    """Return whether the error is a lock wait timeout."""
    return isinstance(exc, DBAPIError) and code_of(exc) == _LOCK_TIMEOUT


def code_of(exc: BaseException | None) -> object:
    """Return MySQL's number of an error raised by the driver or by SQLAlchemy; None for other errors."""
    args: tuple[object, ...] = getattr(getattr(exc, "orig", exc), "args", ())
    return args[0] if args and isinstance(args[0], int) else None


def as_app_error(exc: BaseException) -> AppError | None:
    """Translate the errors of an unavailable or overloaded database for clients; return None for all others."""
    if isinstance(exc, AppError):
        return exc
    if isinstance(exc, PoolTimeoutError) or (isinstance(exc, DBAPIError) and code_of(exc) in _FULL | _RETRYABLE):
        return BusyError(retry_after=1)
    if isinstance(exc, OperationalError) or (isinstance(exc, DBAPIError) and exc.connection_invalidated):
        return UnavailableError(retry_after=1)
    return None
