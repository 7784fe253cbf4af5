"""A faulty network to the database that loses or delays one COMMIT, so that its result is unknown."""

import socket
import threading
import time

from tests.support.proxy import Proxy

_COMMIT = b"\x03COMMIT"
#: The end of the committer's statements.
_SCRIPT = b";COMMIT"
_WRITES = (b"\x03INSERT", b"\x03UPDATE", b"\x03DELETE")
#: Columns that a node writes on its own: when a user was last seen, when a token was last used.
_BY_ITSELF = (b"last_seen_at=", b"last_used_at=")


class CommitLoser(Proxy):
    """A proxy in front of MariaDB."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._loses = False
        #: Seconds for which the next COMMIT is held before it passes.
        self._holds = 0.0
        self._answers_late = 0.0
        self._swallows_next = False
        self._parts_next = False
        self._leaves_for = 0.0
        self._away_until = 0.0
        #: Connections that have written and not committed. New connections send a COMMIT too, which is not counted.
        self._writing: set[socket.socket] = set()

    def lose_next(self) -> None:
        """Pass the next COMMIT to the database, lose its answer, and break all connections."""
        self._loses = True

    def hold_next(self, seconds: float) -> None:
        """Delay the next COMMIT by `seconds`."""
        self._holds = seconds

    def swallow_answer_of_next(self) -> None:
        """Pass the next COMMIT to the database, and from then on no answer on any connection."""
        self._swallows_next = True

    def delay_from_next(self, seconds: float) -> None:
        """Pass the next COMMIT to the database at once; delay its answer and all later traffic by `seconds`."""
        self._answers_late = seconds

    def part_at_next(self) -> None:
        """Pass nothing from the next COMMIT on, as if a cable were pulled during a transaction, which stays open."""
        self._parts_next = True

    def leave_before_next(self, seconds: float) -> None:
        """Drop the next COMMIT; the database is unreachable for `seconds` from then on."""
        self._leaves_for = seconds

    def look_at(self, source: socket.socket, piece: bytes) -> None:
        """Detect the COMMIT of a connection that has written."""
        if piece[4:].startswith(_WRITES) and not any(word in piece for word in _BY_ITSELF):
            self._writing.add(source)
        if time.monotonic() < self._away_until:
            raise ConnectionResetError
        if piece.endswith(_SCRIPT) or (source in self._writing and piece.endswith(_COMMIT)):
            self._writing.discard(source)
            self._harm()

    def _harm(self) -> None:
        """Inject the requested fault, once."""
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
