"""Measure the cost of an idle connection: memory of the node and of Redis, and the rate of connects.

    .venv/bin/python -m bench.idle_connections --connections 4000

One node with its own Redis and SQLite; each user has one device and is in one group of 50. Prints a table.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.support.clients.raw import RawSocket
from tests.support.redis import RedisServer
from tests.support.server import Server

#: Seconds that the node gets to settle before each measurement.
REST = 4


def rss_kib(pid: int) -> int:
    """Return the resident memory of a process in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def measure(folder: Path, count: int) -> list[dict[str, float]]:
    """Connect the users in four steps; measure after each."""
    redis = RedisServer(folder / "redis")
    server = Server(folder / "node", REDIS_URL=redis.url, IM_LOG_LEVEL="WARNING", IM_PING_INTERVAL_SECONDS="300")
    try:
        server.flask("db", "upgrade")
        tokens = folder / "tokens"
        groups = ("--groups", str(count // 50), "--group-size", "50")
        server.flask("im", "load-fixture", "--users", str(count), *groups, "--out", str(tokens))
        users = [line.split()[0] for line in tokens.read_text().splitlines()]
        return list(steps(server, redis, users))
    finally:
        server.stop()
        redis.stop()


def steps(server: Server, redis: RedisServer, users: list[str]):
    """Connect a quarter of the users at a time and yield each measurement."""
    connections: list[RawSocket] = []
    yield look(server, redis, 0, 0.0)
    for start in range(0, len(users), len(users) // 4):
        began = time.monotonic()
        part = users[start : start + len(users) // 4]
        for token in part:
            connections.append(RawSocket(server.url, timeout=30))
            connections[-1].log_in(token)
        rate = len(part) / (time.monotonic() - began)
        time.sleep(REST)
        yield look(server, redis, len(connections), rate)


def look(server: Server, redis: RedisServer, connections: int, rate: float) -> dict[str, float]:
    """Return the current memory of node and Redis."""
    with redis.client() as client:
        used = client.info("memory")["used_memory"]
    return {
        "connections": connections,
        "node_mib": round(rss_kib(server.worker) / 1024, 1),
        "redis_mib": round(used / 2**20, 1),
        "connects_per_second": round(rate),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=4000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imapp-idle-") as folder:
        rows = measure(Path(folder), options.connections)
    for row in rows:
        sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
