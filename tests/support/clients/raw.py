"""A raw client: Engine.IO over one WebSocket, of which a test chooses every packet, or every byte of a frame.

It answers Engine.IO's pings while it reads, so that a close is due to a rule and not to the heartbeat. The load
generators of bench use `send_text`, `fill` and `packets`, which cost little.
"""

import json
import re
import socket
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode, urlsplit

from imapp.load.frames import CLOSE as _CLOSE_OPCODE
from imapp.load.frames import frame, split

#: First bytes of frames that are not fragments.
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A

#: The key of RFC 6455's example, and the answer to it.
_KEY, _ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class RefusedError(ConnectionError):
    """Raised when the server refuses the WebSocket; `status` is the answer's HTTP status."""

    def __init__(self, status: int, answer: str) -> None:
        super().__init__(answer)
        self.status = status


def handshake(host: str, path: str, headers: dict[str, str] | None = None, **query: str) -> bytes:
    """Return the request that opens a WebSocket of Engine.IO; `query` replaces parameters, "" omits one."""
    parameters = {"EIO": "4", "transport": "websocket", **query}
    encoded = urlencode({name: value for name, value in parameters.items() if value})
    extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    return (
        f"GET {path}?{encoded} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {_KEY}\r\nSec-WebSocket-Version: 13\r\n{extra}\r\n"
    ).encode()


class RawSocket:
    """One connection. A URL without a path means /socket.io/. Every failure raises OSError."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 10,
        receive_buffer: int = 0,
        headers: dict[str, str] | None = None,
        **query: str,
    ) -> None:
        parts = urlsplit(url)
        #: Maximum bytes read per second; 0 is unlimited.
        self.bytes_per_second = 0.0
        #: Received bytes that are not read yet.
        self.buffer = b""
        self._acks: dict[int, dict[str, Any]] = {}
        self.sock = socket.socket()
        try:
            if receive_buffer:  # before connecting: the size is announced in the TCP handshake
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.sock.settimeout(timeout)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.connect((parts.hostname, parts.port))
            self.sock.sendall(handshake(parts.netloc, parts.path or "/socket.io/", headers, **query))
            self._open()
            #: The data of Engine.IO's handshake; empty for the WebSocket of a session that has one already.
            self.session: dict[str, Any] = {} if "sid" in query else json.loads(self.read_frame()[1][1:])
        except BaseException:
            self.sock.close()
            raise

    def _open(self) -> None:
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        #: Status line and headers of the answer.
        self.head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        status = int(self.head.split(b" ", 2)[1])
        if status != 101:
            raise RefusedError(status, self.head.decode(errors="replace"))
        assert _ACCEPT in self.head, self.head

    # -- packets -----------------------------------------------------------------------------------------------------

    def send(self, packet: str | bytes) -> None:
        """Send a packet: text, or a binary attachment."""
        if isinstance(packet, bytes):
            self.send_frame(BINARY, packet)
        else:
            self.send_frame(TEXT, packet.encode())

    def receive(self) -> Any:
        """Return the next packet that is no ping, as str or bytes; "" if the server has closed."""
        try:
            head, payload = self.read()
            if head != CLOSE:
                return payload if head == BINARY else payload.decode()
            self.send_frame(CLOSE, payload[:2])
        except ConnectionError:
            pass
        return ""

    def connect(self, auth: dict[str, Any] | None) -> str:
        """Send CONNECT; return the raw answer ("40{...}" or "44{...}")."""
        self.send("40" + (json.dumps(auth) if auth is not None else ""))
        return self.receive()

    def log_in(self, token: str) -> None:
        """Send CONNECT with a token and discard packets until its answer."""
        self.send("40" + json.dumps({"token": token}))
        while not (packet := self.receive()).startswith("40"):
            if not packet or packet.startswith("44"):
                raise ConnectionRefusedError(packet or "closed")

    def ack(self, packet_id: int) -> dict[str, Any]:
        """Wait for the ack with this id; keep acks that arrive before it (a refusal needs no commit)."""
        while packet_id not in self._acks:
            packet = self.receive()
            assert packet, "closed before the ack came"
            if found := re.match(r"43(\d+)(?=\[)", packet):
                self._acks[int(found[1])] = json.loads(packet[found.end() :])[0]
        return self._acks.pop(packet_id)

    def is_closed(self, *, silently: bool = False) -> bool:
        """Skip packets until the server closes; return False if it does not before a timeout.

        With `silently`, fail if the server sends a packet before it closes.
        """
        try:
            while packet := self.receive():
                assert not silently, packet
        except TimeoutError:
            return False
        return True

    # -- frames ------------------------------------------------------------------------------------------------------

    def send_frame(
        self, head: int, payload: bytes, *, mask: bytes | None = b"abcd", length: bytes | None = None
    ) -> None:
        """Send a frame; `head` is its first byte, `length` the bytes of a wrong length."""
        size = len(payload)
        if length is None:
            form = size if size < 126 else 126 if size < 65_536 else 127
            length = bytes([form]) + (size.to_bytes({126: 2, 127: 8}[form], "big") if form > 125 else b"")
        if mask is not None:
            length = bytes([length[0] | 0x80]) + length[1:] + mask
            key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
            payload = (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")
        self.sock.sendall(bytes([head]) + length + payload)

    def read_frame(self) -> tuple[int, bytes]:
        """Return the first byte and the payload of the next frame."""
        head, size = self._take(2)
        assert not size & 0x80, "a server does not mask"
        if size >= 126:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        return head, self._take(size)

    def read(self) -> tuple[int, bytes]:
        """Like `read_frame`, but answer Engine.IO's pings and skip them."""
        while (found := self.read_frame()) == (TEXT, b"2"):
            self.send_frame(TEXT, b"3")
        return found

    def _take(self, size: int) -> bytes:
        while len(self.buffer) < size:
            if self.bytes_per_second:
                time.sleep(8192 / self.bytes_per_second)
            self.fill(8192 if self.bytes_per_second else 65_536)
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def echo(self, text: bytes = b"4still here") -> bytes:
        """Send a message and return the answer, which is the same on a working connection."""
        self.send_frame(TEXT, text)
        return self.read()[1]

    def close_code(self) -> int:
        """Return the code with which the server closes; it must then end the connection."""
        head, payload = self.read()
        assert head == CLOSE, payload
        self.send_frame(CLOSE, payload[:2])
        assert self.is_ended(self.sock.gettimeout() or 0)
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

    # -- load --------------------------------------------------------------------------------------------------------

    def send_text(self, packet: bytes) -> None:
        """Send a packet of text, given as bytes; it is not masked."""
        self.sock.sendall(frame(packet))

    def fill(self, most: int = 262_144) -> None:
        """Read available bytes into the buffer."""
        data = self.sock.recv(most)
        if not data:
            raise ConnectionResetError("closed by the server")
        self.buffer += data

    def packets(self) -> list[bytes]:
        """Return all complete packets of the buffer, pings too; raises ConnectionResetError at a close frame."""
        frames, self.buffer = split(self.buffer)
        if any(opcode == _CLOSE_OPCODE for opcode, _ in frames):
            raise ConnectionResetError("closed by the server")
        return [payload for _, payload in frames]

    def close(self) -> None:
        """Close the socket without a close frame."""
        self.sock.close()
