"""`flask im bench` in a process of its own, as an operator runs it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.server import ROOT

#: Options of a short run that does not overload a machine busy with other tests.
DEFAULTS = {"connections": 20, "connect-rate": 200, "rate": 50, "seconds": 2, "warm-up": 0.5, "patience": 20}


@dataclass
class Ran:
    """The result of a run."""

    code: int
    out: str
    err: str
    report: dict[str, Any] | None


class Bench:
    """One run of the command; in `options` a list repeats an option, and True stands for a flag."""

    def __init__(self, folder: Path, *urls: str, **options: Any) -> None:
        self.json = folder / "report.json"
        given = {**DEFAULTS, "json": self.json, "url": list(urls), **options}
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "im", "bench"]
        for name, value in given.items():
            option = "--" + name.replace("_", "-")
            if value is True:
                command.append(option)
            else:
                for one in value if isinstance(value, list) else [value]:
                    command += [option, str(one)]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("IM_")}
        environ |= {"IM_DATA_DIR": str(folder / "client"), "IM_ENV": "test"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environ, text=True, **pipes)

    def wait_for_line(self, words: str) -> None:
        """Wait until a line of the progress output contains `words`."""
        for line in self.process.stderr:
            if words in line:
                return
        raise AssertionError(f"the command ended without the line {words}: {self.process.stdout.read()}")

    def wait(self, seconds: float = 90) -> Ran:
        """Wait for the end; return the result."""
        out, err = self.process.communicate(timeout=seconds)
        report = json.loads(self.json.read_text()) if self.json.exists() else None
        return Ran(self.process.returncode, out, err, report)


def users_of(server: Any, folder: Path, users: int, groups: int = 0, size: int = 0) -> Path:
    """Make users in a server's database; return the file with their tokens."""
    path = folder / "users"
    arguments = ["--users", str(users), "--out", str(path)]
    if groups:
        arguments += ["--groups", str(groups), "--group-size", str(size)]
    server.flask("im", "load-fixture", *arguments)
    return path
