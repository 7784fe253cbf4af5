"""A server pinned to core 0, and a crowd for it on core 1."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
SERVER_CORE, CROWD_CORE = "0", "1"


class Measured:
    """A server: `process` or its only child serves on `port`."""

    def __init__(self, process: subprocess.Popen, port: int) -> None:
        self.server = process
        self.port = port
        self.crowd = subprocess.Popen(
            ["taskset", "-c", CROWD_CORE, sys.executable, "-m", "bench.realtime.crowd"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    @property
    def pid(self) -> int:
        """Return the pid of the serving process: gunicorn's worker, or Node."""
        pid = self.server.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if children else pid

    def cpu(self) -> float:
        """Return the seconds of processor time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss(self) -> int:
        """Return the resident memory in kB."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    def order(self, **order: Any) -> dict[str, Any]:
        """Send the crowd an order; add the server's processor time to its answer."""
        before = self.cpu()
        assert self.crowd.stdin is not None
        assert self.crowd.stdout is not None
        self.crowd.stdin.write(json.dumps({"port": self.port, **order}) + "\n")
        self.crowd.stdin.flush()
        answer = json.loads(self.crowd.stdout.readline())
        return {**answer, "cpu": self.cpu() - before}

    def stop(self) -> None:
        """Stop server and crowd."""
        for process in (self.crowd, self.server):
            process.terminate()
            process.wait(40)


def rates(count: float, answer: dict[str, Any]) -> str:
    """Return the rate as seen by the clients, and for each second of processor time."""
    return f"{count / answer['seconds']:,.0f} / {count / answer['cpu']:,.0f}"
