"""Clients that do exactly what a test says and answer pings, so that a close is due to a rule, not to the heartbeat."""

import base64
import json
import os
import socket
import time
from contextlib import suppress
from typing import Any

import requests
import websocket

#: Seconds after which an expected event is overdue.
PATIENCE = 5.0


class Polling:
    """Long-polling, request by request."""

    def __init__(self, address: str) -> None:
        self.url = f"http://{address}"
        self.sid = ""

    def request(self, method: str, body: bytes | str | None = None, **query: str) -> requests.Response:
        """Send a request."""
        return requests.request(method, self.url, params=query, data=body, timeout=PATIENCE * 2)

    def open(self) -> dict[str, Any]:
        """Open a session; return the data of the server's handshake."""
        answer = self.request("GET", EIO="4", transport="polling")
        assert answer.status_code == 200, answer.text
        assert answer.text[0] == "0"
        about = json.loads(answer.text[1:])
        self.sid = about["sid"]
        return about

    def get(self) -> requests.Response:
        """Send a poll; return the answer."""
        return self.request("GET", EIO="4", transport="polling", sid=self.sid)

    def post(self, body: bytes | str) -> requests.Response:
        """Send a payload; return the answer."""
        return self.request("POST", body, EIO="4", transport="polling", sid=self.sid)


class Talker:
    """A WebSocket that answers pings."""

    def __init__(self, address: str, *, handshake: bool = True, **query: str) -> None:
        parameters = "&".join(
            f"{name}={value}" for name, value in {"EIO": "4", "transport": "websocket", **query}.items()
        )
        self.ws = websocket.create_connection(f"ws://{address}?{parameters}", timeout=PATIENCE, suppress_origin=True)
        self.about = json.loads(self.ws.recv()[1:]) if handshake and "sid" not in query else {}

    def send(self, packet: str | bytes) -> None:
        """Send a packet."""
        if isinstance(packet, bytes):
            self.ws.send_binary(packet)
        else:
            self.ws.send(packet)

    def receive(self) -> str | bytes:
        """Return the next packet that is no ping."""
        while True:
            opcode, data = self.ws.recv_data()
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                raise websocket.WebSocketConnectionClosedException("closed")
            if opcode == websocket.ABNF.OPCODE_TEXT and data == b"2":
                self.ws.send("3")
            else:
                return data if opcode == websocket.ABNF.OPCODE_BINARY else data.decode()

    def connect(self, packet: str = "40") -> str:
        """Send CONNECT and skip the `auth` event; return the answer."""
        self.send(packet)
        answer = self.receive()
        assert '"auth"' in self.receive()
        return answer

    def is_closed(self) -> bool:
        """Return whether the server closes in time; fail if it sends anything else."""
        try:
            said = self.receive()
        except (websocket.WebSocketConnectionClosedException, ConnectionError):
            return True
        except websocket.WebSocketTimeoutException:
            return False
        raise AssertionError(said)

    def close(self) -> None:
        """Close the socket without a close frame."""
        with suppress(OSError):
            self.ws.sock.close()


class Frames:
    """A WebSocket on which a test writes frames byte by byte; Engine.IO's pings are answered for it."""

    def __init__(self, address: str) -> None:
        host, _, path = address.partition("/")
        name, _, port = host.partition(":")
        self.sock = socket.create_connection((name, int(port)), timeout=PATIENCE)
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(
            f"GET /{path}?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n".encode()
        )
        #: Maximum bytes read per second; 0 is unlimited.
        self.takes_in_a_second = 0.0
        self.rest = b""
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.sock.recv(4096)
        self.head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        assert self.read()[1][:1] == b"0"

    def send(self, head: int, payload: bytes, *, mask: bytes | None = b"abcd", length: bytes | None = None) -> None:
        """Send a frame; `head` is its first byte."""
        size = len(payload)
        if length is None:
            form = size if size < 126 else 126 if size < 65_536 else 127
            length = bytes([form]) + (size.to_bytes({126: 2, 127: 8}[form], "big") if form > 125 else b"")
        if mask is not None:
            length = bytes([length[0] | 0x80]) + length[1:] + mask
            if any(mask):  # a zero mask changes nothing, and large payloads are sent at once
                payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self.sock.sendall(bytes([head]) + length + payload)

    def _take(self, size: int) -> bytes:
        while len(self.rest) < size:
            if self.takes_in_a_second:
                time.sleep(8192 / self.takes_in_a_second)
            data = self.sock.recv(8192 if self.takes_in_a_second else 65_536)
            if not data:
                raise ConnectionError("ended")
            self.rest += data
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def read(self) -> tuple[int, bytes]:
        """Return the first byte and the payload of the next frame that is no ping of Engine.IO."""
        head, size = self._take(2)
        assert not size & 0x80, "a server does not mask"
        if size >= 126:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        payload = self._take(size)
        if payload == b"2" and head == 0x81:
            self.send(0x81, b"3")
            return self.read()
        return head, payload

    def echo(self, text: bytes = b"4still here") -> bytes:
        """Send a message and return the answer, which is the same on a working connection."""
        self.send(0x81, text)
        return self.read()[1]

    def close_code(self) -> int:
        """Return the code with which the server closes; it must then end the connection."""
        head, payload = self.read()
        assert head == 0x88, payload
        self.send(0x88, payload[:2])
        self.sock.settimeout(PATIENCE)
        began = time.monotonic()
        with suppress(ConnectionError):
            while self.sock.recv(65_536):
                pass
        assert time.monotonic() - began < PATIENCE
        return int.from_bytes(payload[:2], "big")

    def is_ended(self, seconds: float) -> bool:
        """Return whether the connection ends within these seconds, while all data is read and nothing answered."""
        until = time.monotonic() + seconds
        with suppress(ConnectionError):
            while time.monotonic() < until:
                if not self.sock.recv(65_536):
                    return True
            return False
        return True

    def close(self) -> None:
        """Close the socket without a close frame."""
        self.sock.close()
