"""A WebSocket client with a time limit for every wait.

It does not use simple-websocket, which loses a message that arrives together with the answer to the handshake.
"""

import socket
import ssl

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, RejectConnection, Request, TextMessage


class UnexpectedError(Exception):
    """Raised for an answer that a node would not give; the text describes it."""


class WebSocket:
    """A WebSocket client. Its methods raise OSError if the server does not answer."""

    def __init__(self, host: str, port: int, seconds: float, tls: ssl.SSLContext | None) -> None:
        plain = socket.create_connection((host, port), seconds)
        self._socket = tls.wrap_socket(plain, server_hostname=host) if tls else plain
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []

    def open(self, host: str, path: str) -> None:
        """Make the opening handshake; raises UnexpectedError if it is refused."""
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
        """Return the next message; raises UnexpectedError if it does not begin with `beginning`."""
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
        """Close the connection."""
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
            self._events.append(found)  # further calls get the same event, because it is the last one
        return found
