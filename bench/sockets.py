"""Socket.IO v5 over one raw WebSocket, as far as a load client needs it: cheap, and nothing hidden."""

import json
import socket

_MASK = b"\x00\x00\x00\x00"  # a mask of zeros leaves the payload as it is
_CLOSE = 0x88  # the first byte of a frame that closes
_HANDSHAKE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def frame(text: bytes) -> bytes:
    """A masked text frame."""
    size = len(text)
    head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + _MASK + text


class Socket:
    """One connection, logged in. Every failure is an OSError."""

    def __init__(self, port: int, token: str) -> None:
        self.buffer = b""
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        try:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.sendall(_HANDSHAKE.format(port=port).encode())
            self._upgrade()
            self.say(b"40" + json.dumps({"token": token}).encode())
            self._enter()
        except BaseException:
            self.sock.close()
            raise

    def _upgrade(self) -> None:
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        if b" 101 " not in head[:20]:
            raise ConnectionRefusedError(head.partition(b"\r\n")[0].decode())

    def _enter(self) -> None:
        """Wait for the answer to CONNECT; what is pushed together with it is not kept."""
        while True:
            for packet in self.packets():
                if packet.startswith(b"40"):
                    return
                if packet.startswith(b"44"):
                    raise ConnectionRefusedError(packet.decode())
            self.fill()

    def say(self, text: bytes) -> None:
        """Send one packet."""
        self.sock.sendall(frame(text))

    def fill(self) -> None:
        """Take what has come into the buffer."""
        data = self.sock.recv(262144)
        if not data:
            raise ConnectionResetError("closed by the server")
        self.buffer += data

    def packets(self) -> list[bytes]:
        """Take all complete frames out of the buffer; the frame that closes is the end."""
        found, at, data = [], 0, self.buffer
        while len(data) - at >= 2:
            size, start = data[at + 1] & 127, at + 2
            if size >= 126:
                width = 2 if size == 126 else 8
                if len(data) < start + width:
                    break
                size = int.from_bytes(data[start : start + width], "big")
                start += width
            if len(data) < start + size:
                break
            if data[at] == _CLOSE:
                raise ConnectionResetError("closed by the server")
            found.append(data[start : start + size])
            at = start + size
        self.buffer = data[at:]
        return found
