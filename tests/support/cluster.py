"""A cluster on this machine, run like an operator's: with the project's scripts, in a copy of the project."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

from tests.support.copies import copy_project
from tests.support.ports import free_port
from tests.support.server import ROOT as PROJECT


def free_ports(count):
    """Return the first of `count` consecutive free ports."""
    while True:
        base = free_port()
        if base + count < 60_000 and all(_is_free(base + step) for step in range(count)):
            return base


def _is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Cluster:
    """A copy of the project with its scripts; `environ` may be changed between runs."""

    def __init__(self, folder: Path, redis_url: str, database_url: str, nodes: int = 3) -> None:
        self.folder = folder
        self.prefix: list[str] = []
        self.base = free_ports(2 * nodes)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("IM_", "COV_"))}
        self.environ = {
            **inherited, "CLUSTER_NODES": str(nodes), "CLUSTER_BASE_PORT": str(self.base), "REDIS_URL": redis_url,
            "DATABASE_URL": database_url, "IM_ENV": "test", "IM_RATE_LIMITS": "off", "START_TIMEOUT": "40",
        }  # fmt: skip

    def run(self, name: str, **environ: str) -> subprocess.CompletedProcess:
        """Run a script and wait for its end."""
        command = [*self.prefix, f"scripts/{name}-cluster.sh"]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def table(self) -> dict[str, list[str]]:
        """Return the table of the status script: node -> [pid, ports, state, uptime, connections, users, memory]."""
        lines = self.run("status").stdout.splitlines()[2:]
        return {words[0]: words[1:] for words in map(str.split, lines)}

    def url(self, number: int) -> str:
        """Return a node's URL."""
        return f"http://127.0.0.1:{self.base + 2 * (number - 1)}"

    def processes(self) -> list[str]:
        """Return the command lines of all processes that contain this copy's pid files."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = entry.read_bytes().decode(errors="replace")
            except OSError:
                continue
            if f"{self.folder}/run/node" in words:
                found.append(words)
        return found


def copy_with_environment(folder: Path) -> Path:
    """Copy the project; the copy uses this project's installed packages and modules, and its bytecode."""
    copy_project(folder)
    for cache in (PROJECT / "imapp").rglob("__pycache__"):
        shutil.copytree(cache, folder / cache.relative_to(PROJECT))
    (folder / ".venv").symlink_to(PROJECT / ".venv")
    shutil.copytree(PROJECT / "web/vendor", folder / "web/vendor", dirs_exist_ok=True)
    return folder
