"""The table: a line for each drill, on the terminal and in Markdown with a description of the machine."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.drills.drill import Result

HEAD = (
    "drill",
    "injected",
    "healed after",
    "calm",
    "caught up",
    "presence right",
    "lost",
    "doubled",
    "reordered",
    "verdict",
    "notes",
)

#: Width of each column on the terminal; the notes follow.
_WIDTHS = (12, 47, 12, 6, 9, 14, 4, 7, 9, 7)

_PAGE = """# Fault drills, {day}

Command: `{command}`. {passed} of {count} passed.

Machine: {machine}.

{words}

{table}
"""

#: What the columns mean, for readers of the report alone.
_WORDS = """Three nodes with a real Redis and MariaDB for each drill, {crowd}. *Healed after*: seconds from the end of
the fault (of a kill: from the kill) until all clients were connected and every reader had been pushed a message sent
at another node. *Calm*: the same, measured just before without a fault: senders pause, and other work on the machine
takes time; a drill's bound is counted on top of it. *Caught up*: until every reader had seen all messages acknowledged
before. *Presence right*: until every node reported exactly the connected users as online. *Lost*, *doubled*,
*reordered*: messages, in the database or on any reader's screen, after all had synced. A drill fails if its fault had
no visible effect. "-": the drill is a test of the suite, which does not measure this."""


def cells(result: Result) -> list[str]:
    """Return the cells of one line of the table."""
    verdict = result.verdict
    counts = [str(one) for one in (verdict.lost, verdict.doubled, verdict.reordered)] if verdict else ["-"] * 3
    times = [
        "-" if one is None else f"{one:.1f} s" for one in (result.healed, result.calm, result.caught_up, result.present)
    ]
    state = "pass" if result.passed else "FAIL"
    return [result.name, result.injected, *times, *counts, state, "; ".join(result.notes)]


def line(texts: Iterable[str]) -> str:
    """Format the cells as one line for the terminal, in columns."""
    *columns, notes = texts
    return " ".join(f"{text:<{width}}" for text, width in zip(columns, _WIDTHS, strict=True)) + " " + notes


def page(results: Iterable[Result], command: str, crowd: str) -> str:
    """Return the whole report in Markdown."""
    rows = [cells(result) for result in results]
    table = [HEAD, ["---"] * len(HEAD), *([text.replace("|", "\\|") for text in row] for row in rows)]
    return _PAGE.format(
        day=datetime.now(UTC).date(),
        command=command,
        passed=sum(row[-2] == "pass" for row in rows),
        count=len(rows),
        machine=_machine(),
        words=_WORDS.format(crowd=crowd),
        table="\n".join("| " + " | ".join(row) + " |" for row in table),
    )


def _machine() -> str:
    cpus = [one for one in Path("/proc/cpuinfo").read_text().splitlines() if one.startswith("model name")]
    packages = ", ".join(f"{name} {version(name)}" for name in ("gunicorn", "gevent", "python-socketio", "websockets"))
    programs = [_says("redis-server", "--version"), _says("mariadbd", "--version"), _says("nginx", "-v")]
    name = cpus[0].partition(":")[2].strip() if cpus else platform.machine()
    load = f"load average at the end {os.getloadavg()[1]:.1f}"
    return (
        f"{os.cpu_count()} cores, {name}; {load}; Python {platform.python_version()}; {packages}; {'; '.join(programs)}"
    )


def _says(program: str, option: str) -> str:
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
    if found is None:
        return f"no {program}"
    ran = subprocess.run([found, option], capture_output=True, text=True, check=False)
    return (ran.stdout + ran.stderr).strip().splitlines()[0]
