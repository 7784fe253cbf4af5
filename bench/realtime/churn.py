"""Measure whether memory stays constant during an hour of clients that connect, write, and disconnect in four ways.

    .venv/bin/python -m bench.realtime.churn [--minutes 60] [--rate 20] [--out FILE]

One node on MariaDB. A client connects, sends messages to another user's conversation, stays some seconds, and then
disconnects, closes the socket, resets the connection, or stops answering until the node drops it. Every five
minutes all clients leave, and the node's resident memory, objects and open files are recorded.
"""

import argparse
import json
import os
import random
import signal
import socket
import struct
import sys
import tempfile
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from bench.durable_sends import ROOT, machine
from tests.support.clients.raw import RawSocket
from tests.support.mariadb import MariaDb
from tests.support.server import Server

USERS = 500
#: Shortest and longest stay of a client in seconds; messages that it sends.
STAY = (1, 8)
MESSAGES = 3
#: Seconds between two measurements, and until the node has dropped all departed clients.
LOOK, SETTLE = 300, 15
#: Ways to disconnect, in equal shares.
WAYS = ("goodbye", "close", "reset", "silence")

#: The signal on which counted.py counts.
COUNT_SIGNAL = signal.SIGRTMIN + 1

#: Makes close() reset the connection: SO_LINGER on, with 0 s.
_RESET = struct.pack("ii", 1, 0)


class Node(Server):
    """The product with a counter of its objects."""

    arguments = ("bench.realtime.counted:app",)


def client(port: int, user: list[str], peer: str) -> RawSocket:
    """Connect a client and send its messages."""
    one = RawSocket(f"http://127.0.0.1:{port}", timeout=30)
    one.log_in(user[0])
    for number in range(MESSAGES):
        body = {"to_user_id": int(peer), "client_id": f"{time.time_ns()}-{number}", "type": "text"}
        one.send_text(b'421["send_message",' + json.dumps({**body, "content": {"text": "hello " * 8}}).encode() + b"]")
    return one


def leave(one: RawSocket, way: str, silent: deque[RawSocket]) -> None:
    """Disconnect the client in the given way."""
    if way == "silence":
        silent.append(one)
        return
    with suppress(OSError):
        if way == "goodbye":
            one.send("41")
            one.send("1")
        elif way == "reset":
            one.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    one.close()


def crowd(port: int, users: list[list[str]], rate: float, seconds: float) -> int:
    """Connect and disconnect clients for the given time; return their number. At the end all are gone or silent."""
    here: list[tuple[float, RawSocket]] = []
    silent: deque[RawSocket] = deque()
    began, came = time.monotonic(), 0
    while (now := time.monotonic()) < began + seconds:
        while came < (now - began) * rate:
            user, peer = random.sample(users, 2)
            here.append((now + random.uniform(*STAY), client(port, user, peer[1])))
            came += 1
        for due, one in [gone for gone in here if gone[0] <= now]:
            here.remove((due, one))
            leave(one, random.choice(WAYS), silent)
        while len(silent) > SETTLE * rate:
            silent.popleft().close()
        time.sleep(0.02)
    for _, one in here:
        leave(one, "close", silent)
    time.sleep(SETTLE)
    for one in silent:
        one.close()
    return came


def look(node: Server, counts: Path) -> dict[str, float]:
    """Return the node's memory, objects and open files."""
    known = len(counts.read_text().splitlines()) if counts.exists() else 0
    os.kill(node.worker, COUNT_SIGNAL)
    while not counts.exists() or len(counts.read_text().splitlines()) == known:
        time.sleep(0.1)
    status = Path(f"/proc/{node.worker}/status").read_text().splitlines()
    kb = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    objects = json.loads(counts.read_text().splitlines()[-1])["objects"]
    return {
        "MB": round(kb / 1024, 1),
        "objects": objects,
        "files": len(list(Path(f"/proc/{node.worker}/fd").iterdir())),
    }


def main() -> None:
    """Run the churn, measure, and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory(prefix="churn-") as scratch:
        folder = Path(scratch)
        mariadb = MariaDb(folder / "mariadb")
        counts, tokens = folder / "counts", folder / "tokens"
        environ = {
            "DATABASE_URL": mariadb.create_database(), "CHURN_COUNTS": str(counts), "IM_LOG_LEVEL": "WARNING",
            "IM_PING_INTERVAL_SECONDS": "4", "IM_PING_TIMEOUT_SECONDS": "4",
        }  # fmt: skip
        node = Node(folder / "node", **environ)
        try:
            node.flask("db", "upgrade")
            node.flask("im", "load-fixture", "--users", str(USERS), "--out", str(tokens))
            users = [line.split() for line in tokens.read_text().splitlines()]
            came, began = crowd(node.port, users, given.rate, 20), time.monotonic()
            while True:
                minutes = (time.monotonic() - began) / 60
                seen = look(node, counts)
                lines.append(f"| {minutes:.0f} | {came:,} | {seen['MB']} | {seen['objects']:,} | {seen['files']} |")
                print(lines[-1], flush=True)
                if minutes >= given.minutes:
                    break
                came += crowd(node.port, users, given.rate, min(LOOK, given.minutes * 60) - SETTLE)
        finally:
            node.stop()
            mariadb.stop()
    day = datetime.now(UTC).date().isoformat()
    head = ["| minutes | clients so far | resident memory, MB | objects | open files |", "|---|---|---|---|---|"]
    command = " ".join(["bench.realtime.churn", *sys.argv[1:]])
    text = f"# Churn, {day}\n\nCommand: `.venv/bin/python -m {command}`. {machine()}\n\n"
    (given.out or ROOT / "bench" / "results" / f"{day}-churn.md").write_text(text + "\n".join([*head, *lines]) + "\n")


if __name__ == "__main__":
    main()
