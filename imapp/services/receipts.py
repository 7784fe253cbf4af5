"""Read receipts in groups: at most one a second for each reader, and the last one always.

A busy group would drown otherwise: every message makes every reader say "read" to every member.
"""

import threading
from typing import Any

from flask import current_app

from imapp.cluster import bus
from imapp.events import ConversationRead

#: Seconds between two receipts of one reader in one group.
INTERVAL_SECONDS = 1.0

#: (conversation, user) of which a receipt was pushed less than an interval ago -> the newest one since, if any.
Recent = dict[tuple[int, int], dict[str, Any] | None]

_lock = threading.Lock()


def spread(payload: dict[str, Any]) -> None:
    """Push a `conversation_read` to the members, now or when its turn has come; a newer one takes its place."""
    recent: Recent = current_app.extensions.setdefault("receipts", {})
    key = payload["conversation_id"], payload["user_id"]
    with _lock:
        if key in recent:
            recent[key] = payload
            return
        recent[key] = None
    _push(recent, payload)


def _push(recent: Recent, payload: dict[str, Any]) -> None:
    bus.send(ConversationRead.name, payload, bus.conversation_room(payload["conversation_id"]))
    timer = threading.Timer(INTERVAL_SECONDS, _next, (recent, (payload["conversation_id"], payload["user_id"])))
    timer.daemon = True
    timer.start()


def _next(recent: Recent, key: tuple[int, int]) -> None:
    """An interval is over: push what has come meanwhile, or forget the reader."""
    with _lock:
        waiting = recent[key]
        if waiting is None:
            del recent[key]
            return
        recent[key] = None
    _push(recent, waiting)
