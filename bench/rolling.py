"""Run a rolling restart under load and count lost, doubled and reordered messages in clients that know every message.

The driver restarts the nodes like scripts/restart-cluster.sh, one by one, each drained (SIGTERM) and ready again
before the next one stops. The clients run in a separate process (rolling_clients.py).
"""

import json
import subprocess
import sys
import time

from bench.durable_sends import ROOT
from bench.nodes import Bench
from tests.support.server import Server

#: Messages per second, and number of users: half of them write to the other half.
RATE = 300
USERS = 240
#: Seconds of load before the first restart and after each one.
REST = 3


def rolling_restart(nodes: list[Server], bench: Bench) -> dict:
    """Restart all nodes under load; return the findings of the clients."""
    ports = ",".join(str(node.port) for node in nodes)
    command = [sys.executable, "-m", "bench.rolling_clients", "--ports", ports, "--tokens", str(bench.tokens)]
    command += ["--users", str(USERS), "--rate", str(RATE)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as clients:
        assert clients.stdout.readline() == "sending\n", "the clients failed"
        time.sleep(REST)
        seconds = [_restart(node) for node in nodes]
        clients.stdin.close()  # tells the clients to stop sending
        views = json.loads(clients.stdout.readline())
    stored = bench.mariadb.query(
        f"SELECT client_id FROM messages WHERE client_id LIKE '{views['run']}-%' ORDER BY conversation_id, seq",
        bench.database,
    )
    result = {**judge(views, [client_id for (client_id,) in stored]), "restart_seconds": seconds}
    print("rolling", json.dumps(result), flush=True)
    return result


def _restart(node: Server) -> tuple[float, float]:
    """Restart a node; return the seconds for stopping and for starting."""
    began = time.monotonic()
    node.stop()
    stopped = time.monotonic()
    node.start()
    node.wait_until_ready()
    ready = time.monotonic()
    time.sleep(REST)
    return round(stopped - began, 1), round(ready - stopped, 1)


def judge(views: dict, stored: list[str]) -> dict:
    """Compare acknowledged messages, the database's messages, and the messages of each receiver, in their orders."""
    seen = [client_id for view in views["seen"] for client_id in view]
    acked = views["acked"]
    return {
        "sent": views["sent"],
        "acked": len(acked),
        "stored": len(stored),
        "lost": len(set(acked) - set(stored)) + len(set(stored) - set(seen)),
        "doubled": len(stored) - len(set(stored)) + len(seen) - len(set(seen)),
        "reordered": _inversions(stored) + sum(_inversions(view) for view in views["seen"]),
        **{name: views[name] for name in views if name not in {"seen", "acked", "sent"}},
    }


def _inversions(client_ids: list[str]) -> int:
    """Count the messages that arrive after a later one of their sender (`run-sender-number`)."""
    last: dict[str, int] = {}
    found = 0
    for client_id in client_ids:
        sender, _, number = client_id.rpartition("-")
        found += int(number) <= last.get(sender, 0)
        last[sender] = max(last.get(sender, 0), int(number))
    return found
