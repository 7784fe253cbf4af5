"""The folder of an unfinished backup, from which an interrupted backup is resumed.

A snapshot ends with the process that holds it. A resumed backup therefore takes a new snapshot. It reuses only the
parts of the interrupted run that are provably identical in the new snapshot: rows of conversation logs, if no
conversation in the part has changed since. All other parts are read again, so the result shows a single moment.
"""

import fcntl
import gzip
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import BinaryIO

import orjson
from pydantic import BaseModel, ValidationError

from imapp.errors import BackupError
from imapp.services.backup.backup_format import Key, Part

#: gzip level: level 6 takes twice as long and saves a tenth of the size.
_LEVEL = 4


class Kept(BaseModel):
    """A written part, and the state of its rows at that time (backup_tables.state_of)."""

    part: Part
    state: str | None


class PartsFolder:
    """The folder of an unfinished backup. Its files are readable by their owner only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._numbers = count(1)
        self._kept: dict[tuple[str, str], Kept] = {}

    @contextmanager
    def locked(self) -> Iterator["PartsFolder"]:
        """Create the folder if necessary and lock it; raises BackupError if another process holds the lock."""
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(self.path, os.O_RDONLY)
        except OSError as exc:
            raise BackupError(f"{self.path}: {exc.strerror}") from exc
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._look()
            yield self
        except BlockingIOError:
            raise BackupError(f"Another backup is being written in this folder: {self.path}") from None
        finally:
            os.close(handle)

    def _look(self) -> None:
        """Find the parts that an interrupted backup has left."""
        for note in sorted(self.path.glob("*.note")):
            try:
                kept = Kept.model_validate(orjson.loads(note.read_bytes()))
            except (ValueError, ValidationError):
                continue
            self._kept[kept.part.table, str(kept.part.after)] = kept
        last = max((int(file.name.split("-")[0]) for file in self.path.glob("*-*.gz")), default=0)
        self._numbers = count(last + 1)

    def kept(self, table: str, after: Key | None) -> Kept | None:
        """Return the part that begins after this key; None without such a part or if its checksum differs."""
        found = self._kept.get((table, str(after)))
        if found is None or _digest(self.path / found.part.file) != found.part.sha256:
            return None
        return found

    def write(self, table: str, after: Key | None, lines: Iterable[tuple[Key, bytes]]) -> Part | None:
        """Write a part and return it; return None if there are no rows."""
        name = f"{next(self._numbers):06}-{table}.jsonl.gz"
        rows, until = 0, after or []
        with private_file(self.path / name) as file, gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed:
            for until, line in lines:  # noqa: B007 - the last one counts
                packed.write(line)
                rows += 1
        if not rows:
            (self.path / name).unlink()
            return None
        digest = _digest(self.path / name) or ""
        return Part(table=table, file=name, rows=rows, after=after, until=until, sha256=digest)

    def note(self, kept: Kept) -> None:
        """Store the description of a completed part, so that a resumed backup can reuse it."""
        with private_file(self.path / (kept.part.file + ".new")) as file:
            file.write(orjson.dumps(kept.model_dump()))
        (self.path / (kept.part.file + ".new")).replace(self.path / (kept.part.file + ".note"))

    def remove(self) -> None:
        """Delete the folder with its files."""
        shutil.rmtree(self.path)


@contextmanager
def private_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a new file, readable by its owner only; it is synced to disk when the block ends."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
