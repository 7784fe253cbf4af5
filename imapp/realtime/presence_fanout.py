"""Notifies the watchers of users that came online or went offline, many users at a time.

When a node dies, thousands of users go offline at once: a task for each of them would take every database connection.
Only the latest state of a user is announced. While the database is away, changes stay pending.
"""

import itertools

from imapp.database import errors
from imapp.logs import get_logger
from imapp.realtime.server import RealtimeServer
from imapp.services.contacts import presence

log = get_logger(__name__)

#: Maximum number of users announced at a time: some milliseconds of database work.
_SLICE = 200

#: Seconds for which changes are collected, so that many simultaneous connects share a few queries.
_GATHER_SECONDS = 0.05

#: Seconds until a retry after the database was not available.
_PAUSE_SECONDS = 1.0


class PresenceFanout:
    """The pending changes. `note` must be called from the server's own thread or greenlets."""

    def __init__(self, server: RealtimeServer) -> None:
        self._server = server
        self._pending: dict[int, bool] = {}
        self._is_running = False

    def note(self, user_id: int, is_online: bool) -> None:
        """Add a change: the user came online or went offline. Returns at once."""
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
        """Announce these changes; return False if the database is away."""
        with self._server.app.app_context():
            try:
                presence.changed(changes)
            except Exception as exc:
                if errors.as_app_error(exc) is not None:
                    return False
                log.exception("presence_not_announced", users=len(changes))
        return True
