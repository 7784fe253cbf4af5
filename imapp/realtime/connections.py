"""The connections of this node."""

import threading
import time
from datetime import datetime

#: Seconds that a command waits for those sent before it; a commit never takes that long unless the database hangs.
_ORDER_SECONDS = 30

#: Packets of one connection within this time that may be malformed or too large; one more ends the connection.
OFFENCES_MAX = 20
_OFFENCE_SECONDS = 60.0


class Connection:
    """One authenticated socket.

    `turn` lets one command of the connection run at a time. A command that does not queue waits for those that wait
    for their commit: commands take effect in the order in which they were sent. `queued` counts in the turn and
    `answered` in the committer only, so neither needs a lock.
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
        #: Packets within the minute at hand that could not be taken in, and when it began (monotonic).
        self._offences, self._offences_since = 0, 0.0
        #: Set, and forgotten, once nothing is queued; made by who waits for that.
        self._all_answered: threading.Event | None = None

    def renew(self, expires_at: datetime) -> None:
        """A newer token was shown."""
        self.expires_at = expires_at
        self.is_warned = False

    def offend(self) -> bool:
        """Count a packet that could not be taken in; tell whether there were too many within a minute."""
        moment = time.monotonic()
        if moment - self._offences_since > _OFFENCE_SECONDS:
            self._offences, self._offences_since = 0, moment
        self._offences += 1
        return self._offences > OFFENCES_MAX

    def queue(self) -> None:
        """A command goes to the committer."""
        self._queued += 1

    def unqueue(self) -> None:
        """It was refused before it got there."""
        self._queued -= 1
        self._wake()

    def answered(self) -> None:
        """The committer has answered a command."""
        self._answered += 1
        self._wake()

    def _wake(self) -> None:
        waiting = self._all_answered
        if waiting is not None and self._answered == self._queued:
            self._all_answered = None
            waiting.set()

    def wait_for_queued(self, seconds: float = _ORDER_SECONDS) -> None:
        """Wait until nothing is queued."""
        if self._answered == self._queued:
            return
        waiting = self._all_answered = self._all_answered or threading.Event()
        if self._answered != self._queued:  # the last answer may have come before there was anything to set
            waiting.wait(seconds)


class Connections:
    """All connections of this node by sid, and those that have not identified themselves yet."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Connection] = {}
        #: eio_sid -> monotonic time until which it must have sent CONNECT.
        self.waiting: dict[str, float] = {}

    def add(self, connection: Connection) -> None:
        """Note a connection."""
        self._by_sid[connection.sid] = connection

    def get(self, sid: str) -> Connection | None:
        """The connection of a sid, None when it has gone."""
        return self._by_sid.get(sid)

    def pop(self, sid: str) -> Connection | None:
        """Forget a connection."""
        return self._by_sid.pop(sid, None)

    def all(self) -> list[Connection]:
        """All of them, as of now."""
        return list(self._by_sid.values())
