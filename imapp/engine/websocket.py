"""One WebSocket on its own file descriptor, read when it is readable and written to without blocking.

It has no greenlet. All methods that watchers call run in the event loop and must not block.

States:
- open.
- closing: the close frame is queued or sent, and nothing is sent after it. Incoming data is dropped until the client
  has closed, too, or its time is up.
- finishing: the client has closed, and the last bytes are being sent to it.
- closed: the descriptor is closed.
"""

import time
from typing import Any, Protocol

from imapp.engine.engineio_packets import Incoming
from imapp.engine.frames import CLOSE, NORMAL, PING, PONG, close_frame, frame
from imapp.engine.parser import Control, Message, Parser, ProtocolError
from imapp.engine.send_buffer import CLOSED, CLOSING, CLOSING_SECONDS, FINISHING, OPEN, QUEUED, SendBuffer
from imapp.engine.shared import SharedState
from imapp.logs import get_logger

log = get_logger(__name__)

#: One read buffer for all connections: its content is copied out before another connection reads.
_BUFFER = bytearray(65_536)
_VIEW = memoryview(_BUFFER)

_READABLE = 1


class Owner(Protocol):
    """The receiver of a WebSocket's messages; called in the event loop, so it must not block."""

    def take(self, messages: list[Incoming]) -> None:
        """Take incoming text and binary messages."""

    def gone(self, reason: str) -> None:
        """Learn that the connection has ended, or is about to end."""


class WebSocket(SendBuffer):
    """A WebSocket with its parser and its watchers."""

    __slots__ = ("_later", "_parser", "_reader", "is_paused", "owner")

    def __init__(self, tools: SharedState, descriptor: int, owner: Owner | None) -> None:
        super().__init__(tools, descriptor)
        self.owner = owner
        #: Whether reading is paused until `resume`.
        self.is_paused = False
        #: The timer that continues parsing frames that have been read.
        self._later: Any = None
        self._parser: Parser | None = Parser(*tools.limits.of(is_joining=True))
        # Priority over HTTP requests that arrive at the same time: a client may have sent on its WebSocket first.
        self._reader: Any = tools.loop.io(descriptor, _READABLE, priority=tools.loop.MAXPRI)
        self._reader.start(self._readable)

    def trust(self) -> None:
        """Allow larger messages, because the client's CONNECT has been accepted."""
        if self._parser is not None:
            self._parser.allow(*self._tools.limits.of(is_joining=False))

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
            self._deliver(messages)
            log.info("websocket_malformed", reason=exc.reason)
            self.fail(exc.code, exc.reason)
        else:
            self._deliver(messages)
            if parser.has_more and not self.is_paused:
                self._parse_later()

    def _parse_later(self) -> None:
        """Parse the remaining frames after the other connections' turn; read nothing more until then."""
        if self._state == CLOSED or self._later is not None:
            return
        self._reader.stop()
        self._later = self._tools.loop.timer(0)
        self._later.start(self._parse_more)

    def _parse_more(self) -> None:
        self._stop_later()
        parser = self._parser
        if self.is_paused or parser is None:
            return
        self._parse(parser, b"")
        if not parser.has_more:
            self._read_on()

    def _read_on(self) -> None:
        if self._reader is not None and not self.is_paused and not self._reader.active:
            self._reader.start(self._readable)

    def _stop_later(self) -> None:
        if self._later is not None:
            self._later.close()
            self._later = None

    def _deliver(self, messages: list[Message]) -> None:
        data = [message for message in messages if not isinstance(message, Control)]
        if data and self._state == OPEN and self.owner is not None:
            self.owner.take(data)
        if len(data) < len(messages):
            for message in messages:
                if isinstance(message, Control):
                    self._control(message)

    def _control(self, message: Control) -> None:
        if message.opcode == PING:
            self.send(frame(PONG, message.payload))
        elif message.opcode == CLOSE:
            if self._state == OPEN:
                self._put(close_frame(message.code), QUEUED)
                self._notify_owner("transport close")
            self._finish()

    def _finish(self) -> None:
        """Free everything when the last bytes are sent, because the client has closed."""
        if not self._out:
            self._end("")
        elif self._state != CLOSED:
            self._begin(FINISHING)

    def _begin(self, state: int) -> None:
        """Enter the state closing or finishing, for at most CLOSING_SECONDS."""
        self._state = state
        self._since = time.monotonic()
        self._tools.wheel.add(CLOSING_SECONDS, self)

    def pause(self) -> None:
        """Stop reading until `resume`: the client's bytes wait in the kernel, and then at the client."""
        if self._state == OPEN:
            self.is_paused = True
            self._reader.stop()

    def resume(self) -> None:
        """Start reading again after `pause`."""
        if self._state != OPEN or not self.is_paused:
            return
        self.is_paused = False
        if self._parser is not None and self._parser.has_more:
            self._parse_later()
        else:
            self._reader.start(self._readable)

    # -- the end -----------------------------------------------------------------------------------------------------

    def fail(self, code: int, reason: str) -> None:
        """Close the connection because the client broke a rule, and ignore its further data."""
        self._parser = None
        self._stop_later()
        self.close(code, reason)
        self._notify_owner("transport error")

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Begin the closing handshake after the queued data; the owner is not notified."""
        if self._state != OPEN:
            return
        self._put(close_frame(code, reason), QUEUED)
        if self._state == OPEN:
            self.resume()  # a paused reader would not see the client close
            self._begin(CLOSING)

    def _end(self, reason: str) -> None:
        """Free everything, and notify the owner unless it has been notified."""
        if self._state == CLOSED:
            return
        self._state = CLOSED
        for watcher in (self._reader, self._writer, self._later):
            if watcher is not None:
                watcher.close()
        self._reader = self._writer = self._later = self._parser = self._out = None
        self._out_bytes = 0
        self._socket.close()
        self._notify_owner(reason or "transport close")

    def _notify_owner(self, reason: str) -> None:
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.gone(reason)
