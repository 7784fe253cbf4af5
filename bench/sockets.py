"""Socket.IO v5 over one raw WebSocket, as far as a load client needs it: cheap, and nothing hidden."""

import json
import socket

from imapp.load.frames import CLOSE, frame, split

_HANDSHAKE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


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
        frames, self.buffer = split(self.buffer)
        if any(opcode == CLOSE for opcode, _ in frames):
            raise ConnectionResetError("closed by the server")
        return [payload for _, payload in frames]
