"""The environment of the drills: three nodes under load, Redis, MariaDB, exporters, Prometheus, Alertmanager."""

import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import yaml

from bench.alerts import hurried
from tests.support import apps
from tests.support.mariadb import MariaDb
from tests.support.monitoring import Alertmanager, MysqldExporter, Prometheus, Receiver, RedisExporter
from tests.support.proxy import Proxy
from tests.support.redis import RedisServer
from tests.support.server import ROOT, Server

#: Users online, above the minimum of the alerts about them; messages a second of all users together.
PEOPLE = 130
RATE = 40


class Crowd:
    """Clients that write to each other, and reconnect to another node when theirs fails."""

    def __init__(self, field: "Field", people: int = PEOPLE) -> None:
        self._field = field
        self._people = people
        self._ended = threading.Event()
        self._may_come = threading.Event()
        self._may_come.set()
        self._process: subprocess.Popen | None = None
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self._thread.start()

    def _go_on(self) -> None:
        while not self._ended.is_set():
            self._may_come.wait()
            ports = ",".join(str(node.port) for node in self._field.living())
            command = [sys.executable, "-m", "bench.paced", "--ports", ports, "--tokens", str(self._field.tokens)]
            command += ["--connections", str(self._people), "--rate", str(RATE), "--seconds", "3600"]
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self._process.wait()
            self._ended.wait(1)

    def begin_again(self) -> None:
        """Reconnect to the running nodes."""
        if self._process is not None:
            self._process.kill()

    def rest(self) -> None:
        """Disconnect all clients until `come` is called."""
        self._may_come.clear()
        self.begin_again()

    def come(self) -> None:
        """Connect the clients again."""
        self._may_come.set()

    def stop(self) -> None:
        """Disconnect all clients for good."""
        self._ended.set()
        self.come()
        self.begin_again()
        self._thread.join()


class Field:
    """The environment that the module describes; `close` stops all its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._closing = ExitStack()
        self.redis = RedisServer(folder / "redis", "--maxmemory", "200mb")
        self._closing.callback(self.redis.stop)
        self.mariadb = MariaDb(folder / "mariadb", "--innodb-lock-wait-timeout=1")
        self._closing.callback(self.mariadb.stop)
        self.database_url = self.mariadb.create_database()
        self.database = self.database_url.rsplit("/", 1)[-1]
        apps.migrate(self.database_url, folder)
        self.to_database = Proxy(self.mariadb.port)
        self.nodes = [self.node(number) for number in (1, 2, 3)]
        self.tokens = folder / "tokens.txt"
        self.nodes[0].flask("im", "load-fixture", "--users", str(PEOPLE), "--out", str(self.tokens))
        self.exporters = [RedisExporter(folder / "redis-exporter", self.redis.url)]
        self.exporters.append(MysqldExporter(folder / "mysqld-exporter", self.mariadb))
        self.receiver = self._closing.enter_context(Receiver())
        self._watch()
        self.crowd = Crowd(self)

    def node(self, number: int, **environ: str) -> Server:
        """Start a node; the first one reaches the database through a proxy that can be slowed down."""
        url = self.database_url
        if number == 1:
            url = url.replace(f":{self.mariadb.port}/", f":{self.to_database.port}/")
        made = Server(
            self.folder / f"node-{number}",
            NODE_ID=f"node-{number}", REDIS_URL=self.redis.url, DATABASE_URL=url, SECRET_KEY="s" * 40,
            IM_CLUSTER_NAME="drill", IM_SLOW_CLIENT_SECONDS="2", **environ,
        )  # fmt: skip
        made.wait_until_ready(60)
        self._closing.callback(made.stop)
        return made

    def again(self, number: int, **environ: str) -> None:
        """Restart a node with other settings."""
        node = self.nodes[number - 1]
        node.stop()
        node.environ = {**node.environ, **environ}
        node.start()

    def living(self) -> list[Server]:
        """Return the nodes with a running process."""
        return [node for node in self.nodes if node.process is not None and node.process.poll() is None]

    def _watch(self) -> None:
        config = yaml.safe_load((ROOT / "deploy/monitoring/prometheus.yaml").read_text())
        receivers = [{"name": "drill", "webhook_configs": [{"url": self.receiver.url, "send_resolved": True}]}]
        route = {"receiver": "drill", "group_by": ["alertname"], "group_wait": "1s", "group_interval": "1s"}
        alertmanager = Alertmanager(self.folder / "alertmanager", {"route": route, "receivers": receivers})
        self._closing.callback(alertmanager.stop)
        (self.folder / "prometheus").mkdir()
        (self.folder / "prometheus/rules.yaml").write_text(yaml.safe_dump(hurried.rules()))
        targets = {
            "imapp": [f"127.0.0.1:{node.port}" for node in self.nodes],
            "redis": [self.exporters[0].address],
            "mysql": [self.exporters[1].address],
        }
        config["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = ["rules.yaml"]
        config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager.address]}]}]
        config["scrape_configs"] = [
            {**job, "static_configs": [{"targets": targets[job["job_name"]]}]}
            for job in config["scrape_configs"]
            if job["job_name"] in targets
        ]
        self.prometheus = Prometheus(self.folder / "prometheus", config)
        self._closing.callback(self.prometheus.stop)

    def states(self, alert: str) -> list[str]:
        """Return the notifications of an alert, oldest first."""
        return [status for name, status, _ in list(self.receiver.told) if name == alert]

    def is_firing(self, alert: str) -> bool:
        """Return whether Prometheus reports the alert as firing now."""
        return bool(self.prometheus.query(f'ALERTS{{alertname="{alert}",alertstate="firing"}}'))

    def settle(self) -> None:
        """Wait until all clients are connected again, as after most drills."""
        self.wait(60, lambda: self.prometheus.query(f"sum(imapp_connections) >= {PEOPLE}"))

    def wait(self, seconds: float, until) -> float | None:
        """Return the seconds until the condition is true; None if it never was."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if until():
                return time.monotonic() - began
            time.sleep(0.5)
        return None

    def close(self) -> None:
        """Stop everything."""
        self.crowd.stop()
        for exporter in self.exporters:
            exporter.stop()
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.kill()
        self._closing.close()
