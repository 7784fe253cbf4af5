"""The state of the database, read once over a connection with the nodes' options."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import Connection, text

from imapp.doctor.context import Context
from imapp.doctor.latency import minimum_ms
from imapp.extensions import db

_COLUMNS = (
    "SELECT table_name, column_name, character_set_name FROM information_schema.columns WHERE table_schema = DATABASE()"
    " AND character_set_name IS NOT NULL AND character_set_name <> 'utf8mb4' ORDER BY 1, 2 LIMIT 5"
)
_SCHEMA = (
    "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata"
    " WHERE schema_name = DATABASE()"
)
_ZONE = "SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW())"


class AbsentError(Exception):
    """Raised when the database does not exist yet."""


@dataclass(frozen=True)
class Database:
    """The state of the database. `variables` is empty for SQLite."""

    dialect: str
    version: str
    ping_ms: float
    heads: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)
    charset: str = ""
    collation: str = ""
    foreign_columns: tuple[str, ...] = ()
    zone_seconds: int = 0
    connected: int = 0


def database(context: Context) -> Database:
    """Read the state; raises AbsentError, or an error of SQLAlchemy if the database does not answer."""
    url = db.engine.url
    if url.drivername.startswith("sqlite") and not Path(str(url.database)).is_file():
        raise AbsentError(f"{url.database} does not exist: create it with flask --app wsgi db upgrade")
    with db.engine.connect() as connection:
        took = minimum_ms(lambda: connection.execute(text("SELECT 1")))
        heads = tuple(MigrationContext.configure(connection).get_current_heads())
        if connection.dialect.name == "sqlite":
            return Database("sqlite", str(connection.scalar(text("SELECT sqlite_version()"))), took, heads)
        return _server(connection, took, heads)


def _server(connection: Connection, took: float, heads: tuple[str, ...]) -> Database:
    variables: dict[str, str] = dict(_rows(connection, "SHOW VARIABLES"))
    charset, collation = _rows(connection, _SCHEMA)[0]
    _, connected = _rows(connection, "SHOW STATUS LIKE 'Threads_connected'")[0]
    return Database(
        dialect="mariadb" if "mariadb" in variables["version"].lower() else "mysql",
        version=variables["version"],
        ping_ms=took,
        heads=heads,
        variables=variables,
        charset=charset,
        collation=collation,
        foreign_columns=tuple(f"{table}.{column} {name}" for table, column, name in _rows(connection, _COLUMNS)),
        zone_seconds=int(connection.scalar(text(_ZONE)) or 0),
        connected=int(connected),
    )


def _rows(connection: Connection, statement: str) -> list[Any]:
    return list(connection.execute(text(statement)))


def code_heads(context: Context) -> tuple[str, ...]:
    """Return the newest revision of this code's migrations."""
    migrate = current_app.extensions["migrate"].migrate
    return tuple(ScriptDirectory.from_config(migrate.get_config(str(context.project / "migrations"))).get_heads())
