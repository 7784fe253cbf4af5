"""The database: what both kinds have in common, and SQLite's own."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from imapp.database import committer_engine
from imapp.doctor import database_look
from imapp.doctor.case import Case
from imapp.doctor.finding import Finding, fail, ok, skip, warn
from imapp.extensions import db

#: Milliseconds of an answer beyond which every command feels it.
_SLOW_MS = 20.0

_UPGRADE = "flask --app wsgi db upgrade"


def answers(case: Case) -> Finding:
    """It answers, and soon."""
    found = case.once(database_look.database)
    words = f"{found.dialect} {found.version} answers in {found.ping_ms:.1f} ms"
    if found.ping_ms > _SLOW_MS:
        return warn(words, "Bring it nearer: each commit takes two round trips.", "ping HOST")
    return ok(words)


def migrations(case: Case) -> Finding:
    """Its tables are those of this code."""
    found, wanted = case.once(database_look.database).heads, database_look.code_heads(case)
    if found == wanted:
        return ok(f"revision {', '.join(found)}, as this code")
    words = f"revision {', '.join(found) or 'none'}, this code is at {', '.join(wanted)}"
    return fail(words, "Back up, then upgrade it; if it is newer than the code, update the code.", _UPGRADE)


def write(_case: Case) -> Finding:
    """A row can be changed, as the committer does; it is rolled back."""
    engine = committer_engine()
    with Session(engine) as session, session.begin() as transaction:
        changed = session.execute(text("UPDATE server_state SET epoch = 'doctor'"))
        count = int(getattr(changed, "rowcount", 0))
        transaction.rollback()
    if not count:
        return fail(
            "server_state is empty", "The tables were not made by the migrations: restore, or make them.", _UPGRADE
        )
    return ok("a change in a transaction works; rolled back")


def _is_sqlite() -> bool:
    return db.engine.dialect.name == "sqlite"


def journal(_case: Case) -> Finding:
    """Readers and the writer do not wait for each other only with a write-ahead log."""
    if not _is_sqlite():
        return skip("not SQLite")
    with db.engine.connect() as connection:
        mode = str(connection.scalar(text("PRAGMA journal_mode")))
    if mode != "wal":
        cure = "The file lies where SQLite cannot have a write-ahead log, like a network share: move IM_DATA_DIR."
        return fail(f"journal_mode {mode}", cure, "stat -f -c %T instance")
    return ok("journal_mode wal")


def integrity(_case: Case) -> Finding:
    """The file is whole."""
    if not _is_sqlite():
        return skip("not SQLite")
    with db.engine.connect() as connection:
        found = str(connection.scalar(text("PRAGMA quick_check(1)")))
    if found != "ok":
        cure = "Stop the node and restore the last backup: the file is damaged."
        return fail(found.splitlines()[0], cure, "sqlite3 instance/imapp.db .recover")
    return ok("quick_check ok")


def alone(case: Case) -> Finding:
    """SQLite serves one node."""
    if not _is_sqlite():
        return skip("not SQLite")
    if case.settings.redis_url is not None:
        cure = "Nodes of a cluster need one database: MariaDB or MySQL."
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
