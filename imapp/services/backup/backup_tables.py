"""Reading tables for a backup: in one snapshot, by ranges of their primary keys."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from sqlalchemy import ColumnElement, LargeBinary, Row, Select, Table, and_, func, literal, or_, select, text, tuple_
from sqlalchemy.engine import Connection

from imapp.database.revisions import CURRENT_REVISION
from imapp.database.types import UtcDateTime
from imapp.extensions import Base, db
from imapp.models.changes import Change
from imapp.models.conversations import Conversation
from imapp.models.messages import Mention, Message, MessageEdit, Pin, Reaction
from imapp.models.own_state import ServerState
from imapp.services.backup.backup_format import Key, TableInfo

#: Tables of a conversation's log: their rows change only together with the conversation's numbers.
_LOGGED = {model.__tablename__ for model in (Change, Mention, Message, MessageEdit, Pin, Reaction)}

#: Number of rows in memory at a time.
_BUFFER = 500


@contextmanager
def snapshot() -> Iterator[Connection]:
    """Yield a connection that sees the database as it is now, unaffected by later writes."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()  # the session settings made here must not return to the pool
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        else:
            connection.exec_driver_sql("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        connection.execute(select(ServerState.epoch))  # SQLite's snapshot begins with the first read
        yield connection


def tables() -> list[Table]:
    """Return the tables of a backup, parents before children, without the server state: it is in the manifest."""
    return [table for table in Base.metadata.sorted_tables if table.name != ServerState.__tablename__]


def describe(table: Table) -> TableInfo:
    """Return the manifest's description of a table."""
    kinds: dict[str, object] = {}
    for column in table.columns:
        if isinstance(column.type, UtcDateTime):
            kinds[column.name] = "time"
        elif isinstance(column.type, LargeBinary):
            kinds[column.name] = "bytes"
    columns, key = [column.name for column in table.columns], [column.name for column in table.primary_key]
    return TableInfo(name=table.name, columns=columns, key=key, kinds=kinds)


def rows(connection: Connection, table: Table, after: Key | None, until: Key | None, limit: int) -> Iterator[Row[Any]]:
    """Yield the rows with keys above `after` up to `until`, or at most `limit` rows if `until` is None."""
    statement: Select[Any] = select(table).order_by(*table.primary_key)
    if after is not None:
        statement = statement.where(_compared(connection, table, after))
    statement = statement.limit(limit) if until is None else statement.where(~_compared(connection, table, until))
    options = {"stream_results": True, "yield_per": _BUFFER}
    with connection.execute(statement, execution_options=options) as result:
        yield from result


def _compared(connection: Connection, table: Table, key: Key) -> ColumnElement[bool]:
    """Return the condition "row above this key" in the form that each database turns into an index range."""
    columns = list(table.primary_key)
    if connection.dialect.name == "sqlite":
        return tuple_(*columns) > tuple_(*map(literal, key))
    steps = [
        and_(*(column == value for column, value in zip(columns[:place], key, strict=False)), columns[place] > value)
        for place, value in enumerate(key)
    ]
    return or_(*steps)


def state_of(connection: Connection, table: str, after: Key | None, until: Key) -> str | None:
    """Return a digest of the state of these rows: equal digests mean equal rows. None for tables outside the log."""
    if table not in _LOGGED:
        return None
    low = after[0] if after else 0
    heads = select(Conversation.id, Conversation.last_change, Conversation.first_seq, Conversation.first_change)
    found = connection.execute(heads.where(Conversation.id.between(low, until[0])).order_by(Conversation.id))
    digest = hashlib.sha256(f"{epoch(connection)} {revision(connection)}\n".encode())
    for row in found:
        digest.update(orjson.dumps(list(row)))
    return digest.hexdigest()


def epoch(connection: Connection) -> str:
    """Return the epoch: the random name of this history of the database."""
    return str(connection.scalar(select(ServerState.epoch)))


def revision(connection: Connection) -> str:
    """Return the database's Alembic revision."""
    return str(connection.scalar(text(CURRENT_REVISION)))


def estimate(connection: Connection) -> int:
    """Return an approximate total number of rows, for a progress bar."""
    if connection.dialect.name == "sqlite":
        return sum(connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables())
    sizes = text("SELECT SUM(table_rows) FROM information_schema.tables WHERE table_schema = SCHEMA()")
    return int(connection.scalar(sizes) or 0)
