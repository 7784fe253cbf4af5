"""Connects Alembic to the database and the tables of the app."""

from alembic import context
from flask import current_app
from sqlalchemy import Connection

from imapp import models  # noqa: F401 - registers the tables
from imapp.database.types import UtcDateTime
from imapp.extensions import Base, db


def _render(kind: str, item: object, _context: object) -> str | bool:
    """Write our own column type as SQLAlchemy's types: a migration must not change when the app does."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return 'sa.DateTime().with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")'
    return False


def _options() -> dict:
    return {
        **current_app.extensions["migrate"].configure_args,
        "target_metadata": Base.metadata,
        "compare_type": True,
        "render_item": _render,
    }


def _run(connection: Connection) -> None:
    context.configure(connection=connection, **_options())
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    context.configure(url=str(db.engine.url), literal_binds=True, **_options())
    with context.begin_transaction():
        context.run_migrations()
else:
    with db.engine.connect() as connection:
        _run(connection)
        connection.commit()
