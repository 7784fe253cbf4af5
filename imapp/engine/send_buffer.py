"""The outgoing side of a WebSocket: no sender waits for the client.

Bytes that the kernel does not accept are queued here. A client is disconnected if it leaves too many bytes queued, or
reads nothing for too long.
"""

import _socket
import socket
import time
from contextlib import suppress
from typing import Any

from imapp.engine.shared import SharedState, next_chunk, tune, unacknowledged
from imapp.logs import get_logger

log = get_logger(__name__)

#: Seconds in which the client must answer a close frame and read the data sent before it.
CLOSING_SECONDS = 2.0

#: Fewer unacknowledged bytes do not explain a late pong: a line that needs half a ping timeout for them is too slow
#: for a chat.
_BUSY_BYTES = 16 * 1024

#: States of a WebSocket, explained in websocket.py.
OPEN, CLOSING, FINISHING, CLOSED = range(4)

_NOT_QUEUED, QUEUED_AS_ROOM, QUEUED = range(3)
_WRITABLE = 2


class SendBuffer:
    """The queue of outgoing bytes and their socket. All methods may be called in the event loop and do not block."""

    __slots__ = (
        "_held", "_is_timed", "_out", "_out_bytes", "_place", "_sent", "_since", "_socket",
        "_state", "_taken", "_tools", "_writer",
    )  # fmt: skip

    def __init__(self, tools: SharedState, descriptor: int) -> None:
        self._tools = tools
        self._socket = _socket.socket(fileno=descriptor)
        self._socket.setblocking(False)
        tune(self._socket, tools.limits.user_timeout_ms)
        self._state = OPEN
        self._out: list[bytes] | None = None
        self._out_bytes = 0
        self._place = _NOT_QUEUED
        self._writer: Any = None
        #: Bytes given to the kernel, and how many of them were acknowledged, or not yet, at the last `_measure`.
        self._sent = 0
        self._taken = 0
        self._held = 0
        #: Since when the client has read nothing; after OPEN, since when the connection has been closing (monotonic).
        self._since = 0.0
        self._is_timed = False

    def _end(self, reason: str) -> None:
        """Free everything, unless it is freed already."""
        raise NotImplementedError

    def send(self, data: bytes, *, is_room: bool = False) -> None:
        """Send these bytes (whole frames) at the end of the turn, or as soon as the kernel accepts them."""
        if self._state == OPEN:
            self._put(data, QUEUED_AS_ROOM if is_room else QUEUED)

    def _put(self, data: bytes, place: int) -> None:
        if self._out is None:
            self._out = [data]
        else:
            self._out.append(data)
        self._out_bytes += len(data)
        if self._writer is None:
            if self._place < place:
                self._place = place
                self._tools.flusher.add(self, is_room=place == QUEUED_AS_ROOM)
        elif self._out_bytes > self._tools.limits.slow_bytes:
            self._too_slow("bytes")

    def flush(self) -> None:
        """Give the queued bytes to the kernel; send the rest when the socket is writable again."""
        self._place = _NOT_QUEUED
        while self._out and self._writer is None:
            if not self._send_some(self._out):
                self._block()
        if not self._out:
            self._drained()

    def _drained(self) -> None:
        if self._state == FINISHING:
            self._end("")
        elif self._state == CLOSING:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)

    def _send_some(self, out: list[bytes]) -> bool:
        """Send up to a chunk; return False if the kernel did not accept all of it."""
        data, count = next_chunk(out)
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            self._end("transport error")
            return True
        self._out_bytes -= sent
        self._sent += sent
        if sent == len(data):
            del out[:count]
            self._out = out or None
            return True
        out[:count] = [data[sent:]]
        return False

    def _block(self) -> None:
        self._measure()
        self._restart_clock()
        self._writer = self._tools.loop.io(self._socket.fileno(), _WRITABLE)
        self._writer.start(self._writable)
        if not self._is_timed:
            self._is_timed = True
            self._tools.wheel.add(self._tools.limits.slow_seconds, self)
        if self._out_bytes > self._tools.limits.slow_bytes:
            self._too_slow("bytes")

    def _writable(self) -> None:
        if self._out and not self._send_some(self._out):
            return
        if not self._out and self._writer is not None:
            self._writer.close()
            self._writer = None
            self._drained()

    def _measure(self) -> None:
        """Measure how much the client has acknowledged since the last call.

        The kernel may hold megabytes. A slow client reads them for many seconds before this queue shrinks again.
        """
        self._held = unacknowledged(self._socket)
        if self._sent - self._held != self._taken:
            self._taken = self._sent - self._held
            self._restart_clock()

    def _restart_clock(self) -> None:
        if self._state == OPEN:  # progress does not extend the time to close
            self._since = time.monotonic()

    def is_taking(self, seconds: float) -> bool:
        """Return whether the client is busy reading: much data was in flight, and it acknowledged some in `seconds`.

        Two calls measure the time between them; the answer of the first call is about the time before it. A client
        that sends often nearly always has a small answer in flight; that does not count as busy.
        """
        if self._state != OPEN:
            return False
        held = self._held
        self._measure()
        return max(held, self._held) > _BUSY_BYTES and time.monotonic() - self._since < seconds

    def on_time(self, now: float) -> None:
        """End the connection if its closing handshake, or its pause in reading, has lasted too long."""
        self._is_timed = False
        if self._state == CLOSED or (self._state == OPEN and self._writer is None):
            return
        allowed = self._tools.limits.slow_seconds if self._state == OPEN else CLOSING_SECONDS
        self._measure()
        left = allowed - (time.monotonic() - self._since)
        if left > 0:
            self._is_timed = True
            self._tools.wheel.add(left, self)
        elif self._state == OPEN:
            self._too_slow("seconds")
        else:
            self._end("")

    def _too_slow(self, bound: str) -> None:
        """Disconnect the client; it syncs when it reconnects."""
        if self._state == OPEN:
            log.info("client_too_slow", bound=bound, waiting_bytes=self._out_bytes)
            self._end(f"too slow: {bound}")
