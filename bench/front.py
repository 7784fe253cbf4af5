"""Measure how soon many official clients behind the generated Nginx are back after nodes fail, and at which nodes.

    python -m bench.front [--websocket 60] [--polling 20] [--away 60]

The benchmark starts its own MariaDB, Redis, Nginx, and three nodes by the cluster scripts in a copy of the project.
Four faults: `scripts/restart-cluster.sh`; kill -9 of a node, started again at once; a node stopped and started
again after `--away` seconds; a node frozen (SIGSTOP) for the same time. For each: the seconds from readiness until all
clients are connected, until each node has its share within 20 %, the longest time of a client without a node, and the
distribution.
"""

import argparse
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.cluster import Cluster, copy_with_environment
from tests.support.mariadb import MariaDb
from tests.support.nginx import Nginx
from tests.support.npm import NpmCrowd
from tests.support.ports import wait_for
from tests.support.redis import RedisServer

#: Seconds until the drill gives up waiting for clients.
_PATIENCE = 120


class Node:
    """Return the --node argument of generate.py for a node of the cluster scripts."""

    def __init__(self, cluster: Cluster, number: int) -> None:
        self.port = cluster.base + 2 * (number - 1)
        self.environ = {"NODE_ID": f"node-{number}", "SOCKETIO_PORT": str(self.port + 1)}


def processes(cluster: Cluster, number: int) -> list[int]:
    """Return the processes of a node, which name its pid file in their command lines."""
    mark = f"{cluster.folder}/run/node{number}.pid".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def signal_node(cluster: Cluster, number: int, which: signal.Signals) -> None:
    """Send a signal to all processes of a node."""
    for pid in processes(cluster, number):
        os.kill(pid, which)


def run(cluster: Cluster, name: str) -> None:
    """Run a cluster script; raise with its output if it fails."""
    ran = cluster.run(name)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def drill(title: str, crowd: NpmCrowd, fault: Callable[[], None]) -> None:
    """Run the fault, which ends when all nodes are ready, and print how the clients reconnected."""
    crowd.forget()
    fault()
    ready = time.monotonic()
    wait_for(lambda: crowd.state()["connected"] == crowd.size, _PATIENCE, f"{title}: the return of all")
    back = time.monotonic() - ready
    wait_for(lambda: crowd.is_whole(3), _PATIENCE, f"{title}: an even spread")
    spread = time.monotonic() - ready
    time.sleep(10)
    state = crowd.state()
    nodes = "/".join(str(count) for _, count in sorted(state["nodes"].items()))
    away = state["longest_away_ms"] / 1000
    print(f"| {title} | {back:.1f} | {spread:.1f} | {away:.1f} | {state['returns']} | {nodes} |", flush=True)


def faults(cluster: Cluster, away: float) -> dict[str, Callable[[], None]]:
    """Return the faults; each one ends when all nodes are ready."""

    def killed() -> None:
        signal_node(cluster, 2, signal.SIGKILL)
        run(cluster, "start")

    def stopped() -> None:
        signal_node(cluster, 3, signal.SIGKILL)
        time.sleep(away)
        run(cluster, "start")

    def frozen() -> None:
        signal_node(cluster, 1, signal.SIGSTOP)
        time.sleep(away)
        signal_node(cluster, 1, signal.SIGCONT)
        wait_for(lambda: cluster.run("status").returncode == 0, _PATIENCE, "readiness")

    return {
        "scripts/restart-cluster.sh": lambda: run(cluster, "restart"),
        "kill -9 of a node, started at once": killed,
        f"kill -9 of a node, started after {away:.0f} s": stopped,
        f"a node frozen for {away:.0f} s": frozen,
    }


def cluster_of(folder: Path, redis: RedisServer, mariadb: MariaDb, users: int) -> tuple[Cluster, list[str]]:
    """Start three nodes by the scripts; return the cluster and the tokens of `users` users."""
    project = copy_with_environment(folder / "project")
    cluster = Cluster(project, redis.url, mariadb.create_database())
    run(cluster, "start")
    command = ["scripts/im.sh", "load-fixture", "--users", str(users), "--out", str(folder / "users")]
    subprocess.run(command, cwd=project, env=cluster.environ, check=True, stdout=subprocess.DEVNULL)
    return cluster, [line.split()[0] for line in (folder / "users").read_text().splitlines()]


def main() -> None:
    """Run all faults, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--websocket", type=int, default=60, help="clients by WebSocket only")
    parser.add_argument("--polling", type=int, default=20, help="clients by polling only")
    parser.add_argument("--away", type=float, default=60, help="seconds during which a node is away")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="front") as name:
        folder = Path(name)
        redis, mariadb = RedisServer(folder / "redis"), MariaDb(folder / "mariadb")
        cluster, tokens = cluster_of(folder, redis, mariadb, options.websocket + options.polling)
        front = Nginx(folder / "nginx", [Node(cluster, number) for number in (1, 2, 3)]).start()
        crowd = NpmCrowd(front.url, tokens, websocket=options.websocket)
        try:
            wait_for(lambda: crowd.is_whole(3), _PATIENCE, "all clients")
            print("| fault | all back after s | spread after s | longest away s | reconnects | clients by node |")
            print("|---|---|---|---|---|---|")
            for title, fault in faults(cluster, options.away).items():
                drill(title, crowd, fault)
        finally:
            crowd.close()
            front.stop()
            cluster.run("stop")
            mariadb.stop()
            redis.stop()


if __name__ == "__main__":
    main()
