"""Who came online or went offline is told to those who watch, many users at a time.

When a node dies, thousands go offline at one moment: a task for each of them would take every connection to the
database. What is told of a user is the latest; while the database is away it is kept.
"""

import itertools
from typing import Any

from imapp import database
from imapp.logs import get_logger
from imapp.services import presence

log = get_logger(__name__)

#: Users told of at a time: some milliseconds of database work.
_SLICE = 200

#: Seconds in which changes gather: a crowd that connects costs some queries, not some for each.
_GATHER_SECONDS = 0.05

#: Seconds until the database is asked again after it failed.
_PAUSE_SECONDS = 1.0


class PresenceChanges:
    """What is still to be told; `note` must be called by the server's own thread or greenlets."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._pending: dict[int, bool] = {}
        self._is_running = False

    def note(self, user_id: int, is_online: bool) -> None:
        """The user came online or went offline; returns at once."""
        self._pending[user_id] = is_online
        if not self._is_running:
            self._is_running = True
            self._server.start_background_task(self._tell_all)

    def _tell_all(self) -> None:
        while self._pending:
            self._server.sleep(_GATHER_SECONDS)
            changes = dict(itertools.islice(self._pending.items(), _SLICE))
            for user_id in changes:
                del self._pending[user_id]
            if not self._tell(changes):
                self._pending = changes | self._pending
                self._server.sleep(_PAUSE_SECONDS)
        self._is_running = False

    def _tell(self, changes: dict[int, bool]) -> bool:
        """Tell of these; False when the database is away."""
        with self._server.app.app_context():
            try:
                presence.changed(changes)
            except Exception as exc:
                if database.as_app_error(exc) is not None:
                    return False
                log.exception("presence_not_announced", users=len(changes))
        return True
