"""Traces of the latest messages on this node, in memory, for operators that investigate what happened to a message.

Traces leave the node only on request (services/operations/message_traces.py), contain no message text, and are bounded
in number and age. The ring keeps plain tuples: these cost a fraction of a microsecond, and the garbage collector stops
tracking them. Readers name their fields with `named`. Each record begins with a Unix time in ms, the kind and the key.
"""

import time
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from flask import Flask

from imapp.node import node_of

SENT, GIVEN, REFUSED = range(3)

#: Maximum number of sids in the record of a message; further connections are only counted.
NAMED = 100

Record = tuple[Any, ...]


class SentRecord(NamedTuple):
    """A message that this node committed and published."""

    accepted_ms: float
    kind: int
    message_id: str
    committed_ms: float
    published_ms: float
    #: The sender's; None: sent over REST.
    sid: str | None
    #: Whether the bus queued it.
    is_taken: bool


class GivenRecord(NamedTuple):
    """A message that this node handed to its connections."""

    #: When it was published here or received.
    heard_ms: float
    kind: int
    message_id: str
    flushed_ms: float | None
    connections: int
    #: The first NAMED of the connections.
    sids: tuple[str, ...]
    came_by_bus: bool


class RefusedRecord(NamedTuple):
    """A message that was not stored."""

    refused_ms: float
    kind: int
    client_id: str
    sender_id: int
    code: str


NamedRecord = SentRecord | GivenRecord | RefusedRecord

_CLASSES: dict[int, type[NamedRecord]] = {SENT: SentRecord, GIVEN: GivenRecord, REFUSED: RefusedRecord}


def named(record: Record) -> NamedRecord | None:
    """Return a record with its fields named.

    A node of a later version may add elements at the end, which are left out, and kinds of records: None for these.
    """
    _, kind, *_ = record
    record_class = _CLASSES.get(kind)
    return None if record_class is None else record_class(*record[: len(record_class._fields)])


class TraceRing:
    """At most `messages` records, none older than `seconds`; nothing is kept if either is 0."""

    def __init__(self, messages: int, seconds: int) -> None:
        self.is_on = messages > 0 and seconds > 0
        self._keep_ms = seconds * 1000
        self._records: deque[Record] = deque(maxlen=messages)
        #: Closed connections: (ms, sid, user id, session id, reason).
        self._gone: deque[tuple[float, str, int, int, str]] = deque(maxlen=messages)
        self._began_ms = time.time() * 1000
        #: When the node's bus last recovered from a gap, Unix time in ms; None if there was no gap.
        self.deaf_until_ms: float | None = None

    def keep(self, records: Sequence[Record]) -> None:
        """Store records, and drop at most one more record than that, if they are too old."""
        if self.is_on and records:
            kept, limit = self._records, records[-1][0] - self._keep_ms
            kept.extend(records)
            for _ in range(len(records) + 1):
                if kept[0][0] >= limit:
                    break
                kept.popleft()

    def note_gone(self, sid: str, user_id: int, session_id: int, reason: str) -> None:
        """Record the end of a connection."""
        if self.is_on:
            self._gone.append((time.time() * 1000, sid, user_id, session_id, reason))

    def note_hears_again(self) -> None:
        """Record that the node's bus has recovered from a gap now."""
        self.deaf_until_ms = time.time() * 1000

    @property
    def complete_since_ms(self) -> float:
        """Return the Unix time in ms after which no record is missing."""
        if not self.is_on:
            return time.time() * 1000
        oldest = self._records[0][0] if len(self._records) == self._records.maxlen and self._records else 0.0
        return float(max(self._began_ms, oldest, time.time() * 1000 - self._keep_ms))

    def of(self, key: str) -> list[Record]:
        """Return the records of a message id or a client id, oldest first."""
        since = time.time() * 1000 - self._keep_ms
        return [record for record in list(self._records) if record[2] == key and record[0] >= since]

    def gone(self, user_ids: set[int], sids: set[str]) -> list[tuple[float, str, int, int, str]]:
        """Return the ends of these connections, and the latest other end of a connection of each of these users."""
        latest = {}
        named = []
        for one in list(self._gone):
            _, sid, user_id, _, _ = one
            if sid in sids:
                named.append(one)
            elif user_id in user_ids:
                latest[user_id] = one
        return [*named, *latest.values()]


def of_app(app: Flask) -> TraceRing:
    """Return the ring of an app's node."""
    node = node_of(app)
    return node.part_or(TraceRing, lambda: TraceRing(node.settings.trace_messages, node.settings.trace_seconds))
