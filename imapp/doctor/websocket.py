"""A WebSocket as a client has it, every wait bounded.

Not simple-websocket's: it overlooks a message that comes in one piece with the handshake's answer.
"""

import socket
import ssl

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, RejectConnection, Request, TextMessage


class UnexpectedError(Exception):
    """Something answered, and not as a node does; says how."""


class WebSocket:
    """See the module. Raises OSError when nobody answers."""

    def __init__(self, host: str, port: int, seconds: float, tls: ssl.SSLContext | None) -> None:
        plain = socket.create_connection((host, port), seconds)
        self._socket = tls.wrap_socket(plain, server_hostname=host) if tls else plain
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []

    def open(self, host: str, path: str) -> None:
        """Shake hands; raises UnexpectedError when that is refused."""
        try:
            self._socket.sendall(self._protocol.send(Request(host=host, target=path)))
            found = self._next()
            if not isinstance(found, AcceptConnection):
                status = getattr(found, "status_code", "")
                raise UnexpectedError(f"no WebSocket: {type(found).__name__} {status}".rstrip())
        except BaseException:
            self.close()
            raise

    def send(self, text: str) -> None:
        """Send one message."""
        self._socket.sendall(self._protocol.send(TextMessage(data=text)))

    def expect(self, beginning: str) -> str:
        """The next message, which must begin so; raises UnexpectedError."""
        text = ""
        while True:
            found = self._next()
            if not isinstance(found, TextMessage):
                raise UnexpectedError(f"{type(found).__name__} instead of {beginning}")
            text += found.data
            if found.message_finished:
                break
        if not text.startswith(beginning):
            raise UnexpectedError(f"{text[:80]!r} instead of {beginning}")
        return text

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def _next(self) -> Event:
        while not self._events:
            data = self._socket.recv(65_536)
            self._protocol.receive_data(data or None)
            self._events += list(self._protocol.events())
            if not data and not self._events:
                raise UnexpectedError("closed")
        found = self._events.pop(0)
        if isinstance(found, CloseConnection | RejectConnection):
            self._events.append(found)  # and nothing else will come
        return found
