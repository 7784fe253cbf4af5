"""The connections of this node."""

import threading
from datetime import datetime

#: Seconds that a command waits for those sent before it; a commit never takes that long unless the database hangs.
_ORDER_SECONDS = 30


class Connection:
    """One authenticated socket.

    `turn` lets one command of the connection run at a time; `queued` counts those that wait for their commit. A
    command that does not queue waits for those that do: commands take effect in the order in which they were sent.
    """

    __slots__ = ("_idle", "_queued", "expires_at", "is_warned", "session_id", "sid", "turn", "user_id")

    def __init__(self, sid: str, user_id: int, session_id: int, expires_at: datetime) -> None:
        self.sid = sid
        self.user_id = user_id
        self.session_id = session_id
        self.expires_at = expires_at
        #: Whether token_expiring was sent for `expires_at`.
        self.is_warned = False
        self.turn = threading.Lock()
        self._idle = threading.Condition(threading.Lock())
        self._queued = 0

    def renew(self, expires_at: datetime) -> None:
        """A newer token was shown."""
        self.expires_at = expires_at
        self.is_warned = False

    def queue(self) -> None:
        """A command was handed to the committer."""
        with self._idle:
            self._queued += 1

    def unqueue(self) -> None:
        """It was answered."""
        with self._idle:
            self._queued -= 1
            if not self._queued:
                self._idle.notify_all()

    def wait_for_queued(self, seconds: float = _ORDER_SECONDS) -> None:
        """Wait until nothing is queued."""
        with self._idle:
            self._idle.wait_for(lambda: not self._queued, seconds)


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
