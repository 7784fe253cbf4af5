"""The latest messages' ways through this node, in memory, for an operator who asks what became of one.

Nothing of it leaves the node until it is asked (services/traces.py), nothing of what a message says is in it, and it is
bounded in number and age. Records are plain tuples, which cost a fraction of a microsecond and which the garbage
collector stops looking at; each begins with (Unix time in ms, kind, key):

    SENT      accepted, key message id, committed ms, published ms, sid of the sender or None, whether the bus took it
    GIVEN     published or heard, key message id, flushed ms or None, number of connections, their first sids, by bus
    REFUSED   refused, key client id, sender's id, error code
"""

import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from flask import Flask

SENT, GIVEN, REFUSED = range(3)

#: Connections that are remembered for a message by name; the others by number.
NAMED = 100

_EXTENSION = "imapp.traces"

Record = tuple[Any, ...]


class Ring:
    """The last `messages` records of the last `seconds`; nothing is kept when either is 0."""

    def __init__(self, messages: int, seconds: int) -> None:
        self.is_on = messages > 0 and seconds > 0
        self._keep_ms = seconds * 1000
        self._records: deque[Record] = deque(maxlen=messages)
        #: Connections that have ended: (ms, sid, user id, session id, reason).
        self._gone: deque[tuple[float, str, int, int, str]] = deque(maxlen=messages)
        self._began_ms = time.time() * 1000
        #: When the node last began to hear the others again after it was deaf.
        self.deaf_until_ms: float | None = None

    def keep(self, records: Sequence[Record]) -> None:
        """Keep records, and let go of as many that are too old, and one more."""
        if self.is_on and records:
            kept, limit = self._records, records[-1][0] - self._keep_ms
            kept.extend(records)
            for _ in range(len(records) + 1):
                if kept[0][0] >= limit:
                    break
                kept.popleft()

    def note_gone(self, sid: str, user_id: int, session_id: int, reason: str) -> None:
        """A connection has ended."""
        if self.is_on:
            self._gone.append((time.time() * 1000, sid, user_id, session_id, reason))

    def note_hears_again(self) -> None:
        """The node was deaf until now."""
        self.deaf_until_ms = time.time() * 1000

    @property
    def complete_since_ms(self) -> float:
        """What happened after this is here."""
        if not self.is_on:
            return time.time() * 1000
        oldest = self._records[0][0] if len(self._records) == self._records.maxlen and self._records else 0.0
        return float(max(self._began_ms, oldest, time.time() * 1000 - self._keep_ms))

    def of(self, key: str) -> list[Record]:
        """The records of a message or of a client id, the oldest first."""
        since = time.time() * 1000 - self._keep_ms
        return [record for record in list(self._records) if record[2] == key and record[0] >= since]

    def gone(self, user_ids: set[int], sids: set[str]) -> list[tuple[float, str, int, int, str]]:
        """The ends of these connections, and the latest end of a connection of each of these users."""
        latest = {}
        named = []
        for one in list(self._gone):
            if one[1] in sids:
                named.append(one)
            elif one[2] in user_ids:
                latest[one[2]] = one
        return [*named, *latest.values()]


def of_app(app: Flask) -> Ring:
    """The ring of an app's node."""
    if _EXTENSION not in app.extensions:
        settings = app.config["IMAPP"]
        app.extensions[_EXTENSION] = Ring(settings.trace_messages, settings.trace_seconds)
    ring: Ring = app.extensions[_EXTENSION]
    return ring
