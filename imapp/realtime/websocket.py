"""The WebSocket layer under python-engineio: simple-websocket, with its faults fenced in.

simple-websocket 1.1.0 writes with `send` and ignores a short count, which corrupts the stream of a slow reader
under gevent; it accepts permessage-deflate (100 kB a connection, and bombs); python-engineio asks it for no size
limit; what was closed waits for the peer's answer without end. So: whole sends under a lock, no deflate, a limit
before the message is buffered, and bounds on how long a peer that has gone, or is suspended, is waited for.
"""

import re
import socket
import threading
from contextlib import suppress
from typing import Any

import simple_websocket

#: What an Engine.IO client may send over a WebSocket: a Socket.IO packet, close, ping, pong or upgrade.
_PACKET = re.compile(r"4[0-6]|[1235]")

#: Milliseconds that sent data may stay unacknowledged before the kernel drops the connection.
_USER_TIMEOUT_MS = 20_000

#: Seconds that a peer has to answer the goodbye. A suspended app never does, though its kernel answers for it.
_GOODBYE_SECONDS = 5.0


class _WholeSends:
    """A socket whose `send` sends everything, one message at a time."""

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
    """simple-websocket's server side without deflate and with whole sends."""

    sock: Any
    _axe: threading.Timer | None = None

    def handshake(self) -> None:
        """Accept the connection; what the client offers as extensions is not passed on."""
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
        self.sock = _WholeSends(self.sock)
        super().handshake()

    def send(self, data: str | bytes) -> None:
        """Send one message, framed here: wsproto's general way costs several times as much."""
        if not self.connected:
            raise simple_websocket.ConnectionClosed(self.close_reason, self.close_message)
        self.sock.send(frame(data))

    def close(self, reason: int | None = None, message: str | None = None) -> None:
        """Say goodbye, and hang up on who does not answer it: the library would wait, with a file open, for ever."""
        super().close(reason, message)
        self._axe = threading.Timer(_GOODBYE_SECONDS, self._hang_up)
        self._axe.daemon = True
        self._axe.start()

    def _hang_up(self) -> None:
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def _thread(self) -> None:
        super()._thread()
        if self._axe is not None:
            self._axe.cancel()


def frame(data: str | bytes) -> bytes:
    """Frame one whole message as a server does, unmasked (RFC 6455 section 5.2)."""
    opcode, payload = (0x81, data.encode()) if isinstance(data, str) else (0x82, data)
    size = len(payload)
    if size < 126:
        return bytes((opcode, size)) + payload
    if size < 1 << 16:
        return bytes((opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((opcode, 127)) + size.to_bytes(8, "big") + payload


def guarded(stock: Any, max_message_bytes: int) -> type:
    """Give the class that python-engineio is to use in place of `stock` (its own wrapper of simple-websocket)."""

    class GuardedWebSocket(stock):  # type: ignore[misc]  # a class that is known at run time only
        """What python-engineio sees: wait for a packet, send one, close."""

        def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
            offered = {key: value for key, value in environ.items() if key != "HTTP_SEC_WEBSOCKET_EXTENSIONS"}
            self.ws = _GuardedServer(offered, max_message_size=max_message_bytes, **self.server_args)
            result = self.app(self)
            if self.ws.mode == "gunicorn":
                raise StopIteration  # gunicorn's word for "the socket is no longer yours"
            return result

        def wait(self) -> Any:
            """Give the next packet, or None when the connection is over or the client breaks the protocol."""
            packet = super().wait()
            if isinstance(packet, str) and not _PACKET.match(packet):
                return None
            return packet

    return GuardedWebSocket
