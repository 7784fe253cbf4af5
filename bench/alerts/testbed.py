"""The environment of the alerts: the testbed of the fault drills, with exporters, Prometheus and Alertmanager."""

import time
from pathlib import Path

import yaml

from bench.alerts import hurried
from tests.drills import testbed as drills
from tests.drills.crowd import Shape
from tests.support.mariadb import MariaDb
from tests.support.monitoring import Alertmanager, MysqldExporter, Prometheus, Receiver, RedisExporter
from tests.support.redis import RedisServer
from tests.support.server import ROOT

#: Users online, above the minimum of the alerts about them: half of them write to the other half, 40 messages a second.
_SHAPE = Shape(groups=65, senders=1, readers=1, pause=65 / 40)

#: The usual heartbeat instead of the drills' short one, and a short patience with slow clients.
_ENVIRON = {
    "IM_CLUSTER_NAME": "drill",
    "IM_PING_INTERVAL_SECONDS": "25",
    "IM_PING_TIMEOUT_SECONDS": "20",
    "IM_SLOW_CLIENT_SECONDS": "2",
}


class Testbed(drills.Testbed):
    """See the module; `close` stops all processes."""

    def __init__(self, folder: Path) -> None:
        plan = drills.Plan(environ=tuple(_ENVIRON.items()), prepare=lambda testbed: testbed.put_proxy())
        super().__init__(folder, plan, _SHAPE)
        try:
            self._watch()
            self.crowd.start()
        except BaseException:
            self.close()
            raise

    def _start_redis(self) -> None:
        self.redis = RedisServer(self.folder / "redis", "--maxmemory", "200mb")
        self.at_end(self.redis.stop)

    def _start_database(self) -> None:
        self.mariadb = MariaDb(self.folder / "mariadb", "--innodb-lock-wait-timeout=1")
        self.at_end(self.mariadb.stop)
        self.database_url = self.mariadb.create_database()
        self.database = self.database_url.rpartition("/")[2]

    def put_proxy(self) -> None:
        """Put a proxy, which can be slowed down, between the first node and the database."""
        self.to_database = self.proxy(self.mariadb.port)
        url = self.database_url.replace(f":{self.mariadb.port}/", f":{self.to_database.port}/")
        self.environs["node-1"]["DATABASE_URL"] = url

    def again(self, number: int, **environ: str) -> None:
        """Restart a node with other settings."""
        node = self.nodes[number - 1]
        node.stop()
        node.environ = {**node.environ, **environ}
        node.start()

    def reconnect(self) -> None:
        """Break all clients' connections; each client connects to another node."""
        self.crowd.cut(self.crowd.people)

    def _watch(self) -> None:
        self.exporters = [RedisExporter(self.folder / "redis-exporter", self.redis.url)]
        self.exporters.append(MysqldExporter(self.folder / "mysqld-exporter", self.mariadb))
        for exporter in self.exporters:
            self.at_end(exporter.stop)
        self.receiver = self._closing.enter_context(Receiver())
        config = yaml.safe_load((ROOT / "deploy/monitoring/prometheus.yaml").read_text())
        receivers = [{"name": "drill", "webhook_configs": [{"url": self.receiver.url, "send_resolved": True}]}]
        route = {"receiver": "drill", "group_by": ["alertname"], "group_wait": "1s", "group_interval": "1s"}
        alertmanager = Alertmanager(self.folder / "alertmanager", {"route": route, "receivers": receivers})
        self.at_end(alertmanager.stop)
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
        self.at_end(self.prometheus.stop)

    def states(self, alert: str) -> list[str]:
        """Return the notifications of an alert, oldest first."""
        return [status for name, status, _ in list(self.receiver.told) if name == alert]

    def is_firing(self, alert: str) -> bool:
        """Return whether Prometheus reports the alert as firing now."""
        return bool(self.prometheus.query(f'ALERTS{{alertname="{alert}",alertstate="firing"}}'))

    def settle(self) -> None:
        """Wait until all clients are connected again, as after most drills."""
        self.wait(60, lambda: self.prometheus.query(f"sum(imapp_connections) >= {_SHAPE.users}"))

    def wait(self, seconds: float, until) -> float | None:
        """Return the seconds until the condition is true; None if it never was."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if until():
                return time.monotonic() - began
            time.sleep(0.5)
        return None
