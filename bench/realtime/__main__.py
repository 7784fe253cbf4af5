"""Engines side by side: ours, stock Flask-SocketIO, Node's Socket.IO; each server on core 0, the clients on core 1.

    .venv/bin/python -m bench.realtime [--seconds 5] [--idle 4000] [--out FILE]

Rates are given twice: as seen by the clients, and for each second of processor time that the server used. The second
does not depend on who else uses the machine, nor on how fast the clients are. Node's packages: `npm ci` in
bench/realtime/node.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.support.ports import free_port, wait_for

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")

SAY = '421["say",{"m":"hello world hello world hello world"}]'
PING = '421["ping",{}]'


class Measured:
    """A server pinned to core 0, and a crowd for it on core 1."""

    def __init__(self, name: str) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "bench.realtime.app", name, str(self.port)]
        if name == "node":
            command = ["node", str(HERE / "node" / "server.mjs"), str(self.port)]
        self.server = subprocess.Popen(["taskset", "-c", "0", *command], stderr=subprocess.DEVNULL)
        wait_for(self._is_up, 30, f"the start of {name}")
        self.crowd = subprocess.Popen(
            ["taskset", "-c", "1", sys.executable, "-m", "bench.realtime.crowd"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def _is_up(self) -> bool:
        import socket

        with socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True

    @property
    def pid(self) -> int:
        """The process that serves: gunicorn's worker, or Node."""
        pid = self.server.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if children else pid

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss(self) -> int:
        """Resident memory in kB."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    def order(self, **order: Any) -> dict[str, float]:
        """Have the crowd do something; adds the server's processor time."""
        before = self.cpu()
        assert self.crowd.stdin is not None
        assert self.crowd.stdout is not None
        self.crowd.stdin.write(json.dumps({"port": self.port, **order}) + "\n")
        self.crowd.stdin.flush()
        answer = json.loads(self.crowd.stdout.readline())
        return {**answer, "cpu": self.cpu() - before}

    def stop(self) -> None:
        """End both."""
        for process in (self.crowd, self.server):
            process.terminate()
            process.wait(20)


def rates(count: float, answer: dict[str, float]) -> str:
    """As seen, and for each second of processor time."""
    return f"{count / answer['seconds']:,.0f} / {count / answer['cpu']:,.0f}"


def measure(name: str, seconds: float, idle: int) -> list[str]:
    """One column of the table."""
    one = Measured(name)
    try:
        one.order(connect=500)
        one.order(command=SAY, senders=2, window=2, seconds=1)
        room = one.order(command=SAY, senders=2, window=2, seconds=seconds)
        one.order(command=PING, senders=100, window=4, seconds=1)
        acks = one.order(command=PING, senders=100, window=4, seconds=seconds)
    finally:
        one.stop()
    return [rates(room["events"], room), rates(acks["acks"], acks), *idling(name, idle)]


def idling(name: str, count: int) -> list[str]:
    """Memory and connects, on a fresh server."""
    one = Measured(name)
    try:
        one.order(connect=200)
        before = one.rss()
        came = one.order(connect=count)
        time.sleep(2)
        per_connection = (one.rss() - before) / (count - 200)
    finally:
        one.stop()
    return [rates(count, came), f"{per_connection:.1f} kB"]


ROWS = [
    "deliveries, one room of 500",
    "acks of a command that touches nothing, 100 clients x 4",
    "authenticated connects",
    "memory for each idle connection",
]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--idle", type=int, default=4000)
    parser.add_argument("--engines", default="ours,node,stock")
    given = parser.parse_args()
    engines = given.engines.split(",")
    columns = [measure(name, given.seconds, given.idle) for name in engines]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}\n")
    print("| a second as seen / for each second of processor time |", " | ".join(engines), "|")
    print("|---" * (len(engines) + 1) + "|")
    for row, cells in zip(ROWS, zip(*columns, strict=True), strict=True):
        print(f"| {row} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
