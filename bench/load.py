"""A Socket.IO v5 load client on raw WebSockets: closed loop of durable private messages.

    python -m bench.load --port 8080 --tokens tokens.txt --connections 200 --window 4 --seconds 5

Line i of the tokens file ("token user_id ...") is connection i; it sends to the user of connection i^1. Each
connection keeps `window` sends in flight and sends the next one after each ack. Prints one JSON line: acks and
deliveries per second, latencies in milliseconds. One process, one thread: pin it to a core of its own.
"""

import argparse
import json
import select
import time
from pathlib import Path

from tests.support.clients.raw import RawSocket


class Connection(RawSocket):
    """One user's socket with its sends in flight."""

    def __init__(self, load: "Load", index: int, token: str, peer: str, port: int | None = None) -> None:
        super().__init__(f"http://127.0.0.1:{port or load.port}", timeout=30)
        self.log_in(token)
        self.load = load
        self.index = index
        self.peer = peer
        self.count = 0
        self.sent_at: dict[int, float] = {}

    def send_next(self, now: float | None = None) -> None:
        """Send one message that carries the time of its sending, or the time at which it was due."""
        now = now or time.perf_counter()
        self.count += 1
        self.sent_at[self.count] = now
        body = (
            f'42{self.count}["send_message",{{"to_user_id":{self.peer},"client_id":"{self.load.run}-{self.index}-{self.count}",'
            f'"type":"text","content":{{"text":"#t={now:.6f}# hello world hello world"}}}}]'
        )
        self.send_text(body.encode())

    def read(self) -> None:
        """Handle the received packets."""
        self.fill()
        for packet in self.packets():
            self._handle(packet)

    def _handle(self, packet: bytes) -> None:
        if packet.startswith(b"43"):
            number = int(packet[2 : packet.index(b"[")])
            self.load.note_ack(time.perf_counter() - self.sent_at.pop(number), b'"ok":true' in packet[:60])
            if self.load.is_closed_loop:
                self.send_next()
        elif packet.startswith(b'42["message_created"'):
            start = packet.find(b"#t=")
            self.load.note_delivery(time.perf_counter() - float(packet[start + 3 : packet.index(b"#", start + 3)]))
        elif packet == b"2":
            self.send_text(b"3")


class Load:
    """All connections and the measured values."""

    #: Whether an ack is answered by the next message.
    is_closed_loop = True

    def __init__(self, port: int) -> None:
        self.port = port
        self.run = f"{time.time():.3f}"
        self.is_measuring = False
        self.acks: list[float] = []
        self.deliveries: list[float] = []
        self.errors = 0

    def note_ack(self, seconds: float, is_ok: bool) -> None:
        """Handle an ack."""
        if self.is_measuring:
            self.acks.append(seconds)
            self.errors += not is_ok

    def note_delivery(self, seconds: float) -> None:
        """Handle a message that reached its receiver."""
        if self.is_measuring:
            self.deliveries.append(seconds)

    def drive(self, connections: list[Connection], seconds: float) -> float:
        """Run the loop; return its duration in seconds."""
        poll = select.epoll()
        by_fd = {connection.sock.fileno(): connection for connection in connections}
        for fd in by_fd:
            poll.register(fd, select.EPOLLIN)
        started = time.perf_counter()
        while time.perf_counter() - started < seconds:
            for fd, _ in poll.poll(0.05):
                by_fd[fd].read()
        poll.close()
        return time.perf_counter() - started


def summary(values: list[float], seconds: float) -> dict[str, float]:
    """Return rate per second and latencies in milliseconds."""
    ordered = sorted(values) or [0.0]
    at = {f"p{p}": round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)] * 1000, 1) for p in (50, 90, 99)}
    return {"per_second": round(len(values) / seconds), **at}


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--window", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--warm", type=float, default=1.5)
    options = parser.parse_args()
    users = [line.split() for line in options.tokens.read_text().splitlines()[: options.connections]]
    load = Load(options.port)
    connections = [Connection(load, i, token, users[i ^ 1][1]) for i, (token, *_) in enumerate(users)]
    for connection in connections:
        for _ in range(options.window):
            connection.send_next()
    load.drive(connections, options.warm)
    load.is_measuring = True
    took = load.drive(connections, options.seconds)
    result = {"acks": summary(load.acks, took), "deliveries": summary(load.deliveries, took), "errors": load.errors}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
