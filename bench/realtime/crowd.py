"""A crowd of clients on raw WebSockets, in one process; used by `python -m bench.realtime`."""

import json
import select
import socket
import sys
import time

_MASK = b"\0\0\0\0"  # a mask of zeros leaves the payload as it is
_OPENING = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def frame(text: bytes) -> bytes:
    """A masked text frame of less than 126 bytes."""
    return bytes((0x81, 0x80 | len(text))) + _MASK + text


_CONNECT = frame(b'40{"token":"secret"}')
_PONG = frame(b"3")


class Crowd:
    """`count` clients; what they get is counted, not parsed."""

    def __init__(self, port: int, count: int, at_once: int = 50) -> None:
        self.port = port
        self.sockets: list[socket.socket] = []
        self.epoll = select.epoll()
        self.acks = self.events = 0
        while len(self.sockets) < count:
            self._come(min(at_once, count - len(self.sockets)))
        self.by_fd = {sock.fileno(): sock for sock in self.sockets}
        for sock in self.sockets:
            sock.setblocking(False)
            self.epoll.register(sock.fileno(), select.EPOLLIN)

    def _come(self, count: int) -> None:
        new = [socket.create_connection(("127.0.0.1", self.port), timeout=60) for _ in range(count)]
        for said, answer in ((_OPENING, b"maxPayload"), (_CONNECT, b'40{"sid"')):
            for sock in new:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.sendall(said)
            for sock in new:
                heard = b""
                while answer not in heard:
                    heard += sock.recv(4096) or sys.exit("the server closed")
        self.sockets += new

    def run(self, command: bytes, senders: int, window: int, seconds: float) -> dict[str, float]:
        """A closed loop: the first `senders` keep `window` commands in flight."""
        packet = frame(command)
        active = {sock.fileno() for sock in self.sockets[:senders]}
        for sock in self.sockets[:senders]:
            sock.sendall(packet * window)
        self.acks = self.events = 0
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            self._turn(packet, active)
        return {"acks": self.acks, "events": self.events, "seconds": time.monotonic() - began}

    def _turn(self, packet: bytes, active: set[int]) -> None:
        for fd, _mask in self.epoll.poll(0.2):
            sock = self.by_fd[fd]
            data = sock.recv(262_144)
            acks = data.count(b'"ok":true')
            self.acks += acks
            self.events += data.count(b'42["said"')
            if b"\x81\x012" in data:
                sock.sendall(_PONG)
            if acks and fd in active:
                sock.sendall(packet * acks)


def main() -> None:
    """Take orders as JSON lines, answer with JSON lines: the server is looked at between them."""
    crowd: Crowd | None = None
    for line in sys.stdin:
        order = json.loads(line)
        began = time.monotonic()
        if "connect" in order:
            crowd = Crowd(order["port"], order["connect"])
            answer = {"seconds": time.monotonic() - began}
        elif crowd is not None:
            answer = crowd.run(order["command"].encode(), order["senders"], order["window"], order["seconds"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
