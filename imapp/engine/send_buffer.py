"""The outgoing side of a WebSocket: no sender waits for the client.

Bytes that the kernel does not accept are queued here. A client is disconnected if it leaves too many bytes queued, or
reads nothing for too long.
"""

import _socket
import time
from typing import Protocol

from imapp.engine.event_loop import EventLoop
from imapp.engine.limits import Limits
from imapp.engine.tcp import unacknowledged_bytes
from imapp.engine.watchers import WRITABLE, Watcher
from imapp.logs import get_logger

log = get_logger(__name__)

#: Bytes after which the frames that are joined for one call of the kernel are enough.
_CHUNK_BYTES = 262_144

#: Fewer unacknowledged bytes do not explain a late pong: a line that needs half a ping timeout for them is too slow
#: for a chat.
_BUSY_BYTES = 16 * 1024

#: The queue of the flusher in which the buffer is.
_NOT_QUEUED, _QUEUED_AS_ROOM, _QUEUED_AS_SINGLE = range(3)


class Connection(Protocol):
    """The connection of a send buffer; called in the event loop, so it must not block."""

    def on_last_sent(self) -> None:
        """Act when the kernel has accepted all bytes, the last ones included; may be called several times."""

    def end(self, reason: str) -> None:
        """End, because the client is gone or too slow."""


class SendBuffer:
    """The queue of outgoing bytes of a socket. All methods may be called in the event loop and do not block."""

    __slots__ = (
        "_acknowledged", "_connection", "_event_loop", "_is_closed", "_is_timed", "_limits", "_progress_at", "_queue",
        "_queue_bytes", "_queued_as", "_sent", "_socket", "_unacknowledged", "_writer",
    )  # fmt: skip

    def __init__(self, event_loop: EventLoop, limits: Limits, sock: _socket.socket, connection: Connection) -> None:
        self._event_loop = event_loop
        self._limits = limits
        self._socket = sock
        self._connection: Connection | None = connection
        #: Whether further bytes are ignored: `send_last` or `free` has been called.
        self._is_closed = False
        #: Bytes that wait for the end of the turn or for the kernel. None: there are none.
        self._queue: list[bytes] | None = None
        self._queue_bytes = 0
        self._queued_as = _NOT_QUEUED
        #: Waits until the socket is writable. None: the kernel has accepted all bytes so far.
        self._writer: Watcher | None = None
        #: Bytes given to the kernel, and how many of them were acknowledged, or not yet, at the last `_measure`.
        self._sent = 0
        self._acknowledged = 0
        self._unacknowledged = 0
        #: Since when the client has read nothing (monotonic).
        self._progress_at = 0.0
        #: Whether the timer wheel will call `on_timer`.
        self._is_timed = False

    @property
    def is_empty(self) -> bool:
        """Return whether the kernel has accepted all bytes."""
        return not self._queue

    def send(self, data: bytes, *, is_room: bool = False) -> None:
        """Send these bytes (whole frames) at the end of the turn, or as soon as the kernel accepts them."""
        if self._is_closed:
            return
        if self._queue is None:
            self._queue = [data]
        else:
            self._queue.append(data)
        self._queue_bytes += len(data)
        if self._writer is None:
            queued_as = _QUEUED_AS_ROOM if is_room else _QUEUED_AS_SINGLE
            if self._queued_as < queued_as:
                self._queued_as = queued_as
                self._event_loop.flusher.add(self, is_room=is_room)
        elif self._queue_bytes > self._limits.slow_bytes:
            self._disconnect("bytes")

    def send_last(self, data: bytes) -> None:
        """Send these bytes and ignore further ones."""
        self.send(data)
        self._is_closed = True

    def free(self) -> None:
        """Drop the queued bytes and free the watcher: the connection has ended."""
        self._is_closed = True
        self._connection = self._queue = None
        self._queue_bytes = 0
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def flush(self) -> None:
        """Give the queued bytes to the kernel; send the rest when the socket is writable again."""
        self._queued_as = _NOT_QUEUED
        while self._queue and self._writer is None:
            if not self._send_some(self._queue):
                self._wait_until_writable()
        if self._is_closed:
            self._report_last_sent()

    def _report_last_sent(self) -> None:
        if not self._queue and self._connection is not None:
            self._connection.on_last_sent()

    def _send_some(self, queue: list[bytes]) -> bool:
        """Send up to a chunk; return False if the kernel did not accept all of it."""
        data, count = _first_chunk(queue)
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            if self._connection is not None:
                self._connection.end("transport error")
            return True
        self._queue_bytes -= sent
        self._sent += sent
        if sent == len(data):
            del queue[:count]
            self._queue = queue or None
            return True
        queue[:count] = [data[sent:]]
        return False

    def _wait_until_writable(self) -> None:
        self._measure()
        self._progress_at = time.monotonic()
        writer = self._event_loop.hub.loop.io(self._socket.fileno(), WRITABLE)
        writer.start(self._on_writable)
        self._writer = writer
        if not self._is_timed:
            self._is_timed = True
            self._event_loop.timer_wheel.add(self._limits.slow_seconds, self)
        if self._queue_bytes > self._limits.slow_bytes:
            self._disconnect("bytes")

    def _on_writable(self) -> None:
        if self._queue and not self._send_some(self._queue):
            return
        if not self._queue and self._writer is not None:
            self._writer.close()
            self._writer = None
            if self._is_closed:
                self._report_last_sent()

    def _measure(self) -> None:
        """Measure how much the client has acknowledged since the last call.

        The kernel may hold megabytes. A slow client reads them for many seconds before this queue shrinks again.
        """
        self._unacknowledged = unacknowledged_bytes(self._socket)
        if self._sent - self._unacknowledged != self._acknowledged:
            self._acknowledged = self._sent - self._unacknowledged
            self._progress_at = time.monotonic()

    def is_client_reading(self, seconds: float) -> bool:
        """Return whether the client is busy reading: much data was in flight, and it acknowledged some in `seconds`.

        Two calls measure the time between them; the answer of the first call is about the time before it. A client
        that sends often nearly always has a small answer in flight; that does not count as busy.
        """
        if self._is_closed:
            return False
        before = self._unacknowledged
        self._measure()
        return max(before, self._unacknowledged) > _BUSY_BYTES and time.monotonic() - self._progress_at < seconds

    def on_timer(self, now: float) -> None:
        """Disconnect the client if it has read nothing for too long."""
        self._is_timed = False
        if self._is_closed or self._writer is None:
            return
        self._measure()
        left = self._limits.slow_seconds - (time.monotonic() - self._progress_at)
        if left > 0:
            self._is_timed = True
            self._event_loop.timer_wheel.add(left, self)
        else:
            self._disconnect("seconds")

    def _disconnect(self, bound: str) -> None:
        """Disconnect a slow client; it syncs when it reconnects."""
        if not self._is_closed and self._connection is not None:
            log.info("client_too_slow", bound=bound, waiting_bytes=self._queue_bytes)
            self._connection.end(f"too slow: {bound}")


def _first_chunk(queue: list[bytes]) -> tuple[bytes, int]:
    """Return the next bytes to send, and the number of queued frames that they contain."""
    if len(queue) == 1:
        return queue[0], 1
    size = count = 0
    for data in queue:
        size += len(data)
        count += 1
        if size >= _CHUNK_BYTES:
            break
    return b"".join(queue[:count]), count
