"""Read receipts in groups: at most one per second for each reader, and always the last one.

Without this limit, a busy group would be flooded: every message makes every reader send a receipt to every member.
"""

import threading
from typing import Any

from flask import Flask, current_app

from imapp.cluster import bus
from imapp.events import ConversationRead

#: Seconds between two receipts of one reader in one group.
INTERVAL_SECONDS = 1.0

#: The receipts pushed less than an interval ago: (conversation, user) -> (the pushed read_seq, the payload of the
#: furthest receipt since then or None).
Recent = dict[tuple[int, int], tuple[int, dict[str, Any] | None]]

_lock = threading.Lock()


def spread(payload: dict[str, Any]) -> None:
    """Push a `conversation_read` to the members, now or at the end of the interval; a later position replaces it.

    Marks of two devices may arrive here in another order than they were committed in.
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
    timer.start()  # first: even if sending fails, the reader's next receipts are pushed
    _send(payload)


def _send(payload: dict[str, Any]) -> None:
    bus.send(ConversationRead.name, payload, bus.conversation_room(payload["conversation_id"]))


def _next(recent: Recent, key: tuple[int, int]) -> None:
    """Push the receipt that arrived within the interval that has ended, or forget the reader."""
    with _lock:
        _, waiting = recent.pop(key, (0, None))
        if waiting is None:
            return
        recent[key] = waiting["read_seq"], None
    _push(recent, waiting)


def flush(app: Flask) -> None:
    """Push all waiting receipts; called when the node stops."""
    recent: Recent = app.extensions.get("receipts", {})
    with _lock:
        payloads = [waiting for _, waiting in recent.values() if waiting is not None]
        recent.clear()
    for payload in payloads:
        _send(payload)
