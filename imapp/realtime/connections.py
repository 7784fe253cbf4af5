"""The connections of this node."""

import threading
import time
from datetime import datetime

#: Maximum seconds that a command waits for earlier commands; only with a hanging database does a commit take longer.
_ORDER_SECONDS = 30

#: Malformed or too large packets that one connection may send in _OFFENCE_SECONDS; one more closes the connection.
OFFENCES_MAX = 20
_OFFENCE_SECONDS = 60.0


class Connection:
    """One authenticated socket.

    `turn` is a lock: one command of the connection runs at a time. A command that is not queued for the committer waits
    for the queued ones before it, so commands take effect in the order of sending. `_queued` changes only under `turn`
    and `_answered` only in the committer, so neither needs another lock.
    """

    __slots__ = (
        "_all_answered", "_answered", "_offences", "_offences_since", "_queued", "expires_at", "is_warned",
        "session_id", "sid", "turn", "user_id",
    )  # fmt: skip

    def __init__(self, sid: str, user_id: int, session_id: int, expires_at: datetime) -> None:
        self.sid = sid
        self.user_id = user_id
        self.session_id = session_id
        self.expires_at = expires_at
        #: Whether token_expiring was sent for `expires_at`.
        self.is_warned = False
        self.turn = threading.Lock()
        self._queued = self._answered = 0
        #: Malformed or too large packets in the current period of _OFFENCE_SECONDS, and its start (monotonic).
        self._offences, self._offences_since = 0, 0.0
        #: Created by a command that waits for the queued ones; set and removed once none is queued.
        self._all_answered: threading.Event | None = None

    def renew(self, expires_at: datetime) -> None:
        """Extend the connection to the expiry of a newer token."""
        self.expires_at = expires_at
        self.is_warned = False

    def offend(self) -> bool:
        """Count a malformed or too large packet; return whether there were more than OFFENCES_MAX within the period."""
        moment = time.monotonic()
        if moment - self._offences_since > _OFFENCE_SECONDS:
            self._offences, self._offences_since = 0, moment
        self._offences += 1
        return self._offences > OFFENCES_MAX

    def queue(self) -> None:
        """Count a command that is being queued for the committer."""
        self._queued += 1

    def unqueue(self) -> None:
        """Uncount a command that was refused before it was queued."""
        self._queued -= 1
        self._wake()

    def answered(self) -> None:
        """Count a command that the committer has answered."""
        self._answered += 1
        self._wake()

    def _wake(self) -> None:
        waiting = self._all_answered
        if waiting is not None and self._answered == self._queued:
            self._all_answered = None
            waiting.set()

    def wait_for_queued(self, seconds: float = _ORDER_SECONDS) -> None:
        """Wait until the committer has answered all queued commands, at most `seconds`."""
        if self._answered == self._queued:
            return
        waiting = self._all_answered = self._all_answered or threading.Event()
        if self._answered != self._queued:  # the last answer may have come before the event existed
            waiting.wait(seconds)


class Connections:
    """All connections of this node by sid, and the sockets that have not authenticated yet."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Connection] = {}
        #: eio_sid -> monotonic time by which the socket must have sent CONNECT.
        self.waiting: dict[str, float] = {}

    def add(self, connection: Connection) -> None:
        """Add a connection."""
        self._by_sid[connection.sid] = connection

    def get(self, sid: str) -> Connection | None:
        """Return the connection of a sid, None if it is closed."""
        return self._by_sid.get(sid)

    def pop(self, sid: str) -> Connection | None:
        """Remove and return the connection of a sid, None if there is none."""
        return self._by_sid.pop(sid, None)

    def all(self) -> list[Connection]:
        """Return a list of all connections."""
        return list(self._by_sid.values())
