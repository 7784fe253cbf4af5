"""The part of Socket.IO v5 that a load client needs, over one raw WebSocket, at low cost."""

import json
import socket

from imapp.load.frames import CLOSE, frame, split

_HANDSHAKE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Socket:
    """One logged-in connection. Every failure raises OSError."""

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
        """Wait for the answer to CONNECT; discard pushes that arrive with it."""
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
        """Read available bytes into the buffer."""
        data = self.sock.recv(262144)
        if not data:
            raise ConnectionResetError("closed by the server")
        self.buffer += data

    def packets(self) -> list[bytes]:
        """Return all complete frames of the buffer; a close frame ends the connection."""
        frames, self.buffer = split(self.buffer)
        if any(opcode == CLOSE for opcode, _ in frames):
            raise ConnectionResetError("closed by the server")
        return [payload for _, payload in frames]
