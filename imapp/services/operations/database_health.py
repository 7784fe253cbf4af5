"""Health checks of the database: that it answers, and that its tables are new enough for this code."""

import os
import time
from functools import cache

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from imapp.logs import get_logger
from imapp.schemas.health import ComponentHealth
from imapp.settings import PROJECT

log = get_logger(__name__)

#: Minimum seconds between two checks of the revision while the tables are too old. Once they are new enough, the
#: revision is not checked again.
_REVISION_SECONDS = 10.0


class DatabaseLook:
    """The check of the database, with one connection that is returned to the pool; for one caller at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._revision_read_at = float("-inf")
        #: Result of the latest check of the revision.
        self.migrations = ComponentHealth(status="DOWN", details={"database": None, "code": None})

    def look(self) -> ComponentHealth:
        """Query the database, and check its revision unless it is known to be new enough."""
        kind = self._engine.dialect.name
        began = time.monotonic()
        try:
            with self._engine.connect() as connection:
                connection.execute(text("SELECT 1"))
                latency = round(1000 * (time.monotonic() - began), 2)
                is_due = time.monotonic() - self._revision_read_at >= _REVISION_SECONDS
                if self.migrations.status == "DOWN" and is_due:
                    self.migrations = compare(MigrationContext.configure(connection).get_current_revision())
                    self._revision_read_at = time.monotonic()
        except SQLAlchemyError as exc:
            log.warning("database_away", error=type(exc).__name__)
            return ComponentHealth(status="DOWN", details={"database": kind, "error": type(exc).__name__})
        version = ".".join(map(str, connection.dialect.server_version_info or ()))
        return ComponentHealth(status="UP", details={"database": kind, "version": version, "latency_ms": latency})


def compare(revision: str | None) -> ComponentHealth:
    """Return DOWN if the tables are older than the code, else UP. An unknown revision counts as newer than the code."""
    head, known = _of_the_code()
    is_old = revision is None or (revision != head and revision in known)
    return ComponentHealth(status="DOWN" if is_old else "UP", details={"database": revision, "code": head})


@cache
def _of_the_code() -> tuple[str | None, frozenset[str]]:
    # A relative path: Alembic calls access(2) on it, and this account may not be allowed to read the parent folders.
    scripts = ScriptDirectory(os.path.relpath(PROJECT / "migrations"))
    return scripts.get_current_head(), frozenset(one.revision for one in scripts.walk_revisions())
