"""One WebSocket on a file descriptor of its own: read when bytes have come, written to without waiting.

There is no greenlet for it. All methods that are called by watchers run in the event loop and must not block.

States: open; closing (the close frame is on its way: nothing is sent after it, what comes is thrown away until the
client has closed, too, or its time is up); finishing (the client has closed, the last bytes are on their way to it);
closed (the descriptor is free).
"""

import _socket
import logging
import socket
import time
from contextlib import suppress
from typing import Any, Protocol

from imapp.engine.frames import CLOSE, NORMAL, PING, PONG, close_frame, frame
from imapp.engine.parser import Control, Message, Parser, ProtocolError
from imapp.engine.tools import Tools, next_chunk, tune

log = logging.getLogger(__name__)

#: One buffer for all: what it holds is taken out of it before anybody else reads.
_BUFFER = bytearray(65_536)
_VIEW = memoryview(_BUFFER)

#: Seconds that the client gets to answer a close frame, and to take what was sent before it.
_CLOSING_SECONDS = 2.0

_OPEN, _CLOSING, _FINISHING, _CLOSED = range(4)
_NOT_QUEUED, _QUEUED_AS_ROOM, _QUEUED = range(3)
_READABLE, _WRITABLE = 1, 2


class Owner(Protocol):
    """Who is told what comes; in the event loop, so it must not block."""

    def take(self, messages: list[str | bytes]) -> None:
        """Text and binary messages came."""

    def gone(self, reason: str) -> None:
        """The connection is over, or as good as."""


