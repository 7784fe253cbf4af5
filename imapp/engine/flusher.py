"""Queues of connections to flush at the end of the loop's turn, so that the packets of a connection are sent together.

Connections that got a packet of their own are flushed before connections that got a packet of a room. An emit to a
room of 10,000 members is flushed in slices; between the slices sockets are read, and acks and heartbeats sent.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from gevent.hub import Hub

from imapp.logs import get_logger

log = get_logger(__name__)

#: Seconds of flushing rooms after which the flusher returns to the event loop.
_SLICE_SECONDS = 0.004

#: Connections that are flushed between two checks of the clock.
_CONNECTIONS_A_CHECK = 16


class Flushable(Protocol):
    """A connection with queued data."""

    def flush(self) -> None:
        """Send the queued data; must not block."""


class _Callback:
    """A queue entry that calls a function instead of flushing a connection."""

    __slots__ = ("flush",)

    def __init__(self, act: Callable[[], None]) -> None:
        self.flush = act


class Flusher:
    """The two queues of a process: connections with packets of their own, and connections with packets of rooms."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._single: deque[Flushable] = deque()
        self._rooms: deque[Flushable] = deque()
        self._is_armed = False

    def add(self, connection: Flushable, *, is_room: bool) -> None:
        """Queue this connection to be flushed at the end of the turn."""
        (self._rooms if is_room else self._single).append(connection)
        if not self._is_armed:
            self._is_armed = True
            self._hub.loop.run_callback(self._run)

    def call_after(self, act: Callable[[], None]) -> None:
        """Call `act` after all connections queued so far are flushed; it must not block."""
        self.add(_Callback(act), is_room=True)

    def _run(self) -> None:
        self._is_armed = False
        single, rooms = self._single, self._rooms
        _flush(single, len(single))
        end = time.monotonic() + _SLICE_SECONDS
        while rooms and time.monotonic() < end:
            _flush(rooms, min(_CONNECTIONS_A_CHECK, len(rooms)))
        if rooms and not self._is_armed:
            # A timer, not a callback: the loop reads sockets before a timer fires.
            self._is_armed = True
            self._timer = self._hub.loop.timer(0)
            self._timer.start(self._run)


def _flush(queue: deque[Flushable], count: int) -> None:
    for _ in range(count):
        try:
            queue.popleft().flush()
        except Exception:  # the remaining connections must be flushed, too
            log.exception("flush_failed")
