"""The commands of the operator's manual, run unchanged, from top to bottom, on a cluster of their own.

Only blocks marked `sh` and commands in the first column of a table are run. Blocks marked `console` are for machines
with systemd, Docker or Kubernetes.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.clients.official import Device
from tests.support.cluster import Cluster, copy_with_environment
from tests.support.mariadb import MariaDb
from tests.support.ports import free_port
from tests.support.redis import RedisServer
from tests.support.server import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MANUAL = (ROOT / "docs/operations.md").read_text()
#: A grep that succeeds without a match, because no match is an answer too.
_GREP = 'grep() { command grep "$@" || [ $? = 1 ]; }\n'
#: Replacements that shorten long commands and answer prompts. The doctor may report faults of the test machine.
_SHORTER = {
    r"--connections \d+": "--connections 20",
    r"--rate \d+": "--rate 20",
    r"--seconds \d+": "--seconds 2 --warm-up 1 --ca $CERTIFICATE",
    r"--users \d+ --groups \d+": "--users 40 --groups 2",
    r"--groups 50": "--groups 2",
    r"--ramp": "--ramp --p99-bound 1",
    r"(scripts/im\.sh create-user)": r"printf 'correct horse battery\\n' | \1",
    r"(scripts/im\.sh doctor[^#\n]*)": r"{ \1 || [ $? -le 2 ]; } ",
    r"-h HOST -u imapp -p imapp": "$DATABASE",
}
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
_ROW = re.compile(r"^\| `((?:scripts/|redis-cli |mariadb |curl |nginx )[^`]*)` \|", re.MULTILINE)


def commands() -> list[tuple[int, str]]:
    """Return every command with its line number."""
    found = [match for pattern in (_BLOCK, _ROW) for match in pattern.finditer(MANUAL)]
    return sorted((MANUAL.count("\n", 0, match.start()) + 1, match.group(1)) for match in found)


class Machine:
    """A machine as the manual expects it: services at their usual addresses, an account and a message."""

    def __init__(self, folder: Path) -> None:
        self.has_people = False
        self.redis = RedisServer(folder / "redis")
        self.mariadb = MariaDb(folder / "mariadb")
        self.cluster = Cluster(copy_with_environment(folder / "imapp"), self.redis.url, self.mariadb.create_database())
        self.database = self.cluster.environ["DATABASE_URL"].rsplit("/", 1)[-1]
        self.cluster.environ = {
            name: value for name, value in self.cluster.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}
        }
        self.folder = folder
        (folder / "site").mkdir()
        self.site = folder / "site/imapp.conf"
        self.certificate = folder / "im.pem"
        self.port = free_port()
        self._shims()
        self._certificate()
        self.places = {
            "mysql://imapp:PASSWORD@127.0.0.1/imapp": f"mysql://root@127.0.0.1:{self.mariadb.port}/{self.database}",
            "redis://127.0.0.1:6379/0": self.redis.url + "/0",
            "/etc/nginx/conf.d/imapp.conf": str(self.site),
            "/etc/ssl/im.pem": str(self.certificate),
            "/etc/ssl/im.key": str(self.certificate),
            "/var/log/nginx/error.log": str(folder / "nginx-error.log"),
            "deploy/nginx/generate.py": f"deploy/nginx/generate.py --listen={self.port} {self._nodes()}",
            "https://im.example.com": f"https://127.0.0.1:{self.port}",
            "/var/backups": str(folder / "backups"),
            "10.0.0.0/8": "127.0.0.1",
        }
        (folder / "backups").mkdir()
        subprocess.run([self.shims / "nginx"], check=True)

    def _nodes(self) -> str:
        base = self.cluster.base
        return " ".join(f"--node=node-{k}=127.0.0.1:{base + 2 * k - 2}:{base + 2 * k - 1}" for k in (1, 2, 3))

    def _shims(self) -> None:
        """Write wrappers of client programs: they use this machine's ports in place of the usual ones."""
        self.shims = self.folder / "bin"
        self.shims.mkdir()
        nginx = self.folder / "nginx.conf"
        nginx.write_text(
            f"pid {self.folder}/nginx.pid; error_log {self.folder}/nginx-error.log; events {{}}\n"
            f"http {{ access_log off; include {self.site.parent}/*.conf; }}\n"
        )
        for name, options in {
            "redis-cli": f"-p {self.redis.port}",
            "mariadb": f"--no-defaults --host 127.0.0.1 --port {self.mariadb.port} --user root",
            "nginx": f"-p {self.folder} -e {self.folder}/nginx-error.log -c {nginx}",
        }.items():
            real = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
            assert real, f"{name} is missing"
            shim = self.shims / name
            shim.write_text(
                f'#!/bin/sh\n[ -f {self.site} ] && sed -i "s/listen 80;/listen {free_port()};/" {self.site}\n'
                f'exec {real} {options} "$@"\n'
            )
            shim.chmod(0o755)

    def _certificate(self) -> None:
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
        command += ["-addext", "subjectAltName=IP:127.0.0.1"]
        command += ["-keyout", self.certificate, "-out", self.folder / "certificate"]
        subprocess.run(command, check=True, capture_output=True)
        with self.certificate.open("ab") as both:
            both.write((self.folder / "certificate").read_bytes())

    def people(self) -> None:
        """Create what the examples mention: a user called alice, and message 1-1."""
        alice, bob = (Device.named(self, name) for name in ("alice", "bob"))
        conversation = alice.post("/api/conversations", {"user_id": bob.id})["id"]
        body = {"client_id": "first", "type": "text", "content": {"text": "hello"}}
        assert alice.post(f"/api/conversations/{conversation}/messages", body)["message"]["id"] == "1-1"

    def go_on_after(self, command: str) -> None:
        """Restore the state that the next commands of the manual expect."""
        if "scripts/stop-cluster.sh" in command or "im.sh drain" in command:
            self.run("scripts/start-cluster.sh")
        if not self.has_people and "scripts/start-cluster.sh" in command:
            self.has_people = True
            self.people()

    @property
    def url(self) -> str:
        """Return the first node's URL."""
        return self.cluster.url(1)

    def run(self, command: str) -> str:
        """Run a command of the manual with the names of this machine; return its output."""
        for name, value in self.places.items():
            command = command.replace(name, value)
        command = re.sub(r"127\.0\.0\.1:80(8[0-5])\b", self._node_address, command)
        for pattern, shorter in _SHORTER.items():
            command = re.sub(pattern, shorter, command)
        environ = self.cluster.environ | {
            "CERTIFICATE": str(self.certificate), "DATABASE": self.database,
            "PATH": f"{self.shims}:{os.environ['PATH']}:/usr/sbin",
        }  # fmt: skip
        ran = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", _GREP + command],
            cwd=self.cluster.folder, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=200, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, f"{command}\n{ran.stdout[-3000:]}"
        return ran.stdout

    def _node_address(self, found: re.Match) -> str:
        return f"127.0.0.1:{self.cluster.base + int(found[1]) - 80}"

    def stop(self) -> None:
        """Stop all services."""
        self.cluster.run("stop")
        subprocess.run([self.shims / "nginx", "-s", "stop"], check=False)
        self.mariadb.stop()
        self.redis.stop()


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path)
    yield machine
    machine.stop()


def test_every_command_of_the_manual_succeeds(machine):
    ran = 0
    for line, command in commands():
        try:
            printed = machine.run(command)
        except AssertionError as failure:
            raise AssertionError(f"docs/operations.md:{line}: {failure}") from None
        assert "Traceback" not in printed, f"docs/operations.md:{line}: {printed}"
        machine.go_on_after(command)
        ran += 1

    assert ran > 25
