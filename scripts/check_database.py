"""Check quickly whether the database has the revision of this code, without loading the application.

Usage: python scripts/check_database.py

Exit codes: 0 it has, 10 it needs `flask db upgrade`, 2 and 6 as in config.py, 7 it does not answer, cannot be used or
is newer than this code (one line on standard error).
"""

import sqlite3
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from config import SettingsError, load_settings  # noqa: E402 - a script must first add the project to the path
from imapp.database.revisions import CURRENT_REVISION, known_revisions  # noqa: E402 - as above

UP_TO_DATE, UNUSABLE, NEEDS_UPGRADE = 0, 7, 10


class DatabaseError(Exception):
    """Raised when the database cannot be used; the text is one line."""


def current_revision(url: str) -> str | None:
    """Return the revision of the database; None for a database without tables. Raises DatabaseError."""
    return _sqlite_revision(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else _server_revision(url)


def _sqlite_revision(file: str) -> str | None:
    if not Path(file).is_file():
        return None
    try:
        with sqlite3.connect(file) as connection:
            row = connection.execute(CURRENT_REVISION).fetchone()
    except sqlite3.OperationalError as exc:
        if "no such table" in str(exc):
            return None
        raise DatabaseError(f"The database {file} cannot be opened: {exc}.") from exc
    except sqlite3.DatabaseError as exc:
        raise DatabaseError(f"{file} is not a database of this server: {exc}.") from exc
    return row and row[0]


def _server_revision(url: str) -> str | None:
    from sqlalchemy import create_engine, text  # slow to load, and not needed for the embedded database
    from sqlalchemy.exc import DBAPIError, ProgrammingError

    engine = create_engine(url, connect_args={"connect_timeout": 5, "read_timeout": 5})
    try:
        with engine.connect() as connection:
            return connection.execute(text(CURRENT_REVISION)).scalar()
    except ProgrammingError:
        return None
    except DBAPIError as exc:
        raise DatabaseError(f"The database does not answer: {exc.orig}.") from exc


def main() -> int:
    """Compare the revisions and return the exit code."""
    settings = load_settings()
    known, newest = known_revisions()
    current = current_revision(settings.database_url)
    if current == newest:
        return UP_TO_DATE
    if current and current not in known:
        raise DatabaseError(f"The database is at revision {current}, which this version does not know: is it newer?")
    return NEEDS_UPGRADE


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SettingsError as exc:
        sys.stderr.write(f"{exc}\n")
        sys.exit(exc.exit_code)
    except DatabaseError as exc:
        sys.stderr.write(f"{exc}\n")
        sys.exit(UNUSABLE)
