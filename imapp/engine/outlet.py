"""The way out of a WebSocket: bytes leave without anybody waiting for the client.

What the kernel does not take waits here, a bounded amount for a bounded time; who takes too little is sent away.
"""

import _socket
import socket
import time
from contextlib import suppress
from typing import Any

from imapp.engine.tools import Tools, next_chunk, tune, unacknowledged
from imapp.logs import get_logger

log = get_logger(__name__)

#: Seconds that the client gets to answer a close frame, and to take what was sent before it.
CLOSING_SECONDS = 2.0

#: Less than this on its way keeps no client busy: a line that needs half of a ping timeout for it carries no chat.
_BUSY_BYTES = 16 * 1024

#: States of a WebSocket; websocket.py says what they mean.
OPEN, CLOSING, FINISHING, CLOSED = range(4)

_NOT_QUEUED, QUEUED_AS_ROOM, QUEUED = range(3)
_WRITABLE = 2


class Outlet:
    """See the module. All methods may be called in the event loop and do not block."""

    __slots__ = (
        "_held", "_is_timed", "_out", "_out_bytes", "_place", "_sent", "_since", "_socket",
        "_state", "_taken", "_tools", "_writer",
    )  # fmt: skip

    def __init__(self, tools: Tools, descriptor: int) -> None:
        self._tools = tools
        self._socket = _socket.socket(fileno=descriptor)
        self._socket.setblocking(False)
        tune(self._socket, tools.limits.user_timeout_ms)
        self._state = OPEN
        self._out: list[bytes] | None = None
        self._out_bytes = 0
        self._place = _NOT_QUEUED
        self._writer: Any = None
        #: Bytes given to the kernel; at the last look, those of them that the client had taken and those on their way.
        self._sent = 0
        self._taken = 0
        self._held = 0
        #: Since when the client has taken nothing; then, since when its end has been under way.
        self._since = 0.0
        self._is_timed = False

    def _end(self, reason: str) -> None:
        """Free everything; nothing if it is closed."""
        raise NotImplementedError

    def send(self, data: bytes, *, is_room: bool = False) -> None:
        """Send these bytes (whole frames) at the end of the turn, or as soon as the client takes them."""
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
        """Give the kernel what waits; what it does not take is sent when it can be."""
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
        """Send up to a chunk; false when the kernel did not take all of it."""
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
        self._look()
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

    def _look(self) -> None:
        """Notice what the client has taken since the last look.

        What the kernel holds may be megabytes: a slow client takes them for many seconds before more leaves from here.
        """
        self._held = unacknowledged(self._socket)
        if self._sent - self._held != self._taken:
            self._taken = self._sent - self._held
            self._restart_clock()

    def _restart_clock(self) -> None:
        if self._state == OPEN:  # taking slowly does not put off an end that has begun
            self._since = time.monotonic()

    def is_taking(self, seconds: float) -> bool:
        """Whether the client is busy taking: much was on its way, and it took a part of it within these seconds.

        Asked at two times, it tells about the time between them; the answer to the first is about the time before.
        The last answer to a client that chatters is on its way nearly always, and keeps nobody busy.
        """
        if self._state != OPEN:
            return False
        held = self._held
        self._look()
        return max(held, self._held) > _BUSY_BYTES and time.monotonic() - self._since < seconds

    def on_time(self, now: float) -> None:
        """Either the closing handshake has lasted long enough, or a client may have stopped reading."""
        self._is_timed = False
        if self._state == CLOSED or (self._state == OPEN and self._writer is None):
            return
        allowed = self._tools.limits.slow_seconds if self._state == OPEN else CLOSING_SECONDS
        self._look()
        left = allowed - (time.monotonic() - self._since)
        if left > 0:
            self._is_timed = True
            self._tools.wheel.add(left, self)
        elif self._state == OPEN:
            self._too_slow("seconds")
        else:
            self._end("")

    def _too_slow(self, bound: str) -> None:
        """The client is sent away; it will catch up when it is back."""
        if self._state == OPEN:
            log.info("client_too_slow", bound=bound, waiting_bytes=self._out_bytes)
            self._end(f"too slow: {bound}")
