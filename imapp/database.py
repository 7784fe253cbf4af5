"""Transactions, and work that must not run on the event loop.

Two ways to the database, no third:

- `db.session` reads. Each statement sees what is committed when it starts, on both databases; a flush is refused.
- `atomic(fn, *args)` writes: one transaction, retried when the database says that it lost a deadlock.

SQLite takes one writer at a time, so its writers queue on a lock in this process (a greenlet that waited inside
SQLite would stop the event loop, and with it the very writer it waits for) and its commits, which wait for the
disk, run in a native thread.
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

#: MySQL errors after which the same transaction may simply be run again: lock wait timeout, deadlock. A Galera member
#: reports as a deadlock, at any statement and at COMMIT, that another member changed the same rows first.
_RETRYABLE = frozenset({1205, 1213})

#: MySQL's error of a statement that has waited for a row that another transaction holds.
_LOCK_TIMEOUT = 1205

#: MySQL errors of a server that is not the one to write to: a Galera member without its cluster, shutdown, a COMMIT
#: that failed midway, read-only since a failover. A new connection may lead to another server.
_WRONG_SERVER = frozenset({1047, 1053, 1180, 1290, 1792, 1836})

#: MySQL errors of a server that takes no further connection: of anybody, or of this account.
_FULL = frozenset({1040, 1203, 1226})

#: Seconds that a SQLite writer waits for its turn before the client is told "busy".
_SQLITE_TURN_SECONDS = 10

#: Seconds that a statement waits for a row that another transaction holds; the committer's for as short as can be,
#: since behind it all other writes wait.
LOCK_SECONDS, _COMMITTER_LOCK_SECONDS = 3, 1

#: Seconds after which the server ends a transaction, or a connection, that is idle. A node that is cut off in the
#: middle of a transaction must not keep its locks for the hours of the server's own wait_timeout: MariaDB can end idle
#: transactions, MySQL only idle connections.
IDLE_SECONDS = {"mariadb": 30, "mysql": 60}

#: What each connection begins with.
_SESSION = (
    "SET time_zone = '+00:00', innodb_lock_wait_timeout = {lock_seconds}"
    f"/*M!100303 , idle_transaction_timeout = {IDLE_SECONDS['mariadb']} */"
    f"/*!80000 , wait_timeout = {IDLE_SECONDS['mysql']} */"
)

_sqlite_turn = threading.Lock()

#: What the next transaction of `atomic` does first, besides its own work.
beside: ContextVar[Callable[[Session], None] | None] = ContextVar("beside", default=None)

_COMMITTER_ENGINE = "committer_engine"

#: The app's extension that is called with the session of a transaction of which nobody knows whether it is stored.
COMMIT_UNKNOWN = "imapp.commit_unknown"

#: Which of the arguments of SQLAlchemy's events about statements is their own context.
_CONTEXT = 4


def offload(fn: Callable[..., T], *args: Any) -> T:
    """Run blocking native work in a thread of gevent's pool, or right here where nothing is monkey-patched."""
    from gevent import get_hub, monkey  # not at import: tests and the command line run without a hub

    if not monkey.is_module_patched("threading"):
        return fn(*args)
    result: T = get_hub().threadpool.apply(fn, args)
    return result


class _OffloadedConnection(sqlite3.Connection):
    """A SQLite connection whose commit, which waits for the disk, leaves the event loop alone."""

    def commit(self) -> None:
        """Commit in a native thread."""
        offload(super().commit)


