"""One WebSocket on its own file descriptor, read when it is readable and written to without blocking.

It has no greenlet. All methods that watchers call run in the event loop and must not block.

States:
- open.
- closing: the close frame is queued or sent, and nothing is sent after it. Incoming data is dropped until the client
  has closed, too, or its time is up.
- finishing: the client has closed, and the last bytes are being sent to it.
- closed: the descriptor is closed.
"""

import _socket
import socket
import time
from contextlib import suppress
from typing import Protocol

from imapp.engine import tcp
from imapp.engine.engineio_packets import Incoming
from imapp.engine.event_loop import EventLoop
from imapp.engine.frames import CLOSE, NORMAL, PING, PONG, close_frame, frame
from imapp.engine.limits import Limits
from imapp.engine.parser import Control, Message, Parser, ProtocolError
from imapp.engine.send_buffer import SendBuffer
from imapp.engine.watchers import FIRST, READABLE, Watcher
from imapp.logs import get_logger

log = get_logger(__name__)

#: One read buffer for all connections: its content is copied out before another connection reads.
_BUFFER = bytearray(65_536)
_VIEW = memoryview(_BUFFER)

#: Seconds in which the client must answer a close frame and read the data sent before it.
_CLOSING_SECONDS = 2.0

_OPEN, _CLOSING, _FINISHING, _CLOSED = range(4)


class Owner(Protocol):
    """The receiver of a WebSocket's messages; called in the event loop, so it must not block."""

    def messages_received(self, messages: list[Incoming]) -> None:
        """Handle incoming text and binary messages."""

    def connection_lost(self, reason: str) -> None:
        """Handle that the connection has ended, or is about to end."""


class WebSocket:
    """A WebSocket with its parser, its watchers and its send buffer."""

    __slots__ = (
        "_closing_until", "_event_loop", "_limits", "_parse_timer", "_parser", "_reader", "_socket", "_state",
        "is_paused", "owner", "send_buffer",
    )  # fmt: skip

    def __init__(self, event_loop: EventLoop, limits: Limits, descriptor: int, owner: Owner | None) -> None:
        self._event_loop = event_loop
        self._limits = limits
        self._socket = _socket.socket(fileno=descriptor)
        self._socket.setblocking(False)
        tcp.set_options(self._socket, limits.user_timeout_ms)
        self.send_buffer = SendBuffer(event_loop, limits, self._socket, self)
        self.owner = owner
        self._state = _OPEN
        #: Time by which the states closing and finishing must end (monotonic).
        self._closing_until = 0.0
        #: Whether reading is paused until `resume`.
        self.is_paused = False
        #: The timer that continues parsing frames that have been read.
        self._parse_timer: Watcher | None = None
        self._parser: Parser | None = Parser(*limits.message_bytes(is_connecting=True))
        # Priority over HTTP requests that arrive at the same time: a client may have sent on its WebSocket first.
        self._reader = event_loop.hub.loop.io(descriptor, READABLE, priority=FIRST)
        self._reader.start(self._on_readable)

    def use_limits_of_connected(self) -> None:
        """Allow larger messages, because the client's CONNECT has been accepted."""
        if self._parser is not None:
            self._parser.set_limits(*self._limits.message_bytes(is_connecting=False))

    # -- reading -----------------------------------------------------------------------------------------------------

    def _on_readable(self) -> None:
        try:
            size = self._socket.recv_into(_BUFFER)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            size = 0
        if not size:
            self.end("transport close")
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
        if self._state == _CLOSED or self._parse_timer is not None:
            return
        self._reader.stop()
        self._parse_timer = self._event_loop.hub.loop.timer(0)
        self._parse_timer.start(self._parse_more)

    def _parse_more(self) -> None:
        self._stop_parse_timer()
        parser = self._parser
        if self.is_paused or parser is None:
            return
        self._parse(parser, b"")
        if not parser.has_more:
            self._start_reading()

    def _start_reading(self) -> None:
        if self._state == _CLOSED or self.is_paused:
            return
        if not self._reader.active:  # type: ignore[attr-defined]  # gevent's stubs lack it
            self._reader.start(self._on_readable)

    def _stop_parse_timer(self) -> None:
        if self._parse_timer is not None:
            self._parse_timer.close()
            self._parse_timer = None

    def _deliver(self, messages: list[Message]) -> None:
        data = [message for message in messages if not isinstance(message, Control)]
        if data and self._state == _OPEN and self.owner is not None:
            self.owner.messages_received(data)
        if len(data) < len(messages):
            for message in messages:
                if isinstance(message, Control):
                    self._handle_control(message)

    def _handle_control(self, message: Control) -> None:
        if message.opcode == PING:
            self.send_buffer.send(frame(PONG, message.payload))
        elif message.opcode == CLOSE:
            if self._state == _OPEN:
                self.send_buffer.send_last(close_frame(message.code))
                self._notify_owner("transport close")
            if self.send_buffer.is_empty:
                self.end("")
            else:
                self._begin_closing(_FINISHING)

    def _begin_closing(self, state: int) -> None:
        self._state = state
        self._closing_until = time.monotonic() + _CLOSING_SECONDS
        self._event_loop.timer_wheel.add(_CLOSING_SECONDS, self)

    def pause(self) -> None:
        """Stop reading until `resume`: the client's bytes wait in the kernel, and then at the client."""
        if self._state == _OPEN:
            self.is_paused = True
            self._reader.stop()

    def resume(self) -> None:
        """Start reading again after `pause`."""
        if self._state != _OPEN or not self.is_paused:
            return
        self.is_paused = False
        if self._parser is not None and self._parser.has_more:
            self._parse_later()
        else:
            self._start_reading()

    # -- the end -----------------------------------------------------------------------------------------------------

    def fail(self, code: int, reason: str) -> None:
        """Close the connection because the client broke a rule, and ignore its further data."""
        self._parser = None
        self._stop_parse_timer()
        self.close(code, reason)
        self._notify_owner("transport error")

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Begin the closing handshake after the queued data; the owner is not notified."""
        if self._state != _OPEN:
            return
        self.send_buffer.send_last(close_frame(code, reason))
        if self._state == _OPEN:
            self.resume()  # a paused reader would not see the client close
            self._begin_closing(_CLOSING)

    def on_last_sent(self) -> None:
        """Free everything if the client has closed, too; otherwise end the stream, so that the client closes."""
        if self._state == _FINISHING:
            self.end("")
        elif self._state == _CLOSING:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)

    def on_timer(self, now: float) -> None:
        """End the connection if its closing handshake has lasted too long."""
        if now >= self._closing_until:
            self.end("")

    def end(self, reason: str) -> None:
        """Free everything, unless it is freed already, and notify the owner unless it has been notified."""
        if self._state == _CLOSED:
            return
        self._state = _CLOSED
        self._reader.close()
        self._stop_parse_timer()
        self._parser = None
        self.send_buffer.free()
        self._socket.close()
        self._notify_owner(reason or "transport close")

    def _notify_owner(self, reason: str) -> None:
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.connection_lost(reason)
