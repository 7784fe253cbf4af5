"""The servers of the cluster benchmark: our nodes and stock ones, one Redis, one MariaDB, and their CPU."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pymysql
import requests

from bench.durable_sends import ROOT, SECRET, WORKER
from tests.support.clients.raw import RawSocket
from tests.support.mariadb import MariaDb
from tests.support.ports import wait_for
from tests.support.redis import RedisServer
from tests.support.server import Server

_NS = 1e9


class StockNode(Server):
    """A node of bench/stock/queue_app.py under the same gunicorn."""

    def start(self) -> None:
        """Start the node and wait until it serves."""
        command = [sys.executable, "-m", "gunicorn", "-c", "/dev/null", "--no-control-socket", "-k", WORKER]
        command += [
            "-w",
            "1",
            "--worker-connections",
            "10000",
            "-b",
            f"127.0.0.1:{self.port}",
            "bench.stock.queue_app:app",
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environ, stdout=log, stderr=log)
        wait_for(self._serves, what="the start of a stock node")

    def _serves(self) -> bool:
        return requests.get(f"{self.url}/socket.io/?EIO=4&transport=polling", timeout=5).ok


class Bench:
    """Redis, MariaDB and the requested number of nodes of each kind."""

    def __init__(self, folder: Path, users: int) -> None:
        self.folder = folder
        self.redis = RedisServer(folder / "redis")
        self.mariadb = MariaDb(folder / "mariadb")
        self.nodes: dict[str, list[Server]] = {"ours": [], "stock": []}
        self.tokens = folder / "tokens"
        url = self.mariadb.create_database()
        self.database = url.rpartition("/")[2]
        self._environ = {
            "DATABASE_URL": url, "REDIS_URL": self.redis.url, "IM_LOG_LEVEL": "WARNING",
            "SECRET_KEY": SECRET, "STOCK_SECRET": SECRET, "STOCK_REDIS_URL": self.redis.url,
        }  # fmt: skip
        self._prepare(users)

    def _prepare(self, users: int) -> None:
        """Create tables and users."""
        environ = {"PATH": "/usr/bin:/bin", "IM_ENV": "test", "IM_DATA_DIR": str(self.folder / "data"), **self._environ}
        del environ["REDIS_URL"]
        for arguments in (["db", "upgrade"], ["im", "load-fixture", "--users", str(users), "--out", str(self.tokens)]):
            command = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
            subprocess.run(command, cwd=ROOT, env=environ, check=True, stdout=subprocess.DEVNULL)

    def start(self, kind: str, count: int) -> list[Server]:
        """Start or stop nodes of a kind until there are `count`."""
        nodes = self.nodes[kind]
        while len(nodes) > count:
            nodes.pop().stop()
        while len(nodes) < count:
            name = f"node-{len(nodes) + 1}"
            made = (Server if kind == "ours" else StockNode)(self.folder / kind / name, NODE_ID=name, **self._environ)
            nodes.append(made)
            if kind == "ours":
                made.wait_until_ready()
        return nodes

    def stop(self) -> None:
        """Stop everything."""
        for kind in self.nodes:
            self.start(kind, 0)
        self.mariadb.stop()
        self.redis.stop()

    def cpu(self, kind: str) -> list[float]:
        """Return the CPU seconds so far of each node's worker, Redis, MariaDB and the whole machine, in this order."""
        workers = [node.worker for node in self.nodes[kind]]
        return [*map(cpu_seconds, [*workers, self.redis.process.pid, self.mariadb.process.pid]), busy_seconds()]

    def cpu_during(self, kind: str, seconds: float) -> list[float]:
        """Return the CPU seconds used in the next `seconds`."""
        before = self.cpu(kind)
        time.sleep(seconds)
        return [after - start for after, start in zip(self.cpu(kind), before, strict=True)]

    def bare_commit_ms(self) -> float:
        """Measure the insert and commit of one row by one connection, the minimum time of every durable write."""
        with closing(pymysql.connect(host="127.0.0.1", port=self.mariadb.port, user="root", autocommit=True)) as link:
            cursor = link.cursor()
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {self.database}.bare (id BIGINT PRIMARY KEY AUTO_INCREMENT)")
            took = []
            for _ in range(500):
                began = time.perf_counter()
                cursor.execute(f"INSERT INTO {self.database}.bare VALUES ()")
                took.append(time.perf_counter() - began)
        return 1000 * statistics.median(took)

    @contextmanager
    def idle_client(self, kind: str) -> Iterator[None]:
        """Connect the last user to the last node."""
        token = self.tokens.read_text().splitlines()[-1].split()[0]
        client = RawSocket(self.nodes[kind][-1].url)
        client.log_in(token)
        try:
            yield
        finally:
            client.close()


def busy_seconds() -> float:
    """Return the CPU seconds that the whole machine has used so far."""
    user, nice, system, _idle, _wait, *rest = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def wait_for_quiet(seconds: float, most: float = 0.12) -> None:
    """Wait until no other work uses the machine, for a limited time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = busy_seconds()
        time.sleep(2)
        if busy_seconds() - before < most * 2 * (os.cpu_count() or 1):
            return


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of all threads of a process by the scheduler's clock; /proc/PID/stat counts in 10 ms."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / _NS
