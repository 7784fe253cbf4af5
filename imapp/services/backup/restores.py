"""Restoring a whole backup into an empty database, or in place of the present data.

During a restore, the epoch of the database names the backup. So no client takes a half-restored history for a whole
one, and an interrupted restore knows which backup to continue. Rows are inserted in key order, so the last key of a
table tells where to continue. At the end, the database gets a new epoch, which makes clients load everything again.
"""

import secrets
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from flask import current_app
from flask_migrate import upgrade
from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.database.transactions import atomic
from imapp.database.types import UtcDateTime
from imapp.errors import BackupError
from imapp.extensions import Base, db
from imapp.models.own_state import ServerState
from imapp.models.sessions import DeviceSession
from imapp.services.backup.backup_format import BackupFile, Part, TableInfo, unpacked
from imapp.services.backup.backups import Progress
from imapp.services.sync.sync import RESTORING

#: Number of rows inserted in one transaction.
_ROWS = 1000

#: Number of session ids skipped after a restore. Sessions opened after the backup had ids in this range, and their
#: tokens must not be valid for new sessions.
_SESSION_GAP = 1_000_000

_VERSIONS = "alembic_version"

Target = Literal["bare", "empty", "begun", "full"]


def examine(backup: BackupFile, keep_sessions: bool) -> Target:
    """Return the state of the database: no tables, no rows, partly restored from this backup, or anything else."""
    present = set(sa.inspect(db.engine).get_table_names())
    if not present - {_VERSIONS}:
        return "bare"
    epoch = ""
    if ServerState.__tablename__ in present:
        with db.engine.connect() as connection:
            epoch = connection.scalar(sa.select(ServerState.epoch)) or ""
    if epoch == _mark(backup, keep_sessions):
        return "begun"
    if epoch.startswith(RESTORING) or not {_VERSIONS, *Base.metadata.tables} <= present:
        return "full"
    with db.engine.connect() as connection:
        rows = (
            connection.execute(sa.select(sa.literal(1)).select_from(sa.table(name)).limit(1)).first()
            for name in sorted(present - {_VERSIONS, ServerState.__tablename__})
        )
        return "full" if any(row is not None for row in rows) else "empty"


def _mark(backup: BackupFile, keep_sessions: bool) -> str:
    return f"{RESTORING}{backup.manifest.id}-{'keep' if keep_sessions else 'end'}"


def require_known(backup: BackupFile) -> None:
    """Raise BackupError for a backup made by a newer version than this one."""
    revision = backup.manifest.revision
    if not list((_migrations() / "versions").glob(f"{revision}_*.py")):
        raise BackupError(f"The backup is of revision {revision}, which this version does not know: is it newer?")


def _migrations() -> Path:
    return Path(current_app.root_path).parent / "migrations"


def restore(backup: BackupFile, target: Target, progress: Progress, *, keep_sessions: bool = False) -> str:
    """Replace all data of the database by the backup; return the new epoch.

    `target` is the result of `examine`; a "begun" restore is continued.
    """
    if target != "begun":
        found = sa.MetaData()
        found.reflect(db.engine)
        found.drop_all(db.engine)
        db.engine.dispose()
        upgrade(directory=str(_migrations()), revision=backup.manifest.revision)
        atomic(_set_epoch, _mark(backup, keep_sessions))
    for table in backup.manifest.tables:
        _fill(backup, table, _row_changer(table, keep_sessions), progress)
    upgrade(directory=str(_migrations()))
    _skip_session_ids()
    epoch = secrets.token_hex(8)
    atomic(_set_epoch, epoch)
    return epoch


def _set_epoch(session: Session, epoch: str) -> None:
    session.execute(sa.update(ServerState).values(epoch=epoch))


# -- tables --------------------------------------------------------------------------------------------------------


def _skip_session_ids() -> None:
    name = DeviceSession.__tablename__
    with db.engine.connect() as connection:
        last = (connection.scalar(sa.select(sa.func.max(DeviceSession.id))) or 0) + _SESSION_GAP
        if connection.dialect.name == "sqlite":
            connection.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": name})
            row = {"name": name, "last": last}
            connection.execute(sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), row)
        else:
            connection.exec_driver_sql("ALTER TABLE device_sessions AUTO_INCREMENT = %s", (last,))
        connection.commit()


# -- rows ----------------------------------------------------------------------------------------------------------


def _row_changer(table: TableInfo, keep_sessions: bool) -> Callable[[dict[str, object]], dict[str, object]]:
    """Return a function that ends restored sessions: some may have been revoked after the backup, for a reason."""
    if keep_sessions or table.name != DeviceSession.__tablename__:
        return lambda row: row
    moment = now()
    return lambda row: {**row, "revoked_at": row["revoked_at"] or moment}


def _fill(
    backup: BackupFile, table: TableInfo, change: Callable[[dict[str, object]], dict[str, object]], progress: Progress
) -> None:
    """Insert the rows of a table after its last restored key."""
    key: list[Any] = [sa.column(name) for name in table.key]
    newest = sa.select(*key).select_from(sa.table(table.name)).order_by(*(column.desc() for column in key)).limit(1)
    with db.engine.connect() as connection:
        row = connection.execute(newest).first()
    last = None if row is None else list(row)
    # The table of the backup's revision, which may differ from the current models.
    types: dict[str | None, Any] = {"time": UtcDateTime(), "bytes": sa.LargeBinary()}
    target = sa.table(table.name, *(sa.column(name, types.get(table.kinds.get(name))) for name in table.columns))
    for part in backup.manifest.parts_of(table.name):
        if last is not None and part.until <= last:
            progress(table.name, part.rows)
            continue
        rows = map(change, _rows(backup, part, table, last, progress))
        while chunk := list(islice(rows, _ROWS)):
            atomic(_insert, target, chunk)
            progress(table.name, len(chunk))


def _rows(
    backup: BackupFile, part: Part, table: TableInfo, last: list[Any] | None, progress: Progress
) -> Iterator[dict[str, object]]:
    for raw in backup.rows(part):
        row = unpacked(table, raw)
        if last is None or [row[name] for name in table.key] > last:
            yield row
        else:
            progress(table.name, 1)


def _insert(session: Session, target: Any, rows: list[dict[str, object]]) -> None:
    session.execute(sa.insert(target), rows)
