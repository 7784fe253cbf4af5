"""Send private messages between the nodes of a cluster in an open loop: on schedule, independent of the answers.

    python -m bench.paced --ports 8080,8082 --tokens tokens.txt --connections 100 --rate 500 --seconds 10

Connections 2k and 2k+1 write to each other; their users are on two neighbouring nodes of `--ports`.
Latencies count from the time at which a message was due. With `--rate 0` the loop is closed: each connection has WINDOW
messages in flight. Prints one JSON line like load.py.
"""

import argparse
import gc
import json
import select
import time
from pathlib import Path

from bench.load import Connection, Load, summary

#: Messages in flight for each connection in a closed loop.
WINDOW = 4


class PacedLoad(Load):
    """Sends one message after the other, over all connections in turn."""

    is_closed_loop = False

    def drive_at(self, connections: list[Connection], rate: float, seconds: float) -> float:
        """Run the open loop, or else the closed one; return its duration in seconds."""
        if not rate:
            return self.drive(connections, seconds)
        poll = select.epoll()
        by_fd = {connection.sock.fileno(): connection for connection in connections}
        for fd in by_fd:
            poll.register(fd, select.EPOLLIN)
        began, sent = time.perf_counter(), 0
        while (now := time.perf_counter()) - began < seconds:
            while (due := began + sent / rate) <= now:
                connections[sent % len(connections)].send_next(due)
                sent += 1
            select.select([poll], [], [], max(0.0, due - time.perf_counter()))  # epoll itself waits whole milliseconds
            for fd, _ in poll.poll(0):
                by_fd[fd].read()
        poll.close()
        return time.perf_counter() - began


def connect(load: PacedLoad, ports: list[int], tokens: Path, count: int) -> list[Connection]:
    """Return all connections in the order of sending: nodes alternate, and a pair's two write at different times."""
    users = [line.split() for line in tokens.read_text().splitlines()[:count]]
    nodes = [ports[(index // 2 + index % 2) % len(ports)] for index in range(count)]
    order = [*range(0, count, 2), *range(1, count, 2)]
    return [Connection(load, i, users[i][0], users[i ^ 1][1], nodes[i]) for i in order]


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ports", required=True)
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--warm", type=float, default=4)
    options = parser.parse_args()
    ports = [int(port) for port in options.ports.split(",")]
    load = PacedLoad(ports[0])
    connections = connect(load, ports, options.tokens, options.connections)
    gc.freeze()
    if not options.rate:
        load.is_closed_loop = True
        for connection in connections * WINDOW:
            connection.send_next()
    load.drive_at(connections, options.rate, options.warm)
    load.is_measuring = True
    print("measuring", flush=True)  # signals the process that measures CPU
    cpu = time.process_time()
    took = load.drive_at(connections, options.rate, options.seconds)
    result = {"acks": summary(load.acks, took), "deliveries": summary(load.deliveries, took), "errors": load.errors}
    print(json.dumps({**result, "client_cpu": time.process_time() - cpu, "messages": len(load.acks) / took}))


if __name__ == "__main__":
    main()