def engine_options(url: str, settings: Any) -> dict[str, Any]:
    """Give the engine's arguments for this database URL; every wait is bounded in seconds."""
    if url.startswith("sqlite"):
        return {
            "hide_parameters": True,
            "isolation_level": "AUTOCOMMIT",
            "connect_args": {"factory": _OffloadedConnection, "timeout": _SQLITE_TURN_SECONDS},
        }
    return {
        "hide_parameters": True,  # in the texts of errors, which are logged
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
    """Make the committer's engine beside the app's, and bind the listeners that SQLite needs to both."""
    options = engine_options(app.config["SQLALCHEMY_DATABASE_URI"], app.config["IMAPP"])
    app.extensions[_COMMITTER_ENGINE] = create_engine(
        app.config["SQLALCHEMY_DATABASE_URI"], **{**options, **_committer_pool(options)}
    )
    with app.app_context():
        engines = (db.engine, app.extensions[_COMMITTER_ENGINE])
    # Before Flask-SQLAlchemy does so, with which a connection that died after the last read would cost a good answer.
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
    """Let the metrics tell how long statements take and how many connections are busy."""
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
    """One that waited in vain counts, too."""
    began = getattr(context.execution_context, "imapp_began", None)
    if began is not None:
        metrics.DATABASE_SECONDS.observe(time.perf_counter() - began)


@contextmanager
def timed() -> Iterator[None]:
    """Count how long a transaction takes."""
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
    """One connection that nobody else can hold; used at once without a ping, a dead one is noticed by its use."""
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
    """After a COMMIT that failed SQLAlchemy takes the transaction for ended; SQLite may have kept it."""
    if connection.in_transaction:
        connection.rollback()


def _on_mysql_connect(connection: Any, _record: Any) -> None:
    """On a Galera member, let each transaction begin with all that any member has acknowledged.

    Without it, who was acknowledged on one node would not yet find it on another, whose member applies it later.
    """
    with connection.cursor() as cursor:
        cursor.execute("SHOW VARIABLES LIKE 'wsrep_on'")
        if (cursor.fetchone() or ("", "OFF"))[1] == "ON":
            cursor.execute("SET SESSION wsrep_sync_wait = 1")


def _on_mysql_error(engines: tuple[Engine, ...], context: ExceptionContext) -> None:
    """Throw away every connection to a server that is not the one to write to."""
    if code_of(context.original_exception) in _WRONG_SERVER:
        context.is_disconnect = True
        for engine in engines:
            engine.dispose()


def committer_engine() -> Engine:
    """The engine of the committer, whose writes must not queue behind those who read."""
    engine: Engine = current_app.extensions[_COMMITTER_ENGINE]
    return _writing(engine)


def _writing(engine: Engine) -> Engine:
    """The engine in the mode of a write transaction."""
    return engine.execution_options(im_write=True)


def release() -> None:
    """Give back what `db.session` holds, before a wait that may take long and where an app context stays."""
    if db.session.registry.has():
        try:
            db.session.remove()
        except DBAPIError as exc:  # the connection died after the last answer: nothing is lost but the connection
            log.info("connection_lost", code=code_of(exc))
            db.session.registry.clear()


@contextmanager
def writer_turn() -> Iterator[None]:
    """Wait for the turn to write (SQLite only); raises BusyError when it does not come."""
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

    `fn` may be run more than once. Raises UnavailableError when the database does not answer: whether the
    transaction was committed is then unknown, and those whom it concerns are told to sync (services/concern.py).
    """
    release()  # who held a connection to read and waited for another could wait for ever
    deadline = time.monotonic() + patience_seconds()
    for attempt in count():
        try:
            return _run_once(fn, args)
        except DBAPIError as exc:
            # A lock that was waited for so long will hardly be free soon: who waits on keeps others from a connection.
            if is_lock_timeout(exc) or not is_retryable(exc) or time.monotonic() > deadline:
                raise
            back_off(attempt)
    raise AssertionError("unreachable")


def patience_seconds() -> float:
    """How long a write is tried before the client is told to: as long as a database that hangs may take."""
    return patience(current_app.config["IMAPP"])


def patience(settings: Any) -> float:
    """The same for these settings, in seconds."""
    bounds = settings.db_connect_timeout_seconds, settings.db_read_timeout_seconds, settings.db_write_timeout_seconds
    return float(sum(bounds))


def back_off(attempt: int) -> None:
    """Wait before a transaction is run again: in vain as well if all who lost came back at once."""
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
    """Commit; when the connection breaks meanwhile, nobody knows whether it is stored: have those concerned told."""
    try:
        session.commit()
    except DBAPIError as exc:
        if exc.connection_invalidated:
            log.warning("commit_failed", code=code_of(exc), message="whether it is stored is unknown")
            current_app.extensions[COMMIT_UNKNOWN](session)
        raise


def is_retryable(exc: DBAPIError) -> bool:
    """Tell whether the database rolled back and asks to try again."""
    return code_of(exc) in _RETRYABLE


def is_lock_timeout(exc: BaseException) -> bool:
    """Tell whether a lock was waited for in vain."""
    return isinstance(exc, DBAPIError) and code_of(exc) == _LOCK_TIMEOUT


def code_of(exc: BaseException | None) -> object:
    """MySQL's number of an error, as the driver or as SQLAlchemy raised it."""
    args: tuple[object, ...] = getattr(getattr(exc, "orig", exc), "args", ())
    return args[0] if args and isinstance(args[0], int) else None


def as_app_error(exc: BaseException) -> AppError | None:
    """Translate "the database does not answer", or is asked too much, for clients; None for everything else."""
    if isinstance(exc, AppError):
        return exc
    if isinstance(exc, PoolTimeoutError) or (isinstance(exc, DBAPIError) and code_of(exc) in _FULL | _RETRYABLE):
        return BusyError(retry_after=1)
    if isinstance(exc, OperationalError) or (isinstance(exc, DBAPIError) and exc.connection_invalidated):
        return UnavailableError(retry_after=1)
    return None
