"""The WebSocket layer under python-engineio: simple-websocket, with workarounds for its faults.

simple-websocket 1.1.0 calls `send` and ignores a short count, which corrupts the stream of a slow reader under gevent.
It accepts permessage-deflate (100 kB a connection, and decompression bombs). python-engineio sets no size limit. A
closed connection waits for the peer's answer without a timeout. So this module sends complete messages under a lock,
refuses deflate, limits the size before a message is buffered, and bounds the wait for a gone or suspended peer.
"""

import re
import socket
import threading
from contextlib import suppress
from typing import Any

import simple_websocket

#: The packets that an Engine.IO client may send over a WebSocket: Socket.IO packets, close, ping, pong and upgrade.
_PACKET = re.compile(r"4[0-6]|[1235]")

#: Milliseconds that sent data may stay unacknowledged before the kernel drops the connection.
_USER_TIMEOUT_MS = 20_000

#: Seconds that a peer has to answer a close frame. A suspended app never does, though its kernel acknowledges the data.
_CLOSE_SECONDS = 5.0


class _WholeSends:
    """A socket with a `send` that sends all of the data, one message at a time."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._turn = threading.RLock()

    def send(self, data: bytes) -> int:
        """Send all of `data`."""
        with self._turn:
            self._sock.sendall(data)
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _GuardedServer(simple_websocket.Server):  # type: ignore[misc]  # the library has no types
    """simple-websocket's server side, with complete sends and a timeout for closing."""

    sock: Any
    _close_timer: threading.Timer | None = None

    def handshake(self) -> None:
        """Accept the connection; drop it if sent data stays unacknowledged for _USER_TIMEOUT_MS."""
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
        self.sock = _WholeSends(self.sock)
        super().handshake()

    def send(self, data: str | bytes) -> None:
        """Send one message, framed here: framing by wsproto costs several times as much."""
        if not self.connected:
            raise simple_websocket.ConnectionClosed(self.close_reason, self.close_message)
        self.sock.send(frame(data))

    def close(self, reason: int | None = None, message: str | None = None) -> None:
        """Send a close frame; shut the socket down after _CLOSE_SECONDS: the library would wait without end."""
        super().close(reason, message)
        self._close_timer = threading.Timer(_CLOSE_SECONDS, self._hang_up)
        self._close_timer.daemon = True
        self._close_timer.start()

    def _hang_up(self) -> None:
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def _thread(self) -> None:
        super()._thread()
        if self._close_timer is not None:
            self._close_timer.cancel()


def frame(data: str | bytes) -> bytes:
    """Return a complete message as one frame of a server, unmasked (RFC 6455 section 5.2)."""
    opcode, payload = (0x81, data.encode()) if isinstance(data, str) else (0x82, data)
    size = len(payload)
    if size < 126:
        return bytes((opcode, size)) + payload
    if size < 1 << 16:
        return bytes((opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((opcode, 127)) + size.to_bytes(8, "big") + payload


def guarded(stock: Any, max_message_bytes: int) -> type:
    """Return the class for python-engineio to use in place of `stock` (its own wrapper of simple-websocket)."""

    class GuardedWebSocket(stock):  # type: ignore[misc]  # a class that is known at run time only
        """The interface for python-engineio: wait for a packet, send one, close. Offered extensions are ignored."""

        def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
            offered = {key: value for key, value in environ.items() if key != "HTTP_SEC_WEBSOCKET_EXTENSIONS"}
            self.ws = _GuardedServer(offered, max_message_size=max_message_bytes, **self.server_args)
            result = self.app(self)
            if self.ws.mode == "gunicorn":
                raise StopIteration  # signals gunicorn that it must not use the socket any longer
            return result

        def wait(self) -> Any:
            """Return the next packet, None if the connection has ended or the client breaks the protocol."""
            packet = super().wait()
            if isinstance(packet, str) and not _PACKET.match(packet):
                return None
            return packet

    return GuardedWebSocket
