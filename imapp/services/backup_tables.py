"""Reading tables for a backup: in one snapshot, and in spans of their primary keys."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from sqlalchemy import LargeBinary, Select, Table, and_, func, literal, or_, select, text, tuple_
from sqlalchemy.engine import Connection

from imapp.columns import UtcDateTime
from imapp.extensions import Base, db
from imapp.models.changes import Change
from imapp.models.conversations import Conversation
from imapp.models.messages import Mention, Message, MessageEdit, Pin, Reaction
from imapp.models.own_state import ServerState
from imapp.services.backup_format import Key, TableInfo

#: Tables of a conversation's log: none of their rows changes unless the conversation's numbers do.
_LOGGED = {model.__tablename__ for model in (Change, Mention, Message, MessageEdit, Pin, Reaction)}

#: Rows that are in memory at once.
_BUFFER = 500


@contextmanager
def snapshot() -> Iterator[Connection]:
    """A connection that sees the database as it is now until the end of the block, whatever is written meanwhile."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()  # what is set here ends with it
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        else:
            connection.exec_driver_sql("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        connection.execute(select(ServerState.epoch))  # SQLite's snapshot begins with the first read
        yield connection


def tables() -> list[Table]:
    """All that a backup holds, parents before children; the state of the server itself is in the manifest."""
    return [table for table in Base.metadata.sorted_tables if table.name != ServerState.__tablename__]


def describe(table: Table) -> TableInfo:
    """A table for the manifest."""
    kinds: dict[str, Any] = {}
    for column in table.columns:
        if isinstance(column.type, UtcDateTime):
            kinds[column.name] = "time"
        elif isinstance(column.type, LargeBinary):
            kinds[column.name] = "bytes"
    columns, key = [column.name for column in table.columns], [column.name for column in table.primary_key]
    return TableInfo(name=table.name, columns=columns, key=key, kinds=kinds)


def rows(connection: Connection, table: Table, after: Key | None, until: Key | None, limit: int) -> Iterator[Any]:
    """The rows above `after`, up to `until`, or at most `limit` where there is no `until`."""
    statement: Select[Any] = select(table).order_by(*table.primary_key)
    if after is not None:
        statement = statement.where(_compared(connection, table, after))
    statement = statement.limit(limit) if until is None else statement.where(~_compared(connection, table, until))
    options = {"stream_results": True, "yield_per": _BUFFER}
    with connection.execute(statement, execution_options=options) as result:
        yield from result


def _compared(connection: Connection, table: Table, key: Key) -> Any:
    """Whether a row is above a key, in the form of which each database makes a range of its index."""
    columns = list(table.primary_key)
    if connection.dialect.name == "sqlite":
        return tuple_(*columns) > tuple_(*map(literal, key))
    steps = [
        and_(*(column == value for column, value in zip(columns[:place], key, strict=False)), columns[place] > value)
        for place, value in enumerate(key)
    ]
    return or_(*steps)


def state_of(connection: Connection, table: str, after: Key | None, until: Key) -> str | None:
    """A name for the state of these rows: while it is the same, so are they. None where that cannot be told."""
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
    """The name of this history of the database."""
    return str(connection.scalar(select(ServerState.epoch)))


def revision(connection: Connection) -> str:
    """How far the database is migrated."""
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


def estimate(connection: Connection) -> int:
    """About how many rows there are in all; for a progress bar."""
    if connection.dialect.name == "sqlite":
        return sum(connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables())
    sizes = text("SELECT SUM(table_rows) FROM information_schema.tables WHERE table_schema = SCHEMA()")
    return int(connection.scalar(sizes) or 0)
