"""Measure the cluster beside stock Flask-SocketIO with its Redis queue, in one run on one machine.

    .venv/bin/python -m bench.cluster

Private messages between users of different nodes. Ours commits each message to MariaDB (private, default durability)
before it acknowledges; stock stores nothing. Nothing is pinned: nodes, Redis, MariaDB and the load client share the
machine. About 15 minutes. Writes bench/results/<date>-cluster.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench import cluster_report
from bench.durable_sends import ROOT
from bench.nodes import Bench, wait_for_quiet
from bench.rolling import rolling_restart
from imapp.settings import Settings

USERS = 401
CONNECTIONS = 200
#: Messages per second between two nodes.
RATE = 500
#: Seconds at the end of a load that are not counted.
MARGIN = 0.2
#: Longest time in seconds that a measurement waits for a quiet machine.
PATIENCE = 5
#: Clients that reconnect to each node in a second, on two cores that run everything.
PACE = 10
KINDS = ("ours", "stock")


def load(bench: Bench, kind: str, rate: float, seconds: float, used: int) -> dict:
    """Load the first `used` nodes and measure the CPU of all nodes meanwhile."""
    ports = ",".join(str(node.port) for node in bench.nodes[kind][:used])
    command = [sys.executable, "-m", "bench.load", "--ports", ports, "--tokens", str(bench.tokens)]
    command += ["--connections", str(CONNECTIONS), "--rate", str(rate), "--window", "4", "--warm", "4"]
    command += ["--seconds", str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout.readline() == "measuring\n", "the load client failed"
        *cpu, busy = bench.cpu_during(kind, seconds - MARGIN)
        result = json.loads(client.stdout.readline())
    share = (seconds - MARGIN) / seconds
    others = busy - sum(cpu) - result["client_cpu"] * share
    return {**result, "cpu": cpu, "others": others / (seconds - MARGIN) / (os.cpu_count() or 1)}


def measure(bench: Bench, kind: str, *, rate: float, seconds: float, used: int) -> dict:
    """Measure a quiet interval and one under load, and subtract the cost of an idle node."""
    wait_for_quiet(PATIENCE)
    with bench.idle_client(kind):
        time.sleep(1)
        *quiet, _ = bench.cpu_during(kind, seconds - MARGIN)
    with bench.idle_client(kind):
        result = load(bench, kind, rate, seconds, used)
    messages = result["messages"] * (seconds - MARGIN)
    extra = [loaded - idle for loaded, idle in zip(result["cpu"], quiet, strict=True)]
    result |= {"counted": seconds - MARGIN, "quiet": quiet, "us": [1e6 * one / messages for one in extra], "rate": rate}
    print(kind, used, json.dumps(result), flush=True)
    return result


def run(bench: Bench, rounds: int, seconds: float) -> dict:
    """Run all measurements: add nodes one by one; with three, measure idle node, latency and restart."""
    grown: list[tuple[str, int, dict]] = []
    between: list[tuple[str, dict]] = []
    for count in (1, 2, 3, 4):
        for kind in KINDS:
            bench.start(kind, count)
        if count == 3:
            between = [(kind, measure(bench, kind, rate=RATE, seconds=seconds, used=2)) for kind in KINDS * rounds]
        for kind in KINDS * (rounds - 2):
            result = measure(bench, kind, rate=0, seconds=seconds, used=count)
            grown.append((kind, count, result))
    for kind in KINDS:
        bench.start(kind, 0)
    return {"grown": grown, "between": between, "commit_ms": bench.bare_commit_ms(), "restarts": _restarts()}


def _restarts() -> list[tuple[str, dict]]:
    """Run rolling restarts at the default rate and at the rate that this machine can sustain."""
    default = Settings.model_fields["reconnects_per_second"].default
    found = [(f"{default} (default)", rolling_restart(default)) for _ in range(2)]
    return found + [(str(PACE), rolling_restart(PACE)) for _ in range(3)]


def main() -> None:
    """Measure everything and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imapp-cluster-") as folder:
        bench = Bench(Path(folder), USERS)
        try:
            measured = run(bench, options.rounds, options.seconds)
        finally:
            bench.stop()
    day = datetime.now(UTC).date().isoformat()
    text = cluster_report.write(day, measured, options.rounds, options.seconds)
    (options.out or ROOT / "bench" / "results" / f"{day}-cluster.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
