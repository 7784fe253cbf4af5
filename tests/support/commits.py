"""A bad way to the database: one COMMIT is lost, or late, and nobody knows."""

import socket
import threading
import time

from tests.support.proxy import Proxy

_COMMIT = b"\x03COMMIT"
#: How the committer's ends.
_SCRIPT = b";COMMIT"
_WRITES = (b"\x03INSERT", b"\x03UPDATE", b"\x03DELETE")
#: What a node writes down by itself: that somebody left, that a token was used.
_BY_ITSELF = (b"last_seen_at=", b"last_used_at=")


class CommitLoser(Proxy):
    """Stands before MariaDB."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._loses = False
        #: Seconds that the next COMMIT is held before it passes.
        self._holds = 0.0
        self._answers_late = 0.0
        self._swallows_next = False
        self._parts_next = False
        self._leaves_for = 0.0
        self._away_until = 0.0
        #: Connections that have written and not committed; others say COMMIT when they are made.
        self._writing: set[socket.socket] = set()

    def lose_next(self) -> None:
        """The next COMMIT comes to the database; its answer is lost, and all connections break."""
        self._loses = True

    def hold_next(self, seconds: float) -> None:
        """The next COMMIT comes to the database so late."""
        self._holds = seconds

    def swallow_answer_of_next(self) -> None:
        """The next COMMIT comes to the database, and no answer comes back from then on, to anybody."""
        self._swallows_next = True

    def delay_from_next(self, seconds: float) -> None:
        """The next COMMIT comes to the database at once; its answer and all that follows takes so long."""
        self._answers_late = seconds

    def part_at_next(self) -> None:
        """From the next COMMIT on nothing passes, as when a cable is pulled amid a transaction: it stays open."""
        self._parts_next = True

    def leave_before_next(self, seconds: float) -> None:
        """The next COMMIT does not come to the database, which is away for so long from then on."""
        self._leaves_for = seconds

    def look_at(self, source: socket.socket, piece: bytes) -> None:
        """Find the COMMIT."""
        if piece[4:].startswith(_WRITES) and not any(word in piece for word in _BY_ITSELF):
            self._writing.add(source)
        if time.monotonic() < self._away_until:
            raise ConnectionResetError
        if piece.endswith(_SCRIPT) or (source in self._writing and piece.endswith(_COMMIT)):
            self._writing.discard(source)
            self._harm()

    def _harm(self) -> None:
        """Do what was asked for, once."""
        seconds, self._holds = self._holds, 0.0
        time.sleep(seconds)
        if self._leaves_for:
            self._away_until, self._leaves_for = time.monotonic() + self._leaves_for, 0.0
            self.cut()
            raise ConnectionResetError
        if self._loses:
            threading.Timer(0.3, self._break).start()
        self.delay, self._answers_late = self._answers_late or self.delay, 0.0
        self.is_silent, self._parts_next = self.is_silent or self._parts_next, False
        self.swallows, self._swallows_next = self.swallows or self._swallows_next or self._loses, False
        self._loses = False

    def _break(self) -> None:
        self.cut()
        self.swallows = False
