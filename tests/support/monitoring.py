"""Prometheus, exporters and Alertmanager from Debian's packages, and a receiver of alerts; own folders and ports."""

import json
import os
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import requests
import yaml

from tests.support.mariadb import MariaDb
from tests.support.ports import free_port, wait_for
from tests.support.server import ROOT

MONITORING = ROOT / "deploy/monitoring"


def program(name: str) -> str:
    """Return the path of an installed program."""
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/bin:/usr/sbin")
    assert found, f"{name} is missing: scripts/test_packages.sh names its Debian package"
    return found


class Daemon:
    """A program that is ready when `path` on its port answers with status 200."""

    def __init__(self, folder: Path, command: list[str], *, port: int, path: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.url = f"http://{self.address}"
        self._log = folder / "log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([program(command[0]), *command[1:]], cwd=folder, stdout=log, stderr=log)
        wait_for(lambda: self._answers(path), what=f"the start of {command[0]}")

    def _answers(self, path: str) -> bool:
        assert self._process.poll() is None, self._log.read_text()[-2000:]
        return requests.get(self.url + path, timeout=5).ok

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def stop(self) -> None:
        """Kill the process; its data is not needed afterwards."""
        self._process.kill()
        self._process.wait()


class RedisExporter(Daemon):
    """An exporter of the metrics of one Redis."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        port = free_port()
        command = ["prometheus-redis-exporter", "-redis.addr", redis_url, "-include-system-metrics"]
        super().__init__(folder, [*command, "-web.listen-address", f"127.0.0.1:{port}"], port=port, path="/metrics")


class MysqldExporter(Daemon):
    """An exporter of the metrics of one MariaDB or MySQL, with a read-only user."""

    def __init__(self, folder: Path, mariadb: MariaDb) -> None:
        port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        mariadb.query("CREATE USER IF NOT EXISTS exporter@'127.0.0.1' IDENTIFIED BY 'watching'")
        mariadb.query("GRANT PROCESS, SLAVE MONITOR, SELECT ON *.* TO exporter@'127.0.0.1'")
        options = folder / "my.cnf"
        options.write_text(f"[client]\nuser=exporter\npassword=watching\nhost=127.0.0.1\nport={mariadb.port}\n")
        command = ["prometheus-mysqld-exporter", f"--config.my-cnf={options}"]
        super().__init__(folder, [*command, f"--web.listen-address=127.0.0.1:{port}"], port=port, path="/metrics")


class Prometheus(Daemon):
    """Prometheus with the given configuration."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        command = ["prometheus", "--config.file=prometheus.yaml", "--storage.tsdb.path=data"]
        super().__init__(folder, [*command, f"--web.listen-address=127.0.0.1:{port}"], port=port, path="/-/ready")

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the current result of an expression; fail if it is invalid."""
        return self.get("/api/v1/query", query=expression)["result"]

    def get(self, path: str, **params: str) -> dict[str, Any]:
        """Return the data of an answer of the API."""
        answer = requests.get(self.url + path, params=params, timeout=30).json()
        assert answer["status"] == "success", (params, answer)
        return answer["data"]


class Alertmanager(Daemon):
    """Alertmanager with the given configuration."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "alertmanager.yaml").write_text(yaml.safe_dump(config))
        command = ["prometheus-alertmanager", "--config.file=alertmanager.yaml", "--storage.path=data"]
        command += ["--cluster.listen-address=", f"--web.listen-address=127.0.0.1:{port}"]
        super().__init__(folder, command, port=port, path="/-/ready")


class Receiver:
    """A webhook that keeps Alertmanager's notifications as (alert's name, its status, the alert)."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict[str, Any]]] = []
        told = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                told.extend((one["labels"]["alertname"], one["status"], one) for one in body["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                """Print no log line."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
