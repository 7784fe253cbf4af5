"""Health checks of the database: that it answers, and that its tables are new enough for this code."""

import time

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from imapp.database.revisions import CURRENT_REVISION, known_revisions
from imapp.logs import get_logger
from imapp.schemas.health import ComponentHealth

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
                    self.migrations = compare(_revision(connection))
                    self._revision_read_at = time.monotonic()
        except SQLAlchemyError as exc:
            log.warning("database_away", error=type(exc).__name__)
            return ComponentHealth(status="DOWN", details={"database": kind, "error": type(exc).__name__})
        version = ".".join(map(str, connection.dialect.server_version_info or ()))
        return ComponentHealth(status="UP", details={"database": kind, "version": version, "latency_ms": latency})


def _revision(connection: Connection) -> str | None:
    """Return the revision of the tables; None if there are none."""
    has_tables = inspect(connection).has_table("alembic_version")
    return connection.scalar(text(CURRENT_REVISION)) if has_tables else None


def compare(revision: str | None) -> ComponentHealth:
    """Return DOWN if the tables are older than the code, else UP. An unknown revision counts as newer than the code."""
    known, head = known_revisions()
    is_old = revision is None or (revision != head and revision in known)
    return ComponentHealth(status="DOWN" if is_old else "UP", details={"database": revision, "code": head})
