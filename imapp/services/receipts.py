"""Read receipts in groups: at most one a second for each reader, and the last one always.

A busy group would drown otherwise: every message makes every reader say "read" to every member.
"""

import threading
from typing import Any

from flask import Flask, current_app

from imapp.cluster import bus
from imapp.events import ConversationRead

#: Seconds between two receipts of one reader in one group.
INTERVAL_SECONDS = 1.0

#: (conversation, user) of which a receipt was pushed less than an interval ago -> how far that said, and the farthest
#: one since, if any.
Recent = dict[tuple[int, int], tuple[int, dict[str, Any] | None]]

_lock = threading.Lock()


def spread(payload: dict[str, Any]) -> None:
    """Push a `conversation_read` to the members, now or when its turn has come; one that says more takes its place.

    Marks of two devices may come here in another order than that of their commits.
    """
    recent: Recent = current_app.extensions.setdefault("receipts", {})
    key = payload["conversation_id"], payload["user_id"]
    with _lock:
        if key in recent:
            told, waiting = recent[key]
            if payload["read_seq"] > (told if waiting is None else waiting["read_seq"]):
                recent[key] = told, payload
            return
        recent[key] = payload["read_seq"], None
    _push(recent, payload)


def _push(recent: Recent, payload: dict[str, Any]) -> None:
    timer = threading.Timer(INTERVAL_SECONDS, _next, (recent, (payload["conversation_id"], payload["user_id"])))
    timer.daemon = True
    timer.start()  # first: whatever becomes of this receipt, the reader's next ones are told
    _send(payload)


def _send(payload: dict[str, Any]) -> None:
    bus.send(ConversationRead.name, payload, bus.conversation_room(payload["conversation_id"]))


def _next(recent: Recent, key: tuple[int, int]) -> None:
    """An interval is over: push what has come meanwhile, or forget the reader."""
    with _lock:
        _, waiting = recent.pop(key, (0, None))
        if waiting is None:
            return
        recent[key] = waiting["read_seq"], None
    _push(recent, waiting)


def flush(app: Flask) -> None:
    """The node goes away: push what waits for its turn."""
    recent: Recent = app.extensions.get("receipts", {})
    with _lock:
        payloads = [waiting for _, waiting in recent.values() if waiting is not None]
        recent.clear()
    for payload in payloads:
        _send(payload)
