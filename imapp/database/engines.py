"""The two engines of a node: one for requests, one for the committer, and what each connection begins with.

SQLite takes one writer at a time. A commit waits for the disk, so it runs in a native thread.
"""

import sqlite3
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import Connection, ExceptionContext

from imapp.database import mysql
from imapp.database.errors import WRONG_SERVER, code_of
from imapp.database.offload import offload
from imapp.database.transactions import SQLITE_TURN_SECONDS, release, writing
from imapp.errors import BusyError
from imapp.extensions import db
from imapp.node import current_node, node_of
from imapp.telemetry import metrics

T = TypeVar("T")


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


@dataclass(frozen=True)
class CommitterEngine:
    """The engine with the one connection that only the committer uses."""

    engine: Engine


#: Index of the execution context among the arguments of SQLAlchemy's statement events.
_CONTEXT = 4


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
            "connect_args": {"factory": _OffloadedConnection, "timeout": SQLITE_TURN_SECONDS},
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
    options = engine_options(app.config["SQLALCHEMY_DATABASE_URI"], node_of(app).settings)
    own = create_engine(app.config["SQLALCHEMY_DATABASE_URI"], **{**options, **_committer_pool(options)})
    node_of(app).add(CommitterEngine(own))
    with app.app_context():
        engines = (db.engine, own)
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
        event.listen(engines[0], "do_connect", mysql.connect)
        event.listen(own, "do_connect", mysql.connect_for_scripts)
        event.listen(own, "do_execute_no_params", mysql.run_script)
        for engine in engines:
            event.listen(engine, "connect", _on_mysql_connect)
            event.listen(engine, "handle_error", partial(_on_mysql_error, engines))


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
        f"busy_timeout={SQLITE_TURN_SECONDS * 1000}",
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
    if code_of(context.original_exception) in WRONG_SERVER:
        context.is_disconnect = True
        for engine in engines:
            engine.dispose()


def committer_engine() -> Engine:
    """Return the engine of the committer. It is separate, so that the committer never waits behind readers."""
    return writing(current_node().part(CommitterEngine).engine)
