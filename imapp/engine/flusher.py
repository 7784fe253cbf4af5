"""What is to be sent leaves at the end of the turn, so that packets for one connection leave together.

Connections to which one packet was sent go before those of a room: an emit to 10,000 members is sent in slices, and
between them sockets are read, acks and heartbeats sent.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from imapp.logs import get_logger

log = get_logger(__name__)

#: Seconds that sending to rooms may take until the event loop gets its turn.
_SLICE_SECONDS = 0.004

#: Connections between two looks at the clock.
_LOOK = 16


class Flushed(Protocol):
    """Who has something to send."""

    def flush(self) -> None:
        """Send it; must not block."""


class _Mark:
    """A place in the queue."""

    __slots__ = ("flush",)

    def __init__(self, act: Callable[[], None]) -> None:
        self.flush = act


class Flusher:
    """See the module."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._single: deque[Flushed] = deque()
        self._rooms: deque[Flushed] = deque()
        self._is_armed = False
        self._timer: Any = None

    def add(self, connection: Flushed, *, is_room: bool) -> None:
        """Flush this connection soon."""
        (self._rooms if is_room else self._single).append(connection)
        if not self._is_armed:
            self._is_armed = True
            self._loop.run_callback(self._run)

    def then(self, act: Callable[[], None]) -> None:
        """Call `act` once all that was added up to now is flushed; it must not block."""
        self.add(_Mark(act), is_room=True)

    def _run(self) -> None:
        self._is_armed = False
        single, rooms = self._single, self._rooms
        _flush(single, len(single))
        end = time.monotonic() + _SLICE_SECONDS
        while rooms and time.monotonic() < end:
            _flush(rooms, min(_LOOK, len(rooms)))
        if rooms and not self._is_armed:
            # A timer, not a callback: sockets are read before it fires.
            self._is_armed = True
            self._timer = self._loop.timer(0)
            self._timer.start(self._run)


def _flush(queue: deque[Flushed], count: int) -> None:
    for _ in range(count):
        try:
            queue.popleft().flush()
        except Exception:  # the others have something to send, too
            log.exception("flush_failed")
