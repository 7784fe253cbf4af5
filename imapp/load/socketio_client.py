"""A Socket.IO connection (version 5 over Engine.IO 4 on one WebSocket) with minimal cost.

Packets are distinguished by their first bytes. Packets that the test does not count are not parsed.
"""

import asyncio
import base64
import hashlib
import os
from typing import Protocol, cast

import orjson

from imapp.load.frames import CLOSE, PING, PONG, TEXT, FrameError, frame, split
from imapp.load.json import JsonObject

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PONG = frame(b"3")
_DELIVERY = b'42["message_created"'

#: Maximum length of a stored error code of the server.
_CODE_CHARACTERS = 60


class RefusedError(Exception):
    """Raised when the server refuses a connection; `code` is the server's error code, or the HTTP status."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code[:_CODE_CHARACTERS]


class Listener(Protocol):
    """The receiver of a connection's packets."""

    def acked(self, number: int, error: str | None) -> None:
        """Handle the answer to a command; `error` is the code of a refusal."""

    def delivered(self, index: int, message: JsonObject) -> None:
        """Handle a message that was pushed to connection `index`."""

    def event(self, index: int, packet: bytes) -> None:
        """Handle another event that was pushed to connection `index`."""

    def broken(self, index: int, reason: str) -> None:
        """Handle the unexpected end of a connection."""


class SocketIOClient(asyncio.Protocol):
    """One user's connection; `entered` is done when the server has accepted it, or holds a RefusedError."""

    def __init__(self, index: int, host: str, token: str, listener: Listener) -> None:
        self._index = index
        self._host = host
        self._token = token
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self._key = base64.b64encode(os.urandom(16))
        self._is_upgraded = False
        self._is_leaving = False
        self.entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # -- asyncio.Protocol --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the opening handshake of the WebSocket."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(
            (
                f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {self._host}\r\n"
                f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: {self._key.decode()}\r\n\r\n"
            ).encode()
        )

    def data_received(self, data: bytes) -> None:
        """Handle all complete frames."""
        self._data += data
        if not self._is_upgraded and not self._upgrade():
            return
        try:
            frames, self._data = split(self._data)
        except FrameError:
            self._end("protocol_error")
            return
        for opcode, payload in frames:
            if opcode == TEXT:
                self._take(payload)
            elif opcode == PING:
                self._write(frame(payload, PONG))
            elif opcode == CLOSE:
                self._end("closed_by_server")

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection after the network or the server has closed it."""
        self._end("connection_lost" if exc else "closed_by_server")

    # -- Socket.IO ---------------------------------------------------------------------------------------------------

    def _upgrade(self) -> bool:
        """Read the answer to the handshake if it is complete; return whether the WebSocket is open."""
        head, blank, rest = self._data.partition(b"\r\n\r\n")
        if not blank:
            return False
        accept = base64.b64encode(hashlib.sha1(self._key + _GUID, usedforsecurity=False).digest())
        status = head.split(b" ", 2)[1:2]
        if status != [b"101"] or accept not in head:
            self._end("http_" + (status[0].decode("ascii", "replace") if status else "garbage"))
            return False
        self._is_upgraded = True
        self._data = rest
        return True

    def _take(self, packet: bytes) -> None:
        if packet == b"2":
            self._write(_PONG)
        elif packet.startswith(_DELIVERY):
            self._listener.delivered(self._index, orjson.loads(packet[2:])[1]["message"])
        elif packet.startswith(b"43"):
            number, _, answer = packet[2:].partition(b"[")
            ack = orjson.loads(b"[" + answer)[0]
            self._listener.acked(int(number), None if ack["ok"] else str(ack["error"]["code"])[:_CODE_CHARACTERS])
        elif packet.startswith(b"42"):
            self._listener.event(self._index, packet)
        else:
            self._greet(packet)

    def _greet(self, packet: bytes) -> None:
        """Handle the packets that open and close a connection."""
        if packet.startswith(b"0"):
            self._write(frame(b"40" + orjson.dumps({"token": self._token})))
        elif packet.startswith(b"40"):
            if not self.entered.done():
                self.entered.set_result(None)
        elif packet.startswith(b"44"):
            self._end(_refusal(packet[2:]))
        elif packet in {b"1", b"41"}:
            self._end("disconnected_by_server")

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def send(self, packet: bytes) -> None:
        """Send one packet."""
        self._write(frame(packet))

    def _end(self, reason: str) -> None:
        """Close the connection once, and notify `entered` or the listener."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        transport.abort()
        if not self.entered.done():
            self.entered.set_exception(RefusedError(reason))
        elif not self._is_leaving:
            self._listener.broken(self._index, reason)

    def leave(self) -> None:
        """Disconnect and close."""
        self._is_leaving = True
        if self._transport is not None:
            self._write(frame(b"41") + frame((1000).to_bytes(2, "big"), CLOSE))
            self._transport.close()


def _refusal(body: bytes) -> str:
    """Return the error code of a refused CONNECT."""
    try:
        return str(orjson.loads(body)["data"]["code"])
    except (ValueError, KeyError, TypeError):
        return "refused"
