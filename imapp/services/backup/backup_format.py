"""The format of a backup: one zip file with compressed parts and a manifest that holds a checksum of each part.

A part holds rows of one table in primary key order, one JSON list per line, so that a backup from either database can
be restored into the other. The manifest names the columns of the rows. Times are UTC in RFC 3339, bytes are base64.
"""

import base64
import gzip
import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self
from zipfile import BadZipFile, ZipFile

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from imapp.errors import BackupError

#: The only format so far.
FORMAT = 1

MANIFEST = "manifest.json"

#: Values of a primary key, in the order of its columns.
Key = list[int | str]


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TableInfo(_Fact):
    """A backed up table: its columns in the order of the rows, and the columns that JSON needs encoded (`kinds`)."""

    name: str
    columns: list[str]
    key: list[str]
    kinds: dict[str, Literal["time", "bytes"]]


class Part(_Fact):
    """Rows of a table with keys above `after` (None: from the first row), up to and including `until`."""

    table: str
    file: str
    rows: int
    after: Key | None
    until: Key
    sha256: str


class Manifest(_Fact):
    """The description of a complete backup. Its tables are in an order in which foreign keys allow inserts."""

    format: Literal[1]
    id: str
    created_at: datetime
    version: str
    #: Alembic revision of the tables.
    revision: str
    epoch: str
    database: str
    tables: list[TableInfo]
    counts: dict[str, int]
    parts: list[Part]

    @property
    def rows(self) -> int:
        """Return the number of rows of all tables."""
        return sum(self.counts.values())

    def parts_of(self, table: str) -> list[Part]:
        """Return the parts of a table in row order."""
        return [part for part in self.parts if part.table == table]


class BackupFile:
    """An existing backup file, used as a context manager that closes it."""

    def __init__(self, path: Path) -> None:
        """Open the file and read its manifest; raises BackupError if it is not a complete backup."""
        try:
            self._zip = ZipFile(path)
        except (OSError, BadZipFile) as exc:
            raise BackupError(f"{path} is not a complete backup: {exc}") from exc
        try:
            text = orjson.loads(self._zip.read(MANIFEST))
        except (KeyError, BadZipFile, OSError, ValueError) as exc:
            raise BackupError(f"{path} is not a complete backup: its manifest cannot be read.") from exc
        if isinstance(text, dict) and text.get("format") != FORMAT:
            raise BackupError(f"{path} has format {text.get('format')}, this version reads format {FORMAT}.")
        try:
            self.manifest = Manifest.model_validate(text)
        except ValidationError as exc:
            raise BackupError(f"{path} has an invalid manifest.") from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._zip.close()

    def rows(self, part: Part) -> Iterator[list[Any]]:
        """Yield the rows of a part as decoded from JSON."""
        with self._zip.open(part.file) as packed, gzip.open(packed) as lines:
            for line in lines:
                yield orjson.loads(line)

    def check(self, part: Part) -> None:
        """Compare a part with its checksum and row count in the manifest; raises BackupError."""
        try:
            with self._zip.open(part.file) as packed:
                digest = hashlib.file_digest(packed, "sha256").hexdigest()  # type: ignore[arg-type]  # it only reads
            found = sum(1 for _ in self.rows(part)) if digest == part.sha256 else -1
        except (KeyError, BadZipFile, OSError, EOFError, ValueError) as exc:
            raise BackupError(f"The backup is damaged: {part.file} cannot be read.") from exc
        if found != part.rows:
            raise BackupError(f"The backup is damaged: {part.file} differs from its manifest.")

    def check_counts(self) -> None:
        """Compare the parts with the row counts of the tables; raises BackupError if a part is missing."""
        for table in self.manifest.tables:
            parts = self.manifest.parts_of(table.name)
            starts = [None, *(part.until for part in parts[:-1])]
            is_whole = [part.after for part in parts] == starts[: len(parts)]
            if not is_whole or sum(part.rows for part in parts) != self.manifest.counts.get(table.name):
                raise BackupError(f"The backup is damaged: parts of {table.name} are missing.")


def packed(rows: Iterable[Any]) -> Iterator[bytes]:
    """Yield rows encoded as lines of a part."""
    for row in rows:
        yield orjson.dumps(list(row), default=_plain, option=orjson.OPT_UTC_Z) + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"a backup cannot hold {type(value).__name__}")


def unpacked(table: TableInfo, row: list[Any]) -> dict[str, object]:
    """Return a row of a part as column values for the database."""
    named = dict(zip(table.columns, row, strict=True))
    for name, kind in table.kinds.items():
        if named[name] is not None:
            named[name] = datetime.fromisoformat(named[name]) if kind == "time" else base64.b64decode(named[name])
    return named
