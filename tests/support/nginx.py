"""A private Nginx with its own folder and ports and the configuration from deploy/nginx/generate.py."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.support.ports import free_port, wait_for
from tests.support.server import ROOT

GENERATE = ROOT / "deploy/nginx/generate.py"

#: Path that opens a session by polling.
HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


def generate(*options: str) -> str:
    """Return the output of the generator."""
    ran = subprocess.run([sys.executable, GENERATE, *options], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def redirect_elsewhere(text):
    """Move the redirecting server from port 80 to a port that the test may use."""
    return text.replace("listen 80;", f"listen {free_port()};")


def _address(node) -> str:
    """Return the node's address as NAME=HOST:PORT[:SOCKETIO_PORT]."""
    environ = node.environ
    second = f":{environ['SOCKETIO_PORT']}" if "SOCKETIO_PORT" in environ else ""
    return f"{environ.get('NODE_ID', 'node-1')}=127.0.0.1:{node.port}{second}"


class Nginx:
    """An Nginx in front of `nodes`; `options` go to the generator, `edit` may change its output."""

    def __init__(self, folder: Path, nodes, *options: str, edit=lambda text: text, certificate: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.certificate = certificate
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        names = [f"--node={_address(node)}" for node in nodes]
        self.config = folder / "nginx.conf"
        if certificate:
            options += (f"--tls-certificate={certificate}", f"--tls-key={certificate}")
        self.config.write_text(edit(generate(*names, f"--full={folder}", f"--listen={self.port}", *options)))
        self.process: subprocess.Popen | None = None

    @staticmethod
    def _program() -> str:
        found = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
        assert found, "nginx is missing: apt-get install nginx (scripts/test.sh does it)"
        return found

    def _command(self, *options: str) -> list[str]:
        return [
            self._program(),
            "-p",
            str(self.folder),
            "-e",
            str(self.folder / "error.log"),
            "-c",
            str(self.config),
            *options,
        ]

    def check(self) -> str:
        """Run `nginx -t`; return its errors and warnings, or "" if there are none."""
        ran = subprocess.run(self._command("-t"), capture_output=True, text=True, check=False)
        return "" if ran.returncode == 0 and "[warn]" not in ran.stderr else ran.stderr

    def start(self) -> "Nginx":
        """Start and wait until it serves."""
        with (self.folder / "out").open("ab") as out:
            self.process = subprocess.Popen(self._command("-g", "daemon off;"), stdout=out, stderr=out)
        wait_for(self._serves, what="the start of Nginx")
        return self

    def _serves(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "out").read_text()
        # Its certificate may be self-signed by the test.
        return requests.get(self.url + "/actuator/health/liveness", verify=self.certificate or True, timeout=5).ok

    @property
    def workers(self) -> set[int]:
        """The process ids of its workers."""
        assert self.process is not None
        pid = self.process.pid
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    def reload(self) -> None:
        """Reload the configuration, like an operator's `nginx -s reload`."""
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """Stop Nginx."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


@pytest.fixture
def nginx(tmp_path):
    """Provide `nginx(nodes, *options, edit=..., certificate=...)`, which starts an Nginx."""
    started = []

    def start(nodes, *options, **kwargs):
        started.append(Nginx(tmp_path / f"nginx{len(started)}", nodes, *options, **kwargs).start())
        return started[-1]

    yield start
    for one in started:
        one.stop()
