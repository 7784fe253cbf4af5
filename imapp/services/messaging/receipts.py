"""Read receipts in groups: at most one per second for each reader, and always the last one.

Without this limit, a busy group would be flooded: every message makes every reader send a receipt to every member.
"""

import threading

from flask import Flask, current_app

from imapp.cluster.bus import bus
from imapp.events import ConversationRead
from imapp.node import node_of
from imapp.services.write_path.rows import ReadMark

#: Seconds between two receipts of one reader in one group.
INTERVAL_SECONDS = 1.0


class Recent:
    """The receipts of this node that were pushed less than an interval ago."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.lock = threading.Lock()
        #: (conversation, user) -> the `read_seq` that was pushed, and the farthest payload since, if any.
        self.pushed: dict[tuple[int, int], tuple[int, ReadMark | None]] = {}


def spread(payload: ReadMark) -> None:
    """Push a `conversation_read` to the members, now or at the end of the interval; a later position replaces it.

    Marks of two devices may arrive here in another order than they were committed in.
    """
    recent = _recent(current_app._get_current_object())  # type: ignore[attr-defined]  # a proxy
    key = payload["conversation_id"], payload["user_id"]
    with recent.lock:
        if key in recent.pushed:
            told, waiting = recent.pushed[key]
            if payload["read_seq"] > (told if waiting is None else waiting["read_seq"]):
                recent.pushed[key] = told, payload
            return
        recent.pushed[key] = payload["read_seq"], None
    _push(recent, payload)


def _push(recent: Recent, payload: ReadMark) -> None:
    timer = threading.Timer(INTERVAL_SECONDS, _next, (recent, (payload["conversation_id"], payload["user_id"])))
    timer.daemon = True
    timer.start()  # first: even if sending fails, the reader's next receipts are pushed
    _send(payload)


def _send(payload: ReadMark) -> None:
    bus.send(ConversationRead.name, payload, bus.conversation_room(payload["conversation_id"]))


def _next(recent: Recent, key: tuple[int, int]) -> None:
    """Push the receipt that arrived within the interval that has ended, or forget the reader."""
    with recent.lock:
        _, waiting = recent.pushed.pop(key, (0, None))
        if waiting is None:
            return
        recent.pushed[key] = waiting["read_seq"], None
    with recent.app.app_context():
        _push(recent, waiting)


def flush(app: Flask) -> None:
    """Push all waiting receipts; called when the node stops."""
    recent = _recent(app)
    with recent.lock:
        payloads = [waiting for _, waiting in recent.pushed.values() if waiting is not None]
        recent.pushed.clear()
    with app.app_context():
        for payload in payloads:
            _send(payload)


def _recent(app: Flask) -> Recent:
    return node_of(app).part_or(Recent, lambda: Recent(app))
