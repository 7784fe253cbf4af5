"""Backups: all tables as they are at one moment, while the nodes go on writing.

All tables are read in one snapshot of the database, part by part, with a few rows in memory. The file gets its final
name when it is complete and synced to disk. An interrupted backup is resumed by starting it again
(services/backup/backup_parts.py describes which parts are reused). A backup holds everything in the database, including
password hashes, and is not encrypted.
"""

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from zipfile import ZipFile

from sqlalchemy import Table
from sqlalchemy.engine import Connection

import imapp
from imapp.clock import now
from imapp.errors import BackupError
from imapp.services.backup import backup_tables
from imapp.services.backup.backup_format import MANIFEST, BackupFile, Key, Manifest, Part, TableInfo, packed
from imapp.services.backup.backup_parts import Kept, PartsFolder, private_file

#: Called with a table's name and the number of rows finished since the previous call.
Progress = Callable[[str, int], None]

#: Rows of one part. An interruption loses the unfinished part.
PART_ROWS = 20_000


class Backup:
    """One run of a backup: its snapshot, and the folder of its parts."""

    def __init__(self, connection: Connection, folder: PartsFolder, part_rows: int, progress: Progress) -> None:
        self.connection = connection
        self.folder = folder
        self.part_rows = part_rows
        self.progress = progress
        #: Number of rows reused from an interrupted run.
        self.reused = 0

    def parts(self, table: Table, info: TableInfo) -> Iterator[Part]:
        """Yield all parts of a table, newly written or reused."""
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
        # A part that is read again ends at the same key as before, so that the parts after it can be reused.
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


def _lines(info: TableInfo, rows: Iterator[Sequence[object]]) -> Iterator[tuple[Key, bytes]]:
    places = [info.columns.index(name) for name in info.key]
    for row in rows:
        (line,) = packed([row])
        yield [row[place] for place in places], line  # type: ignore[misc]  # keys are numbers and texts


def estimate() -> int:
    """Return the approximate number of rows of a backup made now."""
    with backup_tables.snapshot() as connection:
        return backup_tables.estimate(connection)


def write(target: Path, progress: Progress, part_rows: int = PART_ROWS) -> tuple[Path, Manifest, int]:
    """Write a backup to a file, or to a folder under a generated name.

    Return the file, its manifest, and the number of rows reused from an interrupted run. Raises BackupError.
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
    """Write the parts into one file, which gets its final name after it is synced to disk."""
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
    """Compare all parts with the manifest; raises BackupError for the first damaged part."""
    backup.check_counts()
    for part in backup.manifest.parts:
        backup.check(part)
        progress(part.table, part.rows)
