"""A Socket.IO load client on raw WebSockets that sends durable private messages, to one node or over several.

    python -m bench.load --ports 8080,8082 --tokens tokens.txt --connections 100 --rate 500 --seconds 10

Line i of the tokens file ("token user_id ...") is connection i; connections 2k and 2k+1 write to each other, on two
neighbouring nodes of `--ports`. With a rate the loop is open: messages are sent on schedule, and latencies count from
the time at which a message was due. With `--rate 0` the loop is closed: each connection keeps `--window` messages in
flight and sends the next one after each ack.

Prints `measuring` after the warm-up, then one JSON line: acks and deliveries per second, latencies in milliseconds. One
process, one thread: pin it to a core of its own.
"""

import argparse
import gc
import json
import select
import time
from pathlib import Path

from tests.support.clients.raw import RawSocket


class Connection(RawSocket):
    """One user's socket with its sends in flight."""

    def __init__(self, load: "Load", index: int, token: str, peer: str, port: int) -> None:
        super().__init__(f"http://127.0.0.1:{port}", timeout=30)
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

    def handle_received(self) -> None:
        """Handle the received packets."""
        self.fill()
        for packet in self.packets():
            self._handle(packet)

    def _handle(self, packet: bytes) -> None:
        if packet.startswith(b"43"):
            number = int(packet[2 : packet.index(b"[")])
            self.load.note_ack(time.perf_counter() - self.sent_at.pop(number), b'"ok":true' in packet[:60])
            if not self.load.rate:
                self.send_next()
        elif packet.startswith(b'42["message_created"'):
            start = packet.find(b"#t=")
            self.load.note_delivery(time.perf_counter() - float(packet[start + 3 : packet.index(b"#", start + 3)]))
        elif packet == b"2":
            self.send_text(b"3")


class Load:
    """All connections and the measured values; `rate` is in messages per second, 0 for a closed loop."""

    def __init__(self, ports: list[int], users: list[list[str]], rate: float) -> None:
        self.rate = rate
        self.run = f"{time.time():.3f}"
        self.is_measuring = False
        self.acks: list[float] = []
        self.deliveries: list[float] = []
        self.errors = 0
        nodes = [ports[(index // 2 + index % 2) % len(ports)] for index in range(len(users))]
        # The order of sending: nodes alternate, and a pair's two write at different times.
        order = [*range(0, len(users), 2), *range(1, len(users), 2)]
        self.connections = [Connection(self, i, users[i][0], users[i ^ 1][1], nodes[i]) for i in order]

    def note_ack(self, seconds: float, is_ok: bool) -> None:
        """Handle an ack."""
        if self.is_measuring:
            self.acks.append(seconds)
            self.errors += not is_ok

    def note_delivery(self, seconds: float) -> None:
        """Handle a message that reached its receiver."""
        if self.is_measuring:
            self.deliveries.append(seconds)

    def drive(self, seconds: float) -> float:
        """Run the loop; return its duration in seconds."""
        poll = select.epoll()
        by_fd = {connection.sock.fileno(): connection for connection in self.connections}
        for fd in by_fd:
            poll.register(fd, select.EPOLLIN)
        began, sent = time.perf_counter(), 0
        while (now := time.perf_counter()) - began < seconds:
            while self.rate and (due := began + sent / self.rate) <= now:
                self.connections[sent % len(self.connections)].send_next(due)
                sent += 1
            if self.rate:  # epoll itself waits whole milliseconds
                select.select([poll], [], [], max(0.0, due - time.perf_counter()))
            for fd, _ in poll.poll(0 if self.rate else 0.05):
                by_fd[fd].handle_received()
        poll.close()
        return time.perf_counter() - began


def summary(values: list[float], seconds: float) -> dict[str, float]:
    """Return rate per second and latencies in milliseconds."""
    ordered = sorted(values) or [0.0]
    at = {f"p{p}": round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)] * 1000, 1) for p in (50, 90, 99)}
    return {"per_second": round(len(values) / seconds), **at}


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ports", required=True)
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--window", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--warm", type=float, default=1.5)
    options = parser.parse_args()
    users = [line.split() for line in options.tokens.read_text().splitlines()[: options.connections]]
    load = Load([int(port) for port in options.ports.split(",")], users, options.rate)
    gc.freeze()
    if not options.rate:
        for connection in load.connections * options.window:
            connection.send_next()
    load.drive(options.warm)
    load.is_measuring = True
    print("measuring", flush=True)  # signals the process that measures CPU
    cpu = time.process_time()
    took = load.drive(options.seconds)
    result = {"acks": summary(load.acks, took), "deliveries": summary(load.deliveries, took), "errors": load.errors}
    print(json.dumps({**result, "client_cpu": time.process_time() - cpu, "messages": len(load.acks) / took}))


if __name__ == "__main__":
    main()
