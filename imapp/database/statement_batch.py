"""Statements that go to the database together: to MySQL in one round trip, to SQLite one after the other.

A round trip costs a node as much as the work done in it. A transaction of one message has seven statements, which take
only two round trips this way. The driver quotes every value; only the committer's connection takes more than one
statement at a time.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import insert
from sqlalchemy.engine import Connection, Dialect

from imapp.database.mysql import RESULTS, SCRIPT

#: Maximum number of characters of a script: if a statement would exceed it, the waiting statements are sent first. It
#: is far below MySQL's max_allowed_packet of 16 MB.
_MOST_CHARS = 1_000_000

_PARAMETER = re.compile(r":(\w+)")

Rows = Sequence[tuple[Any, ...]]


class StatementBatch:
    """The interface for both databases: statements are added, then run or committed together."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def add(self, statement: str, **values: str) -> None:
        """Add a statement with a `:name` for each value."""
        raise NotImplementedError

    def insert(self, model: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add an INSERT of these rows, each with all columns of the model."""
        raise NotImplementedError

    def run(self) -> list[Rows]:
        """Run the added statements and return the rows of each."""
        raise NotImplementedError

    def commit(self) -> None:
        """Run the added statements and commit."""
        raise NotImplementedError


def script(connection: Connection) -> StatementBatch:
    """Return an empty script for a connection of the committer."""
    return (_SqliteScript if connection.dialect.name == "sqlite" else _MySqlScript)(connection)


class _SqliteScript(StatementBatch):
    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._steps: list[tuple[str, Any]] = []

    def add(self, statement: str, **values: str) -> None:
        self._steps.append((statement, values))

    def insert(self, model: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            head, columns = _insertion(model, self.connection.dialect)
            holes = ", ".join("?" * len(columns))
            self._steps.append((f"{head} ({holes})", [tuple(_stored(row[name]) for name in columns) for row in rows]))

    def run(self) -> list[Rows]:
        results = [self.connection.exec_driver_sql(*step) for step in self._steps]
        self._steps.clear()
        return [result.tuples().all() if result.returns_rows else () for result in results]

    def commit(self) -> None:
        self.run()
        self.connection.commit()


class _MySqlScript(StatementBatch):
    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._driver: Any = connection.connection.dbapi_connection
        self._statements: list[str] = []
        self._chars = 0

    def add(self, statement: str, **values: str) -> None:
        self._append(_PARAMETER.sub(lambda found: self._driver.escape(values[found[1]]), statement))

    def insert(self, model: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        head, columns = _insertion(model, self.connection.dialect)
        quoted = ["(" + ",".join([self._literal(row[name]) for name in columns]) + ")" for row in rows]
        start = chars = 0
        for end, row in enumerate(quoted):
            chars += len(row)
            if chars > _MOST_CHARS:
                self._append(head + ",".join(quoted[start:end]))
                start, chars = end, len(row)
        self._append(head + ",".join(quoted[start:]))

    def _literal(self, value: Any) -> str:
        """Return the SQL literal of a value. Most values are numbers or None, which need no quoting by the driver."""
        if value is None:
            return "NULL"
        if type(value) is int:
            return str(value)
        literal: str = self._driver.escape(_stored(value))
        return literal

    def _append(self, statement: str) -> None:
        if self._chars + len(statement) > _MOST_CHARS and self._statements:
            self.run()
        self._statements.append(statement)
        self._chars += len(statement)

    def _taken(self) -> str:
        text = ";".join(self._statements)
        self._statements.clear()
        self._chars = 0
        return text

    def run(self) -> list[Rows]:
        results: list[Rows] = []
        options = {"no_parameters": True, RESULTS: results, SCRIPT: self._taken()}
        self.connection.exec_driver_sql("script", execution_options=options).close()
        return results

    def commit(self) -> None:
        if not self.connection.in_transaction():  # otherwise SQLAlchemy would skip the commit
            self.connection.begin()
        self._driver.before_commit = self._taken()
        self.connection.commit()


@cache
def _insertion(model: Any, dialect: Dialect) -> tuple[str, tuple[str, ...]]:
    """Return the text of an INSERT up to its values, and the columns in order."""
    columns = tuple(column.key for column in model.__table__.columns)
    head, word, _ = str(insert(model.__table__).compile(dialect=dialect)).rpartition(" VALUES ")
    return head + word, columns


def _stored(value: Any) -> Any:
    """Return a value in the form that both databases take as text."""
    return sql_time(value) if isinstance(value, datetime) else value


@lru_cache(64)  # all rows of a batch have the same moment
def sql_time(moment: datetime) -> str:
    """Return the UTC time without a zone, with six digits for SQLite's text (MySQL rounds to three)."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")