class WebSocket:
    """See the module."""

    __slots__ = (
        "_is_timed",
        "_out",
        "_out_bytes",
        "_parser",
        "_place",
        "_reader",
        "_since",
        "_socket",
        "_state",
        "_tools",
        "_writer",
        "owner",
    )

    def __init__(self, tools: Tools, descriptor: int, owner: Owner | None) -> None:
        self._tools = tools
        self._socket = _socket.socket(fileno=descriptor)
        self._socket.setblocking(False)
        tune(self._socket, tools.limits.user_timeout_ms)
        self.owner = owner
        self._parser: Parser | None = Parser(tools.limits.payload_bytes)
        self._state = _OPEN
        self._out: list[bytes] | None = None
        self._out_bytes = 0
        self._place = _NOT_QUEUED
        self._writer: Any = None
        #: Since when a blocked client has taken nothing; then, since when its end has been under way.
        self._since = 0.0
        self._is_timed = False
        # Before requests that came in the same moment: what a client sent first over its WebSocket is known then.
        self._reader: Any = tools.loop.io(descriptor, _READABLE, priority=tools.loop.MAXPRI)
        self._reader.start(self._readable)

    # -- reading -----------------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            size = self._socket.recv_into(_BUFFER)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            size = 0
        if not size:
            self._end("transport close")
        elif self._parser is not None:
            self._parse(self._parser, bytes(_VIEW[:size]))

    def _parse(self, parser: Parser, data: bytes) -> None:
        messages: list[Message] = []
        try:
            parser.feed(data, messages)
        except ProtocolError as exc:
            self._give(messages)
            log.info("websocket closed: %s", exc.reason)
            self.fail(exc.code, exc.reason)
        else:
            self._give(messages)

    def _give(self, messages: list[Message]) -> None:
        data = [message for message in messages if not isinstance(message, Control)]
        if data and self._state == _OPEN and self.owner is not None:
            self.owner.take(data)
        if len(data) < len(messages):
            for message in messages:
                if isinstance(message, Control):
                    self._control(message)

    def _control(self, message: Control) -> None:
        if message.opcode == PING:
            self.send(frame(PONG, message.payload))
        elif message.opcode == CLOSE:
            if self._state == _OPEN:
                self._put(close_frame(message.code), _QUEUED)
                self._tell("transport close")
            self._finish()

    def _finish(self) -> None:
        """The client has closed: free everything when the last bytes are out."""
        if not self._out:
            self._end("")
        elif self._state != _CLOSED:
            self._begin(_FINISHING)

    def _begin(self, state: int) -> None:
        """Closing or finishing: the client gets some seconds for it."""
        self._state = state
        self._since = time.monotonic()
        self._tools.wheel.add(_CLOSING_SECONDS, self)

    def pause(self) -> None:
        """Read no more until `resume`: the client's bytes wait in the kernel, and then with the client."""
        if self._state == _OPEN:
            self._reader.stop()

    @property
    def is_paused(self) -> bool:
        """Whether it is not read."""
        return bool(self._state == _OPEN and not self._reader.active)

    def resume(self) -> None:
        """Read again."""
        if self._state == _OPEN and not self._reader.active:
            self._reader.start(self._readable)

    # -- writing -----------------------------------------------------------------------------------------------------

    def send(self, data: bytes, *, is_room: bool = False) -> None:
        """Send these bytes (whole frames) at the end of the turn, or as soon as the client takes them."""
        if self._state == _OPEN:
            self._put(data, _QUEUED_AS_ROOM if is_room else _QUEUED)

    def _put(self, data: bytes, place: int) -> None:
        if self._out is None:
            self._out = [data]
        else:
            self._out.append(data)
        self._out_bytes += len(data)
        if self._writer is None:
            if self._place < place:
                self._place = place
                self._tools.flusher.add(self, is_room=place == _QUEUED_AS_ROOM)
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
        if self._state == _FINISHING:
            self._end("")
        elif self._state == _CLOSING:
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
        self._progressed()
        if sent == len(data):
            del out[:count]
            self._out = out or None
            return True
        out[:count] = [data[sent:]]
        return False

    def _progressed(self) -> None:
        if self._state == _OPEN:  # taking slowly does not put off an end that has begun
            self._since = time.monotonic()

    def _block(self) -> None:
        self._progressed()
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

    @property
    def is_blocked(self) -> bool:
        """Whether something waits that the client has not taken."""
        return self._writer is not None

    @property
    def seconds_without_progress(self) -> float:
        """For how long a blocked client has taken nothing."""
        return time.monotonic() - self._since

    def on_time(self, now: float) -> None:
        """Either the closing handshake has lasted long enough, or a client may have stopped reading."""
        self._is_timed = False
        if self._state == _CLOSED or (self._state == _OPEN and self._writer is None):
            return
        left = self._since + (self._tools.limits.slow_seconds if self._state == _OPEN else _CLOSING_SECONDS) - now
        if left > 0:
            self._is_timed = True
            self._tools.wheel.add(left, self)
        elif self._state == _OPEN:
            self._too_slow("seconds")
        else:
            self._end("")

    def _too_slow(self, bound: str) -> None:
        """The client is sent away; it will catch up when it is back."""
        if self._state == _OPEN:
            log.info("client too slow, closed: bound=%s waiting_bytes=%s", bound, self._out_bytes)
            self._end(f"too slow: {bound}")

    # -- the end -----------------------------------------------------------------------------------------------------

    def fail(self, code: int, reason: str) -> None:
        """The client broke a rule: say so, and listen no more."""
        self._parser = None
        self.close(code, reason)
        self._tell("transport error")

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Begin the closing handshake after what is under way; the owner is told nothing."""
        if self._state != _OPEN:
            return
        self._put(close_frame(code, reason), _QUEUED)
        if self._state == _OPEN:
            self.resume()  # a paused reader would not see the client close
            self._begin(_CLOSING)

    def _end(self, reason: str) -> None:
        """Free everything, and tell the owner unless it has been told."""
        if self._state == _CLOSED:
            return
        self._state = _CLOSED
        for watcher in (self._reader, self._writer):
            if watcher is not None:
                watcher.close()
        self._reader = self._writer = self._parser = self._out = None
        self._out_bytes = 0
        self._socket.close()
        self._tell(reason or "transport close")

    def _tell(self, reason: str) -> None:
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.gone(reason)
