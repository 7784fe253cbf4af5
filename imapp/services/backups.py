"""Backups: all tables as they are at one moment, while the nodes go on writing.

Everything is read in one snapshot of the database, part by part, a few rows in memory. The file gets its name when
it is whole and on the disk. An interrupted backup is simply started again (services/backup_parts.py says what is
saved by that). A backup holds what the database holds, password hashes among it, and is not encrypted.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from zipfile import ZipFile

from sqlalchemy import Table
from sqlalchemy.engine import Connection

import imapp
from imapp.errors import BackupError
from imapp.schemas.base import now
from imapp.services import backup_tables
from imapp.services.backup_format import MANIFEST, BackupFile, Key, Manifest, Part, TableInfo, packed
from imapp.services.backup_parts import Kept, PartsFolder, private_file

#: Told of rows that are done: the table, and how many more.
Progress = Callable[[str, int], None]

#: Rows of one part: what an interruption costs.
PART_ROWS = 20_000


class Backup:
    """One run: the snapshot, and the folder into which its parts are written."""

    def __init__(self, connection: Connection, folder: PartsFolder, part_rows: int, progress: Progress) -> None:
        self.connection = connection
        self.folder = folder
        self.part_rows = part_rows
        self.progress = progress
        #: Rows that an interrupted run had read already.
        self.reused = 0

    def parts(self, table: Table, info: TableInfo) -> Iterator[Part]:
        """All parts of a table, written or kept."""
        after: Key | None = None
        while (part := self._part(table, info, after)) is not None:
            after = part.until
            self.progress(table.name, part.rows)
            yield part

    def _part(self, table: Table, info: TableInfo, after: Key | None) -> Part | None:
        kept = self.folder.kept(table.name, after)
        if kept is not None:
            state = backup_tables.state_of(self.connection, table.name, after, kept.part.until)
            if state is not None and state == kept.state:
                self.reused += kept.part.rows
                return kept.part
        # A part that is read again ends where it ended, so that those behind it can be kept.
        return self._write(table, info, after, kept.part.until if kept else None) or (
            self._write(table, info, after, None) if kept else None
        )

    def _write(self, table: Table, info: TableInfo, after: Key | None, until: Key | None) -> Part | None:
        rows = backup_tables.rows(self.connection, table, after, until, self.part_rows)
        part = self.folder.write(table.name, after, _lines(info, rows))
        if part is not None:
            state = backup_tables.state_of(self.connection, table.name, after, part.until)
            self.folder.note(Kept(part=part, state=state))
        return part


def _lines(info: TableInfo, rows: Iterator[list[object]]) -> Iterator[tuple[Key, bytes]]:
    places = [info.columns.index(name) for name in info.key]
    for row in rows:
        (line,) = packed([row])
        yield [row[place] for place in places], line  # type: ignore[misc]  # keys are numbers and texts


def estimate() -> int:
    """About how many rows a backup has now."""
    with backup_tables.snapshot() as connection:
        return backup_tables.estimate(connection)


def write(target: Path, progress: Progress, part_rows: int = PART_ROWS) -> tuple[Path, Manifest, int]:
    """Back up into a file, or into a folder under a name of its own.

    Gives the file, its manifest, and how many rows an interrupted run had read already. Raises BackupError.
    """
    base = target / "imapp-backup" if target.is_dir() else target
    with PartsFolder(base.with_name(base.name + ".partial")).locked() as folder:
        with backup_tables.snapshot() as connection:
            run = Backup(connection, folder, part_rows, progress)
            manifest = _manifest(run)
        stamp = manifest.created_at.strftime("%Y%m%dT%H%M%SZ")
        file = base.with_name(f"imapp-{stamp}.zip") if target.is_dir() else target
        try:
            _assemble(folder.path, manifest, file)
        except OSError as exc:
            raise BackupError(f"{file}: {exc.strerror}") from exc
        folder.remove()
    return file, manifest, run.reused


def _manifest(run: Backup) -> Manifest:
    moment = now()
    tables, parts = [], []
    for table in backup_tables.tables():
        info = backup_tables.describe(table)
        tables.append(info)
        parts += list(run.parts(table, info))
    counts = {info.name: sum(part.rows for part in parts if part.table == info.name) for info in tables}
    return Manifest(
        format=1,
        id=secrets.token_hex(8),
        created_at=moment,
        version=imapp.__version__,
        revision=backup_tables.revision(run.connection),
        epoch=backup_tables.epoch(run.connection),
        database=run.connection.dialect.name,
        tables=tables,
        counts=counts,
        parts=parts,
    )


def _assemble(folder: Path, manifest: Manifest, file: Path) -> None:
    """Put the parts into one file, which gets its name when it is on the disk."""
    unnamed = file.with_name(file.name + ".new")
    with private_file(unnamed) as stream, ZipFile(stream, "w") as archive:
        for part in manifest.parts:
            archive.write(folder / part.file, part.file)
        archive.writestr(MANIFEST, manifest.model_dump_json(indent=1))
    unnamed.replace(file)
    directory = os.open(file.parent, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def verify(backup: BackupFile, progress: Progress) -> None:
    """Compare everything with the manifest; raises BackupError for the first damage."""
    backup.check_counts()
    for part in backup.manifest.parts:
        backup.check(part)
        progress(part.table, part.rows)
