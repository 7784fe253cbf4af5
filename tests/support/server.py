"""The product as scripts/run.sh starts it, in a process of its own, on a database that has its tables already."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.support.ports import free_port, wait_for

ROOT = Path(__file__).resolve().parents[2]

#: To run the same tests on the other transport: IM_TEST_TRANSPORT=stock scripts/test.sh tests/realtime
TRANSPORT = os.environ.get("IM_TEST_TRANSPORT")

engine_only = pytest.mark.skipif(TRANSPORT == "stock", reason="the stock transport lacks this (decision 22)")


class Server:
    """A node. `environ` overrides the defaults: SQLite in `folder`, no rate limits and no second factors."""

    #: Words put before the command, to run the node in a wrapper.
    wrapper: tuple[str, ...] = ()
    #: Words appended to the command.
    arguments: tuple[str, ...] = ()

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://{environ.get('HOST', '127.0.0.1')}:{self.port}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("IM_")}
        environ = {"IM_TRANSPORT": TRANSPORT, **environ} if TRANSPORT else environ
        self.environ = {
            **inherited, "IM_DATA_DIR": str(folder / "data"), "IM_ENV": "test", "IM_RATE_LIMITS": "off",
            "IM_ADMIN_SECOND_FACTOR": "off", "HOST": "127.0.0.1", "PORT": str(self.port), **environ,
        }  # fmt: skip
        self.process: subprocess.Popen | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.start()

    def flask(self, *arguments: str, stdin: str = "") -> str:
        """Run a `flask` command with the server's settings; return its output."""
        command = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
        ran = subprocess.run(
            command, cwd=ROOT, env=self.environ, input=stdin, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def start(self) -> None:
        """Start the node and wait until it serves."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, sys.executable, "-m", "gunicorn", *self.arguments],
                cwd=ROOT,
                env=self.environ,
                stdout=log,
                stderr=log,
            )
        try:
            wait_for(self._serves, 120, "the start of the server")
        except BaseException:
            self.process.kill()  # no fixture knows this server yet
            raise

    def _serves(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        return requests.get(self.url + "/actuator/health/liveness", timeout=5).ok

    @property
    def is_ready(self) -> bool:
        """Whether the node's readiness probe succeeds."""
        return requests.get(self.url + "/actuator/health/readiness", timeout=10).ok

    def wait_until_ready(self, seconds: float = 60) -> None:
        """Wait until the node is ready: connected to everything that it needs."""
        wait_for(lambda: self.is_ready, seconds, f"readiness of {self.environ.get('NODE_ID', 'the node')}")

    @property
    def log(self) -> str:
        """The whole log so far."""
        return (self.folder / "log").read_text()

    @property
    def worker(self) -> int:
        """The process id of gunicorn's worker."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def kill(self) -> None:
        """Kill master and worker with SIGKILL, as a power failure would end them."""
        assert self.process is not None
        worker = self.worker
        self.process.kill()
        os.kill(worker, signal.SIGKILL)
        self.process.wait()
        wait_for(lambda: not Path(f"/proc/{worker}").exists() or _is_zombie(worker), what="the end of the worker")

    def freeze(self) -> None:
        """Freeze the worker: it stops answering and closes nothing."""
        os.kill(self.worker, signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume the frozen worker."""
        os.kill(self.worker, signal.SIGCONT)

    def stop(self) -> None:
        """Stop the node with SIGTERM, as an operator does; kill it and raise after a minute."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


def stop_all(servers: list[Server]) -> None:
    """Stop the nodes together: each waits a second for gunicorn's loop."""
    for server in servers:
        if server.process is not None and server.process.poll() is None:
            server.process.terminate()
    for server in servers:
        server.stop()


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "Z"
