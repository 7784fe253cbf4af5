"""Checks of the database: those of every kind of database, and those of SQLite."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from imapp.database.engines import committer_engine
from imapp.doctor import database_state
from imapp.doctor.context import Context
from imapp.doctor.finding import Finding, fail, ok, skip, warn
from imapp.extensions import db

#: Response time in milliseconds above which every command is noticeably slower.
_SLOW_MS = 20.0

_UPGRADE = "flask --app wsgi db upgrade"


def answers(context: Context) -> Finding:
    """Check that the database answers quickly."""
    found = context.once(database_state.database)
    words = f"{found.dialect} {found.version} answers in {found.ping_ms:.1f} ms"
    if found.ping_ms > _SLOW_MS:
        return warn(words, "Move it closer to the nodes: each commit takes two round trips.", "ping HOST")
    return ok(words)


def migrations(context: Context) -> Finding:
    """Check that the revision of the tables is the one of this code."""
    found, wanted = context.once(database_state.database).heads, database_state.code_heads(context)
    if found == wanted:
        return ok(f"revision {', '.join(found)}, as this code")
    words = f"revision {', '.join(found) or 'none'}, this code is at {', '.join(wanted)}"
    cure = "Back up, then upgrade the database. If it is newer than the code, update the code instead."
    return fail(words, cure, _UPGRADE)


def write(_context: Context) -> Finding:
    """Check that the committer's connection can change a row; the change is rolled back."""
    engine = committer_engine()
    with Session(engine) as session, session.begin() as transaction:
        changed = session.execute(text("UPDATE server_state SET epoch = 'doctor'"))
        count = int(getattr(changed, "rowcount", 0))
        transaction.rollback()
    if not count:
        return fail(
            "server_state is empty", "The migrations have not created the tables: run them, or restore.", _UPGRADE
        )
    return ok("a change in a transaction works; rolled back")


def _is_sqlite() -> bool:
    return db.engine.dialect.name == "sqlite"


def journal(_context: Context) -> Finding:
    """Check for the write-ahead log: without it, readers and the writer wait for each other."""
    if not _is_sqlite():
        return skip("not SQLite")
    with db.engine.connect() as connection:
        mode = str(connection.scalar(text("PRAGMA journal_mode")))
    if mode != "wal":
        cure = "SQLite cannot use a write-ahead log there, for example on a network share: move IM_DATA_DIR."
        return fail(f"journal_mode {mode}", cure, "stat -f -c %T instance")
    return ok("journal_mode wal")


def integrity(_context: Context) -> Finding:
    """Check that the database file is not damaged."""
    if not _is_sqlite():
        return skip("not SQLite")
    with db.engine.connect() as connection:
        found = str(connection.scalar(text("PRAGMA quick_check(1)")))
    if found != "ok":
        cure = "The file is damaged: stop the node and restore the last backup."
        return fail(found.splitlines()[0], cure, "sqlite3 instance/imapp.db .recover")
    return ok("quick_check ok")


def alone(context: Context) -> Finding:
    """Check that a node with SQLite is not part of a cluster."""
    if not _is_sqlite():
        return skip("not SQLite")
    if context.settings.redis_url is not None:
        cure = "The nodes of a cluster must share one database: use MariaDB or MySQL."
        return fail("SQLite in a cluster (REDIS_URL is set)", cure, "DATABASE_URL=mysql://USER:PASSWORD@HOST/NAME")
    return ok("SQLite, one node")


CHECKS = {
    "database.answers": answers,
    "database.migrations": migrations,
    "database.write": write,
    "database.journal": journal,
    "database.integrity": integrity,
    "database.alone": alone,
}
