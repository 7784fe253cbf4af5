"""A crowd of clients on raw WebSockets, in one process; used by `python -m bench.realtime`.

Received data is counted and searched for times, not parsed: the crowd has one core like the server, and must not be
the limit.
"""

import json
import re
import select
import socket
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

from imapp.load.frames import frame
from tests.support.clients.raw import handshake

_HANDSHAKE = handshake("127.0.0.1", "/socket.io/")
_PONG = frame(b"3")
_TIME = re.compile(rb"#t=(\d+)#")


class Crowd:
    """Connected clients; with `users` ("token user_id conversation_id" each) they are logged in as these."""

    def __init__(self, port: int, users: list[list[str]], at_once: int = 50) -> None:
        self.port = port
        self.users = users
        self.sockets: list[socket.socket] = []
        self.epoll = select.epoll()
        self.numbers = count(time.time_ns())
        for start in range(0, len(users), at_once):
            self._come(users[start : start + at_once])
        self.index = {sock.fileno(): index for index, sock in enumerate(self.sockets)}
        for sock in self.sockets:
            sock.setblocking(False)
            self.epoll.register(sock.fileno(), select.EPOLLIN)

    def _come(self, users: list[list[str]]) -> None:
        new = [socket.create_connection(("127.0.0.1", self.port), timeout=60) for _ in users]
        hellos = [frame(b"40" + json.dumps({"token": token, "user": user}).encode()) for token, user, _ in users]
        for said, answer in (([_HANDSHAKE] * len(new), b"maxPayload"), (hellos, b'40{"sid"')):
            for sock, words in zip(new, said, strict=True):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.sendall(words)
            for sock in new:
                _wait_for(sock, answer)
        self.sockets += new

    def packet(self, template: str, index: int) -> bytes:
        """Return the packet of client `index`: @N@ is a new number, @T@ the time, @P@ the peer, @C@ the chat."""
        peer = self.users[index ^ 1] if index ^ 1 < len(self.users) else self.users[index]
        words = {"@N@": next(self.numbers), "@T@": time.perf_counter_ns(), "@P@": peer[1], "@C@": self.users[index][2]}
        for word, value in words.items():
            template = template.replace(word, str(value))
        return frame(template.encode())

    def run(self, order: dict[str, Any]) -> dict[str, Any]:
        """Run a load for the given seconds."""
        return Load(self, order).run()


class Load:
    """The first `senders` keep `window` commands in flight; with `rate`, all together send this number a second.

    Packets that contain `event` are deliveries. With @T@ in the command they are timed.
    """

    def __init__(self, crowd: Crowd, order: dict[str, Any]) -> None:
        self.crowd = crowd
        self.template: str = order["command"]
        self.fixed = None if "@" in self.template else frame(self.template.encode())
        self.senders: int = order["senders"]
        self.window: int = order.get("window", 0)
        self.rate: float = order.get("rate", 0)
        self.seconds: float = order["seconds"]
        self.event = order.get("event", '42["said"').encode()
        #: A second command that client 0 sends repeatedly, and the times of its answers.
        self.light: str | None = order.get("light")
        self.acks = self.events = self.sent = 0
        self.latencies: list[int] = []
        self.light_at = 0
        self.light_latencies: list[int] = []

    def run(self) -> dict[str, Any]:
        """Run until the time is over."""
        for index in range(1, self.senders + 1):
            self._send(index, self.window)
        began = time.monotonic()
        while (passed := time.monotonic() - began) < self.seconds:
            due = int(passed * self.rate) - self.sent
            for number in range(due):
                self._send(1 + (self.sent + number) % self.senders, 1)
            self.sent += max(0, due)
            self._say_something_light()
            for fd, _ in self.crowd.epoll.poll(0.001 if self.rate or self.light else 0.2):
                self._hear(self.crowd.index[fd])
        return {
            "acks": self.acks, "events": self.events, "seconds": time.monotonic() - began,
            "latency": _percentiles(self.latencies), "light": _percentiles(self.light_latencies),
        }  # fmt: skip

    def _send(self, index: int, times: int) -> None:
        if times:
            parts = [self.fixed or self.crowd.packet(self.template, index) for _ in range(times)]
            self.crowd.sockets[index].sendall(b"".join(parts))

    def _say_something_light(self) -> None:
        if self.light and not self.light_at:
            self.light_at = time.perf_counter_ns()
            self.crowd.sockets[0].sendall(frame(self.light.encode()))

    def _hear(self, index: int) -> None:
        sock = self.crowd.sockets[index]
        try:
            data = sock.recv(262_144)
        except BlockingIOError:
            return
        acks = data.count(b'"ok":true')
        self.events += data.count(self.event)
        if b"\x81\x012" in data:
            sock.sendall(_PONG)
        if index == 0 and acks and self.light_at:
            self.light_latencies.append(time.perf_counter_ns() - self.light_at)
            self.light_at = 0
            return
        self.acks += acks
        if self.event in data and b"#t=" in data:
            now = time.perf_counter_ns()
            self.latencies += [now - int(at) for at in _TIME.findall(data)]
        if acks and self.window and 1 <= index <= self.senders:
            self._send(index, acks)


def _wait_for(sock: socket.socket, answer: bytes) -> None:
    heard = b""
    while answer not in heard:
        heard += sock.recv(4096) or sys.exit("the server closed")


def _percentiles(nanoseconds: list[int]) -> dict[str, float]:
    """Return percentiles in milliseconds."""
    found = sorted(nanoseconds) or [0]
    return {f"p{share}": found[min(len(found) - 1, len(found) * share // 100)] / 1e6 for share in (50, 90, 99)}


def main() -> None:
    """Read orders as JSON lines and answer with JSON lines; the server is measured between them."""
    crowds: list[Crowd] = []  # earlier clients stay connected
    for line in sys.stdin:
        order = json.loads(line)
        began = time.monotonic()
        if "connect" in order:
            users = [["secret", str(index), "-"] for index in range(order["connect"])]
            if "tokens" in order:
                lines = Path(order["tokens"]).read_text().splitlines()
                users = [one.split() for one in lines[order.get("skip", 0) :][: order["connect"]]]
            crowds.append(Crowd(order["port"], users))
            answer: dict[str, Any] = {"seconds": time.monotonic() - began}
        else:
            answer = crowds[-1].run(order)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
