"""Mutual presence: once two users have both written to each other, they watch each other's presence.

The committer queues such a pair after its commit. A separate thread (a greenlet under gunicorn) sends each of the two
users the other's presence, so that no message waits for it.
"""

import threading
import time
from collections import deque
from collections.abc import Iterable

from flask import Flask, current_app

from imapp.cluster.registry import presence as cluster_presence
from imapp.database import errors
from imapp.logs import get_logger
from imapp.node import current_node
from imapp.services.contacts import presence

log = get_logger(__name__)

#: Two user ids.
Pair = tuple[int, int]

#: Maximum number of queued pairs. Beyond it the oldest are dropped: their clients learn the presence from the next
#: change or from their next query.
_PENDING_MAX = 10_000

#: Pairs notified per batch, and the pause in seconds between two batches. A batch costs a few milliseconds of database
#: work.
_SLICE = 50
_PAUSE_SECONDS = 0.05


class Acquaintances:
    """The queue of pairs that are still to be notified."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._pending: deque[Pair] = deque(maxlen=_PENDING_MAX)
        self._turn = threading.Lock()
        self._is_running = False

    def note(self, pairs: Iterable[Pair]) -> None:
        """Queue pairs for notification; return at once."""
        with self._turn:
            self._pending += pairs
            is_new, self._is_running = not self._is_running, True
        if is_new:
            threading.Thread(target=self._tell_all, name="acquaintances", daemon=True).start()

    def _tell_all(self) -> None:
        while pairs := self._take():
            try:
                with self._app.app_context():
                    _tell(pairs)
            except Exception as exc:
                if errors.as_app_error(exc) is None:
                    log.exception("acquaintance_not_told", pairs=len(pairs))
            time.sleep(_PAUSE_SECONDS)

    def _take(self) -> list[Pair]:
        """Return the next batch of pairs; an empty batch ends the thread."""
        with self._turn:
            pairs = [self._pending.popleft() for _ in range(min(_SLICE, len(self._pending)))]
            self._is_running = bool(pairs)
        return pairs


def _tell(pairs: list[Pair]) -> None:
    online = cluster_presence.cluster().online_among(sorted({user_id for pair in pairs for user_id in pair}))
    for one, other in pairs:
        if one in online or other in online:
            presence.reveal(one, other)


def note(pairs: Iterable[Pair]) -> None:
    """Queue pairs of users to be sent each other's presence; return at once."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # a proxy
    current_node().part_or(Acquaintances, lambda: Acquaintances(app)).note(pairs)
